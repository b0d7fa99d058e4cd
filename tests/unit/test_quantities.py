"""Times as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew.errors import Misuse
from pincrew.quantities import age_text, duration_text, parse_duration, parse_size, typed_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("90m", 5400), ("1.5h", 5400), ("30d", 2_592_000), (" 2 w ", 1_209_600), ("0s", 0)],
)
def test_times_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1y", "1e3s", "٣d", "1d2h", "9" * 40 + "d"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(Misuse, match="with a unit"):
        parse_duration(text)


@given(st.integers(0, 10**8))
def test_what_is_written_is_read(seconds: int) -> None:
    assert parse_duration(duration_text(seconds)) == seconds


@pytest.mark.parametrize(("seconds", "text"), [(86_400, "1d"), (5400, "90m"), (0, "0s"), (90.5, "90.5s")])
def test_times_are_written_in_the_largest_exact_unit(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "a moment"), (1, "1 second"), (119, "1 minute"), (7300, "2 hours"), (200_000, "2 days"), (-600, "a moment")],
)
def test_ages_are_for_people(seconds: float, text: str) -> None:
    assert age_text(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"), [(2 * 10**12, "2TB"), (3_050 * 10**9, "3050GB"), (512 * 1024**2, "512MiB"), (4_097, "4097")]
)
def test_sizes_are_typed_in_the_largest_unit_that_is_exact(size: int, text: str) -> None:
    assert typed_size(size) == text


@given(st.integers(0, 10**15 - 1))
def test_a_typed_size_is_read(size: int) -> None:
    assert parse_size(typed_size(size)) == size
