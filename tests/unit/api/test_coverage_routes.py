"""The route of coverage, over HTTP on a door that remembers."""

from __future__ import annotations

from typing import Any, cast

import pytest

from pincrew import limits
from pincrew.api import shapes
from support.api_door import ApiDoor, fault_of, send

BASIS = shapes.CoverageBasis(3, 1, 1, 7.0, 10, 10, 0, 0.0)


class Door(ApiDoor):
    """Its cluster is its own desk, too."""

    @property
    def coverage(self) -> Door:
        return self

    async def estimate(self, shown: int) -> shapes.Coverage:
        self._noted("estimate", shown)
        return shapes.Coverage(1, "books", True, 2, 2.5, [shapes.CopiesBar(0, 1, 2)], [], BASIS, None, None, None)


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", limits.COVERAGE_SHOWN_DEFAULT),
        ("?limit=3", 3),
        ("?limit=0", 0),
        ("?limit=99999999", limits.COVERAGE_SHOWN_MAX),
    ],
)
def test_an_estimate_with_so_many_of_the_worst(query: str, shown: int) -> None:
    door = Door()
    answer = send(cast(Any, door), "GET", f"/clusters/books/coverage{query}")
    assert answer.json()["bars"] == [{"copies": 0, "pins": 1, "vouched": 2}]
    assert answer.json()["is_estimate"] is True and door.asked == [("estimate", shown)]


def test_what_is_no_number_is_refused() -> None:
    door = Door()
    assert fault_of(send(cast(Any, door), "GET", "/clusters/books/coverage?limit=many"))[0] == 400
    assert door.asked == []
