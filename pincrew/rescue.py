"""Which CIDs a peer keeps besides its part, because too few others do. Pure.

For each CID there is an order of all peers (`coverage.rescue_key`), the same for everybody. Of a CID that lacks copies
the first ``2 x lack`` peers that do not keep it by their part are asked, twice as many as needed, for some of them are
away, full, or say what is not so. Nobody is told; each works out for itself where it stands.

1. What is rescued lives in the rescue slice of the limit, and is never dropped because of what others say: not when
   copies come back, not when somebody else claims to be in the order's front.
2. It stops being a rescue when it leaves the list or falls into the own part.
3. The first ``lack`` of an order are its front line, the others the second. Each peer does first what it is asked to
   do in front, CIDs without any copy before others and small ones before large; the second line helps while there is
   room to spare, and leaves the last of the slice alone.
4. Claims of others cannot be checked, and a few liars that claim to keep everything would make it seem that nothing
   lacks. So up to half of the slice goes to CIDs with the fewest copies of all, whatever that comes to: a claim for
   everything lifts all of them alike (`coverage.usual_copies`).
5. When the slice is full, nothing more is rescued; room comes back when pins leave the list or the limit is raised.
   Since peers that come and go leave the slices of others fuller, that is shown and not hidden.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pincrew import limits
from pincrew.coverage import Crew, Keeper, lack, rescue_key
from pincrew.limits import COPIES_WANTED
from pincrew.part import ALL, rank


class RescueSlice(NamedTuple):
    """How full it is. ``is_full``: more was asked for than found room."""

    pins: int
    bytes: int
    room: int
    is_full: bool


class Candidate(NamedTuple):
    """A CID's value and size (None = unknown) that is not kept here."""

    cid: int
    size: int | None


class Needed(NamedTuple):
    """A CID that this peer is asked to rescue: it lacks so many copies. ``turn`` 0 = first in its order.

    ``is_lowest``: it lacks none, and has fewer than is usual.
    """

    cid: int
    size: int | None
    lacking: int
    turn: int
    is_lowest: bool = False

    @property
    def is_second_line(self) -> bool:
        """Whether others are asked first."""
        return self.turn >= self.lacking


class Scan(NamedTuple):
    """What a look at candidates came to. ``mixes``: what it cost; ``looked_at``: how many, before that was too much."""

    needed: list[Needed]
    mixes: int
    looked_at: int


def scan(
    candidates: Iterable[Candidate], crew: Crew, own: Keeper, room: int, mixes_max: int, usual: int = COPIES_WANTED
) -> Scan:
    """Return which of ``candidates`` this peer is asked to rescue; ends early where it has cost ``mixes_max``.

    ``room`` is the whole rescue slice, ``usual`` what `coverage.usual_copies` says. Only those are looked at more
    closely of which this peer may be among the first; without that the work would grow with the crew.
    """
    needed: list[Needed] = []
    mixes = looked_at = 0
    weight = own.threshold / ALL
    if not 0 < own.threshold < ALL:
        return Scan(needed, 0, 0)
    for cid, size in candidates:
        if mixes >= mixes_max:
            break
        looked_at += 1
        mixes += 2
        if rank(cid, own.part) < own.threshold or (size is not None and size > room):
            continue
        key = rescue_key(cid, own.rescue, weight)
        if key * (crew.weight_of_rescuers(size) + weight) > limits.RESCUERS_LOOKED_AT:
            continue
        mixes += len(crew)
        copies = crew.copies(cid, size).all
        lacking, fewer = lack(copies), lack(copies, usual)
        if not fewer:
            continue
        mixes += 2 * len(crew)
        asked = 2 * lacking or fewer  # no second line for what may not lack at all
        turn = crew.turn(cid, size, key, asked)
        if turn < asked:
            needed.append(Needed(cid, size, lacking or fewer, turn, not lacking))
    return Scan(needed, mixes, looked_at)


def choose(needed: Iterable[Needed], mean: int, used: int, room: int, pins_max: int) -> list[Needed]:
    """Return which of ``needed`` find room in a slice of ``room`` bytes, ``used`` of them taken.

    What lacks copies comes first; the front line before the second; then who lacks more, then the smaller, of which
    more fit. ``mean`` is what a pin of unknown size counts as.
    """
    chosen: list[Needed] = []
    sized = [
        (one.is_lowest, one.is_second_line, -one.lacking, mean if one.size is None else one.size, one) for one in needed
    ]
    for is_lowest, is_second_line, _, size, one in sorted(sized):
        share = limits.RESCUE_LATER_SHARE if is_second_line else 1.0
        bound = int(room * (limits.RESCUE_LOWEST_SLICE if is_lowest else share))
        if used + size <= bound and len(chosen) < pins_max:
            used += size
            chosen.append(one)
    return chosen
