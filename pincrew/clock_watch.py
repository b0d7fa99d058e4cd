"""Notices that time is missing: the machine slept, the process was stopped, or somebody set the clock.

A sleeping machine tells nobody, and its monotonic clock stands still meanwhile; only the wall clock has moved on.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from pincrew.limits import CLOCK_JUMP_S, CLOCK_LOOK_INTERVAL_S


def missing_s(before_ms: int, now_ms: int, interval_s: float) -> int | None:
    """Return how many seconds are missing between two looks; below 0: the clock was set back. None: it goes as ever."""
    seconds = (now_ms - before_ms) / 1_000 - interval_s
    return round(seconds) if abs(seconds) >= CLOCK_JUMP_S else None


async def watch_clock(now_ms: Callable[[], int], on_jump: Callable[[int], None]) -> None:
    """Look again and again, until cancelled, and call ``on_jump`` with the seconds that are missing."""
    while True:
        before_ms = now_ms()
        await trio.sleep(CLOCK_LOOK_INTERVAL_S)
        seconds = missing_s(before_ms, now_ms(), CLOCK_LOOK_INTERVAL_S)
        if seconds is not None:
            on_jump(seconds)
