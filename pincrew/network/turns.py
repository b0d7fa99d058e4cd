"""Turns for handshakes that others begin: so many at a time, the others wait.

After a restart a whole crowd dials at once. Were all those handshakes to go on side by side, on a slow machine each
would take longer than anybody waits, and as all are then begun anew, none would ever be done. A turn is a head start
and no more: who says nothing for that long does not keep the next one waiting.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from pincrew import limits


class Turns:
    """Given in the order in which they were asked for."""

    def __init__(self, clock: Callable[[], float] = trio.current_time) -> None:
        self._clock = clock
        self._queue = trio.Lock()
        self._taken: dict[object, float] = {}  # until when it keeps others waiting
        self._changed = trio.Event()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn, and have it for as long as the block."""
        token = object()
        async with self._queue:
            while (wait_s := self._wait_s()) > 0:
                changed = self._changed
                with trio.move_on_after(wait_s):
                    await changed.wait()
            self._taken[token] = self._clock() + limits.HANDSHAKE_HEAD_START_S
        try:
            yield
        finally:
            del self._taken[token]
            self._changed.set()
            self._changed = trio.Event()

    def _wait_s(self) -> float:
        """Return how long the next one has to wait if nobody is done before."""
        now = self._clock()
        ends = sorted(end for end in self._taken.values() if end > now)
        excess = len(ends) - limits.HANDSHAKES_AT_ONCE_MAX
        return ends[excess] - now if excess >= 0 else 0.0
