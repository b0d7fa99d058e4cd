"""What the pure halves of Bitswap, `wants` and `ledger`, ask the exchange to do. Pure values."""

from __future__ import annotations

from dataclasses import dataclass

from pincrew.node.bitswap.message import Message


@dataclass(frozen=True, slots=True)
class Tell:
    """There is something to send to a peer: take it with ``take_outbox``."""

    peer: str


@dataclass(frozen=True, slots=True)
class SeekProviders:
    """Nobody who is connected has this block: find and connect who does."""

    session: int
    cid: bytes


@dataclass(frozen=True, slots=True)
class Look:
    """Find out which of these blocks the store has, and their sizes; then say ``looked``."""

    multihashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Load:
    """Load the blocks of a reply; then say ``loaded``."""

    reply: int
    multihashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message; then say ``sent``, or ``unsent`` if it was lost."""

    peer: str
    reply: int
    message: Message


@dataclass(frozen=True, slots=True)
class Drop:
    """A peer takes too long to read while others wait: reset our stream to it. What it wanted is forgotten."""

    peer: str


@dataclass(frozen=True, slots=True)
class Disconnect:
    """End the connection with a peer that breaks the rules."""

    peer: str
    reason: str


Order = Tell | SeekProviders | Look | Load | Send | Drop | Disconnect
