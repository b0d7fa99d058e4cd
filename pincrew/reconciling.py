"""Compares, now and then and slice by slice, the rows in state `pinned` with what the node really has.

`pinned` is said of one node: where another one answers, everything is queued again, at once and without asking.

Never on the way to being started: it begins a while after the node came up. The node's pins are read as one stream and
kept as 8 bytes each; what seems to be missing is asked for twice more before it is believed.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable
from contextlib import aclosing

import trio

from pincrew import tracker
from pincrew.bell import Bell
from pincrew.errors import NodeDown, NodeRefused, StoreFault
from pincrew.limits import QUEUED_PER_SLICE, RECONCILE_ROWS_PER_SLICE, RECONCILE_SECOND_LOOK_S
from pincrew.tracker import Event, Progress
from pincrew.values import PinMode, PinState
from pincrew.workplace import Workplace


class Reconciling:
    """Finds pins that vanished (they are queued again) and pins without a claim (they are claimed again)."""

    def __init__(self, place: Workplace, on_queued: Callable[[], None], *, delay_s: float, interval_s: float) -> None:
        self._place = place
        self._on_queued = on_queued
        self._keeper = place.keeper
        self._delay_s = delay_s
        self._interval_s = interval_s
        self._bell = Bell()

    def wake(self) -> None:
        """The node was away, or is another one now."""
        self._bell.ring()

    async def run(self) -> None:
        """Compare until cancelled."""
        while True:
            await self._know_node((await self._place.watch.up()).peer_id)
            await trio.sleep(self._delay_s)
            identity = await self._place.watch.up()
            self._bell = Bell()
            try:
                vanished = await self._compare(identity.peer_id)
            except NodeDown as error:
                self._place.watch.lost(error)
                continue
            except (NodeRefused, StoreFault) as error:
                self._place.on_event("reconcile_failed", {"error": error.sentence})
            else:
                if vanished:
                    self._place.on_event("unexpectedly_unpinned", {"pins": vanished})
            await self._bell.wait(self._interval_s)

    async def _know_node(self, node_id: str) -> None:
        known = await self._keeper.ask(self._keeper.book.node_id)
        if known == node_id:
            return
        if known is not None:
            self._place.on_event("node_changed", {"before": known, "now": node_id, "pins": await self.queue_all()})
        await self._keeper.ask(self._keeper.book.save_node_id, node_id)

    async def queue_all(self) -> int:
        """Queue everything that is `pinned`, and forget of which node that was said; return how many there were."""
        left = total = (await self._keeper.ask(self._keeper.book.counts)).get(PinState.PINNED, 0)
        # The bound: what the new node turns out to have is `pinned` again meanwhile.
        while left > 0:
            async with self._keeper.turn:
                queued = await self._keeper.ask(
                    self._keeper.book.queue_pinned, min(left, QUEUED_PER_SLICE), now_ms=self._place.now_ms()
                )
            left = left - queued if queued else 0
        await self._keeper.ask(self._keeper.book.save_node_id, None)
        self._on_queued()
        return total

    async def _compare(self, node_id: str) -> int:
        counts = await self._keeper.ask(self._keeper.book.counts)
        kept = counts.get(PinState.PINNED, 0)
        if not kept:
            return 0
        listed = await self._listed()
        vanished = seen = 0
        after: bytes | None = None
        # The bound ends the walk should the rows move as fast as it goes.
        while seen <= 2 * kept + RECONCILE_ROWS_PER_SLICE:
            page = await self._keeper.ask(self._keeper.book.pinned_page, after, RECONCILE_ROWS_PER_SLICE)
            if not page:
                return vanished
            seen, after = seen + len(page), page[-1]
            claimed = await self._place.ownership.ask(
                self._place.ownership.holdings.held, self._place.cluster, page, node=node_id
            )
            doubtful = [cid for cid in page if cid not in claimed or not _is_listed(listed, cid)]
            missing = [cid for cid in doubtful if not await self._is_there(node_id, cid)]
            if missing:
                # Kubo has no pin at all, for a moment, of what is just given another name.
                await trio.sleep(RECONCILE_SECOND_LOOK_S)
            for cid in missing:
                vanished += not await self._is_there(node_id, cid) and self._queue(cid)
        return vanished

    async def _is_there(self, node_id: str, cid: bytes) -> bool:
        """Ask for one pin, and claim it again. What a task is at work on is as good as there."""
        if cid in self._keeper.busy:
            return True
        # The mode is not known here; a direct pin where a recursive one is wanted is seen when the row changes.
        taken = await self._place.ownership.take(self._place.node, node_id, self._place.cluster, cid, PinMode.DIRECT)
        return taken.was_pinned or cid in self._keeper.busy

    def _queue(self, cid: bytes) -> bool:
        progress = tracker.advance(Progress(PinState.PINNED), Event.VANISHED)
        self._keeper.settle_soon(self._keeper.update(cid, progress))
        return True

    async def _listed(self) -> array[int]:
        """Return the node's pins as sorted hashes."""
        hashes = array("q")
        for mode in (PinMode.RECURSIVE, PinMode.DIRECT):
            async with aclosing(self._place.node.pins(mode)) as pins:
                async for pin in pins:
                    hashes.append(hash(pin.cid))
        return await trio.to_thread.run_sync(lambda: array("q", sorted(hashes)))


def _is_listed(listed: array[int], cid: bytes) -> bool:
    at = bisect_left(listed, hash(cid))
    return at < len(listed) and listed[at] == hash(cid)
