"""Turns away what this peer does not keep, before the node is asked about it, and lets in again what there is room for.

- A candidate that a rule excludes, or for which there surely is no room, becomes `skipped` here, thousands at a time: a
  list of a million pins beyond the limit costs the node nothing.
- What was skipped for want of room is queued again when there is room, a few at a time and no more than fit, so that
  nothing is tried twice without something having changed in between.
- When more is reserved than there is room for, because the limit was lowered or others fill the volume, pins under way
  are stopped, those that began last first.
- Why pins are skipped is counted in the background (`census`): counters know only that they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import trio

from pincrew.bell import Bell
from pincrew.limits import CENSUS_INTERVAL_S, READMITTED_PER_SLICE, ROOM_LOOK_INTERVAL_S, SEARCH_REST_SHARE
from pincrew.room import Room
from pincrew.tracker import Candidate, Fault, Progress
from pincrew.values import PinState
from pincrew.workplace import Workplace


class Admission:
    """Who is let in, in one cluster. ``on_queued`` is called when rows were queued again, ``on_leaving`` when something
    that is held was turned away."""

    def __init__(self, place: Workplace, on_queued: Callable[[], None], on_leaving: Callable[[], None]) -> None:
        self._place = place
        self._keeper = place.keeper
        self._on_queued = on_queued
        self._on_leaving = on_leaving
        self._bell = Bell()
        self._census_bell = Bell()
        # When no skipped pin fitted: how much was free, and how many had been turned away. None will fit before one of
        # them has risen; and a search that took long is not begun again at once.
        self._barren: tuple[int, int] | None = None
        self._rest_until = 0.0
        self.census: Mapping[str, int] = {}

    @property
    def is_settled(self) -> bool:
        """Whether nothing that was skipped for want of room comes back as things stand."""
        return self._place.room.is_full or self._is_barren()

    def wake(self) -> None:
        """There may be room again, or less than there was."""
        self._bell.ring()

    def rows_changed(self) -> None:
        """Other pins may be skipped than before."""
        self._census_bell.ring()

    async def sift(self, found: Sequence[Candidate]) -> list[Candidate]:
        """Return the candidates that may be tried; the others are turned away. Only with the keeper's turn held."""
        refused: list[tuple[Candidate, Fault]] = []
        admitted = []
        for candidate in found:
            fault = self._fault(candidate)
            if fault is None:
                admitted.append(candidate)
            else:
                refused.append((candidate, fault))
        if refused:
            place = self._place
            cids = [candidate.pin.cid for candidate, _ in refused]
            held = await self._keeper.insist(place.ownership.ask, place.ownership.holdings.held, place.cluster, cids)
            updates = []
            for candidate, fault in refused:
                cid = candidate.pin.cid
                self._keeper.take_waiting(cid)
                progress = Progress(candidate.state, candidate.tries)
                updates.append(self._keeper.refused(cid, progress, fault, is_held=cid in held))
            await self._keeper.ask(self._keeper.book.settle, updates, None)
            place.room.settled(await self._keeper.ask(self._keeper.book.kept_bytes), cids)
            self._census_bell.ring()
            if held:
                self._on_leaving()
        return admitted

    def _fault(self, candidate: Candidate) -> Fault | None:
        fault = self._place.selection.verdict(candidate.pin)
        if fault is None and not self._place.room.admits(candidate.pin.cid, candidate.size):
            fault = self._place.room.fault()
        return fault

    async def run(self) -> None:
        """Stop what exceeds the room and let in what fits, until cancelled."""
        while True:
            room = self._place.room
            room.looked(trio.current_time())
            self._stop_excess()
            if not room.is_full and await self._readmit():
                self._on_queued()
                continue
            await self._bell.wait(ROOM_LOOK_INTERVAL_S)

    def _stop_excess(self) -> None:
        """Stop pins under way, the last begun first, until what is reserved fits."""
        room = self._place.room
        free = room.free
        if free is None or free >= 0:
            return
        for work in reversed(list(self._keeper.busy.values())):
            reserved = room.under_way(work.cid)
            if free >= 0:
                return
            if work.pin is not None and work.refusal is None and reserved is not None and not work.finished.is_set():
                work.refusal = room.fault()
                work.scope.cancel()
                free += reserved

    async def _readmit(self) -> int:
        """Queue what was skipped for want of room and fits now; return how many."""
        room = self._place.room
        free = _free(room)
        began = trio.current_time()
        if began < self._rest_until:
            return 0
        if self._is_barren():
            return 0
        refusals = room.refusals  # as of before: what is turned away during the search may not be among what it finds
        async with self._keeper.turn:
            count = await self._keeper.ask(
                self._keeper.book.readmit, free, READMITTED_PER_SLICE, now_ms=self._place.now_ms()
            )
        if not count:
            self._barren = (free, refusals)
            self._rest_until = trio.current_time() + SEARCH_REST_SHARE * (trio.current_time() - began)
        return count

    def _is_barren(self) -> bool:
        """Say whether nothing that was skipped fits: nothing did when at least as much was free."""
        room = self._place.room
        return self._barren is not None and _free(room) <= self._barren[0] and room.refusals == self._barren[1]

    async def count(self) -> None:
        """Keep the census, until cancelled; where it takes long, it is taken rarely."""
        seen = 0
        while True:
            began = trio.current_time()
            counts = await self._keeper.ask(self._keeper.book.counts)
            if counts[PinState.SKIPPED] or seen:
                seen = counts[PinState.SKIPPED]
                self.census = await self._keeper.ask(self._keeper.book.skipped_for)
            await trio.sleep(max(CENSUS_INTERVAL_S, SEARCH_REST_SHARE * (trio.current_time() - began)))
            await self._census_bell.wait()


def _free(room: Room) -> int:
    return 2**63 - 1 if room.free is None else room.free
