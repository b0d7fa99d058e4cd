"""The routes of the list."""

from __future__ import annotations

import json

import pytest

from pincrew.api import pin_routes
from pincrew.limits import API_LINE_BYTES_MAX
from support.api_door import ApiDoor, CuratorDoor, fault_of, send
from support.shape_examples import CID

ONE = "/clusters/books"


def lines(*values: object) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def test_a_page() -> None:
    door = ApiDoor()
    response = send(door, "GET", f"{ONE}/pins?state=error&name=a&sort=size&limit=2&offset=4")
    assert (response.json()["cid"], response.headers["x-rev"], response.headers["x-total"]) == (CID, "9", "1")
    assert "x-total" not in send(door, "GET", f"{ONE}/pins?find=x").headers
    assert door.asked[0] == (
        "pins",
        {"state": "error", "name": "a", "find": "", "sort": "size", "limit": 2, "offset": 4},
    )


def test_where_a_pin_stands() -> None:
    door = ApiDoor()
    asked = {"cid": "", "prefix": "", "state": "", "name": "", "find": "", "sort": "added"}
    assert send(door, "GET", f"{ONE}/pins/locate?cid=a&sort=name").json() == {
        "cluster": "books",
        "offset": 41,
        "rev": 9,
    }
    send(door, "GET", f"{ONE}/pins/locate?prefix=b&state=error&find=x&name=y")
    assert door.asked == [
        ("locate", {**asked, "cid": "a", "sort": "name"}),
        ("locate", {**asked, "prefix": "b", "state": "error", "find": "x", "name": "y"}),
    ]
    for question in ("", "?cid=a&prefix=b"):
        assert fault_of(send(door, "GET", f"{ONE}/pins/locate{question}")) == (400, "bad_request")


def test_one_pin() -> None:
    door = ApiDoor()
    assert send(door, "GET", f"{ONE}/pins/{CID}").json()["added_by_name"] == "Ana"
    assert door.asked == [("pin", CID)]


def test_lists_of_some_and_of_all() -> None:
    door = ApiDoor()
    assert send(door, "GET", f"{ONE}/pinset?cid=a&cid=b").text.count("\n") == 2
    assert send(door, "GET", f"{ONE}/pins/status?cid=a&local=1").json()["cid"] == CID
    assert door.asked == [("pinset", ["a", "b"]), ("pin_statuses", ["a"], True)]


def test_a_batch_however_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pin_routes, "_BATCH_REQUESTS", 2)
    body = lines(*({"cid": f"c{number}", "remove": number == 4} for number in range(5))).rstrip(b"\n")
    chunks = [body[start : start + 7] for start in range(0, len(body), 7)]
    door = CuratorDoor()
    assert send(door, "POST", f"{ONE}/pins", chunks=chunks).json() == {
        "added": 4,
        "removed": 0,
        "absent": ["c4"],
    }
    assert [[request.cid for request in batch] for batch in door.batches] == [["c0", "c1"], ["c2", "c3"], ["c4"]]


@pytest.mark.parametrize("bad", [b"{", b'{"name":"x"}', b"x" * (API_LINE_BYTES_MAX + 1), b"[]"])
def test_a_bad_line_is_told_by_its_number(bad: bytes) -> None:
    door = CuratorDoor()
    response = send(door, "POST", f"{ONE}/pins", chunks=[lines({"cid": "c"}) + b"\n" + bad])
    assert fault_of(response) == (400, "bad_request")
    assert "Line 3" in response.text
    assert door.batches == []


def test_a_follower_has_no_write() -> None:
    assert fault_of(send(ApiDoor(), "POST", f"{ONE}/pins", chunks=[lines({"cid": "c"})])) == (403, "not_allowed")
