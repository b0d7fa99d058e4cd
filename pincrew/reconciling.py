"""Compares, now and then and slice by slice, the rows in state `pinned` with what the node really has.

Never on the way to being started: it begins a while after the node came up. The node's pins are read as one stream and
kept as 8 bytes each; what seems to be missing is asked for once more before it is believed.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from contextlib import aclosing

import trio

from pincrew import tracker
from pincrew.bell import Bell
from pincrew.bookkeeper import Bookkeeper, OnEvent
from pincrew.errors import NodeDown, NodeRefused, StoreFault
from pincrew.limits import RECONCILE_ROWS_PER_SLICE
from pincrew.node_client import Node
from pincrew.node_watch import NodeWatch
from pincrew.ownership import Ownership
from pincrew.tracker import Event, Progress
from pincrew.values import PinMode, PinState


class Reconciling:
    """Finds pins that vanished (they are queued again) and pins without a claim (they are claimed again)."""

    def __init__(
        self,
        *,
        keeper: Bookkeeper,
        node: Node,
        watch: NodeWatch,
        ownership: Ownership,
        cluster: bytes,
        delay_s: float,
        interval_s: float,
        on_event: OnEvent,
    ) -> None:
        self._keeper = keeper
        self._node = node
        self._watch = watch
        self._ownership = ownership
        self._cluster = cluster
        self._delay_s = delay_s
        self._interval_s = interval_s
        self._on_event = on_event
        self._bell = Bell()

    def wake(self) -> None:
        """The node was away, or is another one now."""
        self._bell.ring()

    async def run(self) -> None:
        """Compare until cancelled."""
        while True:
            await self._watch.up()
            await trio.sleep(self._delay_s)
            identity = await self._watch.up()
            self._bell = Bell()
            try:
                vanished = await self._compare(identity.peer_id)
            except NodeDown as error:
                self._watch.lost(error)
                continue
            except (NodeRefused, StoreFault) as error:
                self._on_event("reconcile_failed", {"error": error.sentence})
            else:
                if vanished:
                    self._on_event("unexpectedly_unpinned", {"pins": vanished})
            await self._bell.wait(self._interval_s)

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
            claimed = await self._ownership.ask(self._ownership.holdings.held, self._cluster, page, node=node_id)
            for cid in page:
                if cid not in claimed or not _is_listed(listed, cid):
                    vanished += await self._look_closer(node_id, cid)
        return vanished

    async def _look_closer(self, node_id: str, cid: bytes) -> bool:
        if cid in self._keeper.busy:
            return False
        # The mode is not known here; a direct pin where a recursive one is wanted is seen when the row changes.
        taken = await self._ownership.take(self._node, node_id, self._cluster, cid, PinMode.DIRECT)
        if taken.was_pinned or cid in self._keeper.busy:
            return False
        progress = tracker.advance(Progress(PinState.PINNED), Event.VANISHED)
        self._keeper.settle_soon(self._keeper.update(cid, progress))
        return True

    async def _listed(self) -> array[int]:
        """Return the node's pins as sorted hashes."""
        hashes = array("q")
        for mode in (PinMode.RECURSIVE, PinMode.DIRECT):
            async with aclosing(self._node.pins(mode)) as pins:
                async for pin in pins:
                    hashes.append(hash(pin.cid))
        return await trio.to_thread.run_sync(lambda: array("q", sorted(hashes)))


def _is_listed(listed: array[int], cid: bytes) -> bool:
    at = bisect_left(listed, hash(cid))
    return at < len(listed) and listed[at] == hash(cid)
