"""The one owner of a replica: applies what neighbours sent, window by window, and lets the writer in between.

Steps that block (commits) run in a thread, everything else runs here in slices of a few milliseconds, so that the API
answers during a million-pin sync. A disk that refuses is asked again after a pause; nothing acknowledged depends on it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from typing import TypeVar

import trio

from pincrew.bell import Bell
from pincrew.errors import StoreFault
from pincrew.limits import STORE_RETRY_DELAY_S
from pincrew.replica import Applied, Replica, Step

_log = logging.getLogger("pincrew.applier")
Result = TypeVar("Result")


class Applier:
    """Drives one replica. ``run`` until cancelled."""

    def __init__(self, replica: Replica, on_applied: Callable[[Applied], None]) -> None:
        self._replica = replica
        self._on_applied = on_applied
        self._turn = trio.Lock()
        self._bell = Bell()
        self._limiter = trio.CapacityLimiter(1)
        self.fault: StoreFault | None = None

    def wake(self) -> None:
        """Something was received."""
        self._bell.ring()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Apply whatever becomes ready."""
        task_status.started()
        while True:
            try:
                applied = await self.drive(self._replica.apply())
            except StoreFault as fault:
                if self.fault is None:
                    _log.error("the state cannot be written: %s", fault.sentence)
                self.fault = fault
                await trio.sleep(STORE_RETRY_DELAY_S)
                continue
            self.fault = None
            if applied.envelopes or applied.stopped:
                self._on_applied(applied)
            else:
                await self._bell.wait()

    async def drive(self, steps: Generator[Step, None, Result]) -> Result:
        """Run the steps of one window, or of one write, with nobody else in between."""
        async with self._turn:
            raised: BaseException | None = None
            while True:
                try:
                    step = next(steps) if raised is None else steps.throw(raised)
                except StopIteration as stop:
                    result: Result = stop.value
                    return result
                raised = None
                if step is None:
                    await trio.lowlevel.checkpoint()
                    continue
                try:
                    await trio.to_thread.run_sync(step, limiter=self._limiter)
                except Exception as error:  # whatever it is, the generator decides what it means
                    raised = error
