"""A node that is a dictionary: what the RPC and the gateway stand on in their own tests.

It keeps its promises (`node.contract`) in the simplest way. What is not in ``blocks`` never comes, unless the block is
in ``elsewhere``, from where it is fetched.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import trio

from pincrew.cid import cid_text
from pincrew.errors import Conflict, Malformed, NotFound, PincrewError
from pincrew.network.contract import PeerUnreachable
from pincrew.node.bitswap.session import SentBy
from pincrew.node.contract import Bandwidth, NodeIdentity, Provider, Told
from pincrew.node.host import Connected
from pincrew.node.importing import Added, AddOptions, Entry, Report, add
from pincrew.node.links import links_of
from pincrew.node.multihash import inlined, matches, multihash_of
from pincrew.node.preorder import preorder
from pincrew.node.store import Block, Lease, Pin, Room, Verified
from pincrew.settings import NodeSettings

PEER = "12D3KooWMmryrP3X2SqSvhnWhBuYMR4v91geXQqaoA7PuPU9zjFa"


@dataclass
class MemoryNode:
    """The door of a node without disk and network."""

    blocks: dict[bytes, bytes] = field(default_factory=dict)
    elsewhere: dict[bytes, bytes] = field(default_factory=dict)
    kept: dict[bytes, Pin] = field(default_factory=dict)
    reachable: set[str] = field(default_factory=set)
    connections: list[Connected] = field(default_factory=list)
    providers: list[Provider] = field(default_factory=list)
    # Raised instead of returning the block.
    failing: dict[bytes, Exception] = field(default_factory=dict)
    pinning: int = 0
    # Who is said to have sent the blocks of pins.
    sender: str = ""
    stopped: bool = False
    silent_for: float = 0.0
    settings: NodeSettings = field(default_factory=NodeSettings)

    def identity(self) -> NodeIdentity:
        return NodeIdentity(PEER, bytes(32), (f"/ip4/127.0.0.1/tcp/4001/p2p/{PEER}",), "pincrew/test", ("/b", "/a"))

    def peers(self) -> list[Connected]:
        return self.connections

    async def connect(self, multiaddr: str) -> None:
        if multiaddr not in self.reachable:
            raise PeerUnreachable(where=multiaddr)
        self.connections.append(Connected(multiaddr.rpartition("/")[2], multiaddr.partition("/p2p/")[0], "out"))

    @asynccontextmanager
    async def find_providers(self, cid: bytes) -> AsyncIterator[AsyncIterator[Provider]]:
        async def found() -> AsyncGenerator[Provider, None]:
            for provider in self.providers:
                yield provider

        async with aclosing(found()) as providers:
            yield providers

    def bandwidth(self) -> Bandwidth:
        return Bandwidth(1, 2, 0.5, 0.25)

    async def get(self, cid: bytes, *, offline: bool = False) -> bytes:
        await trio.lowlevel.checkpoint()
        multihash = multihash_of(cid)
        if cid in self.failing:
            raise self.failing[cid]
        if (data := inlined(multihash)) is not None:
            return data
        if multihash not in self.blocks:
            if offline:
                raise NotFound("That block is not here", where=cid_text(cid))
            if multihash not in self.elsewhere:
                await trio.sleep_forever()
            self.blocks[multihash] = self.elsewhere[multihash]
        return self.blocks[multihash]

    async def has_many(self, multihashes: Sequence[bytes]) -> Mapping[bytes, int]:
        return {each: len(self.blocks[each]) for each in multihashes if each in self.blocks}

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        yield Lease()

    async def put_many(self, blocks: Sequence[Block], *, lease: Lease) -> None:
        for multihash, data in blocks:
            if not matches(multihash, data):
                raise Malformed("a block does not match its CID")
            self.blocks[multihash] = data

    async def add(
        self, entries: AsyncIterator[Entry], options: AddOptions, report: Report, *, pin: bool, name: str = ""
    ) -> tuple[Added, ...]:
        async def put(blocks: list[Block]) -> None:
            self.blocks.update((multihash_of(cid), data) for cid, data in blocks)

        roots = await add(entries, options, put, report)
        if pin:
            self.kept.update((root.cid, Pin(root.cid, True, name)) for root in roots)
        return roots

    async def pin(
        self,
        cid: bytes,
        *,
        recursive: bool = True,
        name: str = "",
        told: Told = lambda _b, _s: None,
        offline: bool = False,
        sent_by: SentBy = lambda _peer: None,
    ) -> None:
        if not recursive and cid in self.kept and self.kept[cid].recursive:
            raise Conflict("That is pinned recursively already")
        self.pinning += 1
        try:
            blocks = size = 0
            async with preorder(lambda one: self.get(one, offline=offline), cid) as visited:
                async for _, block in visited:
                    blocks, size = blocks + 1, size + len(block)
                    if self.sender:
                        sent_by(self.sender)
                    told(blocks, size)
                    if not recursive:
                        break
        finally:
            self.pinning -= 1
        self.kept[cid] = Pin(cid, recursive, name)

    async def pin_of(self, cid: bytes) -> Pin | None:
        return self.kept.get(cid)

    async def pins(self, after: bytes = b"", limit: int = 1_000, *, recursive: bool | None = None) -> list[Pin]:
        chosen = [pin for pin in self.kept.values() if recursive is None or pin.recursive == recursive]
        return sorted(pin for pin in chosen if pin.cid > after)[:limit]

    async def unpin(self, cid: bytes) -> bool:
        return self.kept.pop(cid, None) is not None

    async def update_pin(self, old: bytes, new: bytes, *, unpin: bool = True) -> None:
        self.kept[new] = self.kept[old]._replace(cid=new)
        if unpin:
            del self.kept[old]

    @asynccontextmanager
    async def collect(self) -> AsyncIterator[AsyncIterator[Sequence[bytes]]]:
        reached: set[bytes] = set()
        waiting = list(self.kept)
        while waiting:
            cid = waiting.pop()
            reached.add(multihash_of(cid))
            if self.kept.get(cid, Pin(cid)).recursive:
                waiting += links_of(cid, await self.get(cid, offline=True))

        async def removed() -> AsyncGenerator[Sequence[bytes], None]:
            for multihash in [each for each in self.blocks if each not in reached]:
                del self.blocks[multihash]
                yield [multihash]

        async with aclosing(removed()) as slices:
            yield slices

    async def verify(self, after: int = 0) -> Verified:
        if after:
            return Verified(None, 0, 0, ())
        damaged = tuple(each for each, data in self.blocks.items() if not matches(each, data))
        return Verified(1, len(self.blocks), 0, damaged)

    async def room(self) -> Room:
        return Room(sum(map(len, self.blocks.values())), 0, None)

    async def count(self) -> int:
        return len(self.blocks)

    @property
    def path(self) -> str:
        return "memory"

    def config(self) -> Mapping[str, Any]:
        return {"Addresses": {"Swarm": []}}

    async def set_limits(self, settings: NodeSettings) -> None:
        self.settings = settings

    def be_silent(self, seconds: float) -> None:
        self.silent_for = seconds

    def shutdown(self) -> None:
        self.stopped = True

    # ---- for tests -----------------------------------------------------------------------------------------------
    def fails(self, cid: bytes, error: Callable[[], PincrewError]) -> None:
        """Let reading a block fail."""
        self.failing[cid] = error()
