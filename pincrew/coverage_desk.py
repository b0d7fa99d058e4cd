"""How many copies there may be of what a running cluster lists: the estimate that the API shows, with its basis.

A curator's peer asks a few others about a few CIDs, too, and shows whether their answers agree with what they
announce. That is advice for people; an answer is as much a claim as an announcement is.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable

import trio

from pincrew import limits
from pincrew.api import shapes
from pincrew.cid import cid_text
from pincrew.coverage import Copies, Crew, Survey
from pincrew.errors import PincrewError
from pincrew.keys import peer_id
from pincrew.part import ALL, cid_value, rank
from pincrew.peer import Peer
from pincrew.policy import Method
from pincrew.requests import Request
from pincrew.rescue import RescueSlice
from pincrew.store.part_rows import PartRow
from pincrew.values import PinState


class CoverageDesk:
    """Implements ``api.contract.CoverageDoor``."""

    def __init__(self, peer: Peer, rescued: Callable[[], RescueSlice | None]) -> None:
        """``rescued`` says how full the rescue slice is, None where there is none."""
        self._peer = peer
        self._rescued = rescued

    async def estimate(self, shown: int) -> shapes.Coverage:
        """Return the estimate, with the ``shown`` pins that have the fewest copies of those looked at."""
        peer = self._peer
        crew = peer.crew_watch.crew()
        pins = sum(count for state, count in peer.statuses.counts().items() if state is not PinState.UNPINNING)
        look = _Look(crew, shown)
        await self._look_at_rows(look, len(crew), pins)
        found = look.survey.estimate(max(pins - look.named, look.survey.looked_at))
        settled, rescued = peer.settled(), self._rescued()
        return shapes.Coverage(
            schema=1,
            cluster=peer.options.name,
            is_estimate=True,
            wanted=limits.COPIES_WANTED,
            mean=round(found.mean, 2),
            bars=[shapes.CopiesBar(*bar) for bar in found.bars],
            worst=[_pin(copies, row) for copies, row in look.worst()],
            basis=shapes.CoverageBasis(
                peers=len(crew),
                peers_vouched=sum(one.is_vouched for one in crew.keepers),
                peers_with_a_part=sum(one.threshold < ALL for one in crew.keepers),
                silent_days_max=limits.CREW_SILENT_S_MAX / 86_400,
                pins=pins,
                looked_at=found.looked_at,
                named_pins=look.named,
                error=round(found.error, 4),
            ),
            part=None if settled is None else round(settled.threshold / ALL, 4),
            rescue=None if rescued is None else shapes.RescueState(*rescued),
            spot_checks=await self._asked(look) if peer.is_curator(peer.id) else None,
        )

    async def _look_at_rows(self, look: _Look, peers: int, pins: int) -> None:
        """Look at all rows where that is soon done, else at runs of them from all over."""
        rows = self._peer.part_rows
        most = limits.COVERAGE_MIXES_MAX // (peers + limits.COVERAGE_MIXES_OF_A_ROW)
        if pins <= most:
            after = -1
            while page := await trio.to_thread.run_sync(rows.page, after, limits.PART_ROWS_PER_SLICE):
                await trio.to_thread.run_sync(look.take, page)
                after = page[-1].row
            return
        luck = random.Random()
        places = [luck.random() for _ in range(max(1, most // limits.COVERAGE_RUN_ROWS))]
        for at in range(0, len(places), limits.COVERAGE_RUNS_PER_SLICE):
            some = places[at : at + limits.COVERAGE_RUNS_PER_SLICE]
            await trio.to_thread.run_sync(
                look.take, await trio.to_thread.run_sync(rows.at, some, limits.COVERAGE_RUN_ROWS)
            )

    async def _asked(self, look: _Look) -> list[shapes.SpotCheck]:
        """Ask a few connected peers about a few CIDs of their parts."""
        peer = self._peer
        assert peer.network is not None
        connected = {one.peer for one in peer.network.connections()}
        mates = [one for one in peer.crew_watch.book.mates() if peer_id(one.key) in connected]
        random.Random().shuffle(mates)
        checks: list[shapes.SpotCheck] = []

        async def ask(key: bytes, cids: tuple[bytes, ...]) -> None:
            who = peer_id(key)
            try:
                answer = await peer.ask(who, Request(Method.STATUS, cids))
            except PincrewError:
                return  # Who does not answer says nothing for or against its announcement.
            pinned = sum(status.state == PinState.PINNED for status in answer.statuses)
            checks.append(shapes.SpotCheck(who, answer.name, len(cids), pinned))

        with trio.move_on_after(limits.REQUEST_TIMEOUT_S):
            async with trio.open_nursery() as nursery:
                for mate in mates[: limits.SPOT_CHECK_PEERS]:
                    keeper = mate.keeper(is_vouched=False)
                    cids = look.kept_by(keeper.part, keeper.threshold, keeper.largest)
                    if cids and mate.part.kept:
                        nursery.start_soon(ask, mate.key, cids)
        return sorted(checks, key=lambda one: (one.pinned / one.asked, one.peer))


class _Look:
    """What was seen of the rows: figures, the worst, and some at random."""

    def __init__(self, crew: Crew, shown: int) -> None:
        self._crew = crew
        self._shown = shown
        self._worst: list[tuple[Copies, int, PartRow]] = []
        self._some: list[PartRow] = []
        self._seen: set[int] = set()
        self.survey = Survey()
        self.named = 0

    def take(self, rows: Iterable[PartRow]) -> None:
        """Look at rows. Takes a while."""
        worst = self._worst
        for row in rows:
            if row.row in self._seen:
                continue
            self._seen.add(row.row)
            if row.allocations:
                self.named += 1
                continue
            copies = self._crew.copies(cid_value(row.cid), row.size)
            self.survey.add(copies)
            worst.append((copies, row.row, row))
            if len(self._some) < limits.SPOT_CHECK_ROWS:
                self._some.append(row)
        self._worst = heapq.nsmallest(self._shown, worst, key=lambda one: one[:2])

    def worst(self) -> list[tuple[Copies, PartRow]]:
        """Return those with the fewest copies, the worst first."""
        return [(copies, row) for copies, _, row in self._worst]

    def kept_by(self, part: int, threshold: int, largest: int | None) -> tuple[bytes, ...]:
        """Return a few CIDs that a peer keeps by its part."""
        cids = (
            row.cid
            for row in self._some
            if rank(cid_value(row.cid), part) < threshold
            and (largest is None or row.size is None or row.size <= largest)
        )
        return tuple(cid for cid, _ in zip(cids, range(limits.SPOT_CHECK_CIDS), strict=False))


def _pin(copies: Copies, row: PartRow) -> shapes.CoveragePin:
    return shapes.CoveragePin(
        cid=cid_text(row.cid),
        name=row.name,
        size=row.size,
        copies=round(copies.all, 2),
        vouched=round(copies.vouched, 2),
        error=round(copies.deviation, 2),
    )
