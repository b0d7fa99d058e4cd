"""A pause is read, asked for and over as its user means it: across midnight, summer time and a clock set back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew.errors import Misuse
from pincrew.pause import Pause, pause_asked, pause_of


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(text: str) -> datetime:
    """A moment of Berlin's wall clock, aware."""
    return datetime.fromisoformat(text).astimezone()


def ends(until: str, now: str) -> str:
    pause = pause_asked("", until, at(now))
    assert pause.until_ms is not None
    return datetime.fromtimestamp(pause.until_ms / 1_000).isoformat(timespec="minutes")


def test_until_is_the_next_such_time(berlin: None) -> None:
    assert ends("23:00", "2026-05-01T20:15") == "2026-05-01T23:00"
    assert ends("7:30", "2026-05-01T20:15") == "2026-05-02T07:30"
    assert ends("20:15", "2026-05-01T20:15") == "2026-05-02T20:15", "never nothing at all"
    assert ends("00:00", "2026-12-31T23:59") == "2027-01-01T00:00"
    assert ends("7:00", "2026-03-28T23:00") == "2026-03-29T07:00", "the night has one hour less"
    assert ends("7:00", "2026-10-24T23:00") == "2026-10-25T07:00", "one hour more"


def test_for_so_long() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert pause_asked("1h", "", now) == pause_of("2026-01-01T01:00:00Z")
    assert pause_asked("", "", now) == Pause(None)


@pytest.mark.parametrize(
    ("for_", "until"),
    [("1h", "23:00"), ("0s", ""), ("90", ""), ("500d", ""), ("-1h", ""), ("", "24:00"), ("", "9"), ("", "tomorrow")],
)
def test_what_makes_no_sense_is_said(for_: str, until: str) -> None:
    with pytest.raises(Misuse):
        pause_asked(for_, until, datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("text", ["no", "23:00", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z"])
def test_what_is_no_pause_in_a_file_is_said(text: str) -> None:
    with pytest.raises(Misuse, match="is not a pause"):
        pause_of(text)


@given(st.one_of(st.none(), st.integers(0, 4_000_000_000).map(lambda seconds: seconds * 1_000)))
def test_it_is_read_back_as_it_was_written(until_ms: int | None) -> None:
    assert pause_of(Pause(until_ms).text) == Pause(until_ms)


@given(st.integers(1, 10**9), st.integers(-(10**8), 10**8))
def test_a_jump_of_the_clock_makes_no_pause_longer(left_s: int, jump_s: int) -> None:
    now_s = 2 * 10**9
    after = Pause((now_s + left_s) * 1_000).after_jump(jump_s)
    assert after.until_ms is not None
    assert after.until_ms // 1_000 - (now_s + jump_s) <= left_s
    assert Pause(None).after_jump(jump_s) == Pause(None)


def test_it_is_over_at_its_moment() -> None:
    assert pause_of("") is None
    assert [Pause(5_000).is_over(now) for now in (4_999, 5_000)] == [False, True]
    assert not Pause(None).is_over(10**15)
