"""Which part of the set one peer keeps where it has no room for all of it. Pure.

A peer keeps a CID iff ``rank(cid, peer) < threshold``. Both sides of the rank are 64 bits of SHA-256, joined by XOR and
stirred by the finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014,
in the constants of Stafford's variant 13): it is a bijection in which every bit of the input moves each bit of the
output with probability one half, so that the parts of two peers are as good as independent. Anybody can tell from a
peer's threshold what it keeps, without a word about single CIDs.

The threshold is fitted to the peer's own room by what its own list says of sizes, and by nothing that another peer
says (invariant 15). It stays where it is while the part fills its room well enough, so that few pins move: it goes
only where the part outgrows its room, or leaves much of it empty, and what is pinned falls out of the part a little a
day, for a curator who lists a thousand huge pins must not be able to have everybody drop what they hold.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from pincrew import domains, limits

ALL = 2**64  # the threshold below which every rank lies
ANY_SIZE = 2**63 - 1  # the largest pin of who keeps everything
_MASK = ALL - 1
_DAY_MS = 86_400_000
_BUCKET_BITS = 16
_BUCKETS = 1 << _BUCKET_BITS
_BUCKET_SHIFT = 64 - _BUCKET_BITS


def cid_value(cid: bytes) -> int:
    """Return the 64 bits that stand for a CID."""
    return int.from_bytes(hashlib.sha256(cid).digest()[24:])


def part_value(key: bytes) -> int:
    """Return the 64 bits by which the peer of a public key chooses its part."""
    return int.from_bytes(hashlib.sha256(domains.PART + key).digest()[:8])


def rescue_value(key: bytes) -> int:
    """Return the 64 bits that say of which lacking CIDs the peer of a public key takes care."""
    return int.from_bytes(hashlib.sha256(domains.RESCUE + key).digest()[:8])


def rank(cid: int, peer: int) -> int:
    """Return where a CID stands in a peer's order, from the values of both: as good as a random number below 2^64."""
    x = cid ^ peer
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & _MASK
    return x ^ (x >> 31)


def part_room(limit: int) -> int:
    """Return the bytes of a limit that the part may fill; the rest is the rescue slice."""
    return limit - rescue_room(limit)


def rescue_room(limit: int) -> int:
    """Return the bytes of a limit that are for CIDs which too few others keep."""
    return int(limit * limits.RESCUE_SLICE)


def largest_taken(limit: int) -> int:
    """Return the largest pin that a part takes.

    Half of its room: a larger one that comes early in the order would leave most of the room empty.
    """
    return part_room(limit) // 2


class Tally:
    """Sizes in the order of one peer's ranks, of any number of pins in the same memory.

    A pin of unknown size counts as the mean of the known. The mean is right for a sum: the median of files is far below
    it, and a part fitted by that would not fit. So that one false claim does not move the mean far, and because they
    are nobody's part, pins beyond the largest that is taken count for nothing.
    """

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self.largest_pinned = 0
        self.bytes_beyond = 0  # of pins that are larger than the largest
        self.known_pins = 0
        self.known_bytes = 0
        self.fixed_pins = 0
        self._fixed_bytes = 0
        self._fixed_unknown = 0
        self._bytes = [0] * _BUCKETS
        self._unknown = [0] * _BUCKETS
        self._pinned = [0] * _BUCKETS
        self._pins = [0] * _BUCKETS

    def add(self, rank: int, size: int | None, *, is_pinned: bool = False) -> None:
        """Count a pin that anybody may keep."""
        if is_pinned and size is not None:
            self.largest_pinned = max(self.largest_pinned, size)
        if size is not None and size > self.largest:
            self.bytes_beyond += size
            return
        bucket = rank >> _BUCKET_SHIFT
        self._pins[bucket] += 1
        if size is None:
            self._unknown[bucket] += 1
        else:
            self.known_pins += 1
            self.known_bytes += size
            self._bytes[bucket] += size
            if is_pinned:
                self._pinned[bucket] += size

    def add_fixed(self, size: int | None) -> None:
        """Count a pin that names this peer: it is kept whatever its rank."""
        self.fixed_pins += 1
        if size is None:
            self._fixed_unknown += 1
        else:
            self._fixed_bytes += size

    @property
    def mean(self) -> int:
        """The bytes that a pin of unknown size counts as; 0 where no size is known."""
        return self.known_bytes // self.known_pins if self.known_pins else 0

    @property
    def fixed(self) -> int:
        """The bytes of what is kept whatever its rank."""
        return self._fixed_bytes + self._fixed_unknown * self.mean

    def below(self, threshold: int) -> int:
        """Return the bytes that a threshold stands for, with what is kept whatever its rank."""
        end = threshold >> _BUCKET_SHIFT
        return self.fixed + sum(self._bytes[:end]) + sum(self._unknown[:end]) * self.mean

    def pins_below(self, threshold: int) -> int:
        """Return how many pins a threshold stands for, with those that are kept whatever their rank."""
        return self.fixed_pins + sum(self._pins[: threshold >> _BUCKET_SHIFT])

    def fitting(self, room: int) -> int:
        """Return the largest threshold whose part has at most ``room`` bytes, a multiple of 2^48."""
        mean, left = self.mean, room - self.fixed
        for bucket in range(_BUCKETS):
            left -= self._bytes[bucket] + self._unknown[bucket] * mean
            if left < 0:
                return bucket << _BUCKET_SHIFT
        return ALL

    def lowered(self, before: int, wanted: int, pinned_bytes_max: int) -> int:
        """Return the threshold nearest to ``wanted`` by which at most so many pinned bytes leave the part."""
        at, lowest = before >> _BUCKET_SHIFT, wanted >> _BUCKET_SHIFT
        left = pinned_bytes_max
        while at > lowest and (left := left - self._pinned[at - 1]) >= 0:
            at -= 1
        return at << _BUCKET_SHIFT

    def pinned_below(self, threshold: int) -> int:
        """Return the pinned bytes of a threshold's part."""
        return sum(self._pinned[: threshold >> _BUCKET_SHIFT])


@dataclass(frozen=True, slots=True)
class Part:
    """What a peer has settled on; times are Unix milliseconds.

    ``threshold`` ``ALL`` and ``largest`` ``ANY_SIZE`` = everything. ``since_ms``: since when it keeps this set;
    ``moved_ms``: when pinned pins last fell out of the part.
    """

    threshold: int
    largest: int
    since_ms: int
    moved_ms: int

    def keeps(self, rank: int, size: int | None) -> bool:
        """Say whether a pin is in it."""
        return rank < self.threshold and (size is None or size <= self.largest)

    @property
    def is_everything(self) -> bool:
        """Whether no pin is outside of it."""
        return self.threshold == ALL and self.largest == ANY_SIZE


def largest_for(limit: int, before: Part | None) -> int:
    """Return the largest pin to tally for a limit: not less than before, so that nothing kept leaves by its size."""
    return largest_taken(limit) if before is None else max(largest_taken(limit), before.largest)


def fit(
    tally: Tally, limit: int, before: Part | None, now_ms: int, *, is_always: bool = False, is_told: bool = False
) -> Part:
    """Return the part that fits a limit, near to the one before; everything where all fits and not ``is_always``.

    ``is_told``: its user wants what does not fit unpinned at once, however much that is.

    1. A part is fitted to the limit less the rescue slice, and a little below that, so that the next few pins do not
       move it again. It stays while it fills its room between `PART_FILLED_MIN` and all of it.
    2. Of what is pinned, `PART_LEAVES_PER_DAY` may leave the part in a day, as the set outgrows it; on the first day of
       all, when the list is only just arriving, as much as must.
    3. Where more is pinned than the limit allows, its user lowered it and wants that left: then nothing leaves.
    4. What was pinned while there was no part (there was no limit, or all was wished) leaves by and by, too.
    """
    whole = tally.below(ALL)
    if (before is None or before.is_everything) and not is_always and whole + tally.bytes_beyond <= limit:
        return Part(ALL, ANY_SIZE, now_ms, now_ms) if before is None else before
    # The bound on sizes falls once nothing that is kept is larger.
    largest = max(largest_taken(limit), min(tally.largest, tally.largest_pinned))
    room = part_room(limit)
    fitted = ALL if whole <= room else tally.fitting(int(room * limits.PART_FILLED))
    if before is None and (is_told or not tally.pinned_below(ALL)):
        return Part(fitted, largest, now_ms, now_ms)
    before = before or Part(ALL, ANY_SIZE, now_ms - _DAY_MS, now_ms)
    threshold, moved_ms = before.threshold, before.moved_ms
    full, pinned = tally.below(threshold), tally.pinned_below(threshold)
    if full > room:
        if not is_told and (pinned > limit or not 0 <= now_ms - before.since_ms < _DAY_MS):
            days = min(1.0, max(0.0, (now_ms - moved_ms) / _DAY_MS))
            allowed = int(pinned * limits.PART_LEAVES_PER_DAY * days) if pinned <= limit else 0
            fitted = tally.lowered(threshold, fitted, allowed)
        threshold = min(threshold, fitted)
        if tally.pinned_below(threshold) < pinned:
            moved_ms = now_ms
    elif full < room * limits.PART_FILLED_MIN:
        threshold = max(threshold, fitted)
    return Part(threshold, largest, before.since_ms, moved_ms)
