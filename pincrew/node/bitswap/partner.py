"""What one connected peer is asked for, and how it answers: windows, rates and time-outs. Pure; ``wants`` decides."""

from __future__ import annotations

import math
from collections import OrderedDict
from enum import Enum

from pincrew import limits

_UNSOLICITED_BYTES_LEAST = 1024


class State(Enum):
    """Where a want is; the module's docstring draws it."""

    LOOKING = "looking"
    QUEUED = "queued"
    ASKED = "asked"
    SOURCELESS = "sourceless"
    ARRIVED = "arrived"


class Kind(Enum):
    """What a peer is told about a block."""

    BLOCK = "block"
    HAVE = "have"
    CANCEL = "cancel"


class Wanted:
    """A block that is wanted: by whom, and what is known of who has it. ``home`` is the session that asks for it."""

    __slots__ = ("asked", "cid", "having", "home", "lacking", "multihash", "probed", "sessions", "standing", "state")

    def __init__(self, multihash: bytes, cid: bytes, home: int) -> None:
        self.multihash = multihash
        self.cid = cid
        self.home = home
        self.sessions: dict[int, list[bytes]] = {}
        self.state = State.LOOKING
        self.asked: Partner | None = None
        self.having: set[str] = set()
        self.lacking: set[str] = set()
        self.probed: set[str] = set()
        self.standing: set[str] = set()  # peers that still have this want of ours on their list, or will


class Partner:
    """A connected peer that speaks Bitswap: what is asked of it, and how it answers."""

    def __init__(self, name: str, knows_have: bool, now: float) -> None:
        self.name = name
        self.knows_have = knows_have
        self.in_flight: dict[bytes, float] = {}  # when sent, oldest first
        self.probes: dict[bytes, float] = {}
        self.outbox: dict[bytes, tuple[bytes, Kind]] = {}
        self.told: set[bytes] = set()
        self.forgotten: OrderedDict[bytes, int] = OrderedDict()  # taken back, for which session; it may still come
        self.full_due = True
        self.priority = 2**31 - 1
        self.silent = False
        self._is_full = False
        self.heard = now
        self.overtaken = -math.inf  # when the latest answered want was sent
        self.answer_s = 0.0
        self.unsolicited_bytes = 0.0
        self.unsolicited_at = now
        self.block_bytes = 0.0
        self.rate = 0.0
        self._counted_bytes = 0
        self._counted_s = 0.0
        self._counted_at = now

    @property
    def window(self) -> int:
        """How many wants may be in flight."""
        if not self.block_bytes:
            return limits.BITSWAP_WINDOW_WANTS_START
        span = self.rate * limits.BITSWAP_WINDOW_SPAN_S if self.rate else limits.BITSWAP_WINDOW_BYTES_MAX
        room = min(max(span, limits.BITSWAP_WINDOW_BYTES_MIN), limits.BITSWAP_WINDOW_BYTES_MAX)
        most = limits.BITSWAP_WINDOW_WANTS_MAX if self.rate else limits.BITSWAP_WINDOW_WANTS_START
        return int(min(max(room / self.block_bytes, limits.BITSWAP_WINDOW_WANTS_MIN), most))

    @property
    def expected_bytes(self) -> float:
        """How large its next block probably is."""
        return self.block_bytes if self.rate else max(self.block_bytes, limits.BITSWAP_UNMEASURED_BLOCK_BYTES)

    @property
    def is_quick(self) -> bool:
        """Whether its window is larger than what everybody has."""
        return self.rate * limits.BITSWAP_WINDOW_SPAN_S > limits.BITSWAP_WINDOW_BYTES_MIN

    @property
    def load(self) -> float:
        """How much of the window is in use.

        A window that was full counts as full until a quarter of it is free: asking for single blocks one by one makes
        the other side answer with single blocks, each in a message and on a stream of its own.
        """
        load = len(self.in_flight) / self.window
        self._is_full = load > 0.75 if self._is_full else load >= 1.0
        return 1.0 if self._is_full else load

    @property
    def timeout_s(self) -> float:
        return min(max(4 * self.answer_s, limits.BITSWAP_TIMEOUT_S_MIN), limits.BITSWAP_TIMEOUT_S_MAX)

    def ask(self, want: Wanted, kind: Kind, now: float) -> None:
        if kind is Kind.BLOCK:
            if not self.in_flight:
                # The rate is that of answering, not of resting.
                self._counted_at = now
            self.in_flight[want.multihash] = now
            self.probes.pop(want.multihash, None)
            want.probed.discard(self.name)
        else:
            self.probes[want.multihash] = now
            want.probed.add(self.name)
        want.standing.add(self.name)
        self.outbox[want.multihash] = (want.cid, kind)

    def take_back(self, want: Wanted) -> None:
        """Forget what was asked, and say so where it was said."""
        self.in_flight.pop(want.multihash, None)
        self.probes.pop(want.multihash, None)
        want.standing.discard(self.name)
        want.probed.discard(self.name)
        if want.multihash in self.told:
            self.outbox[want.multihash] = (want.cid, Kind.CANCEL)
            self.forgotten[want.multihash] = want.home
            if len(self.forgotten) > limits.BITSWAP_FORGOTTEN_MAX:
                self.forgotten.popitem(last=False)
        else:
            self.outbox.pop(want.multihash, None)

    def answered(self, multihash: bytes, now: float) -> bool:
        """Note an answer about a block; say whether it had been asked for: only then it is a sign of life."""
        sent = self.in_flight.pop(multihash, None)
        if sent is None:
            sent = self.probes.pop(multihash, None)
        if sent is None:
            return False
        self.heard, self.silent = now, False
        self.overtaken = max(self.overtaken, sent)
        self.answer_s = now - sent if not self.answer_s else 0.8 * self.answer_s + 0.2 * (now - sent)
        return True

    def count(self, size: int, now: float) -> None:
        """Measure rate and size of blocks."""
        # A larger block counts at once: behind a node that is small come leaves that are not, dozens in flight.
        self.block_bytes = max(float(size), 0.9 * self.block_bytes + 0.1 * size, 1.0)
        self._counted_bytes += size
        self._counted_s += now - self._counted_at
        self._counted_at = now
        if self._counted_s >= limits.BITSWAP_RATE_SPAN_S:
            rate = self._counted_bytes / self._counted_s
            self.rate = rate if not self.rate else (self.rate + rate) / 2
            self._counted_bytes, self._counted_s = 0, 0.0

    def sent_unasked(self, size: int, now: float) -> bool:
        """Count a block that nobody asked for; say whether it is one too many."""
        drained = (now - self.unsolicited_at) * limits.BITSWAP_UNSOLICITED_BYTES_PER_S
        self.unsolicited_bytes = max(0.0, self.unsolicited_bytes - drained) + max(size, _UNSOLICITED_BYTES_LEAST)
        self.unsolicited_at = now
        return self.unsolicited_bytes > limits.BITSWAP_UNSOLICITED_BYTES_MAX
