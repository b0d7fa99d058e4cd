"""Many small calls of many tasks, done together in a thread.

A trip to a thread takes longer than reading or writing a small block. So what is asked for while one trip is under way
waits, and the next trip takes all of it. Nothing waits for company: a lone call goes at once, and the busier the node,
the larger the groups.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import trio

from pincrew.errors import PincrewError

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


@dataclass(slots=True, eq=False)
class _Call(Generic[ItemT, ResultT]):
    item: ItemT
    size: int
    outcome: ResultT | PincrewError | None = None
    done: trio.Event = field(default_factory=trio.Event)
    abandoned: bool = False


class Gathering(Generic[ItemT, ResultT]):
    """Calls of one kind. ``work`` gets the items of a group, in a thread, and answers them in their order.

    It may answer fewer: the others are the first of the next group. An error that it puts among the answers is raised
    at the one who asked; where it raises a PincrewError, each item of the group is tried alone.
    """

    def __init__(
        self,
        work: Callable[[Sequence[ItemT]], Sequence[ResultT | PincrewError]],
        *,
        group_items: int,
        group_size: int,
        queue_size_max: int,
        limiter: trio.CapacityLimiter,
    ) -> None:
        self._work = work
        self._group_items = group_items
        self._group_size = group_size
        self._queue_size_max = queue_size_max
        self._limiter = limiter
        self._queue: deque[_Call[ItemT, ResultT]] = deque()
        self._queue_size = 0
        self._idle = trio.lowlevel.ParkingLot()
        self._outside = trio.lowlevel.ParkingLot()

    async def call(self, item: ItemT, size: int) -> ResultT:
        """Have ``item`` done and return its answer, or raise its error. Waits while the queue is full.

        A call that is cancelled is done or not.
        """
        while self._queue and self._queue_size + size > self._queue_size_max:
            await self._outside.park()
        call: _Call[ItemT, ResultT] = _Call(item, size)
        self._queue.append(call)
        self._queue_size += size
        self._idle.unpark()
        if self._outside and self._queue_size < self._queue_size_max:
            self._outside.unpark()
        try:
            await call.done.wait()
        finally:
            call.abandoned = not call.done.is_set()
        if isinstance(call.outcome, PincrewError):
            raise call.outcome
        return call.outcome  # type: ignore[return-value]  # None only where ResultT has it

    async def run(self) -> None:
        """Work until cancelled. Several may run: then so many groups are worked on at once."""
        while True:
            while not self._queue:
                await self._idle.park()
            # In a call of its own, so that what it held is not kept until the next calls come.
            await self._work_on(self._take())

    async def _work_on(self, group: list[_Call[ItemT, ResultT]]) -> None:
        if not group:
            return
        outcomes = await trio.to_thread.run_sync(self._attempt, [call.item for call in group], limiter=self._limiter)
        for call, outcome in zip(group, outcomes, strict=False):
            call.outcome = outcome
            call.done.set()
        for call in reversed(group[len(outcomes) :]):
            self._queue.appendleft(call)
            self._queue_size += call.size

    def _take(self) -> list[_Call[ItemT, ResultT]]:
        group: list[_Call[ItemT, ResultT]] = []
        size = 0
        while self._queue and len(group) < self._group_items:
            call = self._queue[0]
            if group and size + call.size > self._group_size:
                break
            self._queue.popleft()
            self._queue_size -= call.size
            if not call.abandoned:
                group.append(call)
                size += call.size
        self._outside.unpark()  # whoever finds room lets the next one look
        return group

    def _attempt(self, items: Sequence[ItemT]) -> list[ResultT | PincrewError]:
        try:
            return list(self._work(items))
        except PincrewError as error:
            if len(items) == 1:
                return [error]
        return [outcome for item in items for outcome in self._attempt([item])]
