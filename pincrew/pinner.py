"""Drives the node for one cluster: from changed rows to pins, and back.

Tasks, all in one nursery: the node's watch; *changes* (rows -> events -> statuses); *pins* (free slot -> candidate ->
node); *removals* (what left -> grace, hold -> node); *reconcile* (what the node really has); *statuses* (group commit).

Order and locks:

- The book blocks (SQLite): it is called in threads, one call at a time. `_book_turn` is held over "read rows, decide,
  settle", so that a status that a task left in `_pending` is never written over a newer decision.
- A CID in `_busy` has one task, which pins it or lets go of it; no other task starts on it. It leaves `_busy` when its
  last status is on disk, so a row read from the book is never out of date in a way that matters.
- A claim in the holdings is written before the node is asked to pin, and dropped after the node was asked to unpin:
  after a crash we may believe to hold too much, never too little.
- The node being down is no fault of a pin (`pincrew.node_watch`). A disk that refuses is asked again and again; that is
  an event, and nothing goes on meanwhile.

Cancelling `run` leaves pins in flight as `pinning` on disk; the next start queues them again.
"""

from __future__ import annotations

import random
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ParamSpec, TypeVar

import trio

from pincrew import removals, tracker
from pincrew.bell import Bell
from pincrew.cid import cid_text
from pincrew.errors import NodeDown, NodeRefused, PincrewError, StoreFault
from pincrew.holdings import pin_name
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
    RECONCILE_ROWS_PER_SLICE,
    STORE_RETRY_DELAY_S,
    UNPIN_RETRY_DELAY_S,
    UNPINS_IN_FLIGHT_MAX,
    UNPINS_PER_SLICE,
)
from pincrew.node_client import Node
from pincrew.node_watch import NodeState, NodeView, NodeWatch
from pincrew.ownership import LetGo, Ownership
from pincrew.removals import Decision, RemovalsRules, RemovalsState, Verdict
from pincrew.tracker import (
    Candidate,
    Change,
    Event,
    Fault,
    Lane,
    Leaving,
    PinBook,
    Progress,
    Share,
    StatusUpdate,
)
from pincrew.values import Pin, PinMode, PinState

P = ParamSpec("P")
T = TypeVar("T")

# Called on the event loop with a word and its fields (JSON values); must not block.
OnEvent = Callable[[str, dict[str, Any]], None]

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


@dataclass(slots=True, eq=False)
class _Work:
    """The one task on a CID. ``pin`` is None for letting go."""

    cid: bytes
    pin: Pin | None
    progress: Progress
    started_ms: int
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    finished: trio.Event = field(default_factory=trio.Event)
    blocks: int = 0
    bytes: int | None = None
    recorded_at: float = 0.0


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
        self._book_of = book
        self._node = node
        self._ownership = ownership
        self._cluster = cluster
        self._own_peer_id = own_peer_id
        self._now_ms = now_ms
        self._luck = luck
        self._on_event = on_event
        self._rules = rules or PinnerRules()
        self._watch = NodeWatch(node, now_ms=now_ms, luck=luck, on_change=self._node_changed)
        self._book_limiter = trio.CapacityLimiter(1)
        self._book_turn = trio.Lock()
        self._busy: dict[bytes, _Work] = {}
        self._pending: dict[bytes, StatusUpdate] = {}
        self._ended: list[_Work] = []
        self._lanes: dict[Lane, dict[bytes, Candidate]] = {lane: {} for lane in Lane}
        # Lanes found empty, until when to believe it; a queued row or the user's word ends it sooner.
        self._dry: dict[Lane, float] = {}
        self._turn = 0
        self._rate: deque[tuple[float, int]] = deque()
        self._removals = RemovalsState()
        self._verdict: Verdict | None = None
        self._unpin_later: dict[bytes, float] = {}
        self._changes_bell, self._pins_bell, self._statuses_bell = Bell(), Bell(), Bell()
        self._removals_bell, self._reconcile_bell = Bell(), Bell()

    # ---- for the peer and the API ----------------------------------------------------------------------------------
    def changed(self) -> None:
        """Rows of the pinset changed."""
        self._changes_bell.ring()

    def wake(self) -> None:
        """Look at everything again: the clock was set, or the machine slept."""
        self._changes_bell.ring()
        self._removals_bell.ring()
        self._watch.look_now()
        self._wake_pins()

    def connect_nodes(self, addresses: Sequence[str]) -> None:
        """Keep the node connected to other peers' nodes (multiaddrs), most important first."""
        self._watch.connect_nodes(addresses)

    async def retry(self, cid: bytes | None) -> int:
        """Try a failed pin (None: all of them) now; return how many were queued."""
        async with self._book_turn:
            count = await self._book(self._book_of.requeue, cid, now_ms=self._now_ms())
        self._watch.look_now()
        self._wake_pins()
        return count

    async def decide_removals(self, decision: Decision) -> int:
        """Record the user's word on the removals so far; return how many were held."""
        held = self._verdict.held if self._verdict else 0
        async with self._book_turn:
            await self._keep_removals(removals.decide(self._removals, decision, now_ms=self._now_ms()))
        self._on_event("removals_decided", {"decision": decision.value, "pins": held})
        self._removals_bell.ring()
        return held

    def set_removals_rules(self, rules: RemovalsRules) -> None:
        """Change grace, hold or obedience."""
        self._rules = replace(self._rules, removals=rules)
        self._removals_bell.ring()

    def summary(self) -> PinnerSummary:
        """Return what the status shows; cheap."""
        now = trio.current_time()
        while self._rate and self._rate[0][0] < now - RATE_WINDOW_S:
            self._rate.popleft()
        works = [(work, work.pin) for work in self._busy.values() if not work.finished.is_set()]
        verdict = self._verdict
        return PinnerSummary(
            node=self._watch.view,
            in_flight=tuple(
                InFlight(work.cid, pin.name, work.started_ms, work.blocks, work.bytes)
                for work, pin in works
                if pin is not None
            ),
            bytes_per_s=sum(count for _, count in self._rate) / RATE_WINDOW_S,
            held=verdict.held if verdict else 0,
            held_since_ms=self._removals.hold_since_ms,
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
                self._write_statuses,
                self._carry_out_removals,
                self._reconcile,
            ):
                nursery.start_soon(task)
            task_status.started()

    async def _recover(self) -> None:
        self._removals = RemovalsState.from_text(await self._book(self._book_of.removals_state))
        while found := await self._book(self._book_of.interrupted, CHANGES_PER_SLICE):
            updates = [
                self._update(one.pin.cid, tracker.advance(Progress(one.state, one.tries), Event.INTERRUPTED))
                for one in found
            ]
            await self._book(self._book_of.settle, updates, None)

    # ---- rows -> events -> statuses --------------------------------------------------------------------------------
    async def _follow_changes(self) -> None:
        while True:
            async with self._book_turn:
                changes = await self._book(self._book_of.changes, CHANGES_PER_SLICE)
                if changes:
                    await self._take_changes(changes)
            if len(changes) < CHANGES_PER_SLICE:
                await self._changes_bell.wait()

    async def _take_changes(self, changes: Sequence[Change]) -> None:
        stopped = []
        for change in changes:
            work = self._busy.get(change.cid)
            if work is not None and work.pin is not None and not self._may_go_on(work.pin, change.pin):
                work.scope.cancel()
                stopped.append(work)
        for work in stopped:
            await work.finished.wait()
        leaving = [one.cid for one in changes if self._event_of(one) is not Event.WANTED]
        held = await self._ask_holdings(self._ownership.holdings.held, self._cluster, leaving) if leaving else set()
        updates = [update for change in changes if (update := self._update_of(change, held)) is not None]
        await self._book(self._book_of.settle, updates, changes[-1].change)
        self._wake_pins()
        if leaving:
            self._removals_bell.ring()

    def _update_of(self, change: Change, held: set[bytes]) -> StatusUpdate | None:
        event = self._event_of(change)
        for lane in self._lanes.values():
            lane.pop(change.cid, None)
        work = self._busy.get(change.cid)
        if work is not None and work.pin is not None and not work.finished.is_set():
            return None  # It is being pinned, and the row still wants just that.
        known = Progress(change.state, change.tries)
        waiting = self._pending.pop(change.cid, None)
        if waiting is not None and waiting.state is not None:
            known = Progress(waiting.state, waiting.tries)
        is_held = change.leaving or change.cid in held or known.state in (PinState.PINNED, PinState.UNPINNING)
        progress = tracker.advance(known, event, held=is_held)
        if progress.state is PinState.QUEUED is change.state and not change.leaving and waiting is None:
            return None  # A new row is queued already; a million of them need no writing.
        update = self._update(change.cid, progress)
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
                work = _Work(candidate.pin.cid, candidate.pin, progress, self._now_ms())
                self._busy[work.cid] = work
                nursery.start_soon(self._keep, work, candidate.pin, slots)

    async def _next_candidate(self) -> Candidate:
        while True:
            await self._watch.up()
            for lane in tracker.lanes(self._turn):
                if not self._lanes[lane] and self._dry.get(lane, 0.0) <= trio.current_time():
                    await self._refill(lane)
                if self._lanes[lane]:
                    cid = next(iter(self._lanes[lane]))
                    candidate = self._lanes[lane].pop(cid)
                    for other in self._lanes.values():
                        other.pop(cid, None)
                    self._turn += 1
                    return candidate
            due_ms = await self._book(self._book_of.next_due_ms)
            wait_s = _IDLE_S if due_ms is None else max(0.05, (due_ms - self._now_ms()) / 1_000)
            if not await self._pins_bell.wait(min(wait_s, _IDLE_S)):
                self._dry.clear()

    async def _refill(self, lane: Lane) -> None:
        limit = CANDIDATES_PER_SLICE + len(self._busy)
        async with self._book_turn:
            found = await self._book(self._book_of.candidates, lane, now_ms=self._now_ms(), limit=limit)
            self._lanes[lane] = {one.pin.cid: one for one in found if one.pin.cid not in self._busy}
        if not self._lanes[lane]:
            self._dry[lane] = trio.current_time() + LANE_DRY_S

    async def _keep(self, work: _Work, pin: Pin, slots: trio.Semaphore) -> None:
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
            self._end(work)

    async def _attempt(self, work: _Work, pin: Pin) -> None:
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
                await self._ask_holdings(self._ownership.holdings.release, node_id, pin.cid, self._cluster)
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

    def _node_lost(self, work: _Work, error: NodeDown) -> None:
        self._watch.lost(error)
        self._happened(work, Event.INTERRUPTED)

    async def _give_up(self, work: _Work) -> None:
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

    def _progressed(self, work: _Work, blocks: int, size: int | None) -> None:
        now = trio.current_time()
        if size is not None:
            self._rate.append((now, max(0, size - (work.bytes or 0))))
            if len(self._rate) > 4_096:
                self._rate.popleft()
        work.blocks, work.bytes = blocks, size
        if now >= work.recorded_at + PROGRESS_INTERVAL_S:
            work.recorded_at = now
            self._settle_soon(self._update(work.cid, work.progress, work=work))

    # ---- removals --------------------------------------------------------------------------------------------------
    async def _carry_out_removals(self) -> None:
        while True:
            verdict = await self._judge_removals()
            done = 0
            if self._watch.view.state is NodeState.UP:
                done = await self._free(self._removals.rejected_to_ms, give=True)
                if not done:
                    done = await self._free(verdict.free_to_ms, give=False)
            if done:
                continue
            wait_s = _IDLE_S if verdict.next_ms is None else (verdict.next_ms - self._now_ms()) / 1_000
            if self._unpin_later:
                wait_s = min(wait_s, UNPIN_RETRY_DELAY_S)
            await self._removals_bell.wait(min(_IDLE_S, max(0.05, wait_s)))

    async def _judge_removals(self) -> Verdict:
        async with self._book_turn:
            before = self._removals
            counts = await self._book(self._book_of.counts)
            hours = await self._book(self._book_of.leaving_hours, after_ms=before.decided_to_ms)
            verdict = removals.evaluate(
                before,
                self._rules.removals,
                now_ms=self._now_ms(),
                kept=counts.get(PinState.PINNED, 0) + counts.get(PinState.UNPINNING, 0),
                hours=hours,
            )
            await self._keep_removals(verdict.state)
        if before.hold_since_ms is None and verdict.state.hold_since_ms is not None:
            self._on_event("removals_held", {"pins": verdict.held, "until_ms": verdict.held_until_ms})
        elif before.hold_since_ms is not None and verdict.state.hold_since_ms is None:
            self._on_event("removals_free", {})
        self._verdict = verdict
        return verdict

    async def _keep_removals(self, state: RemovalsState) -> None:
        if state != self._removals:
            await self._book(self._book_of.save_removals_state, state.to_text())
            self._removals = state

    async def _free(self, to_ms: int, *, give: bool) -> int:
        """Let go of a slice of what left up to then, or give it to the user; return how many came to an end."""
        now = trio.current_time()
        self._unpin_later = {cid: at for cid, at in self._unpin_later.items() if at > now}
        limit = UNPINS_PER_SLICE + len(self._unpin_later) + len(self._busy)
        async with self._book_turn:
            found = await self._book(self._book_of.leaving, to_ms=to_ms, limit=limit)
            some = [one for one in found if one.cid not in self._busy and one.cid not in self._unpin_later]
            works = [_Work(one.cid, None, Progress(PinState.UNPINNING), self._now_ms()) for one in some]
            self._busy.update((work.cid, work) for work in works)
        slots = trio.Semaphore(UNPINS_IN_FLIGHT_MAX)
        freed: list[int] = []
        try:
            async with trio.open_nursery() as nursery:
                for work, one in zip(works, some, strict=True):
                    await slots.acquire()
                    nursery.start_soon(self._free_one, work, one, give, slots, freed)
        finally:
            for work in works:
                self._end(work)
        if freed and not give and not self._rules.removals.obey:
            async with self._book_turn:
                await self._keep_removals(removals.carried_out(self._removals, freed))
        return len(freed)

    async def _free_one(self, work: _Work, one: Leaving, give: bool, slots: trio.Semaphore, freed: list[int]) -> None:
        try:
            if self._watch.view.state is not NodeState.UP:
                return
            node_id = (await self._watch.up()).peer_id
            if give:
                await self._ownership.give_to_user(self._node, node_id, self._cluster, one.cid)
                outcome = LetGo.KEPT
            else:
                outcome = await self._ownership.let_go(self._node, node_id, self._cluster, one.cid)
        except NodeDown as error:
            self._watch.lost(error)
        except PincrewError as error:
            self._unpin_later[one.cid] = trio.current_time() + UNPIN_RETRY_DELAY_S
            self._on_event("unpin_failed", {"cid": cid_text(one.cid), "error": error.what})
        else:
            freed.append(one.since_ms)
            self._settle_soon(self._update(one.cid, Progress()))
            self._on_event("unpinned", {"cid": cid_text(one.cid), "outcome": outcome.value})
        finally:
            slots.release()

    # ---- what the node really has ----------------------------------------------------------------------------------
    async def _reconcile(self) -> None:
        """Now and then compare the rows in state `pinned` with the node's pins, slice by slice."""
        while True:
            await self._watch.up()
            await trio.sleep(self._rules.reconcile_delay_s)
            identity = await self._watch.up()
            self._reconcile_bell = Bell()
            try:
                vanished = await self._compare(identity.peer_id)
            except NodeDown as error:
                self._watch.lost(error)
                continue
            except NodeRefused as error:
                self._on_event("reconcile_failed", {"error": error.what})
            else:
                if vanished:
                    self._on_event("unexpectedly_unpinned", {"pins": vanished})
            await self._reconcile_bell.wait(self._rules.reconcile_interval_s)

    async def _compare(self, node_id: str) -> int:
        """Queue again what the node no longer has, and claim what no claim is left of; return how many were queued."""
        counts = await self._book(self._book_of.counts)
        kept = counts.get(PinState.PINNED, 0)
        if not kept:
            return 0
        listed = await self._listed()
        vanished = seen = 0
        after: bytes | None = None
        # The bound ends the walk should rows move behind `after` as fast as it goes.
        while seen <= 2 * kept + RECONCILE_ROWS_PER_SLICE:
            page = await self._book(self._book_of.pinned_page, after, RECONCILE_ROWS_PER_SLICE)
            if not page:
                return vanished
            seen, after = seen + len(page), page[-1]
            claimed = await self._ask_holdings(
                partial(self._ownership.holdings.held, node=node_id), self._cluster, page
            )
            for cid in page:
                if cid in claimed and _is_listed(listed, cid):
                    continue
                vanished += await self._compare_one(node_id, cid)
        return vanished

    async def _compare_one(self, node_id: str, cid: bytes) -> bool:
        if cid in self._busy:
            return False
        # The mode is not known here; a direct pin where a recursive one is wanted is seen when the row changes.
        taken = await self._ownership.take(self._node, node_id, self._cluster, cid, PinMode.DIRECT)
        if taken.was_pinned or cid in self._busy:
            return False
        self._settle_soon(self._update(cid, tracker.advance(Progress(PinState.PINNED), Event.VANISHED)))
        self._wake_pins()
        return True

    async def _listed(self) -> array[int]:
        """Return the node's pins as sorted hashes: 8 bytes for each, so a million take 8 MB."""
        hashes = array("q")
        for mode in (PinMode.RECURSIVE, PinMode.DIRECT):
            async with aclosing(self._node.pins(mode)) as pins:
                async for pin in pins:
                    hashes.append(hash(pin.cid))
        return await trio.to_thread.run_sync(lambda: array("q", sorted(hashes)))

    # ---- statuses --------------------------------------------------------------------------------------------------
    def _happened(self, work: _Work, event: Event, *, fault: Fault | None = None, size: int | None = None) -> None:
        work.progress = tracker.advance(
            work.progress, event, now_ms=self._now_ms(), luck=self._luck.random(), fault=fault
        )
        self._settle_soon(self._update(work.cid, work.progress, work=work, size=size))

    def _update(
        self, cid: bytes, progress: Progress, *, work: _Work | None = None, size: int | None = None
    ) -> StatusUpdate:
        return StatusUpdate(
            cid=cid,
            state=progress.state,
            tries=progress.tries,
            next_try_ms=progress.next_try_ms,
            cause=progress.cause,
            error=progress.error,
            size=size,
            bytes_done=work.bytes if work else None,
            blocks_done=work.blocks if work and work.blocks else None,
            updated_ms=self._now_ms(),
        )

    def _settle_soon(self, update: StatusUpdate) -> None:
        self._pending.pop(update.cid, None)
        self._pending[update.cid] = update
        self._statuses_bell.ring()

    def _end(self, work: _Work) -> None:
        work.finished.set()
        self._ended.append(work)
        self._statuses_bell.ring()

    async def _write_statuses(self) -> None:
        """Write what gathered while the last transaction was on its way to the disk."""
        while True:
            await self._statuses_bell.wait()
            async with self._book_turn:
                updates, self._pending = list(self._pending.values()), {}
                ended, self._ended = self._ended, []
                if updates:
                    await self._book(self._book_of.settle, updates, None)
                for work in ended:
                    if self._busy.get(work.cid) is work:
                        del self._busy[work.cid]
            if any(update.state is PinState.QUEUED for update in updates):
                self._wake_pins()
            elif ended:
                self._pins_bell.ring()

    # ---- small things ----------------------------------------------------------------------------------------------
    def _wake_pins(self) -> None:
        self._dry.clear()
        self._pins_bell.ring()

    def _node_changed(self, before: NodeView, now: NodeView) -> None:
        if now.state is not before.state:
            fields = {"address": now.address, "trouble": now.trouble}
            self._on_event(f"node_{now.state.value}", fields)
        if now.state is NodeState.UP:
            self._wake_pins()
            self._removals_bell.ring()
            self._reconcile_bell.ring()

    async def _book(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the book in a thread, again and again while the disk refuses."""
        while True:
            try:
                return await trio.to_thread.run_sync(partial(call, *args, **kwargs), limiter=self._book_limiter)
            except StoreFault as fault:
                self._on_event("store_fault", {"error": fault.sentence})
                await trio.sleep(STORE_RETRY_DELAY_S)

    async def _ask_holdings(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        while True:
            try:
                return await self._ownership.ask(call, *args, **kwargs)
            except StoreFault as fault:
                self._on_event("store_fault", {"error": fault.sentence})
                await trio.sleep(STORE_RETRY_DELAY_S)


def _is_listed(listed: array[int], cid: bytes) -> bool:
    at = bisect_left(listed, hash(cid))
    return at < len(listed) and listed[at] == hash(cid)
