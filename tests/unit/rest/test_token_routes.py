"""`POST /token`."""

from __future__ import annotations

from pathlib import Path

from pincrew import limits
from pincrew.rest.access import Scope
from support.guarded_door import HOST, GuardedDoor, basic, bearer
from support.rest_door import NOW_MS, WritingDoor, send


def test_a_user_gets_a_token_that_ends(tmp_path: Path) -> None:
    door = GuardedDoor(tmp_path, ["ana:secret"])
    answer = door("POST", "/token", basic("ana:secret"))
    assert answer.status == 200 and list(answer.one) == ["token"]
    assert answer.headers["cache-control"] == "no-store"
    assert door("POST", "/ipfs/gc", bearer(answer.one["token"])).status == 200
    [token] = door.book.tokens() or ()
    assert (token.scope, token.created, token.name) == (Scope.ADMIN, NOW_MS, "POST /token: ana")
    assert token.expires == NOW_MS + limits.TOKEN_LIFETIME_S * 1_000


def test_nobody_else_gets_one(tmp_path: Path) -> None:
    door = GuardedDoor(tmp_path)
    assert (door("POST", "/token", HOST).status, door("POST", "/token", HOST).message) == (401, "unauthorized")
    answer = door("POST", "/token", bearer(door.token(Scope.ADMIN)))
    assert (answer.status, answer.message) == (401, "unauthorized"), "a token makes no other, which would outlive it"
    assert send(WritingDoor(), "POST", "/token").status == 401, "the socket's user has `pincrew token new`"
    assert len(door.book.tokens() or ()) == 1
