"""Quiet hours are what the clock on the wall shows: across midnight, the end of the week, and summer time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew.errors import Misuse
from pincrew.timetable import timetable_of

MONDAY = datetime(2026, 5, 4)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TABLE = timetable_of("mon-fri 23:00-07:00, sat,sun 00:00-10:00")


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def quiet(day: str, clock: str) -> bool:
    hours, minutes = map(int, clock.split(":"))
    return TABLE.is_quiet(MONDAY + timedelta(days=DAYS.index(day), hours=hours, minutes=minutes))


def test_a_week() -> None:
    assert [quiet("mon", clock) for clock in ("06:59", "07:00", "22:59", "23:00")] == [False, False, False, True]
    assert [quiet("tue", clock) for clock in ("00:00", "06:59", "07:00")] == [True, True, False], "from the day before"
    assert [quiet("sat", clock) for clock in ("00:00", "09:59", "10:00", "23:30")] == [True, True, False, False]


@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 1_439), st.integers(0, 1_440), st.integers(0, 10_079))
def test_any_span_is_quiet_where_a_plain_reading_says_so(
    first: int, last: int, start: int, end: int, minute: int
) -> None:
    if start == end:
        return
    days = {(first + offset) % 7 for offset in range((last - first) % 7 + 1)}
    text = f"{DAYS[first]}-{DAYS[last]} {start // 60}:{start % 60:02}-{end // 60}:{end % 60:02}"
    day, of_day = divmod(minute, 1_440)
    if start < end:
        wanted = day in days and start <= of_day < end
    else:
        wanted = (day in days and of_day >= start) or ((day - 1) % 7 in days and of_day < end)
    assert timetable_of(text).is_quiet(MONDAY + timedelta(minutes=minute)) is wanted


@pytest.mark.parametrize("text", ["", "none", " None "])
def test_none(text: str) -> None:
    assert not timetable_of(text).spans


def test_without_days_it_is_every_day() -> None:
    assert timetable_of("1:00-2:00") == timetable_of("mon-sun 01:00-02:00") == timetable_of("TUE-MON 1:00 - 2:00")
    assert timetable_of("00:00-24:00").quiet_ends(datetime.now().astimezone()) is None


@pytest.mark.parametrize(
    "text",
    [
        "23-7",
        "mon",
        "mon 25:00-26:00",
        "24:00-01:00",
        "7:00-7:00",
        "moon 1:00-2:00",
        "1:60-2:00",
        "mon-fri",
        "1:00-2:00 x",
    ],
)
def test_what_is_no_timetable_is_said(text: str) -> None:
    with pytest.raises(Misuse) as raised:
        timetable_of(text)
    assert raised.value.next_step


def test_the_nights_of_summer_time(berlin: None) -> None:
    def ends(now: str) -> str | None:
        end = timetable_of("23:00-07:00").quiet_ends(datetime.fromisoformat(now).astimezone())
        return None if end is None else end.replace(tzinfo=None).isoformat(timespec="minutes")

    def hours(now: str) -> float:
        begin = datetime.fromisoformat(now).astimezone()
        end = timetable_of("23:00-07:00").quiet_ends(begin)
        assert end is not None
        return (end.timestamp() - begin.timestamp()) / 3_600

    assert ends("2026-05-04T22:59") is None
    assert ends("2026-03-28T23:00") == "2026-03-29T07:00" and hours("2026-03-28T23:00") == 7
    assert ends("2026-10-24T23:00") == "2026-10-25T07:00" and hours("2026-10-24T23:00") == 9
    assert hours("2026-05-04T23:00") == 8
