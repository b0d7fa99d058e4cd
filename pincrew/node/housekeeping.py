"""What is done for the store unasked: garbage is collected, and blocks that were lost are fetched anew.

Garbage is collected some time after something was unpinned, and at once where room is needed. Only one collection runs
at a time; who needs room while one runs waits for its end. Without anything unpinned since the last one there is no
garbage but what readers fetched, which is collected when room is needed.

A pin half fetched that nobody has asked for in FETCHING_KEPT_S is given up: what is here of it is garbage from then on.

Blocks that a damaged disk lost are asked of other nodes, the oldest first. Which ones these are, the store notes.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing

import trio

from pincrew.bell import Bell
from pincrew.errors import BlockCorrupt, Malformed, PincrewError, StoreFault
from pincrew.limits import (
    COLLECT_DELAY_S,
    FETCHING_CHECK_INTERVAL_S,
    REFETCH_BLOCKS,
    REFETCH_INTERVAL_S_MAX,
    REFETCH_INTERVAL_S_MIN,
    REFETCH_LISTED,
    REFETCH_PATIENCE_S,
)
from pincrew.node.bitswap.session import Session
from pincrew.node.blocks import Blocks
from pincrew.node.links import links_of
from pincrew.node.multihash import RAW, check_allowed, cid_from

log = logging.getLogger(__name__)


class Housekeeping:
    """Collects the garbage of one node, and brings back what its disk lost."""

    def __init__(
        self,
        blocks: Blocks,
        open_session: Callable[[], AbstractAsyncContextManager[Session]],
        *,
        delay_s: float = COLLECT_DELAY_S,
    ) -> None:
        self._blocks = blocks
        self._open_session = open_session
        self._delay_s = delay_s
        self._one = trio.Lock()
        self._bell = Bell()
        self._lost_passed = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look after the store until cancelled."""
        task_status.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_forgetting)
            nursery.start_soon(self._keep_collecting)
            nursery.start_soon(self._keep_refetching)

    async def _keep_collecting(self) -> None:
        while True:
            await self._bell.wait()
            await trio.sleep(self._delay_s)
            try:
                await self.make_room()
            # A bug, perhaps one that some peer's block brings out: without collecting for now, the node lives.
            except Exception:
                log.exception("garbage could not be collected")

    async def _keep_forgetting(self) -> None:
        """Look for forgotten pins at the start and every day, so that long work is noted as going on."""
        while True:
            await self._abandon_forgotten()
            await trio.sleep(FETCHING_CHECK_INTERVAL_S)

    async def _abandon_forgotten(self) -> None:
        try:
            count = await self._blocks.abandon_forgotten_pins()
        except StoreFault as error:
            log.warning("forgotten pins could not be looked for: %s", error.sentence)
            return
        if count:
            log.info("pins half fetched that nobody asks for any more were given up: %d", count)

    async def _keep_refetching(self) -> None:
        """Fetch lost blocks anew, at the start and then now and then: their pins count on them."""
        pause_s = REFETCH_INTERVAL_S_MIN
        while True:
            try:
                was_useful = await self.refetch() > 0
            except PincrewError as error:
                log.warning("lost blocks could not be fetched anew: %s", error.sentence)
                was_useful = False
            pause_s = REFETCH_INTERVAL_S_MIN if was_useful else min(2 * pause_s, REFETCH_INTERVAL_S_MAX)
            await trio.sleep(pause_s)

    async def refetch(self) -> int:
        """Ask for REFETCH_BLOCKS of what was lost, as raw blocks (a store knows no codecs); return how many came."""
        listed = [each for each in await self._blocks.lost(REFETCH_LISTED) if _can_be_had(each)]
        # Those that nobody has must not keep the others waiting for ever.
        self._lost_passed %= max(1, len(listed))
        lost = listed[self._lost_passed :][:REFETCH_BLOCKS]
        if not lost:
            return 0
        came = 0
        async with self._open_session() as session:
            session.want(cid_from(RAW, multihash) for multihash in lost)
            with trio.move_on_after(REFETCH_PATIENCE_S) as patience:
                while came < len(lost):
                    await session.receive()
                    came += 1
                    patience.deadline = trio.current_time() + REFETCH_PATIENCE_S
        self._lost_passed += len(lost) - came
        log.info("lost blocks: %d of %d were fetched anew", came, len(lost))
        return came

    def unpinned(self) -> None:
        """Learn that there may be garbage."""
        self._bell.ring()

    async def make_room(self) -> bool:
        """Collect garbage; return whether there was any. A store that cannot be collected has none."""
        removed = 0
        try:
            async with aclosing(self.collect()) as collection:
                async for gone in collection:
                    removed += len(gone)
        except BlockCorrupt as error:
            log.warning("no garbage was collected: %s", error.sentence)
        except StoreFault as error:
            log.error("garbage could not be collected: %s", error.sentence)
        if removed:
            log.info("garbage collected: %d blocks", removed)
        return removed > 0

    async def collect(self) -> AsyncGenerator[Sequence[bytes], None]:
        """Collect garbage now; yields the multihashes that were removed. Close it (``aclosing``) when done early."""
        async with self._one:
            await self._abandon_forgotten()
            async with aclosing(self._blocks.collect(links_of)) as collection:
                async for gone in collection:
                    yield gone


def _can_be_had(multihash: bytes) -> bool:
    """Say whether somebody may have a block; a damaged list may name anything."""
    try:
        check_allowed(cid_from(RAW, multihash))
    except Malformed:
        return False
    return True
