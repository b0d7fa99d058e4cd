"""Numbers as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew import figures

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "—"),
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.00 kB"),
        (999_999, "1.00 MB"),
        (1_310_000_000_000, "1.31 TB"),
        (88_200_000, "88.2 MB"),
        (10**18, "1000.0 PB"),
    ],
)
def test_sizes(number: int | None, text: str) -> None:
    assert figures.size(number) == text


@given(st.integers(0, 10**9), st.integers(1, 10**9))
def test_only_the_whole_is_100_percent(part: int, whole: int) -> None:
    assert (figures.share(part, whole) == "100 %") == (part >= whole)


def test_times() -> None:
    assert figures.ago("2026-01-01T00:00:00Z", NOW) == "1 day ago"
    assert figures.ago("2026-01-02T00:00:00.5Z", NOW) == "just now"
    assert figures.ago(None, NOW) == "never"
    assert figures.ago("nonsense", NOW) == "never"
    assert figures.until("2026-01-02T00:03:00Z", NOW) == "in 3 minutes"
    assert figures.until("2026-01-01T00:00:00Z", NOW) == "now"


@given(st.text(max_size=60), st.integers(3, 40))
def test_shortened_text_fits(text: str, width: int) -> None:
    shown = figures.shorten(text, width)
    assert len(shown) <= width
    assert shown == text or (shown[0] == text[0] and shown[-1] == text[-1])


@given(st.text())
def test_nothing_steers_the_terminal(text: str) -> None:
    assert figures.printable(text).isprintable()
