"""One attempt after another at single pins: claim, ask the node, and say how it ended.

The node being down, or being stopped, is no fault of a pin and does not count as an attempt.
"""

from __future__ import annotations

import random
from collections import deque
from functools import partial

import trio

from pincrew import tracker
from pincrew.bookkeeper import Work
from pincrew.cid import cid_text
from pincrew.errors import NodeDown, NodeRefused, PincrewError
from pincrew.holdings import pin_name
from pincrew.limits import PROGRESS_INTERVAL_S, RATE_WINDOW_S
from pincrew.tracker import Event, Fault, Share
from pincrew.values import Pin, PinMode
from pincrew.workplace import Workplace

_CLEAN_UP_TIMEOUT_S = 5.0
_ARRIVALS_MAX = 4_096


class Attempts:
    """The attempts of one cluster, as many side by side as the caller makes."""

    def __init__(
        self, place: Workplace, *, own_peer_id: str, luck: random.Random, no_progress_timeout_s: float
    ) -> None:
        self._place = place
        self._own_peer_id = own_peer_id
        self._luck = luck
        self._no_progress_timeout_s = no_progress_timeout_s
        self._arrivals: deque[tuple[float, int]] = deque()

    def bytes_per_s(self) -> float:
        """Return how fast bytes arrive at the node, over the last RATE_WINDOW_S."""
        now = trio.current_time()
        while self._arrivals and self._arrivals[0][0] < now - RATE_WINDOW_S:
            self._arrivals.popleft()
        return sum(count for _, count in self._arrivals) / RATE_WINDOW_S

    async def make(self, work: Work, pin: Pin) -> None:
        """Make one attempt; its outcome is settled and ``work`` ended. Cancelling ``work.scope`` gives it up."""
        try:
            with work.scope:
                if tracker.wanted(pin, self._own_peer_id) is Share.REMOTE:
                    self._happened(work, Event.ELSEWHERE)  # its change is still to come; there is nothing to fetch
                else:
                    await self._attempt(work, pin)
            if work.scope.cancelled_caught:
                await self._give_up(work)
        finally:
            self._place.keeper.end(work)

    async def _attempt(self, work: Work, pin: Pin) -> None:
        place = self._place
        is_new = False
        node_id = ""
        try:
            node_id = (await place.watch.up()).peer_id
            taken = await place.ownership.take(place.node, node_id, place.cluster, pin.cid, pin.mode)
            is_new = not taken.was_pinned
            if not taken.complete:
                self._happened(work, Event.STARTED)
                name, progress = pin_name(place.cluster), partial(self._progressed, work)
                await place.node.pin(pin.cid, pin.mode, name, pin.origins, progress)
            size = work.bytes
            if size is None and pin.mode is PinMode.RECURSIVE:
                size = await place.node.claimed_size(pin.cid)
        except NodeDown as error:
            self._node_lost(work, error)
        except PincrewError as error:
            if isinstance(error, NodeRefused) and await self._is_going_down(error):
                self._node_lost(work, NodeDown(error.what))
                return
            if is_new:
                release = place.ownership.holdings.release
                await place.keeper.insist(place.ownership.ask, release, node_id, pin.cid, place.cluster)
            fault = tracker.fault_of(error, blocks_done=work.blocks, waited_s=self._no_progress_timeout_s)
            self._happened(work, Event.FAILED, fault=fault)
            fields = {"cid": cid_text(pin.cid), "name": pin.name, "cause": fault.cause, "tries": work.progress.tries}
            place.on_event("pin_failed", fields)
        else:
            self._happened(work, Event.COMPLETED, size=size)
            fields = {"cid": cid_text(pin.cid), "name": pin.name, "bytes": size, "was_there": taken.complete}
            place.on_event("pinned", fields)

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
        if identity is None:
            return
        with trio.move_on_after(_CLEAN_UP_TIMEOUT_S, shield=True):
            try:
                await place.ownership.forget_unpinned(place.node, identity.peer_id, place.cluster, work.cid)
            except PincrewError:
                return  # The claim stays; letting go of it later comes to the same.

    def _progressed(self, work: Work, blocks: int, size: int | None) -> None:
        now = trio.current_time()
        if size is not None:
            self._arrivals.append((now, max(0, size - (work.bytes or 0))))
            if len(self._arrivals) > _ARRIVALS_MAX:
                self._arrivals.popleft()
        work.blocks, work.bytes = blocks, size
        if now >= work.recorded_at + PROGRESS_INTERVAL_S:
            work.recorded_at = now
            update = self._place.keeper.update(work.cid, work.progress, work=work)
            self._place.keeper.settle_soon(update, is_urgent=False)

    def _happened(self, work: Work, event: Event, *, fault: Fault | None = None, size: int | None = None) -> None:
        work.progress = tracker.advance(
            work.progress, event, now_ms=self._place.now_ms(), luck=self._luck.random(), fault=fault
        )
        update = self._place.keeper.update(work.cid, work.progress, work=work, size=size)
        self._place.keeper.settle_soon(update, is_urgent=event is not Event.STARTED)
