"""A wake-up call between tasks: rung any number of times, heard once."""

from __future__ import annotations

import trio


class Bell:
    """``ring`` wakes the one task in ``wait``, or the next that comes; rings in between are one."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def ring(self) -> None:
        """Wake the waiting task."""
        self._event.set()

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Return True once rung, False after ``timeout_s`` without."""
        with trio.move_on_after(float("inf") if timeout_s is None else max(0.0, timeout_s)):
            await self._event.wait()
        rung = self._event.is_set()
        if rung:
            self._event = trio.Event()
        return rung
