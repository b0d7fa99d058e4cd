"""The routes of limits and choices, over HTTP on a door that remembers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from pincrew.api import shapes
from support.api_door import ApiDoor, fault_of, send

SHOWN = shapes.Limits("books", 5, 10, "auto", 1, 2, None, None, 0, None, "/x")


class Door(ApiDoor):
    """Its cluster is its own desk, too."""

    @property
    def limits(self) -> Door:
        return self

    async def info(self) -> shapes.Limits:  # type: ignore[override]
        self._noted("info")
        return SHOWN

    async def change(self, request: shapes.LimitsRequest) -> shapes.LimitsChanged:
        self._noted("change", request)
        return shapes.LimitsChanged(SHOWN, 3, 4, request.dry_run)

    async def choose(self, cids: Sequence[str], choice: str | None) -> shapes.Chosen:
        self._noted("choose", list(cids), choice)
        return shapes.Chosen("books", choice, len(cids), [], [])


def test_limits_are_shown_and_changed() -> None:
    door = Door()
    assert send(cast(Any, door), "GET", "/clusters/books/limits").json()["limit"] == 5
    body = {"limit": "5GB", "dry_run": True}
    assert send(cast(Any, door), "POST", "/clusters/books/limits", body=body).json()["is_dry_run"] is True
    assert door.asked == [("info",), ("change", shapes.LimitsRequest(limit="5GB", dry_run=True))]


def test_choices_are_taken() -> None:
    door = Door()
    many = [f"cid{number}" for number in range(10_000)]
    answer = send(cast(Any, door), "POST", "/clusters/books/choices", body={"cids": many, "choice": "skip"})
    assert answer.json()["pins"] == 10_000
    assert door.asked == [("choose", many, "skip")]


@pytest.mark.parametrize("body", [{}, {"cids": "x", "choice": None}, {"cids": [1], "choice": None}])
def test_what_has_another_form_is_refused(body: object) -> None:
    door = Door()
    answer = send(cast(Any, door), "POST", "/clusters/books/choices", body=body)
    assert fault_of(answer) == (400, "bad_request") and not door.asked
