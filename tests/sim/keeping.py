"""A crew that keeps parts of a set, as numbers: the product's own decisions, without network, stores or nodes.

Every round each peer fits its part, hears what all others announce, and rescues what it is asked to. Liars announce
what they do not keep. A seed decides everything.
"""

from __future__ import annotations

import hashlib
import random
from bisect import bisect_left
from dataclasses import dataclass, field, replace
from functools import cache

from pincrew.coverage import Copies, Crew, Keeper, rescue_key, usual_copies
from pincrew.limits import RESCUE_SAMPLE
from pincrew.part import (
    ALL,
    Part,
    Tally,
    cid_value,
    fit,
    largest_taken,
    part_value,
    rank,
    rescue_room,
    rescue_value,
)
from pincrew.rescue import Candidate, choose, scan

DAY_MS = 86_400_000
RESCUED_MAX = 1_000_000


class CachedCrew(Crew):
    """All peers hear the same: what one worked out holds for the others too. Saves time and changes nothing."""

    def __init__(self, keepers: list[Keeper]) -> None:
        super().__init__(keepers)
        self.copies = cache(super().copies)  # type: ignore[method-assign]
        self._order = cache(self._keys)

    def turn(self, cid: int, size: int | None, key: float, at_most: int) -> int:
        return min(at_most, bisect_left(self._order(cid, size), key))

    def _keys(self, cid: int, size: int | None) -> list[float]:
        return sorted(
            rescue_key(cid, one.rescue, one.threshold / ALL)
            for one in self.keepers
            if 0 < one.threshold < ALL
            and rank(cid, one.part) >= one.threshold
            and (size is None or one.largest is None or size <= one.largest / 2)
        )


@dataclass
class Peer:
    """An honest peer."""

    name: str
    limit: int
    part: Part | None = None
    kept: set[int] = field(default_factory=set)
    rescued: dict[int, int] = field(default_factory=dict)
    value: int = 0
    rescue: int = 0
    mean: int = 0
    used: int = 0
    share: float = 0.0

    def __post_init__(self) -> None:
        key = hashlib.sha256(self.name.encode()).digest()
        self.value, self.rescue = part_value(key), rescue_value(key)

    def settle(self, sizes: dict[int, int], now_ms: int, hint: float = 1.0) -> None:
        """Fit the part and fetch it as far as there is room. Every third size is not known before."""
        tally = Tally(largest_taken(self.limit))
        for cid, size in sizes.items():
            is_known = cid in self.kept or cid % 3 != 0
            tally.add(rank(cid, self.value), int(size * hint) if is_known else None, is_pinned=cid in self.kept)
        self.part = fit(tally, self.limit, self.part, now_ms)
        self.mean = tally.mean
        wanted = {cid for cid, size in sizes.items() if self.part.keeps(rank(cid, self.value), size)}
        self.kept &= wanted
        self.rescued = {cid: size for cid, size in self.rescued.items() if cid in sizes and cid not in wanted}
        self.used = sum(map(sizes.__getitem__, self.kept)) + sum(self.rescued.values())
        for cid in wanted - self.kept:
            if self.used + sizes[cid] <= self.limit:
                self.kept.add(cid)
                self.used += sizes[cid]
        self.share = len(self.kept) / max(1, len(wanted))

    def keeper(self) -> Keeper:
        """What it announces."""
        assert self.part is not None
        return Keeper(self.value, self.rescue, self.part.threshold, self.part.largest, self.share)

    def help(self, sizes: dict[int, int], crew: Crew, usual: int) -> None:
        """Rescue what it is asked to. Sizes that are not known before are found out while fetching."""
        room = rescue_room(self.limit)
        candidates = [Candidate(cid, size) for cid, size in sizes.items() if cid not in self.rescued]
        found = scan(candidates, crew, self.keeper(), room, 10**12, usual)
        for one in choose(found.needed, self.mean, sum(self.rescued.values()), room, RESCUED_MAX):
            if self.used + sizes[one.cid] <= self.limit:
                self.rescued[one.cid] = sizes[one.cid]
                self.used += sizes[one.cid]

    @property
    def holds(self) -> set[int]:
        """All that is on its disk."""
        return self.kept | set(self.rescued)


class Keeping:
    """A set and a crew."""

    def __init__(self, seed: int, *, peers: int, pins: int, times: float, spread: float = 5.0) -> None:
        """``times``: how often the set would fit into all limits together; limits differ by ``spread`` either way."""
        self.random = random.Random(seed)
        self.now_ms = 1_700_000_000_000
        self.sizes: dict[int, int] = {}
        self.add_pins(pins)
        weights = [spread ** self.random.uniform(-1, 1) for _ in range(peers)]
        whole = sum(self.sizes.values())
        self.peers = [
            Peer(f"{seed}/{number}", int(whole * times * weight / sum(weights)))
            for number, weight in enumerate(weights)
        ]
        self.liars: list[Keeper] = []

    def add_pins(self, count: int) -> None:
        """Files of about a megabyte, some much larger."""
        for _ in range(count):
            size = int(min(self.random.lognormvariate(13.8, 1.5), 2e7))
            self.sizes[cid_value(self.random.randbytes(36))] = size

    def settle(self, days: float = 1.0, hint: float = 1.0) -> None:
        """A day: all fit their parts, hear of each other and rescue."""
        self.now_ms += int(days * DAY_MS)
        for peer in self.peers:
            peer.settle(self.sizes, self.now_ms, hint)
        crew = self.crew()
        sample = self.random.sample(list(self.sizes.items()), min(RESCUE_SAMPLE, len(self.sizes)))
        usual = usual_copies([crew.copies(*one).all for one in sample])
        for peer in self.peers:
            peer.help(self.sizes, crew, usual)

    def crew(self) -> Crew:
        """What everybody hears."""
        return CachedCrew([*(peer.keeper() for peer in self.peers), *self.liars])

    def estimates(self) -> list[Copies]:
        """What everybody thinks of each CID."""
        crew = self.crew()
        return [crew.copies(cid, size) for cid, size in self.sizes.items()]

    def copies(self) -> dict[int, int]:
        """How many honest peers truly have each CID."""
        found = dict.fromkeys(self.sizes, 0)
        for peer in self.peers:
            for cid in peer.holds:
                found[cid] += 1
        return found

    def share_with(self, copies: int) -> float:
        """The share of CIDs with exactly so many copies."""
        return sum(have == copies for have in self.copies().values()) / len(self.sizes)

    def fill(self) -> tuple[float, float]:
        """How full the parts and the rescue slices are, over all."""
        whole = sum(peer.limit for peer in self.peers)
        kept = sum(self.sizes[cid] for peer in self.peers for cid in peer.kept)
        rescued = sum(size for peer in self.peers for size in peer.rescued.values())
        return kept / (0.8 * whole), rescued / (0.2 * whole)

    def holdings(self) -> dict[str, set[int]]:
        """Who has what."""
        return {peer.name: peer.holds for peer in self.peers}

    def lie(self, count: int, threshold: int = ALL) -> None:
        """So many peers claim to keep a part that they do not keep."""
        for number in range(count):
            key = hashlib.sha256(f"liar {number} {threshold}".encode()).digest()
            self.liars.append(Keeper(part_value(key), rescue_value(key), threshold, None, 1.0))

    def copy(self) -> Keeping:
        """The same crew once more."""
        other = Keeping.__new__(Keeping)
        other.__dict__.update(self.__dict__)
        other.sizes = dict(self.sizes)
        other.peers = [replace(peer, kept=set(peer.kept), rescued=dict(peer.rescued)) for peer in self.peers]
        other.liars = list(self.liars)
        return other


def moved(before: dict[str, set[int]], after: dict[str, set[int]], sizes: dict[int, int]) -> tuple[float, float]:
    """Bytes fetched and dropped by those in both, as shares of what they had."""
    names = before.keys() & after.keys()
    had = sum(sizes[cid] for name in names for cid in before[name])
    fetched = sum(sizes[cid] for name in names for cid in after[name] - before[name])
    dropped = sum(sizes[cid] for name in names for cid in before[name] - after[name])
    return fetched / had, dropped / had
