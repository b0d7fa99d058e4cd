"""Asking the source again: what changes on disk, and what is said."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pincrew.follow.copies import Note, document_in_force, keep_in_force, pending_document, read_note
from pincrew.follow.refreshing import Refreshed, accept_pending, refresh, reject_pending
from pincrew.follow.source import parse_source

from pincrew.config_document import ConfigDocument, parse, render
from pincrew.errors import NotFound
from pincrew.files import private_folder
from pincrew.keys import SigningKey
from pincrew.paths import ClusterPaths
from pincrew.trust import TrustChain
from pincrew.verdict import NeedsConsent, NotCovered, Older, OtherCluster, Same, TrustForked, Update
from support import sources
from support.signers import CURATOR, OWNER, SECOND_CURATOR, STRANGER, chain, first, following
from support.sources import Answer, run, web_server

HOUR_MS = 3_600_000


def made(signer: SigningKey = CURATOR, trust: TrustChain | None = None, **changes: Any) -> ConfigDocument:
    values: dict[str, Any] = {"name": "crew", "revision": 5, "issued": 0, **changes}
    return parse(render(signer, trust or chain(), **values))


@pytest.fixture
def paths(tmp_path: Path) -> ClusterPaths:
    folder = ClusterPaths(private_folder(tmp_path / "crew"))
    keep_in_force(folder, made(), Note(1 * HOUR_MS, '"v5"'))
    return folder


def asked(
    paths: ClusterPaths,
    answer: Answer,
    trust: TrustChain | None = None,
    check: Callable[[sources.WebServer], Awaitable[None]] | None = None,
) -> Refreshed:
    results = []

    async def test() -> None:
        async with web_server(answer) as server:
            source = parse_source(server.url, Path("/"))
            results.append(await refresh(paths, source, trust or chain(), gateway="", now_ms=3 * HOUR_MS))
            if check:
                await check(server)

    run(test)
    return results[0]


def test_an_unchanged_source_costs_no_transfer(paths: ClusterPaths) -> None:
    async def check(server: sources.WebServer) -> None:
        assert 'if-none-match: "v5"' in server.requests[0].lower()

    result = asked(paths, sources.document_with_etag(made().raw, '"v5"'), check=check)
    assert result == Refreshed(made(), chain(), Same(chain()))
    assert read_note(paths, made()) == Note(3 * HOUR_MS, '"v5"')


def test_the_same_document_under_another_etag_is_no_news(paths: ClusterPaths) -> None:
    result = asked(paths, sources.document_with_etag(made().raw, '"v6"'))
    assert isinstance(result.verdict, Same)
    assert read_note(paths, made()).etag == '"v6"'


def test_a_newer_revision_is_put_in_force(paths: ClusterPaths) -> None:
    new = made(revision=6, name="new")
    result = asked(paths, sources.document_with_etag(new.raw, '"v6"'))
    assert isinstance(result.verdict, Update)
    assert result.document == document_in_force(paths) == new
    assert read_note(paths, new) == Note(3 * HOUR_MS, '"v6"')


def test_an_older_revision_is_ignored_and_named(paths: ClusterPaths) -> None:
    result = asked(paths, sources.document_with_etag(made(revision=2).raw, '"v2"'))
    assert isinstance(result.verdict, Older)
    assert result.code == "config_changed"
    assert "revision 2" in result.text
    assert document_in_force(paths) == made()
    assert read_note(paths, made()).etag == '"v5"'


def test_another_cluster_leaves_the_old_document_in_force(paths: ClusterPaths) -> None:
    result = asked(paths, sources.body(made(trust=chain(first(salt=bytes(16)))).raw))
    assert isinstance(result.verdict, OtherCluster)
    assert document_in_force(paths) == made()
    assert pending_document(paths) is None


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (sources.body(b"<html>"), "config_from_cache", "web page"),
        (sources.body(made(revision=9).raw[:-9]), "config_from_cache", "cut short"),
        (sources.body(made(revision=9).raw.replace(b"revision = 9", b"revision = 8")), "config_from_cache", "not fit"),
        (sources.endless(), "config_from_cache", "256 KiB"),
        (sources.silence(), "source_unreachable", "within 30 s"),
        (sources.body(b"", status="503 Busy"), "source_unreachable", "503"),
        (sources.redirect("/"), "source_unreachable", "5 times"),
    ],
)
def test_a_bad_source_leaves_the_last_good_copy_in_force(
    paths: ClusterPaths, answer: Answer, code: str, words: str
) -> None:
    result = asked(paths, answer)
    assert (result.document, result.chain, result.verdict, result.code) == (made(), chain(), None, code)
    assert words in result.text
    assert "The copy from 2 hours ago is used." in result.text
    assert read_note(paths, made()) == Note(1 * HOUR_MS, '"v5"')


def test_newer_trust_records_come_with_any_document(paths: ClusterPaths) -> None:
    longer = chain().extended(following(first(), curators=[CURATOR, SECOND_CURATOR]))
    assert asked(paths, sources.body(made(revision=6, trust=longer).raw)).chain == longer


def test_a_document_of_a_revoked_curator_waits_for_the_user(paths: ClusterPaths) -> None:
    in_force = chain().extended(following(first(), curators=[SECOND_CURATOR]))
    replayed = made(revision=9)
    result = asked(paths, sources.body(replayed.raw), in_force)
    assert isinstance(result.verdict, NotCovered)
    assert result.code == "config_changed"
    assert "source diff" in result.text
    assert document_in_force(paths) == made()
    assert pending_document(paths) == replayed


def test_another_network_key_waits_until_accepted(tmp_path: Path) -> None:
    closed = chain(first(is_open=False))
    paths = ClusterPaths(private_folder(tmp_path / "closed"))
    keep_in_force(paths, made(trust=closed), Note())
    new = made(trust=closed, revision=6, secret=bytes(32), is_secret_forced=True)
    assert isinstance(asked(paths, sources.body(new.raw), closed).verdict, NeedsConsent)
    assert accept_pending(paths, now_ms=7) == new
    assert document_in_force(paths) == new
    assert pending_document(paths) is None


def test_a_rejected_document_is_not_asked_about_again(paths: ClusterPaths) -> None:
    in_force = chain().extended(following(first(), curators=[SECOND_CURATOR]))
    asked(paths, sources.body(made(revision=9).raw), in_force)
    reject_pending(paths)
    again = asked(paths, sources.body(made(revision=9).raw), in_force)
    assert again.code == ""
    assert pending_document(paths) is None
    assert asked(paths, sources.body(made(revision=10).raw), in_force).code == "config_changed"


def test_nothing_waits_for_a_word_where_nothing_waits(paths: ClusterPaths) -> None:
    with pytest.raises(NotFound):
        accept_pending(paths, now_ms=0)
    with pytest.raises(NotFound):
        reject_pending(paths)


def test_a_fork_of_the_trust_records_is_said(paths: ClusterPaths) -> None:
    one, other = following(first(), curators=[CURATOR]), following(first(), curators=[CURATOR, STRANGER])
    in_force = chain().extended(one)
    result = asked(paths, sources.body(made(OWNER, chain().extended(other), revision=9).raw), in_force)
    assert isinstance(result.verdict, TrustForked)
    assert result.code == "trust_conflict"
    assert result.chain.conflict
    assert document_in_force(paths) == made()
