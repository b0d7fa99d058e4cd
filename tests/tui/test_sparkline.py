"""Bars and lines of bars."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pincrew.tui.sparkline import bar, sparkline


@pytest.mark.parametrize(
    ("values", "width", "text"),
    [
        ([], 4, "    "),
        ([1, 2, 4], 3, "▃▄▇"),
        ([0, 0, 0], 3, "▁▁▁"),
        ([None, 0, 7], 4, "  ▁▇"),
        ([1, 1, 7, 7], 2, "▂▇"),
        ([7], 0, ""),
        ([9, 9, 1, 1, 7, 7], 3, "▇▂▆"),
    ],
)
def test_sparkline(values: list[float | None], width: int, text: str) -> None:
    assert sparkline(values, width) == text


@given(st.lists(st.one_of(st.none(), st.integers(0, 10**12)), max_size=130), st.integers(0, 60))
def test_it_is_as_wide_as_asked(values: list[float | None], width: int) -> None:
    assert len(sparkline(values, width)) == width


@given(st.floats(-1, 2), st.integers(1, 60))
def test_a_bar_is_as_wide_as_asked_and_honest(share: float, width: int) -> None:
    done, left = bar(share, width)
    assert len(done) + len(left) == width
    assert (left == "" and not done.endswith("╸")) is (share >= 1)
    assert (done == "") is (share <= 0)
