"""What a walk through a DAG holds in its hand: it wants blocks and receives them, in whatever order they come."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import trio

from pincrew import limits
from pincrew.cid import cid_text
from pincrew.errors import Malformed, PincrewError
from pincrew.node.multihash import check_allowed, inlined, multihash_of

if TYPE_CHECKING:
    from pincrew.node.bitswap.exchange import Exchange


# Called with the peer that sent a block, for each block that came from one.
SentBy = Callable[[str], None]


class UnfitBlock(Malformed):
    """A block came that cannot be kept, whoever sends it; the session may go on without it."""

    def __init__(self, cid: bytes, size: int) -> None:
        super().__init__(
            f"A block of {size} bytes is larger than any that IPFS nodes exchange, {limits.BLOCK_BYTES_MAX}",
            where=cid_text(cid),
        )
        self.cid = cid


class Session:
    """Blocks for one walk through a DAG, in whatever order they come; from the store where they are there."""

    def __init__(
        self, number: int, exchange: Exchange, *, wants_all: bool = False, sent_by: SentBy = lambda _peer: None
    ) -> None:
        self.number = number
        self.wants_all = wants_all
        self.sent_by = sent_by
        self._exchange = exchange
        self._inbox: deque[tuple[bytes, bytes]] = deque()
        self._local: deque[tuple[bytes, int]] = deque()
        self._unfit: deque[UnfitBlock] = deque()
        self._failure: PincrewError | None = None
        self._news = trio.Event()

    def want(self, cids: Iterable[bytes]) -> None:
        """Want blocks; each comes once. Hundreds at a time keep peers busy. Raises Malformed for a CID nobody can have.

        What is received and not taken is bounded here; how much is wanted at once is the caller's to bound.
        """
        asked = []
        for cid in cids:
            check_allowed(cid)
            data = inlined(multihash_of(cid))
            if data is None:
                asked.append(cid)
            else:
                self._exchange.handed(self, len(data))
                self.deliver(cid, data)
        self._exchange.want(self, asked)

    def cancel(self, cids: Sequence[bytes]) -> None:
        """Want blocks no more; those on their way to the caller may still come."""
        self._exchange.unwant(self, cids)

    async def receive(self) -> tuple[bytes, bytes]:
        """Return the next block as (CID, data).

        Raises UnfitBlock for one that cannot be had, and what the store raised when blocks could not be kept.
        """
        return (await self.receive_some(bytes_max=0))[0]

    async def receive_some(self, bytes_max: int) -> list[tuple[bytes, bytes]]:
        """Return what has come, once anything has: blocks of ``bytes_max`` together, or one. Raises as `receive`.

        What a caller does for many at once need not cost each of them a trip to a thread.
        """
        while not self._inbox:
            if self._unfit:
                raise self._unfit.popleft()
            if self._failure is not None:
                raise self._failure
            if self._local:
                await self._read_local()
            else:
                self._news = trio.Event()
                await self._news.wait()
        some = [self._inbox.popleft()]
        size = len(some[0][1])
        while self._inbox and size + len(self._inbox[0][1]) <= bytes_max:
            size += len(self._inbox[0][1])
            some.append(self._inbox.popleft())
        self._exchange.taken(self, size)
        return some

    def deliver(self, cid: bytes, data: bytes) -> None:
        """Take a block from the exchange."""
        self._inbox.append((cid, data))
        self._news.set()

    def point_out(self, cid: bytes, size: int) -> None:
        """Learn that a block is in the store: it is read when its turn comes, so that no more is held than is taken."""
        self._local.append((cid, size))
        self._news.set()

    def refuse(self, cid: bytes, size: int) -> None:
        """Learn that a block is larger than what is kept."""
        self._unfit.append(UnfitBlock(cid, size))
        self._news.set()

    def fail(self, failure: PincrewError) -> None:
        """Let ``receive`` raise from now on."""
        self._failure = failure
        self._news.set()

    async def _read_local(self) -> None:
        cids: list[bytes] = []
        size = 0
        for cid, block_bytes in islice(self._local, limits.BITSWAP_LOCAL_READ_BLOCKS_MAX):
            size += block_bytes
            if cids and size > limits.BITSWAP_LOCAL_READ_BYTES_MAX:
                break
            cids.append(cid)
        # Were this cancelled, they would still be to be read.
        await self._exchange.read(self, cids)
        for _ in cids:
            self._local.popleft()
