"""How many copies of a CID there are, by what peers announce of their parts. Pure, and an estimate.

Each peer announces in about a hundred bytes which part it keeps (`pincrew.part`), and how much of that it has. A peer
whose part a CID falls into counts as many copies as the share of its part that it has, for which of its pins are still
missing nobody knows. What is not verified about a stranger is bounded rather than believed:

- who was silent for seven days of our listening does not count any more (`pincrew.crew`);
- the peers of one public network (IPv4 /24, IPv6 /48) count as one copy together: they may well be one disk;
- the curators, and the peers that they name in the published document, are counted apart as *vouched*.

Peers without a public address, behind a router, cannot be told apart so, and count one by one. Nothing is ever dropped
or declined by such figures (invariant 15): they show where copies lack, and have peers keep more.

CIDs that were rescued count for nobody: peers do not say which they are. So the figures are on the low side, and they
are the same for everybody who hears the same peers, whatever was rescued meanwhile.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pincrew import limits
from pincrew.part import ALL, rank


@dataclass(frozen=True, slots=True)
class Keeper:
    """What is known of one peer. ``share`` is how much of its part it has, from 0 to 1.

    ``threshold`` ``ALL`` = no CID is outside of its part; ``largest`` None = it takes any size; ``networks`` are its
    public networks.
    """

    part: int
    rescue: int
    threshold: int
    largest: int | None
    share: float
    networks: tuple[str, ...] = ()
    is_vouched: bool = False


class Copies(NamedTuple):
    """The estimated copies of one CID: all that count, those of vouched peers, and the standard deviation."""

    all: float
    vouched: float
    deviation: float


class Crew:
    """The peers that count, ready for many CIDs."""

    def __init__(self, keepers: Iterable[Keeper]) -> None:
        self.keepers = tuple(keepers)
        shared = _shared_networks(self.keepers)
        self._rows = [
            (
                one.part,
                one.threshold,
                math.inf if one.largest is None else one.largest,
                one.share,
                next((network for network in one.networks if network in shared), ""),
                one.is_vouched,
            )
            for one in self.keepers
        ]
        # Who keeps everything is asked to rescue nothing; who takes no large pins, no large ones.
        self._rescuers = [
            (one, one.threshold / ALL, math.inf if one.largest is None else one.largest / 2)
            for one in self.keepers
            if 0 < one.threshold < ALL
        ]
        by_size = sorted((largest, weight) for _, weight, largest in self._rescuers)
        self._sizes = [largest for largest, _ in by_size]
        weights = [weight for _, weight in by_size]
        self._weights_from = _suffix(weights)

    def __len__(self) -> int:
        return len(self.keepers)

    def copies(self, cid: int, size: int | None) -> Copies:
        """Estimate the copies of a CID (its value) of a size."""
        total = vouched = variance = 0.0
        shared: dict[str, float] = {}
        for part, threshold, largest, share, network, is_vouched in self._rows:
            if rank(cid, part) < threshold and (size is None or size <= largest):
                variance += share * (1.0 - share)
                if is_vouched:
                    vouched += share
                elif network:
                    shared[network] = shared.get(network, 0.0) + share
                else:
                    total += share
        capped = sum(min(limits.COPIES_PER_NETWORK_MAX, one) for one in shared.values())
        return Copies(total + vouched + capped, vouched, math.sqrt(variance))

    def weight_of_rescuers(self, size: int | None) -> float:
        """Return the weights of all who may rescue a pin of a size, added up."""
        at = bisect_left(self._sizes, 0 if size is None else size)
        return self._weights_from[at] if at < len(self._weights_from) else 0.0

    def turn(self, cid: int, size: int | None, key: float, at_most: int) -> int:
        """Return how many non-keepers of a CID come before who has ``key`` in its order, counted up to ``at_most``."""
        before = 0
        for one, weight, largest in self._rescuers:
            if rank(cid, one.part) >= one.threshold and (size is None or size <= largest):
                before += rescue_key(cid, one.rescue, weight) < key
                if before >= at_most:
                    break
        return before


def rescue_key(cid: int, rescue: int, weight: float) -> float:
    """Return where a peer stands in the order in which peers are asked to rescue a CID; the smallest is asked first.

    A peer of twice the room comes first twice as often (exponential sampling, Efraimidis and Spirakis, 2006).
    """
    return -math.log1p(-rank(cid, rescue) / ALL) / weight


def lack(copies: float, wanted: int = limits.COPIES_WANTED) -> int:
    """Return how many copies a CID lacks; halves, which missing pins of others make, are rounded."""
    return min(limits.COPIES_WANTED, max(0, wanted - math.floor(copies + 0.5)))


def usual_copies(sample: Sequence[float]) -> int:
    """Return how many copies all CIDs have but the third with the fewest, of a sample; at least as many as are wanted.

    Who claims to keep what he does not adds to all CIDs alike, or by chance: those that stand out as having the fewest
    are still most likely those that honest peers keep least of.
    """
    if not sample:
        return limits.COPIES_WANTED
    lowest = sorted(sample)[int(len(sample) * limits.RESCUE_LOWEST_SHARE)]
    return max(limits.COPIES_WANTED, math.floor(lowest + 0.5))


class Bar(NamedTuple):
    """How many pins have so many copies, rounded; the last bar stands for all with more."""

    copies: int
    pins: int
    vouched: int


_BARS = 6


@dataclass(frozen=True, slots=True)
class Estimate:
    """Copies over a set, or over a sample of it. ``error``: of any bar, as a share of all pins, at 95 %."""

    bars: tuple[Bar, ...]
    mean: float
    looked_at: int
    error: float


class Survey:
    """Counts the estimates of many CIDs."""

    def __init__(self) -> None:
        self._all = [0] * _BARS
        self._vouched = [0] * _BARS
        self._sum = 0.0

    @property
    def looked_at(self) -> int:
        """How many CIDs were counted."""
        return sum(self._all)

    def add(self, copies: Copies) -> None:
        """Count one CID."""
        self._all[min(_BARS - 1, math.floor(copies.all + 0.5))] += 1
        self._vouched[min(_BARS - 1, math.floor(copies.vouched + 0.5))] += 1
        self._sum += copies.all

    def estimate(self, pins: int) -> Estimate:
        """Return what the CIDs counted say of a set of so many."""
        bars = tuple(Bar(copies, self._all[copies], self._vouched[copies]) for copies in range(_BARS))
        looked_at = self.looked_at
        error = 0.0
        if 0 < looked_at < pins:
            # A bar in which none was found may still have a few: it counts as if it had one.
            widest = max(share * (1 - share) for share in (max(bar.pins, 1) / looked_at for bar in bars))
            error = 1.96 * math.sqrt(max(0.0, widest) / looked_at * (1 - looked_at / pins))
        return Estimate(bars, self._sum / looked_at if looked_at else 0.0, looked_at, error)


def _shared_networks(keepers: Sequence[Keeper]) -> set[str]:
    """Return the public networks with more than one peer in them; alone in one, a peer needs no bound."""
    seen: set[str] = set()
    shared: set[str] = set()
    for one in keepers:
        for network in one.networks:
            (shared if network in seen else seen).add(network)
    return shared


def _suffix(weights: Sequence[float]) -> list[float]:
    sums = [0.0] * len(weights)
    total = 0.0
    for at in range(len(weights) - 1, -1, -1):
        total += weights[at]
        sums[at] = total
    return sums
