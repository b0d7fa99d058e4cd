"""Keeps a part of the list where all of it is larger than the limit, and rescues what too few others keep.

Passes over the rows, in slices in a thread with rests in between: the first sizes them up and fits the part
(`pincrew.part`), at the start and whenever the list, the limit or the user's wish changed; the other looks for CIDs
that lack copies (`pincrew.rescue`), every ten minutes, as far as a budget goes, and goes on where it ended. What
either of them moves goes to the selection, and the pinner looks at its rows again.

What others say is asked for rescues alone: it adds to what is kept here and takes nothing away (invariant 15).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import trio

from pincrew import limits
from pincrew.bell import Bell
from pincrew.coverage import Crew, Keeper, usual_copies
from pincrew.crew_watch import CrewWatch
from pincrew.errors import StoreFault
from pincrew.part import ALL, Part, Tally, cid_value, fit, largest_for, part_value, rank, rescue_room, rescue_value
from pincrew.rescue import Candidate, Needed, RescueSlice, choose, scan
from pincrew.self_report import Settled
from pincrew.settings import PartMode
from pincrew.store.part_rows import PartRow, PartRows
from pincrew.tracker import DENIED, SKIPPED_BY_USER
from pincrew.values import Pin, PinState

_NOT_OURS = (DENIED, SKIPPED_BY_USER)


@dataclass(frozen=True, slots=True)
class InForce:
    """What the selection asks (`pincrew.selection.Part`). ``own`` is this peer's value, ``rescued`` are CIDs'."""

    part: Part
    own: int
    rescued: frozenset[int]

    def keeps(self, pin: Pin) -> bool:
        """Say whether a pin is in the part, was rescued, or names this peer."""
        if self.part.is_everything or pin.allocations:
            return True
        value = cid_value(pin.cid)
        return self.part.keeps(rank(value, self.own), pin.size) or value in self.rescued


@dataclass(slots=True)
class _Sizes:
    """What one pass over the rows found."""

    tally: Tally
    rescued: dict[int, int | None]


@dataclass(frozen=True, slots=True)
class PartPlan:
    """A part that would hold, and how much is pinned outside of it (`pincrew.limits_desk.Plan`)."""

    part: Part
    pins: int
    bytes: int


class Keeping:
    """One follower's part. ``run`` until cancelled."""

    def __init__(
        self,
        rows: PartRows,
        watch: CrewWatch,
        key: bytes,
        *,
        limit: Callable[[], int | None],
        wish: Callable[[], PartMode],
        now_ms: Callable[[], int],
        is_current: Callable[[], bool],
        use: Callable[[InForce | None], None],
        ready: Callable[[], None] = lambda: None,
        on_event: Callable[[str, dict[str, object]], None],
    ) -> None:
        """``limit`` and ``wish`` are the user's, as of now; ``is_current`` says whether the list is all here.

        ``use`` puts what was decided into the selection, ``ready`` is called when that was done for the first time.
        Reads what was settled on before: blocks.
        """
        self._rows = rows
        self._watch = watch
        self._own, self._rescue_own = part_value(key), rescue_value(key)
        self._limit = limit
        self._wish = wish
        self._now_ms = now_ms
        self._is_current = is_current
        self._use = use
        self._ready = ready
        self._on_event = on_event
        self._bell = Bell()
        self._turn = trio.Lock()
        self._part = rows.part()
        self._rescued = frozenset(rows.rescued())
        self._sizes = _Sizes(Tally(0), {})
        self._needed: dict[int, Needed] = {}
        self._usual = limits.COPIES_WANTED
        self._luck = random.Random()
        self._after = -1  # how far the look for CIDs that lack copies came
        self._is_short = False
        if self._part is not None:
            self._put_in_force(self._part)

    @property
    def is_waiting(self) -> bool:
        """Whether it is not known yet which part is kept, and that there is one at all."""
        return self._part is None and self._limit() is not None and self._wish() is not PartMode.ALL

    # ---- what is shown and announced --------------------------------------------------------------------------------

    def settled(self) -> Settled | None:
        """Return which part is kept, None where it is everything."""
        if self._part is None or self._part.is_everything:
            return None
        pins = self._sizes.tally.pins_below(self._part.threshold) + len(self._rescued)
        return Settled(self._part.threshold, self._part.largest, pins, self._part.since_ms)

    def slice(self) -> RescueSlice | None:
        """Return how full the rescue slice is, None where there is none."""
        limit = self._limit()
        if limit is None or self.settled() is None:
            return None
        return RescueSlice(len(self._rescued), self._used(), rescue_room(limit), self._is_short)

    def wake(self) -> None:
        """The user changed what he wants."""
        self._bell.ring()

    # ---- life -------------------------------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled."""
        task_status.started()
        seen: tuple[object, ...] | None = None
        fitted_at = rescue_at = 0.0
        started_at = trio.current_time()
        while True:
            began = trio.current_time()
            try:
                now_seen = (self._rows.change(), self._limit(), self._wish())
                is_known = not self.is_waiting or self._is_current() or began >= started_at + limits.PART_WAIT_S_MAX
                if is_known and (now_seen != seen or began >= fitted_at + limits.PART_INTERVAL_S_MAX):
                    await self._fit()
                    seen, fitted_at = now_seen, trio.current_time()
                    self._ready()
                if self._watch.listened_s >= limits.RESCUE_DELAY_S and began >= rescue_at:
                    await self._look_for_lacking()
                    rescue_at = trio.current_time() + limits.RESCUE_INTERVAL_S
            except StoreFault as fault:
                self._on_event("part_not_settled", {"error": fault.sentence})
                fitted_at = trio.current_time()
            spent_s = trio.current_time() - began
            await self._bell.wait(max(limits.PART_LOOK_INTERVAL_S, spent_s * limits.PART_REST_SHARE))

    # ---- the part ---------------------------------------------------------------------------------------------------

    async def plan(self, limit: int | None, wish: PartMode) -> PartPlan | None:
        """Return the part that would hold at another limit or wish if all outside of it went at once.

        None where all would be kept, as far as there is room.
        """
        if limit is None or wish is PartMode.ALL:
            return None
        sizes = await self._sized(largest_for(limit, self._part))
        is_always = wish is PartMode.PART
        part = fit(sizes.tally, limit, self._part, self._now_ms(), is_always=is_always, is_told=True)
        if part.is_everything:
            return None
        there, after, pins, size = InForce(part, self._own, self._rescued), -1, 0, 0
        while page := await trio.to_thread.run_sync(self._rows.page, after, limits.PART_ROWS_PER_SLICE):
            for row in page:
                if row.state is PinState.PINNED and not there.keeps(Pin(row.cid, size=row.size, name=row.name)):
                    is_own = bool(row.allocations)
                    pins, size = pins + (not is_own), size + (0 if is_own else row.size or 0)
            after = page[-1].row
        return PartPlan(part, pins, size)

    async def carry_out(self, plan: PartPlan) -> None:
        """Put a planned part in force."""
        async with self._turn:
            await self._remember(plan.part, self._rescued)
            self._put_in_force(plan.part)

    async def _fit(self) -> None:
        async with self._turn:
            await self._fit_now()

    async def _fit_now(self) -> None:
        limit, wish = self._limit(), self._wish()
        if limit is None or wish is PartMode.ALL:
            if self._part is not None:
                await self._remember(None, self._rescued)
                self._use(None)
            return
        sizes = await self._sized(largest_for(limit, self._part))
        if self._part is None and sizes.tally.largest_pinned > sizes.tally.largest:
            sizes = await self._sized(sizes.tally.largest_pinned)  # nothing that is kept leaves by its size at once
        self._sizes = sizes
        before, rescued = self._part, frozenset(sizes.rescued)
        part = fit(sizes.tally, limit, before, self._now_ms(), is_always=wish is PartMode.PART)
        if part == before and rescued == self._rescued:
            return
        await self._remember(part, rescued)
        self._put_in_force(part)
        if before is None or before.threshold != part.threshold:
            self._on_event("part_changed", {"share": round(part.threshold / ALL, 4)})

    async def _sized(self, largest: int) -> _Sizes:
        sizes = _Sizes(Tally(largest), {})
        after = -1
        while True:
            began = trio.current_time()
            page = await trio.to_thread.run_sync(self._size_page, sizes, after)
            if not page:
                return sizes
            after = page
            await trio.sleep(trio.current_time() - began)  # the loop's own work comes first

    def _size_page(self, sizes: _Sizes, after: int) -> int:
        """Count the rows of a page; return the last one's place, 0 where there are no more."""
        page = self._rows.page(after, limits.PART_ROWS_PER_SLICE)
        for row in page:
            if row.state is PinState.REMOTE or row.cause in _NOT_OURS:
                continue
            if row.allocations:
                sizes.tally.add_fixed(row.size)
                continue
            value = cid_value(row.cid)
            order = rank(value, self._own)
            sizes.tally.add(order, row.size, is_pinned=row.state is PinState.PINNED)
            if value in self._rescued and not (self._part is not None and self._part.keeps(order, row.size)):
                sizes.rescued[value] = row.size
        return page[-1].row if page else 0

    def _put_in_force(self, part: Part) -> None:
        self._use(InForce(part, self._own, self._rescued))

    async def _remember(self, part: Part | None, rescued: frozenset[int]) -> None:
        """Note what was decided, on disk first: what cannot be written did not happen, and is tried again."""

        def save() -> None:
            self._rows.save_part(part)
            self._rows.save_rescued(rescued)

        await trio.to_thread.run_sync(save)
        self._part, self._rescued = part, rescued

    # ---- rescuing ---------------------------------------------------------------------------------------------------

    def _used(self) -> int:
        mean = self._sizes.tally.mean
        return sum(mean if size is None else size for size in self._sizes.rescued.values())

    async def _look_for_lacking(self) -> None:
        """Go on looking as far as the budget goes; at the end of a round, take what was found, the worst first."""
        limit, settled = self._limit(), self.settled()
        if limit is None or settled is None:
            self._needed, self._after = {}, -1
            return
        crew = self._watch.crew()
        own = Keeper(self._own, self._rescue_own, settled.threshold, settled.largest, 1.0)
        crew = Crew([own, *(one for one in crew.keepers if one.part != own.part)])
        if self._after < 0:
            self._usual = await trio.to_thread.run_sync(self._usual_copies, crew)
        mixes = 0
        while mixes < limits.RESCUE_MIXES_MAX:
            began = trio.current_time()
            page = await trio.to_thread.run_sync(self._rows.page, self._after, limits.RESCUE_ROWS_PER_SLICE)
            if not page:
                self._after = -1
                await self._rescue(rescue_room(limit))
                return
            candidates = [one for row in page if (one := self._candidate(row)) is not None]
            found = await trio.to_thread.run_sync(
                scan, candidates, crew, own, rescue_room(limit), limits.RESCUE_MIXES_MAX, self._usual
            )
            mixes += found.mixes
            self._after = page[-1].row
            for needed in found.needed[: limits.RESCUED_PINS_MAX - len(self._needed)]:
                self._needed[needed.cid] = needed
            await trio.sleep(trio.current_time() - began)

    def _usual_copies(self, crew: Crew) -> int:
        """Look at some rows from all over the list."""
        places = [self._luck.random() for _ in range(limits.RESCUE_SAMPLE // limits.COVERAGE_RUN_ROWS)]
        rows = self._rows.at(places, limits.COVERAGE_RUN_ROWS)
        return usual_copies([crew.copies(cid_value(row.cid), row.size).all for row in rows if not row.allocations])

    def _candidate(self, row: PartRow) -> Candidate | None:
        if row.state is PinState.REMOTE or row.cause in _NOT_OURS or row.allocations:
            return None
        value = cid_value(row.cid)
        return None if value in self._rescued else Candidate(value, row.size)

    async def _rescue(self, room: int) -> None:
        needed, self._needed = self._needed, {}
        mean = self._sizes.tally.mean
        pins_max = limits.RESCUED_PINS_MAX - len(self._rescued)
        chosen = choose(needed.values(), mean, self._used(), room, pins_max)
        lacking = [one for one in needed.values() if not one.is_lowest]
        self._is_short = sum(not one.is_lowest for one in chosen) < len(lacking)
        if not chosen or self._part is None:
            return
        await self._remember(self._part, self._rescued | {one.cid for one in chosen})
        self._sizes.rescued.update((one.cid, one.size) for one in chosen)
        self._put_in_force(self._part)
        self._on_event("rescued", {"pins": len(chosen), "lacking": len(lacking)})
