"""What passed in a month: counted by the wall's months, from nodes' own counts, kept and read again."""

from __future__ import annotations

from datetime import datetime

import pytest

from pincrew.errors import Misuse
from pincrew.limits import MONTHS_KEPT_MAX
from pincrew.month import Count, Month, Months, month_name, months_of, next_month

NOVEMBER, DECEMBER = datetime(2026, 11, 30, 23, 59, 59), datetime(2026, 12, 1)


def test_a_month_ends_and_the_next_begins_with_nothing() -> None:
    months = Months()
    months.add(NOVEMBER, 100, 20)
    months.add(DECEMBER, 5, 0)
    assert months.at(NOVEMBER).passed == 120 and months.at(DECEMBER) == Month(5, 0)
    months.add(NOVEMBER, 1, 1)
    assert months.at(NOVEMBER) == Month(101, 21), "a clock that is set back finds what was counted"
    assert next_month(NOVEMBER) == DECEMBER and next_month(DECEMBER) == datetime(2027, 1, 1)
    assert month_name(NOVEMBER) == "2026-11"


def test_what_is_kept_is_read_again() -> None:
    months = Months(is_over=True)
    months.add(NOVEMBER, 100, 20)
    again = months_of(months.encode())
    assert again.at(NOVEMBER) == Month(100, 20) and again.is_over
    assert again.encode() == months.encode()
    for wrong in (
        b"",
        b"[]",
        b"{}",
        b'{"format":1,"is_over":false,"months":{"soon":{"received":1,"sent":1}}}',
        b'{"format":1,"is_over":false,"months":{"2026-11":{"received":-1,"sent":1}}}',
        b'{"format":1,"is_over":false,"months":{"2026-11":{"received":"1","sent":1}}}',
        b"[" * 100_000,
    ):
        with pytest.raises(Misuse):
            months_of(wrong)


def test_old_months_are_forgotten_and_never_the_present_one() -> None:
    months = Months()
    for year in range(2030, 2040):
        for month in range(1, 13):
            months.add(datetime(year, month, 1), 1, 0)
    assert months.encode().count(b"received") == MONTHS_KEPT_MAX
    months.add(NOVEMBER, 7, 0)
    assert months.at(NOVEMBER) == Month(7, 0), "the clock was set back further than is remembered"


def test_a_node_counts_from_its_own_start() -> None:
    count = Count(1_000, 10)
    assert count.look(1_500, 10) == (500, 0)
    assert count.look(1_500, 30) == (0, 20)
    assert count.look(40, 5) == (40, 5), "it was started anew"
