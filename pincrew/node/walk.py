"""A walk through a whole DAG, which brings every block of it here: what a pin does, again and again until it is done.

From the root down, depth first: blocks that are here are read, the others are wanted from the exchange, up to
WALK_WANTS of them at once, and their links visited as they come. A walk that ended early begins again at the root; what
is here by then costs a look. Nothing is visited twice, known by the number that the store gives each block: the memory
of that is half a byte a block, whatever the DAG.

A walk works under a lease (`store.keeping`), so that no collection takes what it has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import trio

from pincrew.errors import BlockCorrupt, Misuse
from pincrew.limits import WALK_LINKS_IN_LOOP_BYTES_MAX, WALK_READ_BYTES, WALK_WANTS
from pincrew.node.frontier import Frontier
from pincrew.node.links import is_readable, links_of
from pincrew.node.multihash import DAG_CBOR, DAG_JSON, DAG_PB, RAW, check_allowed, codec_of, inlined, multihash_of
from pincrew.node.store import Lease, Present
from pincrew.node.store.mark_set import MarkSet


class Store(Protocol):
    """The block store (`blocks.Blocks`)."""

    async def present(self, multihashes: Sequence[bytes], lease: Lease) -> Mapping[bytes, Present]: ...
    async def get_many(self, multihashes: Sequence[bytes]) -> Mapping[bytes, bytes]: ...


class Fetching(Protocol):
    """A session with other nodes (`bitswap.exchange.Session`)."""

    def want(self, cids: Iterable[bytes]) -> None: ...
    async def receive_some(self, bytes_max: int) -> list[tuple[bytes, bytes]]: ...


_WAYS = {DAG_PB: 1, DAG_CBOR: 2, DAG_JSON: 3}
OpenSession = Callable[[], AbstractAsyncContextManager[Fetching]]


class Walk:
    """One walk from ``root``. ``blocks`` and ``bytes`` say how far it is: what has been visited, and is here."""

    def __init__(
        self,
        root: bytes,
        store: Store,
        lease: Lease,
        told: Callable[[int, int], None] = lambda _blocks, _bytes: None,
        *,
        recursive: bool = True,
    ) -> None:
        """``told`` is called with (blocks, bytes) whenever they rose. Not ``recursive``: only the root is visited."""
        self.blocks = 0
        self.bytes = 0
        self._store = store
        self._lease = lease
        self._told = told
        self._recursive = recursive
        self._frontier = Frontier(root)
        self._visited = MarkSet()
        self._coming: set[bytes] = set()

    async def run(self, open_session: OpenSession) -> None:
        """Return when all of the DAG is here.

        Raises Misuse for a codec whose links cannot be read, Malformed for a block that is not what its CID says and
        for a CID that nobody may use, and what the exchange raises (NoRoom).
        """
        async with open_session() as session:
            while self._frontier or self._coming:
                await self._visit(session)
                if self._coming and (len(self._coming) >= WALK_WANTS or not self._frontier):
                    await self._receive(session)

    async def _visit(self, session: Fetching) -> None:
        """Go on with what can be visited next: want what is missing, read what is here."""
        if (forgotten := self._frontier.forgotten) is not None:
            self._frontier.remind(await self._read_links(forgotten))
        cids = [cid for cid in self._frontier.take(WALK_WANTS - len(self._coming)) if cid not in self._coming]
        if not cids:
            return
        missing, here = await self._sort(cids)
        if missing:
            self._coming.update(missing)
            session.want(missing)
        for some in _by_size(here):
            found = await self._store.get_many([multihash_of(cid) for cid in some])
            for cid in some:
                data = found.get(multihash_of(cid))
                if data is None:
                    # Damaged, as reading it showed: it is fetched anew like any other, and counted already.
                    self._coming.add(cid)
                    session.want([cid])
                else:
                    self._push(cid, await _links(cid, data))

    async def _sort(self, cids: Sequence[bytes]) -> tuple[list[bytes], dict[bytes, int]]:
        """Return which of these are missing, and the sizes of those that are here and have to be read."""
        unique = dict.fromkeys(cids)
        for codec in {codec_of(cid) for cid in unique}:
            if not is_readable(codec):
                raise Misuse(f"This node cannot keep a DAG with blocks of codec {codec:#x}: it cannot read them")
        seen = await self._store.present([multihash_of(cid) for cid in unique], self._lease)
        missing: list[bytes] = []
        here: dict[bytes, int] = {}
        before = self.blocks
        for cid in unique:
            one = seen.get(multihash_of(cid))
            if (data := inlined(multihash_of(cid))) is not None:
                # It is nowhere but in its own CID: too small to lead far, and without a number to be known by.
                check_allowed(cid)
                self._count(0)
                self._push(cid, links_of(cid, data))
            elif one is None:
                missing.append(cid)
            elif self._visited.mark(one.number, _way(cid)):
                self._count(one.size)
                if codec_of(cid) != RAW:
                    here[cid] = one.size
        if self.blocks > before:
            self._told(self.blocks, self.bytes)
        return missing, here

    async def _receive(self, session: Fetching) -> None:
        """Take what has come from the exchange. It is in the store by now, and asked for there together."""
        some = await session.receive_some(WALK_READ_BYTES)
        seen = await self._store.present([multihash_of(cid) for cid, _ in some], self._lease)
        before = self.blocks
        for cid, data in some:
            one = seen.get(multihash_of(cid))
            if one is None:
                # Collected, or deleted, since it came: only what was seen under the lease may be counted on (K2).
                session.want([cid])
                continue
            self._coming.discard(cid)
            if self._visited.mark(one.number, _way(cid)):
                self._count(len(data))
            self._push(cid, await _links(cid, data))
        if self.blocks > before:
            self._told(self.blocks, self.bytes)

    async def _read_links(self, cid: bytes) -> list[bytes]:
        data = (await self._store.get_many([multihash_of(cid)])).get(multihash_of(cid))
        if data is None:
            raise BlockCorrupt("A block was damaged while it was being walked", next_step="Try the pin again")
        return await _links(cid, data)

    def _push(self, cid: bytes, links: list[bytes]) -> None:
        if self._recursive:
            self._frontier.push(cid, links)

    def _count(self, size: int) -> None:
        self.blocks += 1
        self.bytes += size


async def _links(cid: bytes, data: bytes) -> list[bytes]:
    """Return what a block links to; a large one of a stranger may take long to read."""
    if codec_of(cid) == RAW:
        return []
    if len(data) <= WALK_LINKS_IN_LOOP_BYTES_MAX:
        return links_of(cid, data)
    return await trio.to_thread.run_sync(links_of, cid, data)


def _by_size(here: Mapping[bytes, int]) -> list[list[bytes]]:
    """Divide blocks so that no part is read that is larger than WALK_READ_BYTES (or one block)."""
    parts: list[list[bytes]] = []
    size = 0
    for cid, length in here.items():
        if not parts or size + length > WALK_READ_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(cid)
        size += length
    return parts


def _way(cid: bytes) -> int:
    """One block may be linked to by CIDs of several codecs, and has other links as each."""
    return _WAYS.get(codec_of(cid), 0)
