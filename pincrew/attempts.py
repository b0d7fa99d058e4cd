"""One attempt after another at single pins: see whether it is kept here and has room, claim, ask the node, and say how
it ended.

The node being down, or being stopped, is no fault of a pin and does not count as an attempt; nor is it an error that
there is no room. While a pin comes, its bytes are watched: one that outgrows its reservation and does not fit is
stopped, and what came of it is the node's garbage.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import trio

from pincrew import tracker
from pincrew.bookkeeper import Work
from pincrew.cid import cid_text
from pincrew.errors import NodeDown, NodeRefused, NoProgress, PincrewError
from pincrew.holdings import pin_name
from pincrew.limits import CLAIM_TIMEOUT_S, PROGRESS_INTERVAL_S, RATE_SHORT_S, REACHED_KEPT_MAX
from pincrew.rates import Arrivals, Ring, Senders
from pincrew.tracker import Event, Fault, Progress, Share
from pincrew.values import Pin, PinMode, PinState
from pincrew.workplace import Workplace

_CLEAN_UP_TIMEOUT_S = 5.0


class Attempts:
    """The attempts of one cluster, as many side by side as the caller makes."""

    def __init__(
        self, place: Workplace, *, own_peer_id: str, luck: random.Random, no_progress_timeout_s: float
    ) -> None:
        self._place = place
        self._own_peer_id = own_peer_id
        self._luck = luck
        self._no_progress_timeout_s = no_progress_timeout_s
        self.arrivals: Arrivals | None = None
        self.senders: Senders | None = None  # None: the node never said
        # How far interrupted pins came (blocks, bytes): what the node walks through again has not arrived again.
        self._reached: dict[bytes, tuple[int, int]] = {}

    async def make(self, work: Work, pin: Pin) -> None:
        """Make one attempt; its outcome is settled and ``work`` ended. Cancelling ``work.scope`` gives it up."""
        try:
            with work.scope:
                if tracker.wanted(pin, self._own_peer_id) is Share.REMOTE:
                    self._happened(work, Event.ELSEWHERE)  # its change is still to come; there is nothing to fetch
                elif (fault := self._place.selection.verdict(pin)) is not None:
                    work.refusal = fault
                    await self._withdraw(work)
                else:
                    await self._attempt(work, pin)
            if work.scope.cancelled_caught:
                await (self._give_up(work) if work.refusal is None else self._withdraw(work))
        finally:
            self._place.keeper.end(work)

    async def _attempt(self, work: Work, pin: Pin) -> None:
        place = self._place
        is_new = False
        node_id = ""
        try:
            node_id = (await place.watch.up()).peer_id
            if not await self._reserve(work, pin):
                work.refusal = place.room.fault()
                await self._withdraw(work)
                return
            taken = await place.ownership.take(place.node, node_id, place.cluster, pin.cid, pin.mode)
            is_new = not taken.was_pinned
            if not taken.complete:
                self._happened(work, Event.STARTED)
                name, progress = pin_name(place.cluster), partial(self._progressed, work)
                on_senders = partial(self._sent, work)
                # From now on, not from the first that arrives, which would make a rate out of a moment.
                work.rate = Ring(RATE_SHORT_S, trio.current_time())
                self.arrivals = self.arrivals or Arrivals(trio.current_time())
                await place.node.pin(pin.cid, pin.mode, name, pin.origins, progress, on_senders=on_senders)
            size = work.bytes
            if size is None and pin.mode is PinMode.RECURSIVE:
                size = await place.node.claimed_size(pin.cid)
            if size is not None and (fault := self._outgrown(work, size)) is not None:
                work.refusal = fault  # it came too quickly to be stopped on its way
                await self._withdraw(work)
                return
        except NodeDown as error:
            self._node_lost(work, error)
        except PincrewError as error:
            if isinstance(error, NodeRefused) and await self._is_going_down(error):
                self._node_lost(work, NodeDown(error.what))
                return
            fault = tracker.fault_of(error, blocks_done=work.blocks, waited_s=self._no_progress_timeout_s)
            if fault.cause == tracker.NO_ROOM:
                # At once: while the disk is full, what is noted below waits until it is no more.
                place.room.node_refused(trio.current_time())
            if is_new and isinstance(error, NoProgress):
                await self._forget_unpinned(node_id, work)  # we hung up, and it may just have completed
            elif is_new:
                release = place.ownership.holdings.release
                await place.keeper.insist(place.ownership.ask, release, node_id, pin.cid, place.cluster)
            if fault.cause == tracker.NO_ROOM:
                self._refused(work, fault, is_held=not is_new)
                return
            self._happened(work, Event.FAILED, fault=fault)
            fields = {"cid": cid_text(pin.cid), "name": pin.name, "cause": fault.cause, "tries": work.progress.tries}
            place.on_event("pin_failed", fields)
        else:
            self._reached.pop(pin.cid, None)
            self._happened(work, Event.COMPLETED, size=size)
            fields = {"cid": cid_text(pin.cid), "name": pin.name, "bytes": size, "was_there": taken.complete}
            place.on_event("pinned", fields)

    async def _reserve(self, work: Work, pin: Pin) -> bool:
        """Reserve what is known of a pin's size, or what its root block says; False: there is no room for it."""
        room = self._place.room
        if not room.is_bounded:
            return True
        if work.size is None and pin.mode is PinMode.RECURSIVE and not pin.origins and not room.is_full:
            with trio.move_on_after(CLAIM_TIMEOUT_S):
                work.size = await self._place.node.claimed_size(pin.cid)
        return room.reserve(pin.cid, work.size)

    def _outgrown(self, work: Work, arrived: int) -> Fault | None:
        """Count what has arrived; say why it must be stopped, None where it may go on."""
        fault = self._place.room.grow(work.cid, arrived) if self._place.room.is_bounded else None
        if fault is not None:
            work.size = arrived  # at least: it comes back when there is so much room
        return fault

    async def _withdraw(self, work: Work) -> None:
        """Stop keeping a pin that this peer itself decided against: what the node may have of it is let go."""
        assert work.refusal is not None
        place, identity = self._place, self._place.watch.view.identity
        is_held = bool(
            await place.keeper.insist(place.ownership.ask, place.ownership.holdings.held, place.cluster, [work.cid])
        )
        if is_held and identity is not None:
            with trio.move_on_after(_CLEAN_UP_TIMEOUT_S, shield=True):
                try:
                    await place.ownership.forget_unpinned(place.node, identity.peer_id, place.cluster, work.cid)
                    await place.ownership.let_go(place.node, identity.peer_id, place.cluster, work.cid)
                    is_held = False
                except PincrewError:
                    pass  # It is let go of later, as what leaves.
        self._refused(work, work.refusal, is_held=is_held)

    def _refused(self, work: Work, fault: Fault, *, is_held: bool) -> None:
        place = self._place
        update = place.keeper.refused(work.cid, work.progress, fault, is_held=is_held)
        place.keeper.settle_soon(replace(update, size=work.size))
        work.progress = Progress(PinState.SKIPPED, work.progress.tries, None, fault.cause, fault.error)
        assert work.pin is not None
        place.on_event("skipped", {"cid": cid_text(work.cid), "name": work.pin.name, "cause": fault.cause})

    async def _is_going_down(self, error: NodeRefused) -> bool:
        """Say whether the node refused because it is being stopped: then it is no fault of the pin."""
        if "context canceled" in error.what:
            return True
        try:
            await self._place.node.id()
        except NodeDown:
            return True
        except NodeRefused:
            return False
        return False

    def _node_lost(self, work: Work, error: NodeDown) -> None:
        self._place.watch.lost(error)
        self._happened(work, Event.INTERRUPTED)

    async def _give_up(self, work: Work) -> None:
        """After its row went or changed: drop the claim, unless the node had it all a moment before."""
        self._happened(work, Event.INTERRUPTED)
        place = self._place
        identity = place.watch.view.identity
        if identity is not None:
            await self._forget_unpinned(identity.peer_id, work)

    async def _forget_unpinned(self, node_id: str, work: Work) -> None:
        place = self._place
        with trio.move_on_after(_CLEAN_UP_TIMEOUT_S, shield=True):
            try:
                await place.ownership.forget_unpinned(place.node, node_id, place.cluster, work.cid)
            except PincrewError:
                return  # The claim stays; letting go of it later comes to the same.

    def _progressed(self, work: Work, blocks: int, size: int | None) -> None:
        now = trio.current_time()
        assert work.rate is not None, "the attempt began"
        work.rate.add(now, self._arrived(work.cid, blocks, size or 0, now))
        if blocks > work.blocks:
            work.last_block_at = now
        work.blocks, work.bytes = blocks, size
        if size is not None and (fault := self._outgrown(work, size)) is not None:
            work.refusal = fault
            work.scope.cancel()
            return
        if now >= work.recorded_at + PROGRESS_INTERVAL_S:
            work.recorded_at = now
            update = self._place.keeper.update(work.cid, work.progress, work=work)
            self._place.keeper.settle_soon(update, is_urgent=False)

    def _sent(self, work: Work, peers: Sequence[str]) -> None:
        """Take note of the peers that just sent blocks of a pin; none: the node would say."""
        now = trio.current_time()
        self.senders = self.senders or Senders()
        work.senders = work.senders or Senders()
        self.senders.heard(now, peers)
        work.senders.heard(now, peers)

    def _arrived(self, cid: bytes, blocks: int, size: int, now: float) -> int:
        """Count what is new of what a pin has; return its bytes."""
        had_blocks, had_size = self._reached.pop(cid, (0, 0))
        self._reached[cid] = (max(blocks, had_blocks), max(size, had_size))
        if len(self._reached) > REACHED_KEPT_MAX:
            del self._reached[next(iter(self._reached))]
        assert self.arrivals is not None, "the attempt began"
        fresh = max(0, size - had_size)
        self.arrivals.add(now, max(0, blocks - had_blocks), fresh)
        return fresh

    def _happened(self, work: Work, event: Event, *, fault: Fault | None = None, size: int | None = None) -> None:
        work.progress = tracker.advance(
            work.progress, event, now_ms=self._place.now_ms(), luck=self._luck.random(), fault=fault
        )
        update = self._place.keeper.update(work.cid, work.progress, work=work, size=size)
        self._place.keeper.settle_soon(update, is_urgent=event is not Event.STARTED)
