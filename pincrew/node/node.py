"""The embedded IPFS node put together: host, exchange, store, pins, and what looks after them.

    host ── streams ──> exchange ── blocks ──> store
     ^                     ^  ^                  ^  ^
     └─ seek <─ providers ─┘  └─ walk (pinning) ─┘  └─ housekeeping
                              └─ reader (gateway, cat, ls)

All of it lives in `run`: it starts from the store upwards and ends in the other order. `EmbeddedNode` is what the doors
(RPC and gateway) see; it implements `contract.NodeDoor`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from pincrew.cid import cid_text
from pincrew.errors import NotFound, PincrewError
from pincrew.keys import SigningKey
from pincrew.node.bitswap.exchange import Exchange
from pincrew.node.bitswap.session import SentBy
from pincrew.node.blocks import Blocks
from pincrew.node.contract import Bandwidth, NodeIdentity, Provider, Told
from pincrew.node.delegated import Router
from pincrew.node.dht import Dht
from pincrew.node.host import AGENT, Connected, NodeHost
from pincrew.node.housekeeping import Housekeeping
from pincrew.node.importing import Added, AddOptions, Entry, Report, add
from pincrew.node.multihash import multihash_of
from pincrew.node.pinning import Pinning
from pincrew.node.reader import Reader
from pincrew.node.routing import Providers, Source
from pincrew.node.seeking import Seeking
from pincrew.node.store import Block, BlockStore, Lease, Pin, Room, Verified
from pincrew.node.throttle import Throttle
from pincrew.node.trustless import Gateways
from pincrew.settings import NodeSettings

log = logging.getLogger(__name__)


class EmbeddedNode:
    """One node over an open store. ``run`` must be running for anything to work."""

    def __init__(
        self,
        store: BlockStore,
        path: Path,
        key: SigningKey,
        settings: NodeSettings,
        keep: Callable[[NodeSettings], None] = lambda _settings: None,
    ) -> None:
        """``path`` is where the store is, for people; ``keep`` writes settings that were changed while running.

        Raises Misuse for settings that make no sense.
        """
        self._keep = keep
        self.settings = settings
        self.gateway = settings.gateway_listen
        """Where the gateway is: its URL once it listens."""
        self._path = path
        self._up = Throttle(settings.upload_limit)
        self._down = Throttle(settings.download_limit)
        self._blocks = Blocks(store)
        self._host = NodeHost(key, settings.listen, announce=settings.announce, connections_max=settings.connections)
        routers = [*map(Router, settings.routers)]
        self._providers = Providers(self._host, routers, Dht(self._host, settings.bootstrap))
        self._exchange = Exchange(self._host, self._blocks, self._seek, up=self._up, down=self._down)
        gateways = Gateways(settings.gateways, down=self._down) if settings.gateways else None
        self._seeking = Seeking(self._host, self._providers, gateways, self._blocks, self._exchange.have_now)
        self._host.connected = self._exchange.peer_connected
        self._host.disconnected = self._exchange.peer_disconnected
        self._housekeeping = Housekeeping(self._blocks, self._exchange.session)
        self._reader = Reader(self._exchange.session, self._housekeeping.make_room)
        self._pinning = Pinning(
            self._blocks,
            self._exchange.session,
            self._housekeeping.make_room,
            self._housekeeping.unpinned,
        )
        self.stopping = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Be a node until cancelled or shut down. Raises PortInUse or WorldFault when listening fails."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._blocks.run)
            await nursery.start(self._exchange.run)
            await nursery.start(self._host.run)
            await nursery.start(self._reader.run)
            await nursery.start(self._housekeeping.run)
            task_status.started()
            await self.stopping.wait()
            nursery.cancel_scope.cancel()

    async def set_limits(self, settings: NodeSettings) -> None:
        """Let other limits hold from now on, and after a restart.

        Raises Misuse where the storage limit is too small to work with, and StoreFault where they cannot be kept.
        """
        before = self.settings
        self._apply(settings)
        try:
            await trio.to_thread.run_sync(self._keep, settings)
        except PincrewError:
            self._apply(before)
            raise

    def be_silent(self, seconds: float) -> None:
        """Serve nobody for so long."""
        self._exchange.be_silent(seconds)

    def _apply(self, settings: NodeSettings) -> None:
        self._blocks.set_limit(settings.storage_limit)
        self._up.limit = settings.upload_limit
        self._down.limit = settings.download_limit
        self._host.limit_connections(settings.connections)
        self.settings = settings

    # ---- who and with whom -------------------------------------------------------------------------------------------
    def identity(self) -> NodeIdentity:
        """Return who it is."""
        host = self._host
        return NodeIdentity(host.peer, host.key.public, host.addresses, AGENT, host.protocols)

    def peers(self) -> list[Connected]:
        """Return every connection that is up."""
        return self._host.peers()

    async def connect(self, multiaddr: str) -> None:
        """Connect to a peer, and remember where it is."""
        await self._host.connect(multiaddr)

    @asynccontextmanager
    async def find_providers(self, cid: bytes) -> AsyncIterator[AsyncIterator[Provider]]:
        """Look for peers that have ``cid``."""
        async with (
            aclosing(self._providers.find(cid)) as found,
            aclosing(each async for each in found if each.source is not Source.KNOWN) as named,
        ):
            yield named

    def bandwidth(self) -> Bandwidth:
        """Return what passed to and from peers."""
        return Bandwidth(self._down.total, self._up.total, self._down.rate(), self._up.rate())

    # ---- blocks ------------------------------------------------------------------------------------------------------
    async def get(self, cid: bytes, *, offline: bool = False) -> bytes:
        """Return a verified block."""
        if not offline:
            return await self._reader.get(cid)
        data = await self._blocks.get(multihash_of(cid))
        if data is None:
            raise NotFound("That block is not here", where=cid_text(cid))
        return data

    async def has_many(self, multihashes: Sequence[bytes]) -> Mapping[bytes, int]:
        """Return the lengths of those blocks that are here."""
        return await self._blocks.has_many(multihashes)

    def lease(self) -> AbstractContextManager[Lease]:
        """Keep what is put under it from being collected."""
        return self._blocks.lease()

    async def put_many(self, blocks: Sequence[Block], *, lease: Lease) -> None:
        """Store blocks after verifying them."""
        await self._put(blocks, lease, verified=False)

    async def add(
        self, entries: AsyncIterator[Entry], options: AddOptions, report: Report, *, pin: bool, name: str = ""
    ) -> tuple[Added, ...]:
        """Add files and folders."""
        with self._blocks.lease() as lease:

            async def put(blocks: list[Block]) -> None:
                await self._put([(multihash_of(cid), data) for cid, data in blocks], lease, verified=True)

            roots = await add(entries, options, put, report)
            if pin:
                for root in roots:
                    await self._blocks.complete_pin(Pin(root.cid, True, name))
            return roots

    async def _put(self, blocks: Sequence[Block], lease: Lease, *, verified: bool) -> None:
        await self._blocks.put_many(blocks, verified=verified, lease=lease)
        for multihash, data in blocks:
            self._exchange.have_now(multihash, len(data))

    # ---- pins --------------------------------------------------------------------------------------------------------
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
        """Fetch and pin."""
        await self._pinning.pin(Pin(cid, recursive, name), told, offline=offline, sent_by=sent_by)

    async def pin_of(self, cid: bytes) -> Pin | None:
        """Return the pin of exactly this CID."""
        return await self._blocks.pin_of(cid)

    async def pins(self, after: bytes = b"", limit: int = 1_000, *, recursive: bool | None = None) -> list[Pin]:
        """Return a page of the pins."""
        return await self._blocks.pins(after, limit, recursive=recursive)

    async def unpin(self, cid: bytes) -> bool:
        """Unpin, or give up the fetching of a pin; return whether it was pinned."""
        return await self._pinning.unpin(cid)

    async def update_pin(self, old: bytes, new: bytes, *, unpin: bool = True) -> None:
        """Pin ``new`` in place of ``old``, or beside it."""
        await self._pinning.update(old, new, unpin=unpin)

    # ---- the store ---------------------------------------------------------------------------------------------------
    def collect(self) -> AbstractAsyncContextManager[AsyncIterator[Sequence[bytes]]]:
        """Collect garbage."""
        return aclosing(self._housekeeping.collect())

    async def verify(self, after: int = 0) -> Verified:
        """Compare one slice of the blocks with their multihashes."""
        return await self._blocks.verify(after)

    async def room(self) -> Room:
        """Return how large the store is and may become."""
        return await self._blocks.room()

    async def count(self) -> int:
        """Return how many blocks there are."""
        return await self._blocks.count()

    @property
    def path(self) -> str:
        """Where the store is."""
        return str(self._path)

    # ---- the process -------------------------------------------------------------------------------------------------
    def config(self) -> Mapping[str, Any]:
        """Return the settings in Kubo's form."""
        settings = self.settings
        return {
            "Identity": {"PeerID": self._host.peer},
            "Addresses": {
                "Swarm": list(settings.listen),
                "Announce": list(settings.announce),
                "Gateway": self.gateway,
            },
            "Bootstrap": list(settings.bootstrap),
            "Datastore": {"StorageMax": None if settings.storage_limit is None else str(settings.storage_limit)},
            "Routing": {"DelegatedRouters": list(settings.routers)},
            "Swarm": {"ConnMgr": {"HighWater": settings.connections}},
            "Pincrew": {
                "Gateways": list(settings.gateways),
                "UploadLimit": settings.upload_limit,
                "DownloadLimit": settings.download_limit,
            },
        }

    def shutdown(self) -> None:
        """Begin to stop."""
        self.stopping.set()

    async def _seek(self, cid: bytes, wants_all: bool) -> None:
        await self._seeking.seek(cid, wants_all)
