"""Bandwidth: a token bucket for each direction, changeable while it runs.

A bucket holds one second's worth of bytes at most, so that a limit holds over any two seconds. Taking more than there
is goes into debt at once and waits until the debt is paid: a message is never cut to fit, and waiters are served in the
order in which they came.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from pincrew.limits import NODE_RATE_SPAN_S

_MOMENT_S = 0.001


class Throttle:
    """Lets ``bytes_per_second`` through; None lets everything through. Counts all that passed in ``total``."""

    def __init__(self, bytes_per_second: int | None = None, *, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or trio.current_time
        self._limit = bytes_per_second
        self._debt = 0.0
        self._asked_at = 0.0
        self._changed = trio.Event()
        self._turn = trio.StrictFIFOLock()
        self.total = 0
        self._spans: list[tuple[float, int]] = []

    @property
    def limit(self) -> int | None:
        """Bytes a second, or None for no limit."""
        return self._limit

    @limit.setter
    def limit(self, bytes_per_second: int | None) -> None:
        self._pay()
        self._limit = bytes_per_second
        self._changed.set()
        self._changed = trio.Event()

    async def take(self, size: int) -> None:
        """Return when ``size`` bytes may pass; they count from then on."""
        if self._limit is not None or self._turn.locked():
            await self._wait(size)
        self._count(size)

    async def _wait(self, size: int) -> None:
        async with self._turn:
            self._pay()
            self._debt += size
            while self._limit is not None and self._debt > self._limit:
                # Not less than a moment: a wait that rounds to nothing would turn in place.
                with trio.move_on_after(max(_MOMENT_S, (self._debt - self._limit) / self._limit)):
                    await self._changed.wait()
                self._pay()

    def rate(self) -> float:
        """Return bytes per second over the last NODE_RATE_SPAN_S."""
        now = self._clock()
        self._forget(now)
        return sum(size for _, size in self._spans) / NODE_RATE_SPAN_S

    def _pay(self) -> None:
        now = self._clock()
        if self._limit is None:
            self._debt = 0.0
        else:
            self._debt = max(0.0, self._debt - (now - self._asked_at) * self._limit)
        self._asked_at = now

    def _count(self, size: int) -> None:
        now = self._clock()
        self.total += size
        if self._spans and now - self._spans[-1][0] < 1.0:
            self._spans[-1] = (self._spans[-1][0], self._spans[-1][1] + size)
        else:
            self._spans.append((now, size))
            self._forget(now)

    def _forget(self, now: float) -> None:
        while self._spans and now - self._spans[0][0] > NODE_RATE_SPAN_S:
            del self._spans[0]
