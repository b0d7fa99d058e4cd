"""Drives the node for one cluster: from changed rows to pins, and back.

Tasks, all in one nursery: the node's watch; *changes* (rows -> events -> statuses); *pins* (free slot -> candidate ->
node); letting go; reconciling; and the bookkeeper, whose module says how they keep out of each other's way.

A claim in the holdings is written before the node is asked to pin, and dropped after it was asked to unpin: after a
crash we may believe to hold too much, never too little. The node being down is no fault of a pin. Cancelling ``run``
leaves pins in flight as `pinning` on disk; the next start queues them again.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import trio

from pincrew import tracker
from pincrew.bell import Bell
from pincrew.bookkeeper import Bookkeeper, OnEvent, Work
from pincrew.cid import cid_text
from pincrew.errors import NodeDown, NodeRefused, PincrewError
from pincrew.holdings import pin_name
from pincrew.letting_go import LettingGo
from pincrew.limits import (
    CANDIDATES_PER_SLICE,
    CHANGES_PER_SLICE,
    LANE_DRY_S,
    PIN_NO_PROGRESS_TIMEOUT_S,
    PINS_IN_FLIGHT_DEFAULT,
    PROGRESS_INTERVAL_S,
    RATE_WINDOW_S,
    RECONCILE_DELAY_S,
    RECONCILE_INTERVAL_S,
)
from pincrew.node_client import Node
from pincrew.node_watch import NodeState, NodeView, NodeWatch
from pincrew.ownership import Ownership
from pincrew.reconciling import Reconciling
from pincrew.removals import Decision, RemovalsRules
from pincrew.tracker import Candidate, Change, Event, Fault, Lane, PinBook, Progress, Share, StatusUpdate
from pincrew.values import Pin, PinMode, PinState

_CLEAN_UP_TIMEOUT_S = 5.0
_IDLE_S = 3_600.0


@dataclass(frozen=True, slots=True)
class PinnerRules:
    """The settings of one cluster. ``no_progress_timeout_s`` is for words: the node client enforces it."""

    in_flight: int = PINS_IN_FLIGHT_DEFAULT
    no_progress_timeout_s: float = PIN_NO_PROGRESS_TIMEOUT_S
    removals: RemovalsRules = field(default_factory=RemovalsRules)
    reconcile_delay_s: float = RECONCILE_DELAY_S
    reconcile_interval_s: float = RECONCILE_INTERVAL_S


@dataclass(frozen=True, slots=True)
class InFlight:
    """One pin that the node is fetching."""

    cid: bytes
    name: str
    started_ms: int
    blocks: int
    bytes: int | None


@dataclass(frozen=True, slots=True)
class PinnerSummary:
    """What the status shows of the pinner. ``held`` removals wait for the user's word since ``held_since_ms``."""

    node: NodeView
    in_flight: tuple[InFlight, ...]
    bytes_per_s: float
    held: int
    held_since_ms: int | None
    held_until_ms: int | None


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
    ) -> None:
        self._node = node
        self._ownership = ownership
        self._cluster = cluster
        self._own_peer_id = own_peer_id
        self._now_ms = now_ms
        self._luck = luck
        self._on_event = on_event
        self._rules = rules = rules or PinnerRules()
        self._watch = NodeWatch(node, now_ms=now_ms, luck=luck, on_change=self._node_changed)
        self._keeper = Bookkeeper(book, now_ms=now_ms, on_event=on_event, on_written=self._statuses_written)
        self._letting_go = LettingGo(
            keeper=self._keeper,
            node=node,
            watch=self._watch,
            ownership=ownership,
            cluster=cluster,
            rules=rules.removals,
            now_ms=now_ms,
            on_event=on_event,
        )
        self._reconciling = Reconciling(
            keeper=self._keeper,
            node=node,
            watch=self._watch,
            ownership=ownership,
            cluster=cluster,
            delay_s=rules.reconcile_delay_s,
            interval_s=rules.reconcile_interval_s,
            on_event=on_event,
        )
        self._lanes: dict[Lane, dict[bytes, Candidate]] = {lane: {} for lane in Lane}
        # Lanes found empty, until when to believe it; a queued row or the user's word ends it sooner.
        self._dry: dict[Lane, float] = {}
        self._turn = 0
        self._rate: deque[tuple[float, int]] = deque()
        self._changes_bell, self._pins_bell = Bell(), Bell()

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

    def summary(self) -> PinnerSummary:
        """Return what the status shows; cheap."""
        now = trio.current_time()
        while self._rate and self._rate[0][0] < now - RATE_WINDOW_S:
            self._rate.popleft()
        works = [(work, work.pin) for work in self._keeper.busy.values() if not work.finished.is_set()]
        verdict = self._letting_go.verdict
        return PinnerSummary(
            node=self._watch.view,
            in_flight=tuple(
                InFlight(work.cid, pin.name, work.started_ms, work.blocks, work.bytes)
                for work, pin in works
                if pin is not None
            ),
            bytes_per_s=sum(count for _, count in self._rate) / RATE_WINDOW_S,
            held=verdict.held if verdict else 0,
            held_since_ms=self._letting_go.state.hold_since_ms,
            held_until_ms=verdict.held_until_ms if verdict else None,
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
                self._letting_go.run,
                self._reconciling.run,
            ):
                nursery.start_soon(task)
            task_status.started()

    async def _recover(self) -> None:
        await self._letting_go.load()
        while found := await self._keeper.ask(self._keeper.book.interrupted, CHANGES_PER_SLICE):
            updates = [
                self._keeper.update(one.pin.cid, tracker.advance(Progress(one.state, one.tries), Event.INTERRUPTED))
                for one in found
            ]
            await self._keeper.ask(self._keeper.book.settle, updates, None)

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
        update = self._keeper.update(change.cid, progress)
        return replace(update, leaving_ms=self._now_ms()) if is_held and event is not Event.WANTED else update

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
                work = Work(candidate.pin.cid, candidate.pin, progress, self._now_ms())
                self._keeper.begin(work)
                nursery.start_soon(self._keep, work, candidate.pin, slots)

    async def _next_candidate(self) -> Candidate:
        while True:
            await self._watch.up()
            for lane in tracker.lanes(self._turn):
                if not self._lanes[lane] and self._dry.get(lane, 0.0) <= trio.current_time():
                    await self._refill(lane)
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
        limit = CANDIDATES_PER_SLICE + len(self._keeper.busy)
        async with self._keeper.turn:
            found = await self._keeper.ask(self._keeper.book.candidates, lane, now_ms=self._now_ms(), limit=limit)
            self._lanes[lane] = {one.pin.cid: one for one in found if one.pin.cid not in self._keeper.busy}
        if not self._lanes[lane]:
            self._dry[lane] = trio.current_time() + LANE_DRY_S

    async def _keep(self, work: Work, pin: Pin, slots: trio.Semaphore) -> None:
        """One attempt at one pin."""
        try:
            with work.scope:
                if tracker.wanted(pin, self._own_peer_id) is Share.REMOTE:
                    self._happened(work, Event.ELSEWHERE)  # its change is still to come; there is nothing to fetch
                else:
                    await self._attempt(work, pin)
            if work.scope.cancelled_caught:
                await self._give_up(work)
        finally:
            slots.release()
            self._keeper.end(work)

    async def _attempt(self, work: Work, pin: Pin) -> None:
        is_new = False
        node_id = ""
        try:
            node_id = (await self._watch.up()).peer_id
            taken = await self._ownership.take(self._node, node_id, self._cluster, pin.cid, pin.mode)
            is_new = not taken.was_pinned
            if not taken.complete:
                self._happened(work, Event.STARTED)
                name, progress = pin_name(self._cluster), partial(self._progressed, work)
                await self._node.pin(pin.cid, pin.mode, name, pin.origins, progress)
            size = work.bytes
            if size is None and pin.mode is PinMode.RECURSIVE:
                size = await self._node.claimed_size(pin.cid)
        except NodeDown as error:
            self._node_lost(work, error)
        except PincrewError as error:
            if isinstance(error, NodeRefused) and await self._is_going_down(error):
                self._node_lost(work, NodeDown(error.what))
                return
            if is_new:
                release = self._ownership.holdings.release
                await self._keeper.insist(self._ownership.ask, release, node_id, pin.cid, self._cluster)
            waited_s = self._rules.no_progress_timeout_s
            fault = tracker.fault_of(error, blocks_done=work.blocks, waited_s=waited_s)
            self._happened(work, Event.FAILED, fault=fault)
            fields = {"cid": cid_text(pin.cid), "name": pin.name, "cause": fault.cause, "tries": work.progress.tries}
            self._on_event("pin_failed", fields)
        else:
            self._happened(work, Event.COMPLETED, size=size)
            fields = {"cid": cid_text(pin.cid), "name": pin.name, "bytes": size, "was_there": taken.complete}
            self._on_event("pinned", fields)

    async def _is_going_down(self, error: NodeRefused) -> bool:
        """Say whether the node refused because it is being stopped: then it is no fault of the pin."""
        if "context canceled" in error.what:
            return True
        try:
            await self._node.id()
        except NodeDown:
            return True
        except NodeRefused:
            return False
        return False

    def _node_lost(self, work: Work, error: NodeDown) -> None:
        self._watch.lost(error)
        self._happened(work, Event.INTERRUPTED)

    async def _give_up(self, work: Work) -> None:
        """After its row went or changed: drop the claim, unless the node had it all a moment before."""
        self._happened(work, Event.INTERRUPTED)
        identity = self._watch.view.identity
        if identity is None:
            return
        with trio.move_on_after(_CLEAN_UP_TIMEOUT_S, shield=True):
            try:
                await self._ownership.forget_unpinned(self._node, identity.peer_id, self._cluster, work.cid)
            except PincrewError:
                return  # The claim stays; letting go of it later comes to the same.

    def _progressed(self, work: Work, blocks: int, size: int | None) -> None:
        now = trio.current_time()
        if size is not None:
            self._rate.append((now, max(0, size - (work.bytes or 0))))
            if len(self._rate) > 4_096:
                self._rate.popleft()
        work.blocks, work.bytes = blocks, size
        if now >= work.recorded_at + PROGRESS_INTERVAL_S:
            work.recorded_at = now
            self._keeper.settle_soon(self._keeper.update(work.cid, work.progress, work=work))

    def _happened(self, work: Work, event: Event, *, fault: Fault | None = None, size: int | None = None) -> None:
        work.progress = tracker.advance(
            work.progress, event, now_ms=self._now_ms(), luck=self._luck.random(), fault=fault
        )
        update = self._keeper.update(work.cid, work.progress, work=work, size=size)
        self._keeper.settle_soon(update, is_urgent=event is not Event.STARTED)

    # ---- small things ----------------------------------------------------------------------------------------------
    def _wake_pins(self) -> None:
        self._dry.clear()
        self._pins_bell.ring()

    def _statuses_written(self, has_queued: bool) -> None:
        if has_queued:
            self._dry.clear()
        self._pins_bell.ring()

    def _node_changed(self, before: NodeView, now: NodeView) -> None:
        if now.state is not before.state:
            fields = {"address": now.address, "trouble": now.trouble}
            self._on_event(f"node_{now.state.value}", fields)
        if now.state is NodeState.UP:
            self._wake_pins()
            self._letting_go.wake()
            self._reconciling.wake()
