"""The route of re-reading pins, over HTTP on a door that remembers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

from pincrew.api import shapes
from pincrew.errors import NotFound
from support.api_door import ApiDoor, fault_of, send


class Door(ApiDoor):
    """Its cluster is its own desk, too."""

    @property
    def verify(self) -> Desk:
        return Desk(self)


class Desk:
    def __init__(self, door: Door) -> None:
        self._door = door

    async def verify(self, cids: Sequence[str], which: str | None) -> AsyncIterator[list[shapes.Verified]]:
        self._door._noted("verify", list(cids), which)
        for cid in cids or ["a", "b"]:
            yield [shapes.Verified("books", cid, "", "sound", 1, 2, 0, 0, None, None)]


def test_a_line_for_each_pin() -> None:
    door = Door()
    answer = send(cast(Any, door), "POST", "/clusters/books/verify", body={"which": "all"})
    assert [json.loads(line)["cid"] for line in answer.text.splitlines()] == ["a", "b"]
    send(cast(Any, door), "POST", "/clusters/books/verify", body={"cids": ["x"]})
    assert door.asked == [("verify", [], "all"), ("verify", ["x"], None)]


def test_what_is_refused_has_a_status_of_its_own() -> None:
    door = Door()
    door.fault = NotFound("not on the list")
    answer = send(cast(Any, door), "POST", "/clusters/books/verify", body={"cids": ["x"]})
    assert fault_of(answer) == (404, "not_found")
