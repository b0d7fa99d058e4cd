"""Blocks in an order that is found out while they are read, several of them being fetched at once.

Whoever reads a file or a folder learns from each block which come next. It puts those in front of what already waits
and takes the first, over and over. The first few of all that waits are on their way meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from itertools import islice
from typing import Generic, TypeVar

import trio

from pincrew.limits import READ_AHEAD_BLOCKS, READ_AHEAD_BYTES

Subject = TypeVar("Subject")
# Returns a block, from the network if need be, verified; also one that its CID holds itself.
Get = Callable[[bytes], Awaitable[bytes]]


class _Wanted(Generic[Subject]):
    __slots__ = ("arrived", "block", "cid", "failure", "size", "subject")

    def __init__(self, cid: bytes, size: int, subject: Subject) -> None:
        self.cid = cid
        self.size = size
        self.subject = subject
        self.arrived: trio.Event | None = None  # None: not on its way yet
        self.block = b""
        self.failure: Exception | None = None


@asynccontextmanager
async def fetching() -> AsyncIterator[trio.Nursery]:
    """A nursery for one reading. What is still being fetched when the block ends is cancelled."""
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        try:
            yield nursery
        # Raised below: through the nursery it would arrive inside an exception group.
        except Exception as error:
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


class ReadAhead(Generic[Subject]):
    """Fetches through ``get`` in a nursery made by `fetching`."""

    def __init__(self, get: Get, nursery: trio.Nursery) -> None:
        self._get = get
        self._nursery = nursery
        self._waiting: deque[_Wanted[Subject]] = deque()

    def put_first(self, wanted: Iterable[tuple[bytes, int, Subject]]) -> None:
        """Put (CID, size as far as it is known, what it is to the reader) in front of all that waits."""
        self._waiting.extendleft(reversed([_Wanted(*each) for each in wanted]))

    async def take(self) -> tuple[Subject, bytes] | None:
        """Return the first of what waits, with its block; None when nothing does. Raises what fetching it raised."""
        size = 0
        for wanted in islice(self._waiting, READ_AHEAD_BLOCKS):
            if size >= READ_AHEAD_BYTES:
                break
            size += wanted.size
            if wanted.arrived is None:
                wanted.arrived = trio.Event()
                self._nursery.start_soon(self._fetch, wanted, wanted.arrived)
        if not self._waiting:
            return None
        first = self._waiting.popleft()
        assert first.arrived is not None
        await first.arrived.wait()
        if first.failure is not None:
            raise first.failure
        return first.subject, first.block

    async def _fetch(self, wanted: _Wanted[Subject], arrived: trio.Event) -> None:
        try:
            wanted.block = await self._get(wanted.cid)
        # Whatever it is: it is raised when, and if, the reader gets to this block.
        except Exception as failure:
            wanted.failure = failure
        arrived.set()
