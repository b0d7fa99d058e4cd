"""What a collection must leave alone: why no block that somebody counts on is ever deleted.

A *collection* marks every block that can be reached from a pin, then sweeps away the others, in slices, while blocks
and pins come and go. Those who work meanwhile are a *walk* (a pin being fetched: it goes down from the root, asks which
blocks are here, gets the others) and an *add* (it puts the leaves first and pins the root at the end). Both work under
a *lease*. The rules, of which everything else follows:

K1. Block numbers rise. A collection has a *horizon*, the next free number when it begins, and never deletes a block
    numbered at or above it. So what is put during a collection survives it.
K2. Whoever puts a block under a lease, or is told under one that it is here (`BlockStore.present`), may count on it:
    its number is marked in the lease and, below the horizon, in the collection that runs. A collection that begins
    takes over the marks of all open leases. So what came before, and is counted on, survives too. On what is put
    without a lease nobody may count: it is garbage to a collection, unless a pin reaches it or somebody looked.
K3. The roots are the pins, and the pins that are being fetched. One that is begun during a collection is a root of it
    from that moment on: no slice of the sweep runs until all that is here of it is marked. Marks are never taken back.
    The complete pins are followed to their ends first: what one of them misses would go unnoticed below a block that a
    pin that is being fetched, which may miss anything, had marked before.
K4. A slice of the sweep decides and deletes within one transaction of the one writer, while holding `sweeping`. Puts
    and pins are transactions of the same writer; `BlockStore.present` looks and marks while holding `sweeping`; a
    collection begins while both are held. So no deletion falls between being told and being marked, nor between the
    beginning of a pin and its being a root. Whoever takes both locks takes `sweeping` first.

A complete pin is safe: its walk or its add ended under a lease that is still open when the pin is made, so that each of
its blocks is new (K1) or marked (K2) in the collection that runs at that moment; one that begins later has the pin as a
root (K3). A pin being fetched is safe too: its walk finds each block anew from the root down under a lease; what was
deleted before it was told is simply fetched. That holds also of what has just come for it: the exchange, which serves
many, puts without a lease, so that the walk asks again whether it is here, and wants anew what is not. So a lease that
is open for days keeps what was counted on under it, and nothing else that came since.

Beyond that K3 saves what is here already of a pin that was half fetched or is just begun, and may be the only copy:
something was unpinned, and pinned again while it is being swept away. A lease that is closed without a pin protects
nothing from a later collection: a walk that is resumed looks again from the root down.

What a pin reaches is known only through blocks that are here. Where a block with links is missing or damaged under a
complete pin, what is below it cannot be told from garbage: then nothing is swept at all, and the block is noted as lost
so that it can be fetched anew. Under a pin that is being fetched, missing blocks are the usual case (K2 covers them).
A missing block without links takes nothing else with it.

Memory: a set of blocks is a set of bits (mark_set), so that a lease and a collection take half a byte for each block.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

from pincrew.errors import Conflict
from pincrew.node.store.mark_set import MarkSet


class Lease:
    """The promise that what is put or found present under it is not collected until it is closed."""

    def __init__(self) -> None:
        self.marks = MarkSet()


class Round:
    """One collection, as those see it who work meanwhile."""

    def __init__(self, horizon: int) -> None:
        self.horizon = horizon
        self.marks = MarkSet()
        self.new_roots: deque[tuple[bytes, bool]] = deque()
        """CIDs whose pins were begun since, each with whether all that it reaches is wanted."""


class Keeping:
    """The leases that are open and the collection that runs, if any."""

    def __init__(self) -> None:
        self.sweeping = threading.Lock()
        # Apart from `sweeping`, which a thread may hold for a while: an event loop opens and closes leases itself.
        self._opening = threading.Lock()
        self._leases: set[Lease] = set()
        self._round: Round | None = None

    def open(self) -> Lease:
        """Open a lease."""
        lease = Lease()
        with self._opening:
            self._leases.add(lease)
        return lease

    def close(self, lease: Lease) -> None:
        """Close a lease; closing it again changes nothing."""
        with self._opening:
            self._leases.discard(lease)

    def count_on(self, lease: Lease | None, numbers: Iterable[int]) -> None:
        """Mark blocks that are here (K2). The caller holds `sweeping` or is in a transaction (K4)."""
        running = self._round
        for number in numbers:
            if lease is not None:
                lease.marks.mark(number)
            if running is not None and number < running.horizon:
                running.marks.mark(number)

    def pin_begun(self, cid: bytes, *, recursive: bool) -> None:
        """Make ``cid`` a root of the collection that runs (K3). The caller is in the transaction that notes the pin."""
        if self._round is not None:
            self._round.new_roots.append((cid, recursive))

    def begin(self, next_number: int) -> Round:
        """Begin a collection; ``next_number`` is that of the next new block.

        The caller holds `sweeping` and is in a transaction. Raises Conflict where a collection runs.
        """
        if self._round is not None:
            raise Conflict("A collection of garbage is running already")
        with self._opening:
            leases = tuple(self._leases)
        self._round = Round(next_number)
        for lease in leases:
            self._round.marks.merge(lease.marks)
        return self._round

    def end(self, finished: Round) -> None:
        """End a collection; ending it again changes nothing."""
        if self._round is finished:
            self._round = None
