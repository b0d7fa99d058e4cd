"""The IPFS node as pincrew needs it: what it does, and the values it speaks in. `kubo_rpc` is one over HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from pincrew.values import PinMode

# Called with (blocks, bytes); bytes is None where the node does not count them (Kubo before 0.40).
OnProgress = Callable[[int, int | None], None]
# Called, by nodes that say so, with the peers that sent blocks of a pin since the last time (none: nobody did).
OnSenders = Callable[[Sequence[str]], None]


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """Who the node is. ``addresses`` are multiaddrs that end in its peer id."""

    peer_id: str
    addresses: tuple[str, ...]
    version: str


@dataclass(frozen=True, slots=True)
class NodePin:
    """A pin on the node. ``name`` is "" for none, and None where the node has no names."""

    cid: bytes
    mode: PinMode
    name: str | None


@dataclass(frozen=True, slots=True)
class Absent:
    """CIDs that the node had no pin of a moment ago. ``is_same_node`` says whether that node is surely still there."""

    cids: frozenset[bytes]
    is_same_node: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class RepoStat:
    """What the node stores, its own limit (None: none known), and how many blocks (None: not counted).

    ``path`` is where it says that it stores, on its own machine.
    """

    size: int
    storage_max: int | None
    objects: int | None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes that passed between the node and others since its start."""

    received: int
    sent: int


@dataclass(frozen=True, slots=True)
class Added:
    """One file or folder that was added; ``bytes`` as the node counts them, with its own overhead."""

    name: str
    cid: bytes
    bytes: int


@dataclass(frozen=True, slots=True)
class Collected:
    """A block that was collected as garbage; None with an error where one could not be."""

    cid: bytes | None
    error: str = ""


class Node(Protocol):
    """An IPFS node that pincrew drives. Every method raises NodeDown or NodeRefused."""

    @property
    def address(self) -> str:
        """Where it is, for people."""

    async def id(self) -> NodeIdentity:
        """Return who it is; also the sign of life."""

    def pins(self, mode: PinMode) -> AsyncGenerator[NodePin, None]:
        """Yield every pin of that mode, in the node's order. Close it (``aclosing``) when done early."""

    async def pin_of(self, cid: bytes) -> NodePin | None:
        """Return the pin of exactly this CID (not one above it), recursive before direct."""

    async def absent(self, cids: Collection[bytes]) -> Absent | None:
        """Return which of ``cids`` have no pin, out of one listing; None where ``pin_of`` for each costs less."""

    async def pin(
        self,
        cid: bytes,
        mode: PinMode,
        name: str,
        origins: Sequence[str],
        on_progress: OnProgress,
        *,
        on_senders: OnSenders = lambda _peers: None,
    ) -> None:
        """Fetch and pin; returns when the node has all of it. Raises NoProgress when blocks stop arriving."""

    async def unpin(self, cid: bytes) -> None:
        """Remove the pin; none there is fine."""

    async def connect(self, multiaddr: str) -> None:
        """Connect it to another node."""

    async def swarm_peers(self) -> list[str]:
        """Return the peer ids that it is connected to."""

    async def repo_stat(self, *, count: bool = False) -> RepoStat:
        """Return how full it is; ``count`` also counts blocks, which may take long."""

    async def traffic(self) -> Traffic:
        """Return what passed to and from other nodes."""

    async def block_get(self, cid: bytes, *, bytes_max: int, timeout_s: float) -> bytes:
        """Return one block, from the network if need be."""

    async def stored_block(self, cid: bytes) -> bytes | None:
        """Return a block as the node stores it, unchecked; None where it has none. Asks no other node.

        A block that cannot be read, or that the node itself found damaged, is b"".
        """

    async def remove_block(self, cid: bytes) -> str:
        """Remove a block that nothing pinned needs; return "", else which pin the node says needs it."""

    async def set_aside(self, cid: bytes) -> None:
        """Keep what there is of a DAG from being collected, though it is not pinned; again is harmless."""

    async def end_aside(self, cid: bytes) -> None:
        """Undo ``set_aside``; where there is nothing to undo, that is fine."""

    async def claimed_size(self, cid: bytes) -> int | None:
        """Return what the root block says of the whole DAG's size, None if it says nothing (in time). A claim."""

    async def resolve(self, path: str) -> bytes:
        """Return the CID that a path ends at: `/ipfs/CID/folder/file`, or one that begins with a name, `/ipns/...`."""

    async def import_car(self, pieces: AsyncIterator[bytes]) -> None:
        """Store the blocks of a CAR, pinning nothing; returns when they are stored."""

    def collect(self) -> AsyncGenerator[Collected, None]:
        """Collect garbage, and yield what went. Only ever because a user said so. It may take hours: bound it."""

    async def aclose(self) -> None:
        """Close every connection."""
