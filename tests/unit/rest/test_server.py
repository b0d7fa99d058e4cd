"""The guard in front of every route, and what is no route."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from pincrew.errors import Conflict, NodeRefused, NotAllowed
from pincrew.rest.doorkeeper import Keys, Rules
from pincrew.tokens import TokenBook
from support.rest_door import FollowingDoor, WritingDoor, send
from support.shape_examples import CID

HOSTS = frozenset({"127.0.0.1", "[::1]"})


def test_an_unknown_path_is_answered_with_the_object() -> None:
    answer = send(FollowingDoor(), "GET", "/nothing")
    assert (answer.status, answer.message) == (404, "not found")
    assert answer.content == b'{"code":404,"message":"not found"}\n'
    for path in ("/", "/pins/a/b/c", f"/pins/ipxs/{CID}", f"/allocations/{CID}/x"):
        assert send(FollowingDoor(), "GET", path).status in (404, 405)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/id"), ("PUT", "/pins"), ("HEAD", "/pins"), ("OPTIONS", "/id"), ("PATCH", f"/pins/{CID}")],
)
def test_another_method_is_405_with_nothing(method: str, path: str) -> None:
    door = WritingDoor()
    answer = send(door, method, path)
    assert (answer.status, answer.content, door.asked) == (405, b"", [])


@pytest.mark.parametrize("path", ["/id/?a=b&c=d", "/pins/?filter=error", f"/pins/{CID}/?name=x%20y"])
def test_a_slash_at_the_end_leads_to_the_path_without_it(path: str) -> None:
    answer = send(FollowingDoor(), "GET", path, headers={"Host": "127.0.0.1:9094"})
    assert answer.status == 307
    assert answer.headers["location"] == "http://127.0.0.1:9094" + path.replace("/?", "?")


def test_faults_have_statuses() -> None:
    door = FollowingDoor()
    for error, status in ((Conflict("No"), 409), (NotAllowed("No"), 403), (NodeRefused("No"), 503)):
        door.fault = error
        answer = send(door, "GET", "/id")
        assert (answer.status, answer.message) == (status, "No")


def test_a_bug_is_a_sentence_for_the_caller_and_a_trace_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    door = FollowingDoor()
    door.fault = ZeroDivisionError("secret")
    with caplog.at_level(logging.ERROR, "pincrew.rest"):
        answer = send(door, "GET", "/id")
    assert answer.status == 500 and "daemon.log" in answer.message and "secret" not in answer.message
    assert caplog.records[0].exc_info is not None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "127.0.0.1:9094"}, 200),
        ({"Host": "127.0.0.1"}, 200),
        ({"Host": "[::1]:9094"}, 200),
        ({"Host": "[::1]"}, 200),
        ({"Host": "evil.example:9094"}, 403),
        ({"Host": ""}, 403),
        ({}, 403),
        ({"Host": "127.0.0.1:9094", "Origin": "http://evil.example"}, 403),
    ],
)
def test_web_pages_are_refused_on_tcp(headers: dict[str, str], status: int, tmp_path: Path) -> None:
    door = FollowingDoor()
    rules = Rules(HOSTS, Keys((), TokenBook(tmp_path / "tokens.toml")))
    assert send(door, "GET", "/id", rules=rules, headers=headers).status == status
    assert door.asked == ([("id",)] if status == 200 else [])
    assert send(door, "GET", "/id", headers=headers).status == 200, "no browser reaches a unix socket"


@pytest.mark.parametrize("query", ["", "?format=none"])
def test_a_client_that_sends_first_and_reads_then_is_told_why_it_is_refused(query: str) -> None:
    """Whether it may not, or asks for nonsense: hanging up in its midst would look like a broken connection."""
    door = WritingDoor() if query else FollowingDoor()
    chunks = [b"--b\r\n", b"x" * 10_000, b"--b--\r\n"]
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = send(door, "POST", f"/add{query}", headers=headers, chunks=chunks)
    assert answer.status == (400 if query else 403)
    assert answer.is_body_read
