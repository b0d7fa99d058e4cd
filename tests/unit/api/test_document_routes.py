"""The routes of the config document."""

from __future__ import annotations

from support.api_door import CuratorDoor, FollowerDoor, fault_of, send

ONE = "/clusters/books"


def test_a_curator_publishes_and_has_no_source() -> None:
    door = CuratorDoor()
    assert send(door, "POST", f"{ONE}/publish", body={"force_secret": True}).json()["document"] == "text"
    send(door, "POST", f"{ONE}/publish", body={"silent_after_days": 14})
    assert door.asked == [("publish_document", True, None), ("publish_document", False, 14)]
    assert fault_of(send(door, "GET", f"{ONE}/source")) == (400, "bad_request")


def test_a_follower_has_a_source_and_does_not_publish() -> None:
    door = FollowerDoor()
    assert send(door, "GET", f"{ONE}/source").json()["state"] == "current"
    assert send(door, "POST", f"{ONE}/source", body={"decision": "check"}).json()["state"] == "current"
    assert door.asked == [("decide_source", "check")]
    assert fault_of(send(door, "POST", f"{ONE}/publish")) == (403, "not_allowed")
