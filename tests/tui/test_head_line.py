"""The line over a table."""

from __future__ import annotations

import pytest
from pincrew.tui.head_line import fitting


@pytest.mark.parametrize(
    ("room", "line"),
    [(60, "3 clusters   1 TB free   a: join"), (31, "3 clusters   1 TB free"), (11, "3 clusters"), (4, "3 clusters")],
)
def test_parts_are_shown_whole_or_not_at_all(room: int, line: str) -> None:
    assert fitting(("3 clusters", "1 TB free", "a: join"), room) == line


def test_nothing_is_an_empty_line() -> None:
    assert fitting((), 10) == ""
