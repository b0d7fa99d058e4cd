"""The curator's writer: requests in, durable envelopes out.

An idle writer flushes at once. Under load an envelope holds what arrived while the previous commit ran: whatever waits
is taken together, up to a window, as long as no two requests of different callers touch one CID.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import trio
from pincrew.trusted.author import Author, WriteRequest, Written

from pincrew import limits
from pincrew.applier import Applier
from pincrew.bell import Bell
from pincrew.errors import PincrewError, WorldFault
from pincrew.store.bases import BaseStore


class WriterStopped(WorldFault):
    """The cluster was stopped meanwhile."""

    code = "stopped"


@dataclass(slots=True, eq=False)
class _Order:
    requests: Sequence[WriteRequest]
    done: trio.Event = field(default_factory=trio.Event)
    absent: frozenset[bytes] | None = None  # None: it is not known to be durable
    fault: PincrewError | None = None


class Writer:
    """Writes as one author. ``run`` until cancelled."""

    def __init__(
        self, author: Author, applier: Applier, bases: BaseStore, on_written: Callable[[Written], None]
    ) -> None:
        """``on_written`` publishes what has become durable (invariant 4)."""
        self._author = author
        self._bases = bases
        self._applier = applier
        self._on_written = on_written
        self._orders: deque[_Order] = deque()
        self._bell = Bell()
        self._may_be_void = True
        self._room = trio.Semaphore(limits.WRITE_ORDERS_WAITING_MAX)
        self._has_ended = False

    async def write(self, requests: Sequence[WriteRequest]) -> frozenset[bytes]:
        """Return once ``requests`` are durable; the CIDs whose removal found nothing are returned.

        Waits for room when too much waits already. Raises StoreFault when the disk refused: then none of it counts;
        WriterStopped when ``run`` ended before it was known.
        """
        if not requests:
            return frozenset()
        order = _Order(requests)
        async with self._room:
            if not self._has_ended:
                self._orders.append(order)
                self._bell.ring()
                await order.done.wait()
        if order.fault is not None:
            raise order.fault
        if order.absent is None:
            raise WriterStopped(means="What was asked for may be on the list or not", next_step="Ask again")
        return order.absent

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commit what waits, again and again."""
        task_status.started()
        try:
            await self._run()
        finally:  # callers outlive this task: the API answers them until it is closed itself
            self._has_ended = True
            for order in self._orders:
                order.done.set()

    async def _run(self) -> None:
        while True:
            await self._reissue()
            orders = self._take()
            if not orders:
                await self._bell.wait()
                continue
            requests = [request for order in orders for request in order.requests]
            try:
                written = await self._applier.drive(self._author.write(requests))
            except PincrewError as fault:
                for order in orders:
                    order.fault = fault
            else:
                absent = frozenset(written.absent)
                for order in orders:
                    order.absent = absent.intersection(request.cid for request in order.requests)
                self._on_written(written)
            finally:
                for order in orders:
                    order.done.set()

    def turned(self) -> None:
        """A base came into force, which may have made own writing void; or trust moved and may let it count again."""
        self._may_be_void = True
        self._bell.ring()

    async def _reissue(self) -> None:
        """Write again what a base made void; where the disk refuses, or trust, it stays until the next time."""
        while self._may_be_void:
            waiting = await trio.to_thread.run_sync(self._bases.reissues, limits.REISSUED_ENVELOPES_MAX)
            if not waiting:
                break
            try:
                written = await self._applier.drive(self._author.reissue([body for _, body in waiting]))
                await trio.to_thread.run_sync(self._bases.reissued, waiting[-1][0])
            except PincrewError:
                break
            self._on_written(written)
        self._may_be_void = False

    def _take(self) -> list[_Order]:
        taken: list[_Order] = []
        touched: set[bytes] = set()
        count = 0
        while self._orders and count < limits.WINDOW_OPERATIONS_MAX:
            cids = {request.cid for request in self._orders[0].requests}
            if taken and not touched.isdisjoint(cids):
                break
            touched |= cids
            count += len(cids)
            taken.append(self._orders.popleft())
        return taken
