"""In front of the routes: browsers, callers, sizes and patience."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from pincrew import limits
from pincrew.rest.access import Scope
from pincrew.rest.doorkeeper import Keys, Rules
from pincrew.rest.server import build_rest_app, route_table
from pincrew.tokens import TokenBook
from support.guarded_door import HOST, GuardedDoor, basic, bearer
from support.rest_door import NOW_MS, FollowingDoor, WritingDoor, send
from support.shape_examples import CID, CID_2, PEER

PAGE = {**HOST, "Origin": "https://pins.example.org"}
PREFLIGHT = {**PAGE, "Access-Control-Request-Method": "DELETE"}


def calls(door: FollowingDoor) -> list[tuple[str, str, Scope]]:
    """Every route as a request that fits it, with what it needs."""
    fill = {"{cid}": CID, "{peer}": PEER, "{kind:ipfs_kind}": "ipfs", "{path:path}": f"{CID_2}/a", "{name}": "ping"}
    found = []
    for route in route_table(door, None):
        path = route.path
        for name, value in fill.items():
            path = path.replace(name, value)
        assert "{" not in path
        found.append((route.method, path, route.scope))
    return found


def test_every_route_says_what_it_needs() -> None:
    needs = {(route.method, route.path): route.scope for route in route_table(WritingDoor(), None)}
    assert {key for key, scope in needs.items() if scope is Scope.FREE} == {("GET", "/health")}
    assert {key for key, scope in needs.items() if scope is Scope.READ} == {
        key for key in needs if key[0] == "GET" and key != ("GET", "/health")
    }
    assert {key for key, scope in needs.items() if scope is Scope.ADMIN} == {
        ("POST", "/ipfs/gc"),
        ("DELETE", "/peers/{peer}"),
        ("POST", "/token"),
    }


def test_with_neither_users_nor_tokens_loopback_is_open(tmp_path: Path) -> None:
    door = GuardedDoor(tmp_path)
    assert door("GET", "/id", HOST).status == door("POST", f"/pins/{CID}", HOST).status == 200


def test_matrix_of_callers_and_routes(tmp_path: Path) -> None:
    door = GuardedDoor(tmp_path, ["ana:secret"])
    callers = [(basic("ana:secret"), Scope.ADMIN)] + [
        (bearer(door.token(scope)), scope) for scope in (Scope.READ, Scope.PIN, Scope.ADMIN)
    ]
    for method, path, need in calls(door.cluster):
        for headers in (HOST, basic("ana:wrong"), basic("bo:secret"), bearer("pct_wrong"), bearer("")):
            door.cluster.asked.clear()
            answer = door(method, path, headers)
            if need is Scope.FREE:
                assert answer.status == 204
            else:
                assert answer.status == 401 and answer.message.startswith("unauthorized: ")
                assert not door.cluster.asked
        for headers, have in callers:
            answer = door(method, path, headers)
            is_refused = answer.status == 403 and f"scope `{need}`" in answer.content.decode()
            assert is_refused is not have.covers(need), (method, path, have)


def test_the_headers_of_a_401(tmp_path: Path) -> None:
    door = GuardedDoor(tmp_path, ["ana:secret"])
    assert door("GET", "/id", basic("ana:x")).headers["www-authenticate"].startswith("Basic realm=")
    assert 'error="invalid_token"' in door("GET", "/id", bearer("x")).headers["www-authenticate"]
    assert door("GET", "/id", HOST).message == "unauthorized: no auth provided"


def test_who_is_not_known_learns_nothing_of_what_is_there(tmp_path: Path) -> None:
    door = GuardedDoor(tmp_path, ["ana:secret"])
    for method, path in (
        ("GET", "/nothing"),
        ("PUT", "/id"),
        ("HEAD", "/health"),
        ("GET", "/id/"),
        ("GET", "/health/"),
    ):
        assert door(method, path, HOST).status == 401
    assert door("GET", "/nothing", basic("ana:secret")).status == 404


def test_health_and_options_are_free(tmp_path: Path) -> None:
    door = GuardedDoor(tmp_path, ["ana:secret"])
    assert door("GET", "/health", HOST).status == 204
    assert door("OPTIONS", "/id", HOST).status == 405, "and nothing is done"
    assert not door.cluster.asked


def test_a_token_counts_from_when_it_is_made_until_it_is_over_or_revoked(tmp_path: Path) -> None:
    door = GuardedDoor(tmp_path)
    assert door("GET", "/id", HOST).status == 200
    good, over = door.token(Scope.READ), door.token(Scope.ADMIN, expires=NOW_MS)
    assert door("GET", "/id", HOST).status == 401, "from the first one on callers are asked"
    assert door("GET", "/id", bearer(good)).status == 200
    assert door("GET", "/id", bearer(over)).status == 401
    for token in door.book.tokens() or ():
        door.book.revoke(token.id)
    assert door("GET", "/id", bearer(good)).status == door("GET", "/id", HOST).status == 401


def test_after_the_last_token_callers_are_asked_over_restarts_too(tmp_path: Path) -> None:
    book = GuardedDoor(tmp_path).book
    book.revoke(book.make(Scope.READ, name="", now_ms=NOW_MS, expires=None)[0].id)
    assert GuardedDoor(tmp_path)("GET", "/id", HOST).status == 401


def test_a_file_that_vanishes_opens_nothing(tmp_path: Path) -> None:
    door = GuardedDoor(tmp_path)
    door.token(Scope.READ)
    assert door("GET", "/id", HOST).status == 401
    (tmp_path / "tokens.toml").unlink()
    assert door("GET", "/id", HOST).status == 401


def test_a_damaged_file_is_told_once_in_the_log_and_lets_nobody_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    door = GuardedDoor(tmp_path, ["ana:secret"])
    (tmp_path / "tokens.toml").write_text("format = 1")
    door.cluster = WritingDoor()
    with caplog.at_level(logging.ERROR, "pincrew.rest"):
        answer = door("GET", "/id", bearer("pct_x"))
    assert answer.status == 503 and str(tmp_path) not in answer.message
    assert "tokens.toml" in caplog.text and door.cluster.asked == []


def test_followers_let_others_only_read(tmp_path: Path) -> None:
    door = GuardedDoor(tmp_path)
    door.cluster = FollowingDoor()
    headers = bearer(door.token(Scope.ADMIN))
    for method, path, need in calls(door.cluster):
        if need in (Scope.PIN, Scope.ADMIN):
            answer = door(method, path, headers)
            assert answer.status == 403 and "follows" in answer.message, path
    assert door.cluster.asked == []
    assert door("GET", "/pins", headers).status == 200
    mine = send(door.cluster, "POST", f"/pins/{CID}/recover")
    assert mine.status == 200, "its own user, at the unix socket, does with this peer's work as before"


# ---- browsers ---------------------------------------------------------------------------------------------------


def test_pages_are_refused_unless_they_are_named(tmp_path: Path) -> None:
    door = GuardedDoor(tmp_path, origins=["https://pins.example.org"])
    answer = door("GET", "/id", PAGE)
    assert answer.status == 200 and answer.headers["access-control-allow-origin"] == "https://pins.example.org"
    assert answer.headers["access-control-allow-credentials"] == "true" and answer.headers["vary"] == "Origin"
    assert answer.headers["access-control-expose-headers"].split(", ") == [
        "Content-Type",
        "X-Stream-Output",
        "X-Chunked-Output",
        "X-Content-Length",
    ]
    for origin in ("https://evil.example", "null", "http://pins.example.org", "https://pins.example.org:444", ""):
        refused = door("GET", "/id", {**HOST, "Origin": origin})
        assert refused.status == 403 and "access-control-allow-origin" not in refused.headers
    lists = door("GET", "/allocations", PAGE)
    assert len(lists.lines) == 2 and lists.headers["access-control-allow-origin"] == "https://pins.example.org"


def test_preflights_are_answered_without_knowing_who_calls(tmp_path: Path) -> None:
    door = GuardedDoor(tmp_path, ["ana:secret"], origins=["https://pins.example.org"])
    answer = door("OPTIONS", f"/pins/{CID}", PREFLIGHT)
    assert (answer.status, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-methods"] == "GET, POST, DELETE"
    assert "Authorization" in answer.headers["access-control-allow-headers"]
    assert answer.headers["access-control-allow-origin"] == "https://pins.example.org"
    assert door("OPTIONS", "/id", {**PREFLIGHT, "Origin": "https://evil.example"}).status == 403
    assert not door.cluster.asked
    unknown = door("GET", "/id", PAGE)
    assert unknown.status == 401 and "access-control-allow-origin" in unknown.headers, "the page can read why"


def test_with_every_page_no_browser_sends_a_password_by_itself(tmp_path: Path) -> None:
    door = GuardedDoor(tmp_path, ["ana:secret"], origins=["*"])
    headers = {**PAGE, **basic("ana:secret")}
    answer = door("GET", "/id", headers)
    assert answer.status == 200 and answer.headers["access-control-allow-origin"] == PAGE["Origin"]
    assert "access-control-allow-credentials" not in answer.headers


def test_a_public_door_takes_any_host_and_no_page(tmp_path: Path) -> None:
    door = GuardedDoor(tmp_path, ["ana:secret"], hosts=None)
    for host in ("pins.example.org", "203.0.113.7:9094", ""):
        assert door("GET", "/id", {**basic("ana:secret"), "Host": host}).status == 200
    assert door("GET", "/id", {**basic("ana:secret"), "Origin": "https://evil.example"}).status == 403


# ---- sizes and patience -----------------------------------------------------------------------------------------


def test_heads_have_a_size(tmp_path: Path) -> None:
    door = WritingDoor()
    assert send(door, "GET", "/id", headers={"X": "x" * (limits.HTTP_HEAD_BYTES_MAX - 100)}).status == 200
    for target, headers in (
        ("/id", {"X": "x" * limits.HTTP_HEAD_BYTES_MAX}),
        ("/id", {f"X-{number}": "x" * 1000 for number in range(70)}),
        ("/id?" + "x" * limits.HTTP_HEAD_BYTES_MAX, {}),
        ("/pins/" + "x" * limits.HTTP_HEAD_BYTES_MAX, {}),
    ):
        answer = send(door, "GET", target, headers=headers)
        assert answer.status == 431 and str(limits.HTTP_HEAD_BYTES_MAX) in answer.message
    many = ",".join([CID_2] * limits.REST_CIDS_MAX)
    assert send(door, "GET", f"/pins?cids={many}", headers=HOST).status == 200


def test_bodies_have_a_size_but_those_of_files() -> None:
    door = WritingDoor()
    long = {"Content-Length": str(limits.API_BODY_BYTES_MAX + 1)}
    assert send(door, "POST", f"/pins/{CID}", headers=long).status == 413
    assert not door.asked
    assert send(door, "POST", f"/pins/{CID}", headers={"Content-Length": str(limits.API_BODY_BYTES_MAX)}).status == 200
    assert send(door, "POST", "/add", headers={**long, "Content-Type": "multipart/form-data; boundary=b"}).status == 400


@pytest.mark.parametrize("is_tcp", [True, False])
def test_who_stops_in_the_midst_of_a_request_is_gone(tmp_path: Path, is_tcp: bool) -> None:
    """A pipe of the user's own may be silent for longer."""
    told: list[Any] = []
    rules = Rules(None, Keys([], TokenBook(tmp_path / "tokens.toml"))) if is_tcp else None
    silence_s = limits.REST_BODY_SILENCE_S if is_tcp else limits.ADD_SOURCE_SILENCE_TIMEOUT_S

    async def main() -> None:
        began = trio.current_time()
        with trio.fail_after(silence_s * 3):
            await build_rest_app(WritingDoor(), rules=rules)(SCOPE, receive, take)
        assert trio.current_time() - began >= silence_s

    async def receive() -> dict[str, Any]:
        if told:
            await trio.sleep_forever()
        told.append("first")
        return {"type": "http.request", "body": b'{"peer', "more_body": True}

    async def take(message: Any) -> None:
        told.append(message.get("status"))

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert told[:2] == ["first", 408]


SCOPE = {
    "type": "http",
    "http_version": "1.1",
    "method": "POST",
    "scheme": "http",
    "path": "/peers",
    "raw_path": b"/peers",
    "query_string": b"",
    "headers": [],
}
