"""What the node can do, as its doors (the RPC and the gateway) see it: nothing here is HTTP, nothing there is IPFS.

A CID is its canonical bytes. Errors are those of `pincrew.errors`: Misuse and its kinds for what was asked wrongly,
Malformed for a DAG that is not what its CIDs say, NoRoom and BlockCorrupt for the disk, and for peers what the host
raises. A call that waits for the network waits until it is cancelled; whoever calls sets the time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from pincrew.node.bitswap.session import SentBy
from pincrew.node.host import Connected
from pincrew.node.importing import Added, AddOptions, Entry, Report
from pincrew.node.store import Block, Lease, Pin, Room, Verified
from pincrew.settings import NodeSettings


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """Who the node is. ``public_key`` are the 32 bytes of its Ed25519 key; ``addresses`` end in its peer id."""

    peer: str
    public_key: bytes
    addresses: tuple[str, ...]
    agent: str
    protocols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """Bytes since the start, and bytes per second now."""

    total_in: int
    total_out: int
    rate_in: float
    rate_out: float


@dataclass(frozen=True, slots=True)
class Provider:
    """A peer that has some content, and where it may be found; no addresses where only its id is known."""

    peer: str
    addresses: tuple[str, ...]


# Called with (blocks, bytes) that a pin has so far. It may be called for every block: it does little and never waits.
Told = Callable[[int, int], None]


class NodeDoor(Protocol):
    """A running node."""

    # ---- who and with whom -------------------------------------------------------------------------------------------

    def identity(self) -> NodeIdentity:
        """Return who it is."""

    def peers(self) -> list[Connected]:
        """Return every connection that is up."""

    async def connect(self, multiaddr: str) -> None:
        """Connect to a peer, and remember where it is. Raises Misuse, PeerUnreachable or HandshakeFailed."""

    def find_providers(self, cid: bytes) -> AbstractAsyncContextManager[AsyncIterator[Provider]]:
        """Look for peers of which somebody says that they have ``cid``; the search ends with the block."""

    def bandwidth(self) -> Bandwidth:
        """Return what passed to and from peers."""

    # ---- blocks ------------------------------------------------------------------------------------------------------

    async def get(self, cid: bytes, *, offline: bool = False) -> bytes:
        """Return a verified block, from the network if need be (many gets at once share sessions and trips to disk).

        ``offline`` asks nobody, and raises NotFound for what is not here.
        """

    async def has_many(self, multihashes: Sequence[bytes]) -> Mapping[bytes, int]:
        """Return the lengths of those blocks that are here."""

    def lease(self) -> AbstractContextManager[Lease]:
        """Keep what is put under it from being collected, until it is pinned or the lease ends."""

    async def put_many(self, blocks: Sequence[Block], *, lease: Lease) -> None:
        """Store blocks, (multihash, data) each, after verifying them; who wants one of them gets it."""

    async def add(
        self, entries: AsyncIterator[Entry], options: AddOptions, report: Report, *, pin: bool, name: str = ""
    ) -> tuple[Added, ...]:
        """Add files and folders (see `importing.add`) and, with ``pin``, pin what stands at the top."""

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
        """Fetch and pin; returns when all of it is here. A pin of the same CID gets the new name.

        ``told`` has heard the final counts by then. ``offline`` asks nobody, and raises NotFound for what is not here.
        Raises Conflict for a direct pin of what is pinned recursively. Cancelled, it leaves no pin.
        """

    async def pin_of(self, cid: bytes) -> Pin | None:
        """Return the pin of exactly this CID."""

    async def pins(self, after: bytes = b"", limit: int = 1_000, *, recursive: bool | None = None) -> list[Pin]:
        """Return up to ``limit`` pins in the order of their CIDs, from the first behind ``after``."""

    async def unpin(self, cid: bytes) -> bool:
        """Unpin; return whether it was pinned."""

    async def update_pin(self, old: bytes, new: bytes, *, unpin: bool = True) -> None:
        """Pin ``new`` recursively, with the name of ``old``; then, with ``unpin``, ``old`` no more, in one step.

        Raises NotFound where ``old`` is not pinned recursively.
        """

    # ---- the store ---------------------------------------------------------------------------------------------------

    def collect(self) -> AbstractAsyncContextManager[AsyncIterator[Sequence[bytes]]]:
        """Collect garbage; yields the multihashes of what was removed, slice by slice. It ends with the block.

        Raises Conflict where a collection runs, BlockCorrupt where a block of a pin is missing.
        """

    async def verify(self, after: int = 0) -> Verified:
        """Compare one slice of the blocks with their multihashes; start with 0, go on behind `Verified.last`."""

    async def room(self) -> Room:
        """Return how large the store is and may become."""

    async def count(self) -> int:
        """Return how many blocks there are."""

    @property
    def path(self) -> str:
        """Where the store is."""

    # ---- the process -------------------------------------------------------------------------------------------------

    def config(self) -> Mapping[str, Any]:
        """Return the settings in Kubo's form (`config/show`); nothing secret is among them."""

    settings: NodeSettings
    """What holds now."""

    async def set_limits(self, settings: NodeSettings) -> None:
        """Let the limits of ``settings`` hold from now on, and after a restart. Raises Misuse and StoreFault."""

    def be_silent(self, seconds: float) -> None:
        """Serve nobody for so long, as if nothing were here; 0: serve again."""

    def shutdown(self) -> None:
        """Begin to stop; returns at once."""
