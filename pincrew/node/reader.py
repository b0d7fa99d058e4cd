"""Single blocks for whoever reads, the gateway or `cat`: all of them through one session of the exchange.

A session learns who has the neighbours of a block; one for each block would ask everybody each time. Several who read
the same block share one want, which ends when none of them waits any more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import trio

from pincrew.errors import NoRoom, PincrewError
from pincrew.node.bitswap.session import Session, UnfitBlock


class _Wanted:
    def __init__(self) -> None:
        self.waiting = 0
        self.arrived = trio.Event()
        self.data = b""
        self.failure: PincrewError | None = None


class Reader:
    """Returns blocks; `run` must be running."""

    def __init__(
        self,
        open_session: Callable[[], AbstractAsyncContextManager[Session]],
        make_room: Callable[[], Awaitable[bool]],
    ) -> None:
        """``make_room`` collects garbage, which is what was read before, and says whether it found any."""
        self._open_session = open_session
        self._make_room = make_room
        self._session: Session | None = None
        self._wanted: dict[bytes, _Wanted] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. What the exchange raises (a full disk) is raised to those who wait, and it goes on."""
        task_status.started()
        while True:
            async with self._open_session() as session:
                self._session = session
                try:
                    session.want(self._wanted)
                    while True:
                        await self._receive(session)
                except NoRoom as failure:
                    self._session = None
                    if not await self._make_room():
                        self._fail(failure)
                except PincrewError as failure:
                    self._fail(failure)
                finally:
                    self._session = None

    async def _receive(self, session: Session) -> None:
        try:
            cid, data = await session.receive()
        except UnfitBlock as failure:
            if (wanted := self._wanted.pop(failure.cid, None)) is not None:
                wanted.failure = failure
                wanted.arrived.set()
        else:
            if (wanted := self._wanted.pop(cid, None)) is not None:
                wanted.data = data
                wanted.arrived.set()

    async def get(self, cid: bytes) -> bytes:
        """Return a verified block, from the network if need be; waits for it until cancelled.

        Raises Malformed for a CID that no block can have, and what keeping the block raised.
        """
        wanted = self._wanted.get(cid)
        if wanted is None:
            wanted = self._wanted[cid] = _Wanted()
            if self._session is not None:
                try:
                    self._session.want([cid])
                except PincrewError:
                    del self._wanted[cid]
                    raise
        wanted.waiting += 1
        try:
            await wanted.arrived.wait()
        finally:
            wanted.waiting -= 1
            if not wanted.waiting and self._wanted.get(cid) is wanted:
                del self._wanted[cid]
                if self._session is not None:
                    self._session.cancel([cid])
        if wanted.failure is not None:
            raise wanted.failure
        return wanted.data

    def _fail(self, failure: PincrewError) -> None:
        for wanted in self._wanted.values():
            wanted.failure = failure
            wanted.arrived.set()
        self._wanted.clear()
