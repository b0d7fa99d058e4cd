"""Pins at work: fetch all of a DAG, then keep it.

A pin that is being fetched is on record from its first moment (`fetching_pin`), so that what has come of it is not
collected as garbage and a restart goes on from there. It stays on record when fetching fails or is given up: whoever
wants it tries again, and finds what is here. `unpin` takes it off, and who is at work on it then learns of that at the
end. What nobody asks for any more is forgotten some day (`housekeeping`).

Where there is no room, garbage is collected once, and the walk goes on; if there still is none, NoRoom is raised and
the pin is off the record: pins that each hold a part of the room would keep one another from ever being complete.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Protocol

from pincrew.cid import cid_text
from pincrew.errors import Conflict, NoRoom, NotFound
from pincrew.node.bitswap.session import SentBy
from pincrew.node.blocks import Blocks
from pincrew.node.store import Lease, Pin
from pincrew.node.walk import Fetching, Walk


class OpenSession(Protocol):
    """Opens a session with other nodes; ``wants_all``: whatever is below a block will be wanted too; ``sent_by`` hears
    who sends its blocks."""

    def __call__(self, *, wants_all: bool, sent_by: SentBy) -> AbstractAsyncContextManager[Fetching]: ...


OnProgress = Callable[[int, int], None]


def ignore(_blocks: int, _bytes: int) -> None:
    """Take no notice of progress."""


def ignore_sender(_peer: str) -> None:
    """Take no notice of who sent a block."""


class Pinning:
    """Makes and ends the pins of one node."""

    def __init__(
        self,
        blocks: Blocks,
        open_session: OpenSession,
        make_room: Callable[[], Awaitable[bool]],
        unpinned: Callable[[], None],
    ) -> None:
        """``make_room`` collects garbage and says whether it found any; ``unpinned`` hears that there may be some."""
        self._blocks = blocks
        self._open_session = open_session
        self._make_room = make_room
        self._unpinned = unpinned

    async def pin(
        self, pin: Pin, told: OnProgress = ignore, *, offline: bool = False, sent_by: SentBy = ignore_sender
    ) -> None:
        """Fetch what ``pin`` is about and keep it; ``told`` hears (blocks, bytes) that are here, ``sent_by`` from whom.

        ``offline`` fetches nothing and raises NotFound for what is not here. Raises Conflict for a direct pin of what
        is pinned recursively, PinRemoved where it was unpinned meanwhile, and NoRoom, Misuse and Malformed as
        `Walk.run` does.
        """
        before = await self._blocks.pin_of(pin.cid)
        if before is not None and before.recursive and not pin.recursive:
            raise Conflict("That is pinned recursively already", where=cid_text(pin.cid))
        with self._blocks.lease() as lease:
            if offline:
                await Walk(pin.cid, self._blocks, lease, told, recursive=pin.recursive).run(_nobody)
                await self._blocks.complete_pin(pin)
            else:
                async with self._blocks.fetching_pin(pin):
                    await self._bring(pin, lease, told, sent_by)
                    await self._blocks.complete_pin(pin, was_fetched=True)

    async def unpin(self, cid: bytes) -> bool:
        """End a pin, or the fetching of one; return whether it was pinned."""
        was_fetching = await self._blocks.abandon_pin(cid)
        was_pinned = await self._blocks.unpin(cid)
        if was_fetching or was_pinned:
            self._unpinned()
        return was_pinned

    async def update(self, old: bytes, new: bytes, *, unpin: bool, told: OnProgress = ignore) -> None:
        """Pin ``new`` recursively under the name of ``old``; with ``unpin`` in place of it, in one step.

        Raises NotFound where ``old`` is not pinned recursively, and what `pin` raises.
        """
        before = await self._blocks.pin_of(old)
        if before is None or not before.recursive:
            raise NotFound("'from' cid was not recursively pinned already", where=cid_text(old))
        pin = Pin(new, True, before.name)
        if not unpin or new == old:
            await self.pin(pin, told)
            return
        with self._blocks.lease() as lease:
            async with self._blocks.fetching_pin(pin):
                await self._bring(pin, lease, told, ignore_sender)
                await self._blocks.replace_pin(old, pin)
        self._unpinned()

    async def _bring(self, pin: Pin, lease: Lease, told: OnProgress, sent_by: SentBy) -> None:
        """Have all that ``pin`` is about here, under ``lease``."""
        has_collected = False
        while True:
            try:
                walk = Walk(pin.cid, self._blocks, lease, told, recursive=pin.recursive)
                await walk.run(partial(self._open_session, wants_all=pin.recursive, sent_by=sent_by))
                return
            except NoRoom:
                if has_collected or not await self._make_room():
                    await self._blocks.abandon_pin(pin.cid)
                    self._unpinned()
                    raise
                has_collected = True


class _Nobody:
    """A session in which nobody is asked."""

    def want(self, cids: Iterable[bytes]) -> None:
        raise NotFound("A block of it is not here, and nobody was asked", where=cid_text(next(iter(cids))))

    async def receive_some(self, bytes_max: int) -> list[tuple[bytes, bytes]]:
        raise AssertionError("nothing was wanted")


@asynccontextmanager
async def _nobody() -> AsyncIterator[_Nobody]:
    yield _Nobody()
