"""How much one cluster may still put onto its user's disk: its limit, and what stays free of the volume. Pure.

A size is a claim until the bytes are here, so it is reserved; the limit is a fact. `Room` counts what is kept for the
cluster (`settled`, out of the store's counters: what is pinned, and what is about to be unpinned) and, for each pin
under way, the larger of what was claimed and what has arrived.

Rules:

1. Kept + reserved never rises above the limit by anything that is admitted here.
2. Nothing is admitted that would leave less of the volume free than `keep_free` percent; what others write onto it
   counts by itself, because the volume is measured again and again, and so do pincrew's own files.
3. A pin of unknown size is admitted where anything is free, and reserves what has arrived of it.
4. Once there is too little left for a pin, and for most others (the shares below), it is *full*: nothing is admitted
   until that much is free again. Without that, every pin that goes would let in the next smallest.
5. A node that itself says that it has no room is believed until something has gone, a rule changed, much of the volume
   has become free, or some time has passed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from pincrew.limits import (
    NODE_FULL_FREED_SHARE_OF_VOLUME,
    NODE_FULL_RETRY_S,
    ROOM_RESUME_SHARE_OF_LIMIT,
    ROOM_RESUME_SHARE_OF_VOLUME,
)
from pincrew.tracker import LARGER_THAN_SAID, NO_ROOM, Fault


class Bound(StrEnum):
    """What leaves no room."""

    LIMIT = "limit"
    VOLUME = "volume"
    NODE = "node"


@dataclass(frozen=True, slots=True)
class Volume:
    """The file system on which the node stores: bytes in all and free."""

    total: int
    free: int


@dataclass(slots=True)
class _Reservation:
    claimed: int | None
    size: int
    arrived: int = 0
    is_kept: bool = False  # it was on the disk before, and is only looked at again


_WORDS = {
    Bound.LIMIT: "it does not fit below your limit",
    Bound.VOLUME: "less of the volume would stay free than you want",
    Bound.NODE: "the IPFS node has no room",
}


class Room:
    """The room of one cluster. Without a limit and without a volume, everything fits."""

    def __init__(self, limit: int | None = None, keep_free_percent: int = 0) -> None:
        """``limit`` in bytes, None for none; ``keep_free_percent`` of the volume."""
        self.limit = limit
        self.keep_free_percent = keep_free_percent
        self.volume: Volume | None = None
        self.kept = 0
        self._reservations: dict[bytes, _Reservation] = {}
        self._reserved = 0  # the sum of the reservations
        self._outstanding = 0  # of it, what has not arrived
        self._arrived_unmeasured = 0  # since the volume was measured
        self._was_refused = False
        self.refusals = 0  # ever; whoever looks for what fits looks again when it has risen
        self._node_refused_at: float | None = None
        self._node_refused_kept = 0
        self._node_refused_free = 0  # of the volume, as it was seen last or has been since

    # ---- what is known -----------------------------------------------------------------------------------------------
    def set_rules(self, limit: int | None, keep_free_percent: int) -> None:
        """Let another limit hold from now on. What is kept already may be beyond it."""
        self.limit, self.keep_free_percent = limit, keep_free_percent
        self._node_refused_at = None

    def measured(self, volume: Volume | None) -> None:
        """The volume was looked at; None: it is not on this machine.

        Where much has become free since the node said that it has no room, that may have been for want of disk.
        """
        if volume is not None and self.volume is not None:
            more = volume.free - min(self._node_refused_free, volume.free)
            if more >= volume.total * NODE_FULL_FREED_SHARE_OF_VOLUME:
                self._node_refused_at = None
            self._node_refused_free = min(self._node_refused_free, volume.free)
        self.volume = volume
        self._arrived_unmeasured = 0

    def settled(self, kept: int, ended: Iterable[bytes] = ()) -> None:
        """The store counts ``kept`` bytes; the pins ``ended`` are among them, or came to nothing."""
        self.kept = kept
        if kept < self._node_refused_kept:
            self._node_refused_at = None
        for cid in ended:
            self.release(cid)

    def node_refused(self, now: float) -> None:
        """The node has no room, whatever is counted here."""
        self._node_refused_at, self._node_refused_kept = now, self.kept
        self._node_refused_free = 0 if self.volume is None else self.volume.free
        self.refusals += 1

    def fill(self) -> None:
        """What did not fit was just taken out: nothing comes in its place until enough is free (rule 4)."""
        self._was_refused = True

    def looked(self, now: float) -> None:
        """Time has passed: a node that had no room may have been given some."""
        if self._node_refused_at is not None and now >= self._node_refused_at + NODE_FULL_RETRY_S:
            self._node_refused_at = None

    # ---- what is asked -----------------------------------------------------------------------------------------------
    @property
    def is_bounded(self) -> bool:
        """Whether anything bounds it, so that sizes matter."""
        return self.limit is not None or self.volume is not None

    @property
    def reserved(self) -> int:
        """Bytes reserved for pins under way."""
        return self._reserved

    @property
    def free(self) -> int | None:
        """Bytes that may still be admitted; negative where there is too much already, None where nothing bounds it."""
        return min((left for _, left in self._left()), default=None)

    @property
    def bound(self) -> Bound | None:
        """What there is least left of, None where nothing bounds it."""
        if self._node_refused_at is not None:
            return Bound.NODE
        return min(((left, bound) for bound, left in self._left()), default=(0, None))[1]

    @property
    def is_volume_low(self) -> bool:
        """Whether less of the volume is free than is to stay free."""
        return self.volume is not None and self.volume.free < self._kept_free()

    @property
    def is_full(self) -> bool:
        """Whether nothing is admitted (rules 4 and 5)."""
        if self._was_refused and not self._is_short():
            self._was_refused = False
        return self._was_refused or self._node_refused_at is not None

    def claimed(self, cid: bytes) -> int | None:
        """Return how many bytes are reserved for a pin, None where none are."""
        reservation = self._reservations.get(cid)
        return None if reservation is None else reservation.size

    def under_way(self, cid: bytes) -> int | None:
        """Return how many bytes are reserved for a pin that was not on the disk before, None where none are."""
        reservation = self._reservations.get(cid)
        return None if reservation is None or reservation.is_kept else reservation.size

    def fault(self) -> Fault:
        """Return why a pin is turned away now."""
        bound = self.bound
        return Fault(NO_ROOM, _WORDS[bound if bound is not None else Bound.NODE])

    # ---- what is admitted --------------------------------------------------------------------------------------------
    def admits(self, cid: bytes, size: int | None) -> bool:
        """Say whether there is room for a pin, without reserving it."""
        already = self.claimed(cid)
        if already is None:
            return not self.is_full and self._fits(size or 0, is_some=bool(size))
        return (size or 0) <= already or self._fits((size or 0) - already, is_some=True)

    def reserve(self, cid: bytes, size: int | None) -> bool:
        """Reserve what a pin claims (None: unknown), or say that there is no room for it."""
        if not self.admits(cid, size):
            return False
        before = self._reservations.get(cid) or _Reservation(size, 0)
        self._set(cid, _Reservation(size, max(size or 0, before.size), before.arrived, before.is_kept))
        return True

    def begun(self, cid: bytes, size: int | None, arrived: int) -> None:
        """Count a pin that was begun while nothing bounded the room, whether or not there is room for it."""
        self._set(cid, _Reservation(size, max(size or 0, arrived), arrived))

    def hold(self, cid: bytes, size: int) -> None:
        """Count what is kept already and leaves the store's counters for a while, whether or not there is room."""
        self._set(cid, _Reservation(size, size, size, is_kept=True))

    def grow(self, cid: bytes, arrived: int) -> Fault | None:
        """So much of a pin has arrived; return why it must be stopped, None where it may go on."""
        before = self._reservations.get(cid) or _Reservation(None, 0)
        if arrived > before.size and not self._fits(arrived - before.size, is_some=True):
            if before.claimed is not None and arrived > before.claimed:
                return Fault(LARGER_THAN_SAID, f"it was said to have {before.claimed:,} bytes, and has more")
            return self.fault()
        self._arrived_unmeasured += max(0, arrived - before.arrived)
        arrived = max(arrived, before.arrived)
        self._set(cid, _Reservation(before.claimed, max(before.size, arrived), arrived, before.is_kept))
        return None

    def release(self, cid: bytes) -> None:
        """Nothing more comes of a pin; none reserved is fine."""
        self._set(cid, None)

    def _set(self, cid: bytes, now: _Reservation | None) -> None:
        before = self._reservations.pop(cid, None)
        for sign, one in ((-1, before), (1, now)):
            if one is not None:
                self._reserved += sign * one.size
                self._outstanding += sign * max(0, one.size - one.arrived)
        if now is not None:
            self._reservations[cid] = now

    def _fits(self, more: int, *, is_some: bool) -> bool:
        free = self.free
        if free is None or (more <= free and (is_some or free > 0)):
            return True
        self.refusals += 1
        if self._is_short():
            self._was_refused = True
        return False

    # ---- how much is left --------------------------------------------------------------------------------------------
    def _left(self) -> list[tuple[Bound, int]]:
        left = []
        if self.limit is not None:
            left.append((Bound.LIMIT, self.limit - self.kept - self._reserved))
        if self.volume is not None:
            coming = self._outstanding + self._arrived_unmeasured
            left.append((Bound.VOLUME, self.volume.free - self._kept_free() - coming))
        return left

    def _kept_free(self) -> int:
        return 0 if self.volume is None else self.volume.total * self.keep_free_percent // 100

    def _is_short(self) -> bool:
        """Say whether there is less left than makes it worth going on."""
        enough = {Bound.LIMIT: (self.limit or 0) * ROOM_RESUME_SHARE_OF_LIMIT}
        if self.volume is not None:
            enough[Bound.VOLUME] = self.volume.total * ROOM_RESUME_SHARE_OF_VOLUME
        return any(left < enough[bound] for bound, left in self._left())
