"""Drives the node for one cluster: from changed rows to pins, and back.

Tasks, all in one nursery: the node's watch; *changes* (rows -> events -> statuses); *pins* (free slot -> candidate ->
`attempts`); admission (what is not kept, or has no room, is skipped before the node is asked, and comes back when that
changes); reconsidering; letting go; reconciling; and the bookkeeper, whose module says how they keep out of each
other's way.

Candidates are read in slices; then the node is asked once which of them it has no pin of (`ownership.look_ahead`).
A claim in the holdings is written before the node is asked to pin, and dropped after it was asked to unpin: after a
crash we may believe to hold too much, never too little. Cancelling ``run`` leaves pins in flight as `pinning` on disk;
the next start queues them again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum

import trio

from pincrew import tracker
from pincrew.admission import Admission
from pincrew.attempts import Attempts
from pincrew.bell import Bell
from pincrew.bookkeeper import Bookkeeper, OnEvent, Work
from pincrew.letting_go import LettingGo
from pincrew.limits import (
    CANDIDATES_PER_SLICE,
    CHANGES_PER_SLICE,
    LANE_DRY_S,
    PIN_NO_PROGRESS_TIMEOUT_S,
    PINS_IN_FLIGHT_DEFAULT,
    RECONCILE_DELAY_S,
    RECONCILE_INTERVAL_S,
    REFUSED_PER_SLICE,
)
from pincrew.node_client import Node, NodeIdentity
from pincrew.node_watch import NodeState, NodeView, NodeWatch
from pincrew.ownership import Ownership
from pincrew.rates import Arrivals
from pincrew.reconciling import Reconciling
from pincrew.reconsidering import Reconsidering
from pincrew.removals import Decision, RemovalsRules
from pincrew.room import Room, Volume
from pincrew.selection import Selection
from pincrew.tracker import Candidate, Change, Event, Lane, PinBook, Progress, Share, StatusUpdate
from pincrew.values import Choice, Pin, PinState
from pincrew.workplace import Workplace

_IDLE_S = 15.0  # whatever there is to do rings a bell; should one ever be missed, it costs no more than this


@dataclass(frozen=True, slots=True)
class PinnerRules:
    """The settings of one cluster. ``no_progress_timeout_s`` is for words: the node client enforces it."""

    in_flight: int = PINS_IN_FLIGHT_DEFAULT
    no_progress_timeout_s: float = PIN_NO_PROGRESS_TIMEOUT_S
    removals: RemovalsRules = field(default_factory=RemovalsRules)
    reconcile_delay_s: float = RECONCILE_DELAY_S
    reconcile_interval_s: float = RECONCILE_INTERVAL_S


class Hold(Enum):
    """Why nothing new is fetched though there is something to fetch."""

    USER = "user"  # he paused it
    LINE = "line"  # more arrived than is to
    MONTH = "month"  # nothing more may pass this month
    MENDING = "mending"  # the node replaces a damaged block


@dataclass(frozen=True, slots=True)
class InFlight:
    """One pin that the node is fetching."""

    cid: bytes
    name: str
    started_ms: int
    blocks: int
    bytes: int | None
    size: int | None  # known beforehand
    last_block_at: float | None  # on the clock of the event loop
    rate: float = 0.0  # bytes a second
    senders: int | None = None  # peers that sent blocks of it lately; None: the node does not say


@dataclass(frozen=True, slots=True)
class PinnerSummary:
    """What the status shows of the pinner. ``held`` removals wait for the user's word since ``held_since_ms``.

    ``skipped_for`` counts by cause, and may be a moment behind the counters; ``is_room_settled``: what was skipped for
    want of room stays so as things stand.
    """

    node: NodeView
    in_flight: tuple[InFlight, ...]
    arrivals: Arrivals | None
    senders: int | None
    held: int
    held_since_ms: int | None
    held_until_ms: int | None
    skipped_for: Mapping[str, int]
    is_room_settled: bool


class Pinner:
    """Keeps what one cluster's pinset says this peer keeps. Its methods are for the event loop that ``run`` is on."""

    def __init__(
        self,
        *,
        book: PinBook,
        node: Node,
        ownership: Ownership,
        cluster: bytes,
        own_peer_id: str,
        now_ms: Callable[[], int],
        luck: random.Random,
        on_event: OnEvent = lambda _kind, _fields: None,
        rules: PinnerRules | None = None,
        selection: Selection | None = None,
        room: Room | None = None,
    ) -> None:
        """``selection`` and ``room`` say what a follower keeps; without them everything is kept."""
        self._node = node
        self._ownership = ownership
        self._cluster = cluster
        self._own_peer_id = own_peer_id
        self._now_ms = now_ms
        self._on_event = on_event
        self._rules = rules = rules or PinnerRules()
        self._watch = NodeWatch(node, now_ms=now_ms, luck=luck, on_change=self._node_changed)
        self.selection, self.room = selection or Selection(), room or Room()
        self._keeper = Bookkeeper(book, self.room, now_ms=now_ms, on_event=on_event, on_written=self._statuses_written)
        self.place = place = Workplace(
            cluster, self._keeper, node, self._watch, ownership, now_ms, on_event, self.selection, self.room
        )
        self._attempts = Attempts(
            place, own_peer_id=own_peer_id, luck=luck, no_progress_timeout_s=rules.no_progress_timeout_s
        )
        self._letting_go = LettingGo(place, rules.removals)
        self._reconciling = Reconciling(
            place, self._wake_pins, delay_s=rules.reconcile_delay_s, interval_s=rules.reconcile_interval_s
        )
        self._admission = Admission(place, self._wake_pins, self._letting_go.wake)
        self._reconsidering = Reconsidering(place, self._rows_reconsidered)
        self._lanes: dict[Lane, dict[bytes, Candidate]] = {lane: {} for lane in Lane}
        # Lanes found empty, until when to believe it; a queued row or the user's word ends it sooner.
        self._dry: dict[Lane, float] = {}
        self._turn = 0
        self._changes_bell, self._pins_bell = Bell(), Bell()
        # Nothing is fetched before: a follower whose part is still to be worked out puts one here that it sets then.
        self.settled = trio.Event()
        self.settled.set()
        self._holds: set[Hold] = set()

    # ---- for the peer and the API ----------------------------------------------------------------------------------
    def changed(self) -> None:
        """Rows of the pinset changed."""
        self._changes_bell.ring()

    def wake(self) -> None:
        """Look at everything again: the clock was set, or the machine slept."""
        self._changes_bell.ring()
        self._letting_go.wake()
        self._watch.look_now()
        self._wake_pins()

    async def node_up(self) -> NodeIdentity:
        """Return who the node is, once it is up."""
        return await self._watch.up()

    def connect_nodes(self, addresses: Sequence[str]) -> None:
        """Keep the node connected to other peers' nodes (multiaddrs), most important first."""
        self._watch.connect_nodes(addresses)

    async def retry(self, cid: bytes | None) -> int:
        """Try a failed pin (None: all of them) now; return how many were queued."""
        async with self._keeper.turn:
            count = await self._keeper.ask(self._keeper.book.requeue, cid, now_ms=self._now_ms())
        self._watch.look_now()
        self._wake_pins()
        return count

    async def decide_removals(self, decision: Decision) -> int:
        """Record the user's word on the removals so far; return how many were held."""
        return await self._letting_go.decide(decision)

    def set_removals_rules(self, rules: RemovalsRules) -> None:
        """Change grace, hold or obedience."""
        self._letting_go.set_rules(rules)

    def reconsider(self) -> None:
        """The selection changed: look at every row again."""
        self._reconsidering.wake()

    def measured(self, volume: Volume | None) -> None:
        """The volume with the node's data was looked at; None: it is not on this machine."""
        with self._counting_begun():
            self.room.measured(volume)
        self._admission.wake()

    def set_room_rules(self, limit: int | None, keep_free_percent: int) -> None:
        """Let another limit hold: nothing is unpinned by that, what is under way and does not fit is stopped."""
        with self._counting_begun():
            self.room.set_rules(limit, keep_free_percent)
        self._admission.wake()
        self._wake_pins()

    @contextmanager
    def _counting_begun(self) -> Iterator[None]:
        """Have what is under way reserved, too, where the room has a bound after the block and had none before."""
        was_bounded = self.room.is_bounded
        yield
        if self.room.is_bounded and not was_bounded:
            for work in self._keeper.busy.values():
                if work.pin is not None and not work.finished.is_set():
                    self.room.begun(work.cid, work.size, work.bytes or 0)

    def hold(self, why: Hold, *, but: bytes | None = None) -> None:
        """Fetch nothing from now on; what is under way is interrupted, which is no attempt. Again is harmless."""
        self._holds.add(why)
        for cid, work in list(self._keeper.busy.items()):
            if cid != but and work.pin is not None and work.refusal is None and not work.finished.is_set():
                work.scope.cancel()

    def go_on(self, why: Hold) -> None:
        """That reason to hold is gone."""
        if why in self._holds:
            self._holds.discard(why)
            self._wake_pins()

    @contextmanager
    def mending(self, cid: bytes) -> Iterator[None]:
        """Fetch nothing meanwhile, so that the node can remove blocks of ``cid``: Kubo removes none while it pins."""
        self.hold(Hold.MENDING, but=cid)
        try:
            yield
        finally:
            self.go_on(Hold.MENDING)

    async def choose(self, cids: Sequence[bytes], choice: Choice | None) -> None:
        """Take the user's word on single pins; None takes back what he said before."""
        book = self._keeper.book
        async with self._keeper.turn:
            await self._keeper.ask(book.choose, cids, choice, now_ms=self._now_ms())
            self.selection.choices = await self._keeper.ask(book.choices)
            if choice is Choice.NEXT:
                for cid in cids:
                    if cid not in self._keeper.busy:
                        await self._keeper.ask(book.requeue, cid, now_ms=self._now_ms(), also_pinned=False)
        self._reconsidering.wake()
        self._wake_pins()

    async def trim(self, limit: int) -> int:
        """Unpin what is not selected any more, then the newest pins until the others fit a limit; return how many of
        these go."""
        self.room.fill()
        await self._reconsidering.look()
        return await self._reconsidering.trim(limit, self.room.fault())

    def summary(self) -> PinnerSummary:
        """Return what the status shows; cheap."""
        works = [(work, work.pin) for work in self._keeper.busy.values() if not work.finished.is_set()]
        verdict = self._letting_go.verdict
        now = trio.current_time()
        return PinnerSummary(
            node=self._watch.view,
            in_flight=tuple(
                InFlight(
                    work.cid,
                    pin.name,
                    work.started_ms,
                    work.blocks,
                    work.bytes,
                    work.size,
                    work.last_block_at,
                    0.0 if work.rate is None else work.rate.per_s(now),
                    None if work.senders is None else work.senders.count(now),
                )
                for work, pin in works
                if pin is not None
            ),
            arrivals=self._attempts.arrivals,
            senders=None if self._attempts.senders is None else self._attempts.senders.count(now),
            held=verdict.held if verdict else 0,
            held_since_ms=self._letting_go.state.hold_since_ms,
            held_until_ms=verdict.held_until_ms if verdict else None,
            skipped_for=self._admission.census,
            is_room_settled=self._admission.is_settled,
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled. Started means: what a crash left is put right. The node may be down."""
        await self._recover()
        async with trio.open_nursery() as nursery:
            await nursery.start(self._watch.run)
            for task in (
                self._follow_changes,
                self._start_pins,
                self._keeper.run,
                self._admission.run,
                self._admission.count,
                self._reconsidering.run,
                self._letting_go.run,
                self._reconciling.run,
            ):
                nursery.start_soon(task)
            task_status.started()

    async def _recover(self) -> None:
        await self._letting_go.load()
        if await self._keeper.ask(self._keeper.book.node_id) == "":
            await self._reconciling.queue_all()
        while found := await self._keeper.ask(self._keeper.book.interrupted, CHANGES_PER_SLICE):
            updates = [
                self._keeper.update(one.pin.cid, tracker.advance(Progress(one.state, one.tries), Event.INTERRUPTED))
                for one in found
            ]
            await self._keeper.ask(self._keeper.book.settle, updates, None)
        self.selection.choices = await self._keeper.ask(self._keeper.book.choices)
        self.room.settled(await self._keeper.ask(self._keeper.book.kept_bytes))

    # ---- rows -> events -> statuses --------------------------------------------------------------------------------
    async def _follow_changes(self) -> None:
        while True:
            async with self._keeper.turn:
                changes = await self._keeper.ask(self._keeper.book.changes, CHANGES_PER_SLICE)
                if changes:
                    await self._take_changes(changes)
            if len(changes) < CHANGES_PER_SLICE:
                await self._changes_bell.wait()

    async def _take_changes(self, changes: Sequence[Change]) -> None:
        stopped = []
        for change in changes:
            work = self._keeper.busy.get(change.cid)
            if work is not None and work.pin is not None and not self._may_go_on(work.pin, change.pin):
                work.scope.cancel()
                stopped.append(work)
        for work in stopped:
            await work.finished.wait()
        leaving = [one.cid for one in changes if self._event_of(one) is not Event.WANTED]
        held: set[bytes] = set()
        if leaving:
            holdings = self._ownership.holdings
            held = await self._keeper.insist(self._ownership.ask, holdings.held, self._cluster, leaving)
        updates = [update for change in changes if (update := self._update_of(change, held)) is not None]
        await self._keeper.ask(self._keeper.book.settle, updates, changes[-1].change)
        self._wake_pins()
        if leaving:
            self._letting_go.wake()

    def _update_of(self, change: Change, held: set[bytes]) -> StatusUpdate | None:
        event = self._event_of(change)
        for lane in self._lanes.values():
            lane.pop(change.cid, None)
        work = self._keeper.busy.get(change.cid)
        if work is not None and work.pin is not None and not work.finished.is_set():
            return None  # It is being pinned, and the row still wants just that.
        known = Progress(change.state, change.tries)
        waiting = self._keeper.take_waiting(change.cid)
        if waiting is not None and waiting.state is not None:
            known = Progress(waiting.state, waiting.tries)
        is_held = change.leaving or change.cid in held or known.state in (PinState.PINNED, PinState.UNPINNING)
        progress = tracker.advance(known, event, held=is_held)
        if progress.state is PinState.QUEUED is change.state and not change.leaving and waiting is None:
            return None  # A new row is queued already; a million of them need no writing.
        update = self._keeper.update(change.cid, progress, size=self._moved_size(change, known, progress))
        return replace(update, leaving_ms=self._now_ms()) if is_held and event is not Event.WANTED else update

    def _moved_size(self, change: Change, known: Progress, progress: Progress) -> int | None:
        """Keep on counting what is on the disk while it is looked at again; return its size once it leaves."""
        if not self.room.is_bounded:
            return None
        if progress.state is PinState.QUEUED and known.state is PinState.PINNED and change.size is not None:
            self.room.hold(change.cid, change.size)
            return None
        held = self.room.claimed(change.cid) if change.pin is None else None
        if progress.state is not PinState.QUEUED:
            self.room.release(change.cid)
        return held

    def _event_of(self, change: Change) -> Event:
        if change.pin is None:
            return Event.REMOVED
        is_ours = tracker.wanted(change.pin, self._own_peer_id) is Share.KEEP
        return Event.WANTED if is_ours else Event.ELSEWHERE

    def _may_go_on(self, running: Pin, now: Pin | None) -> bool:
        if now is None or now.mode is not running.mode:
            return False
        return tracker.wanted(now, self._own_peer_id) is Share.KEEP

    # ---- candidates -> node ----------------------------------------------------------------------------------------
    async def _start_pins(self) -> None:
        slots = trio.Semaphore(self._rules.in_flight)
        async with trio.open_nursery() as nursery:
            while True:
                await slots.acquire()
                candidate = await self._next_candidate()
                progress = Progress(candidate.state, candidate.tries)
                work = Work(candidate.pin.cid, candidate.pin, progress, self._now_ms(), size=candidate.size)
                self._keeper.begin(work)
                nursery.start_soon(self._attempt, work, candidate.pin, slots)

    async def _next_candidate(self) -> Candidate:
        await self.settled.wait()
        while True:
            await self._watch.up()
            for lane in tracker.lanes(self._turn):
                if not self._holds and not self._lanes[lane] and self._dry.get(lane, 0.0) <= trio.current_time():
                    await self._refill(lane)
                if self._holds:
                    break  # it may have come while the book or the node was asked
                if (candidate := self._take_from(lane)) is not None:
                    self._turn += 1
                    return candidate
            due_ms = await self._keeper.ask(self._keeper.book.next_due_ms)
            wait_s = _IDLE_S if due_ms is None else max(0.05, (due_ms - self._now_ms()) / 1_000)
            if not await self._pins_bell.wait(min(wait_s, _IDLE_S)):
                self._dry.clear()

    def _take_from(self, lane: Lane) -> Candidate | None:
        while self._lanes[lane]:
            cid = next(iter(self._lanes[lane]))
            candidate = self._lanes[lane][cid]
            for one in self._lanes.values():
                one.pop(cid, None)
            if cid not in self._keeper.busy:  # it may just be let go of; when that is over it is found again
                return candidate
        return None

    async def _refill(self, lane: Lane) -> None:
        while True:
            limit = REFUSED_PER_SLICE if self.room.is_full else CANDIDATES_PER_SLICE
            limit += len(self._keeper.busy)
            async with self._keeper.turn:
                found = await self._keeper.ask(self._keeper.book.candidates, lane, now_ms=self._now_ms(), limit=limit)
                free = [one for one in found if one.pin.cid not in self._keeper.busy]
                self._lanes[lane] = {one.pin.cid: one for one in await self._admission.sift(free)}
            if self._lanes[lane] or not free:
                break
        if not self._lanes[lane]:
            self._dry[lane] = trio.current_time() + LANE_DRY_S
            return
        waiting = {cid for one in self._lanes.values() for cid in one}
        if (identity := self._watch.view.identity) is not None:
            await self._ownership.look_ahead(self._node, identity.peer_id, self._cluster, waiting)

    async def _attempt(self, work: Work, pin: Pin, slots: trio.Semaphore) -> None:
        try:
            await self._attempts.make(work, pin)
        finally:
            slots.release()

    # ---- small things ----------------------------------------------------------------------------------------------
    def _wake_pins(self) -> None:
        self._dry.clear()
        self._admission.rows_changed()
        self._pins_bell.ring()

    def _statuses_written(self, has_queued: bool, has_leaving: bool) -> None:
        if has_queued:
            self._dry.clear()
        self._pins_bell.ring()
        self._admission.wake()
        self._admission.rows_changed()
        if has_leaving:
            self._letting_go.wake()

    def _rows_reconsidered(self) -> None:
        self._wake_pins()
        self._letting_go.wake()

    def _node_changed(self, before: NodeView, now: NodeView) -> None:
        if now.state is not before.state:
            fields = {"address": now.address, "trouble": now.trouble}
            self._on_event(f"node_{now.state.value}", fields)
        if now.state is NodeState.UP:
            self._wake_pins()
            self._letting_go.wake()
            self._reconciling.wake()
