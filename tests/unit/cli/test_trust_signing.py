"""Keys found or named, records that wait for more owners, and putting them in force."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pincrew.files import private_folder, write_file
from pincrew.identity import create_key, load_key
from pincrew.keys import SigningKey, peer_id
from pincrew.paths import ClusterPaths
from pincrew.trust import TrustChain
from pincrew.trust_change import with_more
from pincrew.trust_proposal import parse_proposal, propose, render_proposal
from pincrew.trust_view import kept_trust
from support.fake_daemon import FakeDaemon
from support.shell import Shell
from unit.cli.test_trust import NEW, answering


def of_two_owners(paths: ClusterPaths, second: SigningKey) -> TrustChain:
    chain = kept_trust(paths)
    record = with_more(chain, owners=[second.public], threshold=2)
    return chain.extended(record.signed(load_key(paths.owner)))


def test_a_record_waits_in_a_file_until_enough_owners_have_signed(
    shell: Shell, daemon: FakeDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths, second = shell.curated(), create_key(tmp_path / "second.key")
    taken = answering(daemon, paths, of_two_owners(paths, second))
    result = shell("trust", "add", NEW)
    file = tmp_path / "books-trust-2.toml"
    assert result.code == 0 and "waits for 1 more owner" in result.out and str(file) in result.err
    assert taken == [] and file.read_bytes() == paths.trust_waiting.read_bytes()
    assert parse_proposal(file.read_bytes()).missing == 1

    again = shell("trust", "sign", str(file))
    assert "waits for 1 more owner" in again.out, "the same owner once more is no second one"
    assert shell("trust", "sign", str(file), "--owner-key", "second.key").code == 0
    assert len(taken) == 1 and len(taken[0].signatures) == 2
    assert not paths.trust_waiting.exists()


def test_both_keys_at_once_need_no_file(shell: Shell, daemon: FakeDaemon, tmp_path: Path) -> None:
    paths, second = shell.curated(), create_key(tmp_path / "second.key")
    taken = answering(daemon, paths, of_two_owners(paths, second))
    keys = ("--owner-key", str(paths.owner), "--owner-key", str(tmp_path / "second.key"))
    made = json.loads(shell("trust", "add", NEW, *keys, "--json").out)
    assert (made["missing"], made["file"]) == (0, None) and len(taken) == 1


def test_an_owner_signs_where_no_cluster_is(shell: Shell, daemon: FakeDaemon, tmp_path: Path) -> None:
    paths, second = shell.curated(), create_key(tmp_path / "second.key")
    taken = answering(daemon, paths, of_two_owners(paths, second))
    file = tmp_path / "change.toml"
    assert shell("trust", "add", NEW, "-o", str(file)).code == 0
    paths.settings.unlink()
    assert shell("trust", "sign", str(file)).code == 1, "no key is here"
    result = shell("trust", "sign", str(file), "--owner-key", str(tmp_path / "second.key"))
    assert result.code == 0 and f"curator added: {NEW}" in result.out and "in the cluster" in result.err
    assert parse_proposal(file.read_bytes()).missing == 0 and taken == []


def test_signed_and_no_daemon(shell: Shell, tmp_path: Path) -> None:
    paths, second = shell.curated(), create_key(tmp_path / "second.key")
    chain = of_two_owners(paths, second)
    record = with_more(chain, curators=[second.public]).signed(second)
    file = tmp_path / "change.toml"
    write_file(file, render_proposal(propose("books", chain, record)))
    result = shell("trust", "sign", str(file))
    assert result.code == 3 and "has all signatures" in result.err and "pincrew daemon start" in result.err
    assert parse_proposal(file.read_bytes()).missing == 0


def test_a_key_that_owns_nothing_is_refused(shell: Shell, daemon: FakeDaemon, tmp_path: Path) -> None:
    paths, stranger = shell.curated(), create_key(tmp_path / "stranger.key")
    taken = answering(daemon, paths)
    result = shell("trust", "add", NEW, "--owner-key", str(tmp_path / "stranger.key"))
    assert result.code == 8 and peer_id(stranger.public) in result.err
    assert shell("trust", "add", NEW, "--owner-key", str(tmp_path / "missing.key")).code == 1
    paths.owner.chmod(0o644)
    assert "chmod 600" in shell("trust", "add", NEW).err
    assert taken == []


def test_keys_of_a_cluster_that_was_left_are_found(shell: Shell, daemon: FakeDaemon) -> None:
    paths = shell.curated()
    taken = answering(daemon, paths)
    kept = private_folder(shell.home.owner_keys)
    create_key(kept / "another-cluster.key")
    paths.owner.rename(kept / "books.key")
    assert shell("trust", "add", NEW).code == 0 and len(taken) == 1
    (kept / "books.key").unlink()
    result = shell("trust", "add", NEW)
    assert result.code == 1 and "--owner-key" in result.err


def test_a_file_that_is_no_record(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("nonsense")
    result = shell("trust", "sign", str(tmp_path / "x"))
    assert result.code == 1 and "no trust record" in result.err
