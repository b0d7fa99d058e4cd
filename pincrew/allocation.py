"""Who keeps a pin that not everybody keeps: chosen among the peers that are alive, by what they announce. No I/O.

A pin names its *allocations*: at least `replication min`, at most `replication max` peers. Whoever writes it chooses.

1. Holders that are alive stay; where they are enough, the list stays as it is. Of too many those go first that are
   far (an announcement is believed for minutes, and they may have gone meanwhile), then the last ones.
2. Whom the user prefers comes first, where that peer may be chosen at all. A preference is no guarantee. Who is far is
   chosen where nobody else is left.
3. Tags (`tag:region`, `tag:zone`, ...) part the candidates into groups, the second tag within the groups of the first,
   and so on. The next copy goes to a group that has the fewest so far: regions alternate. Who has no such tag is in a
   group of those without.
4. Within a group each peer draws a number of its own for each CID, and the lowest wins; the chance of a peer is as its
   free space (`freespace`), and halves where many pins wait at it (`pinqueue`). What the same batch allocated counts
   against both. ipfs-cluster takes whoever has most free space; as that is announced now and then only, all of a batch
   falls on one peer there.

The same facts give the same answer, at every curator.

**Who lies.** Tags, free space and queue are claims. Of free space at most FREE_SPACE_MEDIANS_MAX = 4 times the median
of all candidates counts: among n honest peers of about the same room a liar draws at most 4 / (n + 4) of the copies, a
peer in a group of its own that of its group. It gets one copy of a pin at most, so that with a minimum of two an
honest peer has the pin, too. What it was given and does not keep is seen in the pin's status, for which the peers
are asked; nobody's free space makes anybody let go of what he has. Many liars together get as many shares: followers,
whom nobody vouches for, are chosen only where the cluster's curator says so (`allocate_followers`).
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from statistics import median

from pincrew import domains, limits
from pincrew.cid import cid_text
from pincrew.crew_metrics import FREE_SPACE, PIN_QUEUE, TAG, Crewmate
from pincrew.errors import Conflict
from pincrew.part import cid_value, rank

_DRAWS = 2.0**64


class Allocator:
    """Chooses holders for any number of pins, from the facts of one moment."""

    def __init__(
        self,
        alive: Sequence[Crewmate],
        by: Sequence[str],
        *,
        may_hold: Collection[bytes] | None = None,
        blacklist: Collection[str] = (),
    ) -> None:
        """``by`` are names of metrics; ``may_hold`` are the keys of whom may be chosen (None: of anybody).

        Nobody in the ``blacklist`` (peer ids) is chosen, or counts as a holder. Where ``by`` names free space, a peer
        without any, or whose node does not say, is not chosen.
        """
        self.alive = {one.peer: one for one in alive if one.peer not in blacklist}
        self._tags = [name.removeprefix(TAG) for name in by if name.startswith(TAG)]
        self._by_space, self._by_queue = FREE_SPACE in by, PIN_QUEUE in by
        chosen_from = [one for one in self.alive.values() if may_hold is None or one.key in may_hold]
        if self._by_space:
            chosen_from = [one for one in chosen_from if one.free_bytes]
        self._candidates = {one.peer: one for one in chosen_from}
        self._values = {one.peer: _value(one.key) for one in chosen_from}
        self._free = {one.peer: one.free_bytes or 0 for one in chosen_from}
        self._queue = {one.peer: one.queue for one in chosen_from}
        self._free_counted = limits.FREE_SPACE_MEDIANS_MAX * median(self._free.values()) if chosen_from else 0

    def __len__(self) -> int:
        """Return among how many peers is chosen."""
        return len(self._candidates)

    def allocate(
        self,
        cid: bytes,
        minimum: int,
        maximum: int,
        *,
        holders: Sequence[str] = (),
        preferred: Sequence[str] = (),
        size: int | None = None,
    ) -> tuple[str, ...]:
        """Return the allocations of a pin, none where ``minimum`` is -1: everybody keeps it.

        ``holders`` are its allocations so far. Raises Conflict where there are too few peers.
        """
        if minimum < 0:
            return ()
        standing = [one for one in holders if one in self.alive]
        if len(standing) >= minimum:
            near_first = sorted(standing, key=lambda one: self.alive[one].is_far)
            return tuple(holders) if len(holders) <= maximum else tuple(near_first[:maximum])
        needed, wanted = minimum - len(standing), maximum - len(standing)
        found = self.more(cid, wanted, holders=standing, preferred=preferred, size=size, least=needed)
        return (*standing, *found)

    def more(
        self,
        cid: bytes,
        wanted: int,
        *,
        holders: Sequence[str] = (),
        preferred: Iterable[str] = (),
        size: int | None = None,
        least: int = 0,
    ) -> list[str]:
        """Return up to ``wanted`` further peers for a pin. Raises Conflict where there are fewer than ``least``."""
        left = {
            one.peer: one
            for one in self._candidates.values()
            if one.peer not in holders and not (self._by_space and self._free[one.peer] < max(1, size or 0))
        }
        if len(left) < least:
            raise Conflict(
                f"Not enough peers to allocate CID. Needed at least: {least}. Wanted at most: {wanted}."
                f" Available candidates: {len(left)}",
                where=cid_text(cid),
                means="It was not written",
                next_step="`pincrew peers` shows who is there; have more curators' peers run, or ask for fewer copies",
            )
        served = [self.alive[one] for one in holders if one in self.alive]
        first = [one for one in dict.fromkeys(preferred) if one in left]
        scores = {peer: self._score(cid, peer) for peer in left}
        chosen: list[str] = []
        while left and len(chosen) < wanted:
            near = [one for one in left.values() if not one.is_far]
            peer = first.pop(0) if first else self._next(near or left.values(), served, scores)
            served.append(left.pop(peer))
            chosen.append(peer)
        for peer in chosen:
            self._free[peer] -= size or 0
            self._queue[peer] += 1
        return chosen

    def _next(self, left: Collection[Crewmate], served: Sequence[Crewmate], scores: dict[str, float]) -> str:
        """Return the best of those in the groups that have the fewest copies, tag by tag."""
        for tag in self._tags:
            copies = Counter(one.tags.get(tag, "") for one in served)
            fewest = min(copies[one.tags.get(tag, "")] for one in left)
            # A group's best draw is as good as one of the whole group, by what all of it has together.
            best = min(
                (one for one in left if copies[one.tags.get(tag, "")] == fewest), key=lambda one: scores[one.peer]
            )
            group = best.tags.get(tag, "")
            left = [one for one in left if one.tags.get(tag, "") == group]
            served = [one for one in served if one.tags.get(tag, "") == group]
        return min(left, key=lambda one: scores[one.peer]).peer

    def _score(self, cid: bytes, peer: str) -> float:
        """Return a peer's draw for a CID: with twice the weight the chance to have the lowest is twice as high."""
        weight = float(min(self._free[peer], self._free_counted)) if self._by_space else 1.0
        if self._by_queue:
            weight /= 1.0 + self._queue[peer] / limits.QUEUE_HALVES
        draw = (rank(cid_value(cid), self._values[peer]) + 1) / (_DRAWS + 1.0)
        return -math.log(draw) / max(weight, 1e-9)


def _value(key: bytes) -> int:
    return int.from_bytes(hashlib.sha256(domains.ALLOCATION + key).digest()[:8])
