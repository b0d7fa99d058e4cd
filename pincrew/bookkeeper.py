"""Keeps the tasks that work on one cluster's pins in step with the rows on disk.

- The book blocks (SQLite): it is called in threads, one call at a time. `turn` is held over "read rows, decide,
  settle", so that a status still waiting here is never written over a newer decision.
- A CID in `busy` has one task, which pins it or lets go of it; no other task starts on it. It leaves `busy` when its
  last status is on disk, so that a row read from the book is never out of date in a way that matters.
- Statuses gather while a transaction is on its way to the disk (group commit). A disk that refuses is asked again and
  again; that is an event, and nothing is lost meanwhile.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ParamSpec, TypeVar

import trio

from pincrew import tracker
from pincrew.bell import Bell
from pincrew.errors import StoreFault
from pincrew.limits import STATUS_DELAY_S_MAX, STATUS_INTERVAL_S, STORE_RETRY_DELAY_S
from pincrew.rates import Ring, Senders
from pincrew.room import Room
from pincrew.tracker import FOR_ROOM, OWN_DECISION_MS, Event, Fault, PinBook, Progress, StatusUpdate
from pincrew.values import Pin, PinState

P = ParamSpec("P")
T = TypeVar("T")

# Called on the event loop with a word and its fields (JSON values); must not block.
OnEvent = Callable[[str, dict[str, Any]], None]


@dataclass(slots=True, eq=False)
class Work:
    """The one task on a CID. ``pin`` is None for letting go."""

    cid: bytes
    pin: Pin | None
    progress: Progress
    started_ms: int
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    finished: trio.Event = field(default_factory=trio.Event)
    written: trio.Event = field(default_factory=trio.Event)  # its last status is on disk
    blocks: int = 0
    bytes: int | None = None
    last_block_at: float | None = None
    rate: Ring | None = None
    senders: Senders | None = None  # None: the node does not say
    recorded_at: float = 0.0
    size: int | None = None  # known beforehand
    refusal: Fault | None = None  # why this peer itself stops it
    was_overtaken: bool = False  # its row changed when it was over and its last status not yet on disk


class Bookkeeper:
    """The book as tasks use it.

    ``on_written(has_queued, has_leaving)`` is called when CIDs left ``busy``, may be queued, or are to be let go.
    The room is told what the book counts as kept in the step in which a CID's reservation ends, never before or after:
    else its bytes would count twice, or not at all.
    """

    def __init__(
        self,
        book: PinBook,
        room: Room,
        *,
        now_ms: Callable[[], int],
        on_event: OnEvent,
        on_written: Callable[[bool, bool], None],
    ) -> None:
        self.book = book
        self._room = room
        self.turn = trio.Lock()
        self.busy: dict[bytes, Work] = {}
        self._now_ms = now_ms
        self._on_event = on_event
        self._on_written = on_written
        self._limiter = trio.CapacityLimiter(1)
        self._pending: dict[bytes, StatusUpdate] = {}
        self._ended: list[Work] = []
        self._bell, self._urgent_bell = Bell(), Bell()

    async def ask(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of the book in a thread, until the disk does its part."""

        async def in_thread() -> T:
            return await trio.to_thread.run_sync(partial(call, *args, **kwargs), limiter=self._limiter)

        return await self.insist(in_thread)

    async def insist(self, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Await ``call`` again and again while the disk refuses."""
        while True:
            try:
                return await call(*args, **kwargs)
            except StoreFault as fault:
                self._on_event("store_fault", {"error": fault.sentence})
                await trio.sleep(STORE_RETRY_DELAY_S)

    def begin(self, work: Work) -> None:
        """From now on ``work`` is the only task on its CID."""
        assert work.cid not in self.busy
        self.busy[work.cid] = work

    def end(self, work: Work) -> None:
        """``work`` is over: others may have its CID once its last status is on disk."""
        work.finished.set()
        self._ended.append(work)
        self._bell.ring()
        self._urgent_bell.ring()

    def update(
        self, cid: bytes, progress: Progress, *, work: Work | None = None, size: int | None = None
    ) -> StatusUpdate:
        """Put together what is to be written of a CID."""
        return StatusUpdate(
            cid=cid,
            state=progress.state,
            tries=progress.tries,
            next_try_ms=progress.next_try_ms,
            cause=progress.cause,
            error=progress.error,
            size=size,
            bytes_done=work.bytes if work else None,
            blocks_done=work.blocks if work and work.blocks else None,
            updated_ms=self._now_ms(),
        )

    def refused(self, cid: bytes, progress: Progress, fault: Fault, *, is_held: bool) -> StatusUpdate:
        """Put together that a pin is not kept; what is held of it is let go without grace."""
        update = self.update(cid, tracker.advance(progress, Event.REFUSED, fault=fault))
        return replace(update, leaving_ms=OWN_DECISION_MS) if is_held else update

    def settle_soon(self, update: StatusUpdate, *, is_urgent: bool = True) -> None:
        """Write a status with the next transaction; a newer one of the same CID takes its place."""
        self._pending.pop(update.cid, None)
        self._pending[update.cid] = update
        self._bell.ring()
        if is_urgent:
            self._urgent_bell.ring()

    def take_waiting(self, cid: bytes) -> StatusUpdate | None:
        """Take back a status that is not written yet, since its row has changed; only with ``turn`` held."""
        if (work := self.busy.get(cid)) is not None and work.finished.is_set():
            work.was_overtaken = True
        return self._pending.pop(cid, None)

    async def run(self) -> None:
        """Write what gathers, until cancelled."""
        while True:
            await self._bell.wait()
            # What is not urgent, that a pin began and how far it is, is mostly overtaken by its end and never written.
            await self._urgent_bell.wait(STATUS_DELAY_S_MAX)
            async with self.turn:
                updates, self._pending = list(self._pending.values()), {}
                ended, self._ended = self._ended, []
                if updates:
                    await self.ask(self.book.settle, updates, None)
                self._room.settled(await self.ask(self.book.kept_bytes), [work.cid for work in ended])
                for work in ended:
                    if self.busy.get(work.cid) is work:
                        del self.busy[work.cid]
                    work.written.set()
            if any(update.state is PinState.SKIPPED and update.cause in FOR_ROOM for update in updates):
                self._room.refusals += 1  # a search between the refusal and this found nothing of it
            has_queued = any(update.state is PinState.QUEUED for update in updates)
            # While it was let go of, or was just over, it may have been wanted and queued again, or removed; and who
            # looked for it then left it out, since it was busy.
            was_overtaken = any(work.was_overtaken for work in ended)
            has_queued = has_queued or was_overtaken or any(work.pin is None for work in ended)
            has_leaving = was_overtaken or any(update.leaving_ms is not None for update in updates)
            if ended or has_queued or has_leaving:
                self._on_written(has_queued, has_leaving)
            await trio.sleep(STATUS_INTERVAL_S)
