"""Sources that serve anything but the right document: at the join a sentence, later the last good copy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support.machines import Crew, Machine, made_up_cids
from support.told_source import ToldSource, told_source

pytestmark = pytest.mark.slow


def _faults(good: bytes, source: ToldSource) -> dict[str, Callable[[], None]]:
    def serve(body: bytes) -> Callable[[], None]:
        def tell() -> None:
            source.body, source.redirect_to = body, ""

        return tell

    def loop() -> None:
        source.redirect_to = source.url

    return {
        "web page": serve(b"<!DOCTYPE html><html><body>Please log in</body></html>"),
        "256": serve(b"#" * 10_000_000),
        "empty": serve(b""),
        "redirect": loop,
        "signature": serve(good.replace(b'name = "archive"', b'name = "archivE"')),
        "end": serve(good[:-60]),
    }


def test_faulty_sources_are_refused_at_the_join_and_ignored_later(crew: Crew) -> None:
    curator, follower = crew.machine("curator"), crew.machine("follower")
    made = curator.create("archive")
    curator.serve("archive")
    curator.run("pin", "add", *made_up_cids(3, "source"))
    older, newer = (_published(curator, crew.folder / f"{number}.toml") for number in (1, 2))
    follower.run_daemon()
    with told_source() as source:
        faults = _faults(newer, source)
        for words, tell in faults.items():
            tell()
            said = follower.follow(source.url, code=1)
            assert words.lower() in said.err.lower(), said
            assert len(said.err.splitlines()) <= 2, said
        source.body, source.redirect_to = newer, ""
        other = "0" * 64
        said = follower.follow(f"{source.url}#{other}", code=1)
        assert made["id"] in said.err and "not the one you named" in said.err
        assert follower.json("status")["clusters"] == []
        assert list(follower.home.clusters.glob("*")) == []

        assert "first fetch" in follower.follow(source.url).err
        follower.until("archive", lambda summary: summary.pins.total == 3, "the list arrives")
        revision = follower.json("source", "show")["revision"]
        for words, tell in faults.items():
            tell()
            shown = follower.json("source", "show")
            assert shown["revision"] == revision and shown["state"] in ("cached", "unreachable"), (words, shown)
            assert words.lower() in shown["text"].lower() and "copy" in shown["text"], (words, shown)
        source.body, source.redirect_to = older, ""
        shown = follower.json("source", "show")
        assert (shown["state"], shown["revision"]) == ("older", revision)
        assert f"revision {revision - 1}" in shown["text"]
        assert "older revision" in follower.run("source", "show").out
        assert "config_changed" in str(follower.json("status"))
        source.body = newer
        assert follower.json("source", "show")["state"] == "current"
        assert follower.summary("archive").reasons  # type: ignore[union-attr]

    follower.stop()
    follower.run_daemon()
    text = follower.until_reason("archive", "source_unreachable")
    assert "copy from" in text.lower()
    follower.until("archive", lambda summary: summary.curators.connected == 1, "it follows all the same")


def test_a_silent_source_is_given_up_in_time_and_followed_without(crew: Crew) -> None:
    curator = crew.machine("curator")
    follower = crew.machine("follower", PINCREW_SOURCE_TIMEOUT="1s")
    curator.create("archive")
    curator.serve("archive")
    with told_source() as source:
        source.body = _published(curator, crew.folder / "archive.toml")
        source.is_silent = True
        said = follower.follow(source.url, code=1)
        assert "did not deliver within 1 s" in said.err and source.url in said.err
        assert follower.home.joined() == []

        source.is_silent = False
        follower.follow(source.url)
        source.is_silent = True
        shown = follower.json("source", "show")
        assert shown["state"] == "unreachable"
        assert "within 1 s" in shown["text"] and "copy" in shown["text"]
        follower.until("archive", lambda summary: summary.curators.connected == 1, "it follows all the same")


def _published(curator: Machine, path: Path) -> bytes:
    curator.run("publish", "-o", str(path))
    return path.read_bytes()


def test_what_changes_what_was_agreed_waits_is_shown_and_is_decided(crew: Crew) -> None:
    curator, follower = crew.machine("curator"), crew.machine("follower")
    document = crew.folder / "vault.toml"
    made = curator.create("vault", "--closed")
    curator.serve("vault")
    curator.run("publish", "-o", str(document))
    follower.follow(str(document), "--secret-file", made["secret"])
    assert "No config document waits" in follower.run("source", "diff").out

    curator.run("publish", "-o", str(document), "--force-secret")
    follower.stop()
    follower.run_daemon()
    assert "waits for your word" in follower.until_reason("vault", "config_changed")
    shown = follower.run("source", "diff")
    first, *rest = shown.out.splitlines()
    assert first == "the private network key inside the document is another one", "the gravest comes first"
    assert "revision: 1 before, 2 now" in rest and not any("('" in line for line in rest)
    assert "source accept" in shown.err
    assert "--yes" in follower.run("source", "accept", code=2).err
    follower.run("source", "accept", "--yes")
    assert follower.json("source", "show")["revision"] == 2
    assert "No config document waits" in follower.run("source", "diff").out
