"""Looks at all rows again when a rule changed: a choice of the user's, a denylist, the part, a lower limit.

A pass reads the rows in slices, asks the selection about each and settles what changed. What is pinned and not selected
any more becomes `skipped` and is let go without grace; what is skipped for a rule that is gone is queued again; pins
under way that are not selected any more are stopped. A change that comes while a pass is under way begins another one.

A lower limit unpins nothing by itself. Where the user says so, `trim` unpins the newest of the list first, until the
rest fits: what stays is then what would have been fetched first in the order of the list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pincrew import tracker
from pincrew.bell import Bell
from pincrew.limits import RECONSIDERED_PER_SLICE
from pincrew.tracker import FOR_ROOM, Event, Fault, Progress, Standing, StatusUpdate
from pincrew.values import PinState
from pincrew.workplace import Workplace


class Reconsidering:
    """Applies changed rules to one cluster's rows. ``on_changed`` is called when some were queued or are to be let go
    of."""

    def __init__(self, place: Workplace, on_changed: Callable[[], None]) -> None:
        self._place = place
        self._keeper = place.keeper
        self._on_changed = on_changed
        self._bell = Bell()

    def wake(self) -> None:
        """A rule changed."""
        self._bell.ring()

    async def run(self) -> None:
        """Look again whenever a rule changed, until cancelled; once at the start, for they may have changed before."""
        while True:
            await self.look()
            await self._bell.wait()

    async def look(self) -> None:
        """Go through all rows once; not at all where nothing is excluded, or was before."""
        counts = await self._keeper.ask(self._keeper.book.counts)
        if self._place.selection.is_everything and not counts[PinState.SKIPPED]:
            return
        self._stop_excluded()
        after = -1
        while page := await self._keeper.ask(self._keeper.book.standings, after, RECONSIDERED_PER_SLICE):
            after = page[-1].row
            # Most pages have nothing to change: only what seems to is read again, with the turn held.
            if any(self._changes(one) for one in page):
                await self._settle(page[0].row - 1, len(page))

    def _stop_excluded(self) -> None:
        for work in self._keeper.busy.values():
            if work.pin is not None and work.refusal is None and not work.finished.is_set():
                work.refusal = self._place.selection.verdict(work.pin)
                if work.refusal is not None:
                    work.scope.cancel()

    def _changes(self, one: Standing) -> bool:
        fault = self._place.selection.verdict(one.pin)
        if fault is None:
            return one.state is PinState.SKIPPED and one.cause not in FOR_ROOM
        return one.state is not PinState.SKIPPED or one.cause != fault.cause

    async def _settle(self, after: int, limit: int) -> None:
        async with self._keeper.turn:
            page = await self._keeper.ask(self._keeper.book.standings, after, limit)
            changing = [one for one in page if one.pin.cid not in self._keeper.busy and self._changes(one)]
            held = await self._held([one.pin.cid for one in changing])
            updates = [self._update(one, is_held=one.pin.cid in held) for one in changing]
            if updates:
                await self._keeper.ask(self._keeper.book.settle, updates, None)
        if updates:
            self._on_changed()

    async def _held(self, cids: Sequence[bytes]) -> set[bytes]:
        place = self._place
        return await self._keeper.insist(place.ownership.ask, place.ownership.holdings.held, place.cluster, cids)

    def _update(self, one: Standing, *, is_held: bool) -> StatusUpdate:
        self._keeper.take_waiting(one.pin.cid)
        progress = Progress(one.state, one.tries)
        fault = self._place.selection.verdict(one.pin)
        if fault is not None:
            return self._keeper.refused(one.pin.cid, progress, fault, is_held=is_held)
        return self._keeper.update(one.pin.cid, tracker.advance(progress, Event.RETRY))

    # ---- unpinning down to a limit ---------------------------------------------------------------------------------
    async def trim(self, limit: int, fault: Fault) -> int:
        """Unpin the newest pins until those that stay fit ``limit``; return how many go."""
        pins = total = 0
        excess = await self._keeper.ask(self._keeper.book.pinned_bytes) - limit
        while total < excess:
            async with self._keeper.turn:
                updates = []
                for cid, size in await self._keeper.ask(self._keeper.book.newest_pinned, RECONSIDERED_PER_SLICE):
                    if total >= excess:
                        break
                    if cid not in self._keeper.busy:
                        self._keeper.take_waiting(cid)
                        updates.append(self._keeper.refused(cid, Progress(PinState.PINNED), fault, is_held=True))
                        pins, total = pins + 1, total + size
                if not updates:
                    break
                await self._keeper.ask(self._keeper.book.settle, updates, None)
            self._on_changed()
        return pins
