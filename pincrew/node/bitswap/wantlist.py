"""The list of what one peer wants of this node: which of it is ready, waits, or is denied. Pure; `ledger` decides.

The numbers are those of the rules told at `ledger`.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from enum import Enum

from pincrew import limits
from pincrew.node.bitswap.message import Want
from pincrew.node.multihash import multihash_of


class State(Enum):
    """Where a want is; the docstring of `ledger` draws it."""

    LOOKING = "looking"
    WAITING = "waiting"
    READY = "ready"
    TAKEN = "taken"
    GONE = "gone"


class Entry:
    """One want of one peer. Entries are ordered as they are answered."""

    __slots__ = ("cid", "dont_have", "have", "multihash", "order", "peer", "priority", "size", "state")

    def __init__(self, peer: Wantlist, want: Want, order: int) -> None:
        self.peer = peer
        self.cid = want.cid
        self.multihash = multihash_of(want.cid)
        self.priority = want.priority
        self.have = want.have
        self.dont_have = want.dont_have
        self.order = order
        self.size = 0
        self.state = State.LOOKING

    def __lt__(self, other: Entry) -> bool:
        return (-self.priority, self.order) < (-other.priority, other.order)

    @property
    def as_block(self) -> bool:
        """Whether it is answered by the block (rule 4)."""
        return not self.have or self.size <= limits.BITSWAP_SMALL_BLOCK_BYTES_MAX


@dataclass(slots=True, eq=False)
class Wantlist:
    """What one peer wants, and what it is to be told."""

    name: str
    entries: dict[bytes, Entry] = field(default_factory=dict)
    waiting: dict[bytes, None] = field(default_factory=dict)  # oldest first
    ready: list[Entry] = field(default_factory=list)  # a heap; what is not READY any more is skipped
    ready_bytes: int = 0
    denials: dict[bytes, None] = field(default_factory=dict)
    replies: int = 0
    sending_bytes: int = 0
    refused: float = 0.0
    refused_at: float = 0.0

    @property
    def may_have_turn(self) -> bool:
        """Whether there is something to get, and not enough under way (rule 2)."""
        has_room = self.sending_bytes < limits.BITSWAP_SENDING_BYTES_PER_PEER
        return bool(self.ready or self.denials) and self.replies < limits.BITSWAP_REPLIES_PER_PEER_MAX and has_room

    def put_ready(self, entry: Entry, size: int) -> None:
        """Note that a want can be answered."""
        entry.size = size
        entry.state = State.READY
        self.ready_bytes += size if entry.as_block else 0
        if len(self.ready) > 2 * limits.BITSWAP_LEDGER_WANTS_MAX:
            # Wants that were taken back lie in the heap until they come up; a peer could pile them up.
            self.ready = [each for each in self.ready if each.state is State.READY]
            heapq.heapify(self.ready)
        heapq.heappush(self.ready, entry)

    def take_ready(self) -> tuple[list[Entry], int]:
        """Take the wants of the next reply, and how many bytes of blocks they are."""
        entries: list[Entry] = []
        size = 0
        while self.ready and len(entries) < limits.BITSWAP_REPLY_ENTRIES_MAX:
            entry = self.ready[0]
            if entry.state is State.READY:
                weight = entry.size if entry.as_block else 0
                if entries and size + weight > limits.BITSWAP_REPLY_BYTES:
                    break
                size += weight
                self.ready_bytes -= weight
                entry.state = State.TAKEN
                entries.append(entry)
            heapq.heappop(self.ready)
        return entries, size

    def take_denials(self) -> list[bytes]:
        """Take the denials of the next reply."""
        denials = list(self.denials)[: limits.BITSWAP_REPLY_ENTRIES_MAX]
        for cid in denials:
            del self.denials[cid]
        return denials

    def deny(self, cid: bytes) -> bool:
        """Put a denial where it waits to be sent; False if too many do (rule 6)."""
        if len(self.denials) >= limits.BITSWAP_DENIALS_MAX:
            return False
        self.denials[cid] = None
        return True

    def refuse(self, now: float) -> bool:
        """Count a want that does not fit on the list; say whether it is one too many (rule 6)."""
        drained = (now - self.refused_at) * limits.BITSWAP_REFUSED_WANTS_PER_S
        self.refused = max(0.0, self.refused - drained) + 1
        self.refused_at = now
        if self.refused <= limits.BITSWAP_REFUSED_WANTS_MAX:
            return False
        self.refused = 0.0
        return True
