"""The one owner of a replica: applies what neighbours sent, window by window, and lets the writer in between.

Steps that block (the store's) run in a thread, everything else runs here in slices of a millisecond, so that the API
answers during a million-pin sync: an answer takes a few dozen turns of the loop, and may have to wait a slice in each.
A disk that refuses is asked again after a pause; nothing acknowledged depends on it.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

import trio

from pincrew.bell import Bell
from pincrew.errors import StoreFault
from pincrew.limits import APPLY_SLICE_S_MAX, STORE_RETRY_DELAY_S
from pincrew.replica import Replica
from pincrew.steps import Result, Step
from pincrew.windows import Applied

_log = logging.getLogger("pincrew.applier")


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
        """Run the steps of one window, or of one write, with nobody else in between.

        Garbage is not collected meanwhile: a window's objects, hundreds of thousands, all die with it, and walking them
        again and again while they live takes tens of milliseconds each time.
        """
        async with self._turn:
            with _no_garbage_collection():
                return await drive(steps, self._limiter)


async def drive(steps: Generator[Step, None, Result], limiter: trio.CapacityLimiter) -> Result:
    """Run steps: those that block in a thread, everything else here in slices.

    The caller sees to it that nobody else moves what they move.
    """
    raised: BaseException | None = None
    slice_ends = time.perf_counter() + APPLY_SLICE_S_MAX
    while True:
        try:
            step = next(steps) if raised is None else steps.throw(raised)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        raised = None
        if step is None and time.perf_counter() < slice_ends:
            continue
        try:
            if step is None:
                await trio.lowlevel.checkpoint()
            else:
                await trio.to_thread.run_sync(step, limiter=limiter)
        except Exception as error:  # whatever it is, the generator decides what it means
            raised = error
        slice_ends = time.perf_counter() + APPLY_SLICE_S_MAX


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Several clusters may do this at once: the first that is done turns it on again, which harms nobody."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
