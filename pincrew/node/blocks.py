"""The block store for tasks: its calls in threads, small ones together, with a bound on what waits to be written.

A put returns once its block is committed. While one group is written the next one gathers, up to STORE_PUT_BLOCKS and
STORE_PUT_BYTES: there is no pause in which a group waits for more. Whoever puts faster than the disk waits as soon as
STORE_PUT_QUEUE_BYTES_MAX are in the queue. Pins that become complete at the same time share one flush of the disk.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from typing import NamedTuple, TypeVar

import trio

from pincrew.errors import BlockCorrupt, PincrewError
from pincrew.limits import (
    STORE_PINS_PER_COMMIT,
    STORE_PUT_BLOCKS,
    STORE_PUT_BYTES,
    STORE_PUT_QUEUE_BYTES_MAX,
    STORE_READ_BLOCKS,
    STORE_READ_BYTES,
    STORE_READ_QUEUE_BLOCKS_MAX,
    STORE_THREADS_MAX,
)
from pincrew.node.gathering import Gathering
from pincrew.node.store import Block, BlockStore, Lease, Phase, Pin, Present, Room, Verified

ResultT = TypeVar("ResultT")


class _Put(NamedTuple):
    blocks: Sequence[Block]
    verified: bool
    lease: Lease | None


class _Kept(NamedTuple):
    pin: Pin
    was_fetched: bool


class Blocks:
    """A block store as tasks use it; `run` must be running. What the methods promise is told at `BlockStore`'s."""

    def __init__(self, store: BlockStore, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._at_work: Counter[bytes] = Counter()
        self._limiter = trio.CapacityLimiter(STORE_THREADS_MAX)
        self._reads: Gathering[bytes, bytes | None] = Gathering(
            self._read,
            group_items=STORE_READ_BLOCKS,
            group_size=STORE_READ_BLOCKS,
            queue_size_max=STORE_READ_QUEUE_BLOCKS_MAX,
            limiter=self._limiter,
        )
        self._puts: Gathering[_Put, None] = Gathering(
            self._write,
            group_items=STORE_PUT_BLOCKS,
            group_size=STORE_PUT_BYTES,
            queue_size_max=STORE_PUT_QUEUE_BYTES_MAX,
            limiter=self._limiter,
        )
        self._pins: Gathering[_Kept, None] = Gathering(
            self._complete,
            group_items=STORE_PINS_PER_COMMIT,
            group_size=STORE_PINS_PER_COMMIT,
            queue_size_max=STORE_PINS_PER_COMMIT,
            limiter=self._limiter,
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled."""
        async with trio.open_nursery() as nursery:
            for gathering in (self._reads, self._reads, self._puts, self._pins):
                nursery.start_soon(gathering.run)
            task_status.started()

    # -- out ----------------------------------------------------------------------------------------------------------

    async def get(self, multihash: bytes) -> bytes | None:
        """Return the data of a block, or None. Raises BlockCorrupt when it was damaged: from then on it is absent."""
        return await self._reads.call(multihash, 1)

    async def get_many(self, multihashes: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return those blocks that are here undamaged; the caller bounds how many bytes that may be."""
        return await self._in_thread(self._store.get_many, multihashes)

    async def has_many(self, multihashes: Sequence[bytes]) -> dict[bytes, int]:
        """Return the lengths of those blocks that are here."""
        return await self._in_thread(self._store.has_many, multihashes)

    async def count(self) -> int:
        """Return how many blocks there are."""
        return await self._in_thread(self._store.count)

    async def multihashes(self, after: bytes = b"", limit: int = 1_000) -> list[bytes]:
        """Return a page of the multihashes of all blocks."""
        return await self._in_thread(self._store.multihashes, after, limit)

    # -- in -----------------------------------------------------------------------------------------------------------

    async def put(self, multihash: bytes, data: bytes, *, verified: bool = False, lease: Lease | None = None) -> None:
        """Put a block; it is committed when this returns. Raises Malformed, Misuse or NoRoom."""
        await self.put_many([(multihash, data)], verified=verified, lease=lease)

    async def put_many(self, blocks: Sequence[Block], *, verified: bool = False, lease: Lease | None = None) -> None:
        """Put blocks; they are committed when this returns. Raises Malformed, Misuse or NoRoom."""
        await self._puts.call(_Put(blocks, verified, lease), sum(len(data) for _, data in blocks))

    async def delete_many(self, multihashes: Sequence[bytes]) -> int:
        """Delete blocks that the caller knows nobody needs; return how many were here."""
        return await self._in_thread(self._store.delete_many, multihashes)

    # -- kept ---------------------------------------------------------------------------------------------------------

    def lease(self) -> AbstractContextManager[Lease]:
        """Open a lease, under which a walk or an add does all its work up to the pin."""
        return self._store.lease()

    async def present(self, multihashes: Sequence[bytes], lease: Lease) -> dict[bytes, Present]:
        """Return those of these blocks that are here, and stay while ``lease`` is open."""
        return await self._in_thread(self._store.present, multihashes, lease)

    @asynccontextmanager
    async def fetching_pin(self, pin: Pin) -> AsyncIterator[None]:
        """Put ``pin`` on record as one that is being fetched. Until the end of this it does not count as forgotten."""
        self._at_work[pin.cid] += 1
        try:
            await self._in_thread(self._store.pins.begin, pin, int(self._clock()))
            yield
        finally:
            self._at_work[pin.cid] -= 1
            if not self._at_work[pin.cid]:
                del self._at_work[pin.cid]

    async def abandon_pin(self, cid: bytes) -> bool:
        """Forget a pin that was being fetched; return whether there was one."""
        return await self._in_thread(self._store.pins.abandon, cid)

    async def abandon_forgotten_pins(self) -> int:
        """Forget pins that were begun long ago and that nobody is at work on; return how many there were."""
        return await self._in_thread(self._store.pins.abandon_forgotten, tuple(self._at_work), int(self._clock()))

    async def complete_pin(self, pin: Pin, *, was_fetched: bool = False) -> None:
        """Pin what is here with all its blocks, durably. Raises Conflict, and PinRemoved where it ``was_fetched``."""
        await self._pins.call(_Kept(pin, was_fetched), 1)

    async def replace_pin(self, old: bytes, new: Pin) -> None:
        """Complete ``new``, which was fetched, in place of the pin ``old``. Raises NotFound and PinRemoved."""
        await self._in_thread(self._store.pins.replace, old, new)

    async def unpin(self, cid: bytes) -> bool:
        """Unpin; return whether it was pinned."""
        return await self._in_thread(self._store.pins.remove, cid)

    async def pin_of(self, cid: bytes) -> Pin | None:
        """Return the pin of a CID."""
        return await self._in_thread(self._store.pins.of, cid)

    async def pins(self, after: bytes = b"", limit: int = 1_000, *, recursive: bool | None = None) -> list[Pin]:
        """Return a page of the pins."""
        return await self._in_thread(lambda: self._store.pins.page(after, limit, recursive=recursive))

    async def pins_fetching(self, after: bytes = b"", limit: int = 1_000) -> list[Pin]:
        """Return a page of the pins that are being fetched."""
        return await self._in_thread(self._store.pins.fetching, after, limit)

    async def pins_count(self) -> int:
        """Return how many pins there are."""
        return await self._in_thread(self._store.pins.count)

    # -- looked after -------------------------------------------------------------------------------------------------

    async def collect(
        self, links_of: Callable[[bytes, bytes], Sequence[bytes]]
    ) -> AsyncGenerator[tuple[bytes, ...], None]:
        """Collect garbage, in slices between which others work; yields the multihashes that each slice removed.

        Close it (``aclosing``) when done early. Raises Conflict where a collection runs, BlockCorrupt where a block of
        a pin is missing.
        """
        collection = await self._in_thread(self._store.collection, links_of)
        try:
            while True:
                state = await self._in_thread(collection.step)
                yield state.gone
                if state.phase is Phase.DONE:
                    return
        finally:
            collection.end()

    async def verify(self, after: int = 0) -> Verified:
        """Compare one slice of all the blocks with their multihashes."""
        return await self._in_thread(self._store.verify, after)

    async def lost(self, limit: int = 1_000) -> list[bytes]:
        """Return multihashes of blocks to be fetched anew."""
        return await self._in_thread(self._store.lost, limit)

    def set_limit(self, limit_bytes: int | None) -> None:
        """Change what the files may take together."""
        self._store.set_limit(limit_bytes)

    async def room(self) -> Room:
        """Return how large the store is and may become."""
        return await self._in_thread(self._store.room)

    # -- in threads ---------------------------------------------------------------------------------------------------

    async def _in_thread(self, function: Callable[..., ResultT], *arguments: object) -> ResultT:
        return await trio.to_thread.run_sync(function, *arguments, limiter=self._limiter)

    def _read(self, multihashes: Sequence[bytes]) -> Sequence[bytes | BlockCorrupt | None]:
        return self._store.read(multihashes, STORE_READ_BYTES)

    def _write(self, puts: Sequence[_Put]) -> Sequence[PincrewError | None]:
        """Write puts together; those under another lease, or to be verified, are a transaction of their own."""
        for lease in dict.fromkeys(put.lease for put in puts):
            for verified in (True, False):
                blocks = [b for put in puts if (put.lease, put.verified) == (lease, verified) for b in put.blocks]
                self._store.put_many(blocks, verified=verified, lease=lease)
        return [None] * len(puts)

    def _complete(self, kept: Sequence[_Kept]) -> Sequence[PincrewError | None]:
        self._store.pins.complete(
            [each.pin for each in kept if not each.was_fetched], [each.pin for each in kept if each.was_fetched]
        )
        return [None] * len(kept)
