"""Nodes that speak Bitswap and nothing else: a real host on loopback, the exchange, and a dictionary for a store."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from random import Random

import trio

from pincrew.keys import SigningKey
from pincrew.node.bitswap.exchange import Exchange
from pincrew.node.bitswap.session import Session
from pincrew.node.host import NodeHost
from pincrew.node.links import links_of
from pincrew.node.multihash import cid_from, multihash_of

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
WANTED_AT_ONCE = 512


class DictStore:
    """Blocks in memory. ``failure`` is raised by every put once it is set."""

    def __init__(self) -> None:
        self.blocks: dict[bytes, bytes] = {}
        self.failure: Exception | None = None

    def hold(self, data: bytes) -> bytes:
        """Put data in as a raw block and return its CID."""
        multihash = b"\x12\x20" + hashlib.sha256(data).digest()
        self.blocks[multihash] = data
        return cid_from(0x55, multihash)

    async def has_many(self, multihashes: Sequence[bytes]) -> dict[bytes, int]:
        await trio.lowlevel.checkpoint()
        return {each: len(self.blocks[each]) for each in multihashes if each in self.blocks}

    async def get_many(self, multihashes: Sequence[bytes]) -> dict[bytes, bytes]:
        await trio.lowlevel.checkpoint()
        return {each: self.blocks[each] for each in multihashes if each in self.blocks}

    async def put_many(self, blocks: Sequence[tuple[bytes, bytes]], *, verified: bool = False) -> None:
        await trio.lowlevel.checkpoint()
        assert verified
        if self.failure is not None:
            raise self.failure
        self.blocks.update(blocks)


class BitswapNode:
    """One node at work."""

    def __init__(self, seed: int) -> None:
        self.store = DictStore()
        self.sought: list[bytes] = []
        self.searches: list[bool] = []  # those under way: whether all below was wanted
        self.search_ends: trio.Event | None = None
        self.host = NodeHost(SigningKey.from_seed(Random(seed).randbytes(32)), [LOOPBACK])
        self.exchange = Exchange(self.host, self.store, self._seek)
        self.host.connected = self.exchange.peer_connected
        self.host.disconnected = self.exchange.peer_disconnected

    @property
    def peer(self) -> str:
        return self.host.peer

    @property
    def address(self) -> str:
        return self.host.addresses[0]

    async def _seek(self, cid: bytes, wants_all: bool) -> None:
        self.sought.append(cid)
        if self.search_ends is None:
            return
        self.searches.append(wants_all)
        try:
            await self.search_ends.wait()
        finally:
            self.searches.remove(wants_all)


@asynccontextmanager
async def running_node(seed: int) -> AsyncIterator[BitswapNode]:
    """A node that listens; ended with the block."""
    node = BitswapNode(seed)
    async with trio.open_nursery() as nursery:
        await nursery.start(node.exchange.run)
        await nursery.start(node.host.run)
        yield node
        nursery.cancel_scope.cancel()


async def walk(session: Session, roots: Iterable[bytes]) -> dict[bytes, int]:
    """Receive everything below ``roots``; return the size of each block by its multihash."""
    todo = deque(roots)
    seen = set(todo)
    sizes: dict[bytes, int] = {}
    out = 0
    while todo or out:
        batch = [todo.popleft() for _ in range(min(len(todo), WANTED_AT_ONCE - out))]
        session.want(batch)
        out += len(batch)
        cid, data = await session.receive()
        out -= 1
        sizes[multihash_of(cid)] = len(data)
        for link in links_of(cid, data):
            if link not in seen:
                seen.add(link)
                todo.append(link)
    return sizes
