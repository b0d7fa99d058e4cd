"""The routes of one running cluster."""

from __future__ import annotations

import pytest

from support.api_door import ApiDoor, fault_of, send

ONE = "/clusters/books"


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        ("/summary", "name", "books"),
        ("/ready", "peer", "P"),
        ("/series", "up", [None, 3]),
        ("/removals", "state", "none"),
        ("/errors", "cause", "timeout"),
        ("/doctor", "result", "ok"),
        ("/events", "kind", "pinned"),
    ],
)
def test_looking(path: str, key: str, value: object) -> None:
    assert send(ApiDoor(), "GET", ONE + path).json()[key] == value
    assert fault_of(send(ApiDoor(), "GET", f"/clusters/films{path}")) == (404, "not_found")


def test_events_beyond_one() -> None:
    door = ApiDoor()
    assert send(door, "GET", f"{ONE}/events?after=4").json()["id"] == 5
    assert send(door, "GET", f"{ONE}/events?after=6&follow=1").json()["id"] == 7
    assert door.asked == [("events", 4, False), ("events", 6, True)]


def test_deciding() -> None:
    door = ApiDoor()
    send(door, "POST", f"{ONE}/removals", body={"decision": "accept"})
    assert fault_of(send(door, "POST", f"{ONE}/removals", body={"decision": "perhaps"})) == (400, "bad_request")
    assert send(door, "POST", f"{ONE}/retry", body={"cid": "c"}).json() == {"pins": 3}
    assert door.asked == [("decide_removals", "accept"), ("retry", "c")]
    assert send(door, "GET", f"{ONE}/peers").text == ""
