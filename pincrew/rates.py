"""How fast something arrives, over three lengths of time, and how long the rest may take. Pure: time is an argument.

Counts fall into slots of a ring; a ring never grows, and adding and asking cost the same whatever happened before. Time
is a monotonic clock's: one that is set makes no rate. A rate is over what was seen of its length, so that the first
minute after a start is no sixth hour of silence.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pincrew.limits import (
    RATE_LONG_S,
    RATE_MIDDLE_S,
    RATE_SHORT_S,
    RATE_SLOTS,
    SENDERS_REMEMBERED_MAX,
    SENDERS_SPAN_S,
    TIME_LEFT_HIGH_S_MAX,
    TIME_LEFT_SEEN_S_MIN,
    TIME_LEFT_SIZED_SHARE_MIN,
)


class Ring:
    """Counts over the last ``span_s``, in RATE_SLOTS slots. ``began`` is when it starts to look."""

    def __init__(self, span_s: float, began: float) -> None:
        self.span_s = span_s
        self._slot_s = span_s / RATE_SLOTS
        self._began = began
        self._counts = [0] * RATE_SLOTS
        self._at = int(began // self._slot_s)

    def add(self, now: float, count: int) -> None:
        """So much arrived just now."""
        self._turn(now)
        self._counts[self._at % RATE_SLOTS] += count

    def per_s(self, now: float) -> float:
        """Return how much arrives in a second."""
        self._turn(now)
        # The oldest slot is as much past as the newest is still to come.
        seen_s = min(self.span_s, max(now - self._began, self._slot_s))
        return sum(self._counts) / seen_s

    def _turn(self, now: float) -> None:
        at = int(now // self._slot_s)
        for passed in range(max(self._at + 1, at - RATE_SLOTS + 1), at + 1):
            self._counts[passed % RATE_SLOTS] = 0
        self._at = max(self._at, at)


@dataclass(frozen=True, slots=True)
class Rates:
    """A second's worth, over 10 seconds, 10 minutes and 6 hours."""

    short: float = 0.0
    middle: float = 0.0
    long: float = 0.0


class Arrivals:
    """What arrives: bytes and blocks, and when a block last did."""

    def __init__(self, now: float) -> None:
        self._began = now
        self._bytes = [Ring(span_s, now) for span_s in (RATE_SHORT_S, RATE_MIDDLE_S, RATE_LONG_S)]
        self._blocks = Ring(RATE_SHORT_S, now)
        self.last_at: float | None = None
        self.blocks = 0
        self.bytes = 0
        """What arrived in all."""

    def add(self, now: float, blocks: int, size: int) -> None:
        """So many blocks arrived, with ``size`` bytes as far as those are counted."""
        if blocks > 0 or size > 0:
            self.last_at = now
        self.blocks += blocks
        self.bytes += size
        self._blocks.add(now, blocks)
        for ring in self._bytes:
            ring.add(now, size)

    def bytes_per_s(self, now: float) -> Rates:
        """Return how fast bytes arrive."""
        return Rates(*(ring.per_s(now) for ring in self._bytes))

    def blocks_per_s(self, now: float) -> float:
        """Return how fast blocks arrive, over the shortest time."""
        return self._blocks.per_s(now)

    def seen_s(self, now: float) -> float:
        """Return for how long it has looked."""
        return now - self._began


class Senders:
    """Who sent something within SENDERS_SPAN_S; of more than SENDERS_REMEMBERED_MAX those that did so last."""

    def __init__(self) -> None:
        self._sent: dict[str, float] = {}

    def heard(self, now: float, peers: Iterable[str]) -> None:
        """These sent something just now."""
        for peer in peers:
            self._sent.pop(peer, None)
            self._sent[peer] = now
        while len(self._sent) > SENDERS_REMEMBERED_MAX:
            del self._sent[next(iter(self._sent))]

    def count(self, now: float) -> int:
        """Return how many there are."""
        while self._sent and next(iter(self._sent.values())) <= now - SENDERS_SPAN_S:
            del self._sent[next(iter(self._sent))]
        return len(self._sent)


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """Seconds at the better and at the worse of two rates; None, and ``why`` in words, where nobody can know."""

    low_s: int | None = None
    high_s: int | None = None
    why: str | None = None


def time_left(*, pins: int, sized: int, size: int, arrived: int, rates: Rates, seen_s: float) -> TimeLeft:
    """Return how long it takes to fetch ``pins``, of which ``sized`` have ``size`` bytes and ``arrived`` are here.

    Pins of unknown size count as large as the others; where there are many of them, nothing is said.
    """
    if not pins:
        return TimeLeft(0, 0)
    if sized < pins * TIME_LEFT_SIZED_SHARE_MIN:
        return TimeLeft(why="too few sizes are known")
    if seen_s < TIME_LEFT_SEEN_S_MIN:
        return TimeLeft(why="it has only just begun")
    rest = max(0, size * pins // sized - arrived)
    slow, quick = sorted((rates.middle, rates.long))
    if quick <= 0:
        return TimeLeft(why="nothing arrives")
    if slow <= 0 or rest / slow > TIME_LEFT_HIGH_S_MAX:
        return TimeLeft(why="next to nothing arrives")
    return TimeLeft(round(rest / quick), round(rest / slow))
