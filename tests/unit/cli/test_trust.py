"""`trust`: what is printed, and what the daemon is handed."""

from __future__ import annotations

import base64
import json
from contextlib import closing
from pathlib import Path
from typing import Any

from pincrew.trusted.creation import create

from pincrew.api import shapes
from pincrew.base_form import decode_base, encode_header
from pincrew.identity import load_key
from pincrew.keys import peer_id
from pincrew.paths import ClusterPaths, Home
from pincrew.store.database import Database
from pincrew.store.trust_store import TrustStore
from pincrew.trust import TrustChain, TrustRecord
from pincrew.trust_change import with_keeper, with_more
from pincrew.trust_view import kept_trust, trust_info
from support.fake_daemon import FakeDaemon, Request
from support.shape_examples import PEER
from support.shell import Shell
from support.signers import SECOND_CURATOR, STRANGER

NEW = peer_id(SECOND_CURATOR.public)
TRUST = "/clusters/books/trust"


def answering(daemon: FakeDaemon, paths: ClusterPaths, chain: TrustChain | None = None) -> list[TrustRecord]:
    """Let the fake answer for a chain; return where the records go that it is handed."""
    held = chain or kept_trust(paths)
    taken: list[TrustRecord] = []

    def take(request: Request) -> Any:
        taken.append(TrustRecord.decode(base64.b64decode(request.json["record"])))
        return trust_info(paths, held.extended(taken[-1]))

    encoded = [base64.b64encode(one).decode() for one in [*held.encoded(), *held.evidence()]]
    daemon.on("GET", f"{TRUST}/records", {"records": encoded})
    daemon.on("GET", TRUST, trust_info(paths, held))
    daemon.on("POST", TRUST, take)
    return taken


def test_ls_answers_from_the_disk_without_a_daemon(shell: Shell) -> None:
    paths = shell.curated()
    owner, chain = load_key(paths.owner), kept_trust(paths)
    with closing(Database(paths.state, cluster=chain.cluster_id)) as database:
        TrustStore(database).keep(chain.extended(with_more(chain, curators=[SECOND_CURATOR.public]).signed(owner)))
    result = shell("trust", "ls")
    assert result.code == 0
    for words in (peer_id(owner.public), NEW, "trust record 1", "1 of 1 must sign", "(keeper)"):
        assert words in result.out
    found = json.loads(shell("trust", "ls", "--json").out)
    assert (found["schema"], found["record"], len(found["curators"])) == (1, 1, 2)


def test_ls_prints_everything_there_is(shell: Shell, daemon: FakeDaemon) -> None:
    shell.curated()
    found = shapes.TrustInfo(
        cluster="books",
        id="ab" * 32,
        record=4,
        owners=[PEER, NEW],
        threshold=2,
        curators=[shapes.TrustedPeer(PEER, "A\x1b[2Jna", True), shapes.TrustedPeer(NEW, None, False)],
        keeper=PEER,
        former=[shapes.FormerCurator(NEW, 3, 7), shapes.FormerCurator(PEER, 2, None)],
        conflict=shapes.TrustConflict(4, ["keeper: nobody"], ["curator added: X"]),
        waiting=shapes.WaitingRecord(5, "/a/file", [PEER], 1, ["curator added: Y"]),
    )
    daemon.on("GET", TRUST, found)
    out = shell("trust", "ls").out
    for words in (
        "2 of 2 must sign",
        "na (keeper, connected)",
        f"{NEW} (not connected)",
        f"{NEW} revoked by record 3, 7 of its envelopes count",
        f"{PEER} revoked by record 2, all of its envelopes count",
        "two different records 4",
        "in force  keeper: nobody",
        "other     curator added: X",
        "record 5 waits for 1 more to sign it: /a/file",
        "curator added: Y",
    ):
        assert words in out
    assert "\x1b[2J" not in out


def test_add_signs_here_and_hands_over_the_record_alone(shell: Shell, daemon: FakeDaemon) -> None:
    paths = shell.curated()
    taken = answering(daemon, paths)
    result = shell("trust", "add", NEW, "--json")
    assert json.loads(result.out) == {
        "schema": 1,
        "cluster": "books",
        "record": 1,
        "changes": [f"curator added: {NEW}"],
        "missing": 0,
        "file": None,
    }
    (record,) = taken
    assert SECOND_CURATOR.public in record.curators
    assert [owner for owner, _ in record.signatures] == [load_key(paths.owner).public]
    seed = load_key(paths.owner).seed
    for request in daemon.requests:
        assert seed not in request.body and seed.hex().encode() not in request.body
        assert base64.b64encode(seed)[:40] not in request.body


def test_without_a_daemon_nothing_is_changed(shell: Shell) -> None:
    shell.curated()
    for arguments in (("add", NEW), ("revoke", NEW), ("undo",), ("keeper", "none")):
        result = shell("trust", *arguments)
        assert result.code == 3 and "pincrew daemon start" in result.err and "trust ls" in result.err


def test_add_says_what_is_missing(shell: Shell, daemon: FakeDaemon) -> None:
    paths = shell.curated()
    taken = answering(daemon, paths)
    assert shell("trust", "add").code == 2
    assert shell("trust", "add", "nobody").code == 2
    assert shell("trust", "add", "--owner", "nobody").code == 2
    assert shell("trust", "add", "--threshold", "2").code == 2
    assert shell("trust", "add", "--threshold", "0").code == 2
    assert "already" in shell("trust", "add", peer_id(load_key(paths.identity).public)).err
    assert taken == []


def test_owners_are_named_by_id_by_digits_or_by_their_file(shell: Shell, daemon: FakeDaemon, tmp_path: Path) -> None:
    taken = answering(daemon, shell.curated())
    made = json.loads(shell("trust", "key", str(tmp_path / "keys" / "mine.key"), "--json").out)
    assert made["made"] and (tmp_path / "keys" / "mine.key").stat().st_mode & 0o777 == 0o600
    assert shell("trust", "key", made["file"]).out == f"{made['id']}\n"
    arguments = ("--owner", made["file"], "--owner", NEW, "--owner", STRANGER.public.hex(), "--threshold", "2")
    assert shell("trust", "add", *arguments).code == 0
    mine = load_key(tmp_path / "keys" / "mine.key").public
    assert {mine, SECOND_CURATOR.public, STRANGER.public} < taken[0].owners and taken[0].threshold == 2


def test_revoke_asks_how_far_the_author_came(shell: Shell, daemon: FakeDaemon) -> None:
    paths = shell.curated()
    owner, start = load_key(paths.owner), kept_trust(paths)
    chain = start.extended(with_more(start, curators=[SECOND_CURATOR.public]).signed(owner))
    taken = answering(daemon, paths, chain)
    daemon.on("GET", f"{TRUST}/sessions", [shapes.SessionHead("01" * 16, 5, "02" * 32)])
    header = encode_header(
        cluster=chain.cluster_id,
        n=1,
        previous=b"",
        trust=2,
        cut_hash=bytes(32),
        shards_hash=bytes(32),
        pins=0,
        size=0,
    )
    made = shapes.BaseInfo("books", 1, None, 0, 0, 0, None, None)
    sealed: list[bytes] = []

    def make(request: Request) -> Any:
        sealed.append(base64.b64decode(request.json["sealed"]))
        return made

    def records(_: Request) -> Any:
        now = chain.extended(taken[-1]) if len(taken) > len(sealed) else chain  # each time anew
        return {"records": [base64.b64encode(one).decode() for one in now.encoded()]}

    daemon.on("GET", f"{TRUST}/records", records)
    daemon.on("GET", "/clusters/books/base/header", shapes.BaseHeader(base64.b64encode(header).decode()))
    daemon.on("POST", "/clusters/books/base", make)
    assert shell("trust", "revoke", NEW).code == 0
    assert decode_base(sealed[0]).signer == owner.public, "an owner's base makes void what is beyond the cut"
    (cut,) = taken[0].cuts
    assert (cut.author, cut.sessions[0].number, cut.sessions[0].nonce) == (SECOND_CURATOR.public, 5, bytes([1] * 16))
    assert SECOND_CURATOR.public not in taken[0].curators
    shell("trust", "revoke", NEW, "--since", "3")
    queries = [one.query for one in daemon.asked("GET", f"{TRUST}/sessions")]
    assert queries == [{"author": [NEW]}, {"author": [NEW], "before": ["3"]}]
    for since in ("yesterday", "0", "-1", "9" * 30):
        assert shell("trust", "revoke", NEW, "--since", since).code == 2
    assert shell("trust", "revoke", peer_id(STRANGER.public)).code == 1


def test_undo_and_keeper(shell: Shell, daemon: FakeDaemon) -> None:
    paths = shell.curated()
    owner, start = load_key(paths.owner), kept_trust(paths)
    taken = answering(daemon, paths)
    assert shell("trust", "undo").code == 1
    assert shell("trust", "keeper", "none").code == 0 and taken.pop().keeper is None
    assert shell("trust", "keeper", NEW).code == 2
    taken = answering(daemon, paths, start.extended(with_keeper(start, None).signed(owner)))
    assert shell("trust", "undo").code == 0 and taken.pop().keeper == start.keeper


def test_a_follower_with_an_owners_key_may_change_trust(shell: Shell, daemon: FakeDaemon, home: Home) -> None:
    elsewhere = create(Home(home.root.parent / "elsewhere"), "books", now_s=0)
    paths = shell.followed()
    taken = answering(daemon, paths, kept_trust(elsewhere.paths))
    assert shell("trust", "add", NEW, "--owner-key", str(elsewhere.owner_key)).code == 0
    assert SECOND_CURATOR.public in taken[0].curators
