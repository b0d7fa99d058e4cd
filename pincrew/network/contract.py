"""What the network edge and the peer above it promise each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from pincrew import limits
from pincrew.errors import WorldFault
from pincrew.keys import SigningKey

if TYPE_CHECKING:
    from pincrew.network.streams import FrameStream


class PeerUnreachable(WorldFault):
    """The other peer is not connected."""

    code = "peer_unreachable"


class Verdict(StrEnum):
    """What the peer thinks of a pubsub message, before anybody else sees it."""

    ACCEPT = "accept"  # new and genuine: delivered and forwarded; never counts as flood
    DUPLICATE = "duplicate"  # genuine and already here: neither delivered nor forwarded
    REJECT = "reject"  # must not have been sent: dropped, and counted against who forwarded it


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """How one cluster's host listens and whom it talks to.

    ``key`` is the identity; ``cluster`` the 32-byte cluster id that separates clusters by protocol and topic;
    ``listen`` are TCP multiaddrs (``/ip4/../tcp/N``, with or without ``/ws``; port 0 takes any free one);
    ``announce`` replaces the interface addresses in what others are told; ``secret`` is the 32-byte private network key
    of a closed cluster. ``neighbours_max`` is how many neighbours are sought; more may come in.
    """

    key: SigningKey
    cluster: bytes
    listen: tuple[str, ...]
    announce: tuple[str, ...] = ()
    secret: bytes | None = None
    mdns: bool = True
    gossip: bool = True
    neighbours_max: int = limits.NEIGHBOURS_MAX


@dataclass(frozen=True, slots=True)
class Connection:
    """A neighbour. ``via`` is "in" or "out"; ``since`` is a time of the clock given to the network."""

    peer: str
    via: str
    address: str
    since: float


class Handlers(Protocol):
    """The peer above the network. What raises here is logged and costs at most one stream, never the host.

    ``connected`` comes when a peer has become a neighbour, that is when the one sync stream with it is up; exactly one
    ``disconnected`` follows each, after ``serve_sync`` has ended.
    """

    def validate(self, author: bytes, data: bytes) -> Verdict:
        """Judge a pubsub message; ``author`` is the Ed25519 public key that signed it. Must be quick."""

    def gossip_received(self, forwarder: str, author: bytes, data: bytes) -> None:
        """Take an accepted pubsub message."""

    async def serve_sync(self, peer: str, stream: FrameStream, dialled: bool) -> None:
        """Speak with a neighbour for as long as its stream lives; ``dialled`` if this side opened the stream."""

    async def serve_request(self, peer: str, request: bytes) -> bytes:
        """Answer a request. A PincrewError travels to the asker with its code and sentence."""

    async def take_delivery(self, peer: str, pieces: AsyncIterator[bytes]) -> None:
        """Take all that a peer sends of one delivery. A PincrewError travels to the sender."""

    def connected(self, peer: str, dialled: bool) -> None:
        """Take notice of a new neighbour."""

    def disconnected(self, peer: str) -> None:
        """Take notice that a neighbour is gone."""

    def handshake_failed(self, address: str, peer: str | None, reason: str) -> None:
        """Tell a person why a peer that answers did not become a neighbour."""
