"""Quiet hours: the hours of a week in which other limits hold, written like `mon-fri 23:00-07:00, sat,sun 00:00-10:00`.

Pure. They are hours of the clock on the wall: whoever asks says what it shows, so that the night in which summer time
begins or ends has one hour less or more of them, and nothing else happens. A span that ends before it begins goes on
into the next day; without days it is every day's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pincrew.errors import Misuse

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = 24 * 60
_WEEK = 7 * _DAY
_SPAN = re.compile(r"(?:(.*?)\s+)?(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")
_EXAMPLE = "Write it like `mon-fri 23:00-07:00, sat,sun 00:00-10:00`, or `none`"
_WHERE = "quiet hours"


@dataclass(frozen=True, slots=True)
class Timetable:
    """Spans as (first minute of the week, how many minutes); Monday 00:00 is 0."""

    spans: tuple[tuple[int, int], ...] = ()

    def is_quiet(self, wall: datetime) -> bool:
        """Whether the clock on the wall shows a quiet hour."""
        minute = wall.weekday() * _DAY + wall.hour * 60 + wall.minute
        return any((minute - first) % _WEEK < length for first, length in self.spans)

    def quiet_ends(self, now: datetime) -> datetime | None:
        """Return when the quiet hours end that ``now`` (aware) is in; None: it is in none, or they never end."""
        if not self.is_quiet(now.astimezone()):
            return None
        moment = now.replace(second=0, microsecond=0)
        # Minute by minute of real time, so that the zone's own rules say what the wall shows.
        for minutes in range(1, _WEEK + 1):
            later = datetime.fromtimestamp(moment.timestamp() + 60 * minutes).astimezone()
            if not self.is_quiet(later):
                return later
        return None


def timetable_of(text: str) -> Timetable:
    """Read quiet hours; "" and `none` are none. Raises Misuse."""
    if text.strip().lower() in ("", "none"):
        return Timetable()
    spans: list[tuple[int, int]] = []
    days: list[int] = []
    for part in text.lower().split(","):
        match = _SPAN.fullmatch(part.strip())
        days += _days(part if match is None else match[1] or "", text)
        if match is None:
            continue
        first, last = _minute(match[2], match[3], text), _minute(match[4], match[5], text)
        if first in (_DAY, last):
            raise Misuse(f"{part.strip()[:80]!r} is no span of time", where=_WHERE, next_step="A day is `00:00-24:00`")
        length = last - first if last > first else last - first + _DAY
        spans += [(day * _DAY + first, length) for day in days or range(7)]
        days = []
    if days:
        raise Misuse(f"{text[:80]!r} ends without a time", where=_WHERE, next_step=_EXAMPLE)
    return Timetable(tuple(sorted(set(spans))))


def _days(text: str, whole: str) -> Sequence[int]:
    if not text.strip():
        return ()
    first, dash, last = (part.strip() for part in text.partition("-"))
    if first not in _DAYS or (dash and last not in _DAYS):
        raise Misuse(f"{whole[:80]!r} is no timetable", where=_WHERE, next_step=_EXAMPLE)
    start = _DAYS.index(first)
    count = (_DAYS.index(last) - start) % 7 + 1 if dash else 1
    return [(start + offset) % 7 for offset in range(count)]


def _minute(hours: str, minutes: str, whole: str) -> int:
    minute = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or minute > _DAY:
        raise Misuse(f"{whole[:80]!r} names a time that no clock shows", where=_WHERE, next_step=_EXAMPLE)
    return minute
