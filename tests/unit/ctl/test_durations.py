"""Times are read as Go reads them."""

from __future__ import annotations

import pytest

from pincrew.ctl.durations import duration_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("2s", 2), ("1h30m", 5400), ("1.5s", 1.5), (".5m", 30), ("300ms", 0.3), ("-2s", -2), ("+1m1s", 61)],
)
def test_what_go_takes(text: str, seconds: float) -> None:
    assert duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 'time: invalid duration ""'),
        ("-", 'time: invalid duration "-"'),
        ("x", 'time: invalid duration "x"'),
        ("5", 'time: missing unit in duration "5"'),
        ("1x", 'time: unknown unit "x" in duration "1x"'),
        ("30d", 'time: unknown unit "d" in duration "30d"'),
        ("1h x", 'time: unknown unit "h x" in duration "1h x"'),
        ("9999999999h", 'time: invalid duration "9999999999h"'),
    ],
)
def test_what_go_refuses(text: str, words: str) -> None:
    with pytest.raises(ValueError) as refused:
        duration_s(text)
    assert str(refused.value) == words
