"""The routes of the daemon itself, and of which clusters it has."""

from __future__ import annotations

from pincrew.api.shapes import AcceptRequest, OfferRequest, ProspectRequest
from support.api_door import ApiDoor, fault_of, send


def test_the_daemon() -> None:
    door = ApiDoor()
    assert send(door, "GET", "/daemon").json()["pid"] == 7
    assert send(door, "GET", "/status").json()["clusters"][0]["name"] == "books"
    assert send(door, "POST", "/daemon/stop").json() == {}
    assert door.asked == [("info",), ("stop",)]


def test_joining() -> None:
    door = ApiDoor()
    send(door, "POST", "/offers", body={"source": "x.toml", "folder": "/"})
    assert send(door, "POST", "/offers/prospect", body={"offer": "ab", "ipfs": "kubo"}).json()["curators"] == 1
    send(door, "POST", "/offers/accept", body={"offer": "ab", "name": "n"})
    assert door.asked == [
        ("offer", OfferRequest("x.toml", "/")),
        ("prospect", ProspectRequest("ab", "kubo")),
        ("accept", AcceptRequest("ab", "n")),
    ]
    assert fault_of(send(door, "POST", "/offers", body={"source": "x.toml"})) == (400, "bad_request")


def test_running_moving_and_leaving() -> None:
    door = ApiDoor()
    send(door, "POST", "/clusters", body={"name": "books", "publish": "127.0.0.1:0"})
    send(door, "POST", "/clusters", body={"name": "books", "rest": ""})
    send(door, "DELETE", "/clusters/books")
    send(door, "POST", "/clusters/books/leave", body={"dry_run": True})
    send(door, "POST", "/clusters/books/leave")
    send(door, "POST", "/clusters/books/node", body={"ipfs": "embedded", "keep_old": True})
    assert door.asked == [
        ("run_cluster", "books", "127.0.0.1:0", None),
        ("run_cluster", "books", None, ""),
        ("stop_cluster", "books"),
        ("leave", "books", True),
        ("leave", "books", False),
        ("switch_node", "books", "embedded", True),
    ]
