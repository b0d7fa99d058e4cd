"""A pause: nothing new is fetched, until a moment or until somebody resumes. Pure: the time is an argument.

It is kept as text in cluster.toml: "" for none, `yes` until somebody resumes, or the moment it ends (RFC 3339).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pincrew.errors import Misuse
from pincrew.limits import PAUSE_S_MAX
from pincrew.quantities import parse_duration

_ENDLESS = "yes"


@dataclass(frozen=True, slots=True)
class Pause:
    """``until_ms`` in Unix milliseconds; None: until somebody resumes."""

    until_ms: int | None = None

    def is_over(self, now_ms: int) -> bool:
        """Whether it has ended by itself."""
        return self.until_ms is not None and now_ms >= self.until_ms

    def after_jump(self, seconds: int) -> Pause:
        """Return what it is after the clock jumped: one that was set back makes no pause longer.

        One that moved on is a machine that slept, or was wrong before: the moment stays.
        """
        if self.until_ms is None or seconds >= 0:
            return self
        return Pause(self.until_ms + seconds * 1_000)

    @property
    def text(self) -> str:
        """It as `pause_of` reads it."""
        return _ENDLESS if self.until_ms is None else moment_text(self.until_ms)


def moment_text(moment_ms: int) -> str:
    """Return a moment in RFC 3339, to the second."""
    return datetime.fromtimestamp(moment_ms / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def pause_of(text: str, where: str = "paused in cluster.toml") -> Pause | None:
    """Read what is kept; None: not paused. Raises Misuse."""
    if not text:
        return None
    if text == _ENDLESS:
        return Pause()
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError
        return Pause(round(moment.timestamp() * 1_000))
    except (ValueError, OverflowError):
        step = "Write `yes`, or until when, like `2030-01-31T23:00:00Z`"
        raise Misuse(f"{text[:40]!r} is not a pause", where=where, next_step=step) from None


def pause_asked(for_: str, until: str, now: datetime) -> Pause:
    """Return the pause that a person asks for: for so long, until a time of the day, or until he resumes.

    ``now`` is aware, in the local time zone. Raises Misuse.
    """
    if for_ and until:
        raise Misuse("`--for` and `--until` exclude each other", means="Nothing was changed")
    if for_:
        seconds = parse_duration(for_)
        if not 0 < seconds <= PAUSE_S_MAX:
            step = f"Choose at most {round(PAUSE_S_MAX / 86_400)}d; without `--for` it lasts until `pincrew resume`"
            raise Misuse(f"{for_!r} is no time to pause for", means="Nothing was changed", next_step=step)
        return Pause(round((now.timestamp() + seconds) * 1_000))
    if until:
        return Pause(_next_time(until, now))
    return Pause()


def _next_time(text: str, now: datetime) -> int:
    """Return when the clock on the wall next shows that time, across midnight and changes to summer time."""
    match = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", text.strip())
    if not match:
        raise Misuse(
            f"{text[:40]!r} is not a time of the day", means="Nothing was changed", next_step="Write it like `23:00`"
        )
    wall = now.replace(tzinfo=None, hour=int(match[1]), minute=int(match[2]), second=0, microsecond=0)
    # Without a zone, so that the zone's rules of that very day are applied.
    moment = wall.astimezone()
    if moment <= now:
        moment = (wall + timedelta(days=1)).astimezone()
    return round(moment.timestamp() * 1_000)
