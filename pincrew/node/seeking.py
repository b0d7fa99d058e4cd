"""What is done about a block that no connected peer has: providers are searched and connected, gateways are asked.

The exchange calls `seek` again, ever more rarely, for as long as somebody wants the block; each call ends. Gateways get
their turn a moment after the search began: a peer that is found is asked by Bitswap, and what it sends is shared.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing

import trio

from pincrew import limits
from pincrew.errors import HandshakeFailed, Misuse, StoreFault
from pincrew.network.contract import PeerUnreachable
from pincrew.node.blocks import Blocks
from pincrew.node.host import NodeHost
from pincrew.node.multihash import multihash_of
from pincrew.node.routing import Provider, Providers
from pincrew.node.store import Block
from pincrew.node.trustless import Gateways

log = logging.getLogger(__name__)


class Seeking:
    """Finds blocks elsewhere. ``came`` hears of (multihash, size) that gateways brought."""

    def __init__(
        self,
        host: NodeHost,
        providers: Providers,
        gateways: Gateways | None,
        blocks: Blocks,
        came: Callable[[bytes, int], None],
    ) -> None:
        self._host = host
        self._providers = providers
        self._gateways = gateways
        self._sink = _Sink(blocks, came)
        self._gateway_turns = trio.CapacityLimiter(limits.SEEK_GATEWAY_FETCHES_MAX)

    async def seek(self, cid: bytes, wants_all: bool) -> None:
        """Try to make ``cid`` come; with ``wants_all`` also what is below it, which will be wanted too."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._connect, cid)
            if self._gateways is not None:
                nursery.start_soon(self._fetch, self._gateways, cid, wants_all)

    async def _connect(self, cid: bytes) -> None:
        """Be connected to peers that have ``cid``: at most SEEK_PEERS_MAX, a few at a time."""
        turns = trio.CapacityLimiter(limits.SEEK_DIALS_IN_FLIGHT)
        count = 0
        async with trio.open_nursery() as nursery, aclosing(self._providers.find(cid)) as found:
            async for provider in found:
                if not self._host.is_connected(provider.peer):
                    nursery.start_soon(self._try_reach, provider, turns)
                count += 1
                if count == limits.SEEK_PEERS_MAX:
                    break

    async def _try_reach(self, provider: Provider, turns: trio.CapacityLimiter) -> None:
        async with turns:
            try:
                # Not remembered: the address book is the crew's, and strangers could push it out.
                await self._host.reach(provider.peer, provider.addresses, by_strangers=True)
            except (PeerUnreachable, HandshakeFailed, Misuse) as error:
                log.debug("a provider is out of reach: %s", error.sentence, extra={"peer": provider.peer})

    async def _fetch(self, gateways: Gateways, cid: bytes, wants_all: bool) -> None:
        await trio.sleep(limits.SEEK_GATEWAY_DELAY_S)
        multihash = multihash_of(cid)
        async with self._gateway_turns:
            if multihash in await self._sink.has_many([multihash]):
                return
            try:
                if wants_all:
                    await gateways.fetch(cid, self._sink)
                elif (data := await gateways.block(cid)) is not None:
                    await self._sink.put_many([(multihash, data)])
            except StoreFault as error:
                # A full disk, say. Whoever wants the block meets it too, and tells the user.
                log.warning("what a gateway sent could not be kept: %s", error.sentence)


class _Sink:
    """The store as gateways fill it: what they bring was compared with its multihash."""

    def __init__(self, blocks: Blocks, came: Callable[[bytes, int], None]) -> None:
        self._blocks = blocks
        self._came = came

    async def has_many(self, multihashes: Sequence[bytes]) -> Mapping[bytes, int]:
        return await self._blocks.has_many(multihashes)

    async def put_many(self, blocks: Sequence[Block]) -> None:
        await self._blocks.put_many(blocks, verified=True)
        for multihash, data in blocks:
            self._came(multihash, len(data))
