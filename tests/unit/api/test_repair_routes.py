"""The route of repairs, over HTTP on a door that remembers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from pincrew import limits
from pincrew.api import shapes
from support.api_door import Answer, ApiDoor, fault_of, send


class Door(ApiDoor):
    """Its cluster is its own desk, too."""

    @property
    def repairs(self) -> Door:
        return self

    async def mend(self, shards: Sequence[int]) -> shapes.Mended:
        self._noted("mend", list(shards))
        return shapes.Mended("books", ["pinned"], 3, len(shards), 2)


def mend(door: Door, body: object) -> Answer:
    return send(cast(Any, door), "POST", "/clusters/books/repair", body=body)


def test_figures_are_recounted_and_shards_fetched() -> None:
    door = Door()
    answer = mend(door, {"shards": [1, 7]})
    assert answer.json() == {"cluster": "books", "figures": ["pinned"], "base": 3, "shards": 2, "peers": 2}
    every = list(range(1 << limits.SHARD_BITS_MAX))
    assert mend(door, {"shards": every}).status_code == 200
    assert door.asked == [("mend", [1, 7]), ("mend", every)]


@pytest.mark.parametrize("body", [{}, {"shards": ["1"]}, {"shards": 1}])
def test_what_is_no_order_is_refused(body: object) -> None:
    door = Door()
    assert fault_of(mend(door, body)) == (400, "bad_request") and door.asked == []
