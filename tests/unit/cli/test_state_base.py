"""`state base`: what is printed, and what the daemon is handed."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from pincrew.api.shapes import BaseCandidate, BaseHeader, BaseInfo
from pincrew.base_form import decode_base, encode_header
from pincrew.identity import load_key
from support.fake_daemon import FakeDaemon, Request
from support.shape_examples import PEER
from support.shell import Shell

BASE = "/clusters/books/base"
HEADER = encode_header(
    cluster=bytes(32), n=3, previous=bytes(32), trust=0, cut_hash=bytes(32), shards_hash=bytes(32), pins=2, size=9
)


def info(n: int = 3, candidate: BaseCandidate | None = None, keeper: str | None = PEER) -> BaseInfo:
    return BaseInfo("books", n, "ab" * 32 if n else None, 1_200 * n, 4_000_000 * n, 2_000, keeper, candidate)


def answering(daemon: FakeDaemon) -> list[Any]:
    """Let the fake make bases; return where goes what it is handed."""
    taken: list[Any] = []

    def take(request: Request) -> Any:
        taken.append(request.json["sealed"])
        return info()

    daemon.on("GET", BASE, info())
    daemon.on("GET", f"{BASE}/header", BaseHeader(base64.b64encode(HEADER).decode()))
    daemon.on("POST", BASE, take)
    return taken


def test_what_there_is(shell: Shell, daemon: FakeDaemon) -> None:
    shell.curated()
    taken = answering(daemon)
    out = shell("state", "base", "--show").out
    for words in ("books: base 3", "3,600 pins", "MB", "log since", f"keeper: {PEER}"):
        assert words in out
    assert json.loads(shell("state", "base", "--show", "--json").out)["n"] == 3 and taken == []


def test_none_yet_and_nobody_to_make_one(shell: Shell, daemon: FakeDaemon) -> None:
    shell.curated()
    daemon.on("GET", BASE, info(0, keeper=None))
    out = shell("state", "base", "--show").out
    assert "has no base yet" in out and "keeper: nobody" in out


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ("manifest", "its hashes are being fetched"),
        ("cut", "waiting for the log"),
        ("check", "recomputed"),
        ("rows", "12,400 of 185,905 pins fetched"),
        ("ready", "coming into force"),
    ],
)
def test_what_is_under_way(shell: Shell, daemon: FakeDaemon, stage: str, words: str) -> None:
    shell.curated()
    daemon.on("GET", BASE, info(candidate=BaseCandidate(4, stage, PEER, 12_400, 185_905)))
    out = shell("state", "base", "--show").out
    assert "base 4: " in out and words in out


def test_the_keepers_daemon_makes_one(shell: Shell, daemon: FakeDaemon) -> None:
    shell.curated()
    taken = answering(daemon)
    assert "base 3" in shell("state", "base").out and taken == [None]


def test_an_owner_signs_here_and_the_key_goes_nowhere(shell: Shell, daemon: FakeDaemon) -> None:
    paths = shell.curated()
    taken = answering(daemon)
    daemon.on("GET", "/clusters/books/trust/records", _records(paths))
    result = shell("state", "base", "--owner-key", str(paths.owner))
    assert result.code == 0, result.err
    (sealed,) = taken
    base, key = decode_base(base64.b64decode(sealed)), load_key(paths.owner)
    assert (base.n, base.signer) == (3, key.public)
    for request in daemon.requests:
        assert key.seed not in request.body and base64.b64encode(key.seed)[:40] not in request.body


def test_a_key_of_no_owner_signs_nothing(shell: Shell, daemon: FakeDaemon) -> None:
    paths = shell.curated()
    taken = answering(daemon)
    daemon.on("GET", "/clusters/books/trust/records", _records(paths))
    assert shell("state", "base", "--owner-key", str(paths.identity)).code != 0 and taken == []


def test_without_a_daemon(shell: Shell) -> None:
    shell.curated()
    result = shell("state", "base")
    assert result.code == 3 and "pincrew daemon start" in result.err


def _records(paths: Any) -> dict[str, list[str]]:
    from pincrew.trust_view import kept_trust

    return {"records": [base64.b64encode(one).decode() for one in kept_trust(paths).encoded()]}
