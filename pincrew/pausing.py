"""Holds up one cluster's pins while its user has paused it, and lets them go on when the pause is over.

What is under way is interrupted, which is no attempt; what is pinned stays and is served. A pause outlives restarts:
whoever puts a peer together gives the one that is kept, and keeps what is handed to ``keep``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio

from pincrew.bell import Bell
from pincrew.bookkeeper import OnEvent
from pincrew.errors import PincrewError
from pincrew.limits import PAUSE_LOOK_INTERVAL_S
from pincrew.pause import Pause, moment_text
from pincrew.pinner import Hold, Pinner

_log = logging.getLogger("pincrew.pausing")

# Keeps a pause for the next start; None: there is none. Blocks, and raises PincrewError.
KeepPause = Callable[[Pause | None], None]


class Pausing:
    """The pause of one cluster. ``run`` ends it in time."""

    def __init__(
        self, pinner: Pinner, now_ms: Callable[[], int], on_event: OnEvent, pause: Pause | None, keep: KeepPause
    ) -> None:
        self._pinner = pinner
        self._now_ms = now_ms
        self._on_event = on_event
        self._keep = keep
        self._bell = Bell()
        self._turn = trio.Lock()
        self.pause: Pause | None = None
        self._is_kept = True
        self._let_hold(pause)

    async def change(self, pause: Pause | None) -> None:
        """Pause, for longer or shorter, or resume (None). It is kept first. Raises PincrewError where it cannot be."""
        async with self._turn:
            if pause is not None and pause.is_over(self._now_ms()):
                pause = None
            await trio.to_thread.run_sync(self._keep, pause)
            had = self.pause
            self._let_hold(pause)
        if pause is not None:
            until = None if pause.until_ms is None else moment_text(pause.until_ms)
            self._on_event("paused", {"until": until})
        elif had is not None:
            self._on_event("resumed", {})

    def clock_jumped(self, seconds: int) -> None:
        """The clock was set or the machine slept. A pause never becomes longer by that."""
        if self.pause is not None and (moved := self.pause.after_jump(seconds)) != self.pause:
            self.pause, self._is_kept = moved, False
        self._bell.ring()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """End the pause when its time has come, until cancelled."""
        task_status.started()
        while True:
            pause = self.pause
            is_over = pause is not None and pause.is_over(self._now_ms())
            if is_over or not self._is_kept:
                try:
                    await self.change(None if is_over else pause)
                except PincrewError as error:  # the disk refuses; a pause that is over is over all the same
                    _log.warning("the pause is not kept: %s", error.sentence)
                    self._let_hold(None if is_over else pause)
            # Looked at often rather than slept through: the clock may be set, and the machine may sleep.
            await self._bell.wait(PAUSE_LOOK_INTERVAL_S)

    def _let_hold(self, pause: Pause | None) -> None:
        self.pause, self._is_kept = pause, True
        if pause is None:
            self._pinner.go_on(Hold.USER)
        else:
            self._pinner.hold(Hold.USER)
        self._bell.ring()
