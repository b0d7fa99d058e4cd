"""Taking and letting go of CIDs on a node that clusters, and the user, share.

One `Ownership` serves all clusters of a daemon. Looking at the node's pin and writing the claim is one turn per
(node, CID), and so is letting go: else one cluster could unpin what another has just found pinned. Fetching, which may
take hours, happens outside any turn, under the claim.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import ParamSpec, TypeVar

import trio

from pincrew.errors import NodeDown, NodeRefused
from pincrew.holdings import Holdings, is_ours
from pincrew.limits import GIVEN_UP_SECOND_LOOK_S, NODE_PINS_FRESH_S
from pincrew.node_client import Absent, Node
from pincrew.values import PinMode

KEPT_NAME = "kept"
P = ParamSpec("P")
T = TypeVar("T")


class LetGo(StrEnum):
    """What letting go came to."""

    UNPINNED = "unpinned"
    ABSENT = "absent"  # the node had no pin of it
    KEPT = "kept"  # the user's own, or another cluster's


@dataclass(frozen=True, slots=True)
class Taken:
    """What the node had when a CID was claimed. ``complete``: it already is pinned as wanted."""

    was_pinned: bool
    complete: bool
    is_users: bool


@dataclass(frozen=True, slots=True)
class Rest:
    """What letting everything go came to; ``elsewhere`` are CIDs on a node that is not this one."""

    unpinned: int = 0
    kept: int = 0
    elsewhere: int = 0


@dataclass(slots=True)
class _Ahead:
    """What a cluster will take next and the node has no pin of, once it has answered (``absent``)."""

    node_id: str
    cids: set[bytes]
    until: float
    absent: Absent | None = None


class Ownership:
    """Who holds what on which node, for tasks. Raises StoreFault, and NodeDown or NodeRefused of the node."""

    def __init__(self, holdings: Holdings) -> None:
        self.holdings = holdings
        self._limiter = trio.CapacityLimiter(1)
        self._turns: dict[tuple[str, bytes], tuple[trio.Lock, int]] = {}
        self._ahead: dict[bytes, _Ahead] = {}

    async def look_ahead(self, node: Node, node_id: str, cluster: bytes, cids: Collection[bytes]) -> None:
        """Ask the node once about all of ``cids``, which ``cluster`` is about to take; their rows were read before.

        Only that there is no pin is believed, by the next ``take`` and for NODE_PINS_FRESH_S: whose a pin is, is asked
        for each. What has a turn here after the node was asked, by whatever cluster, is asked for again.
        """
        self._ahead.pop(cluster, None)
        if len(cids) < 2:
            return
        self._ahead[cluster] = ahead = _Ahead(node_id, set(cids), trio.current_time() + NODE_PINS_FRESH_S)
        try:
            ahead.absent = await node.absent(cids)
        except (NodeDown, NodeRefused):
            return  # The question for each says what is wrong.
        if ahead.absent is not None:
            ahead.cids &= ahead.absent.cids

    def _is_absent(self, node_id: str, cluster: bytes, cid: bytes) -> bool:
        ahead = self._ahead.get(cluster)
        if ahead is None or ahead.absent is None or cid not in ahead.cids:
            return False
        return ahead.node_id == node_id and trio.current_time() < ahead.until and ahead.absent.is_same_node()

    async def take(self, node: Node, node_id: str, cluster: bytes, cid: bytes, mode: PinMode) -> Taken:
        """Claim ``cid`` for ``cluster`` before it is pinned, and say what the node has already."""
        async with self._turn(node_id, cid):
            pin = None if self._is_absent(node_id, cluster, cid) else await node.pin_of(cid)
            is_users = await self.ask(
                self.holdings.claim,
                node_id,
                cid,
                cluster,
                was_pinned_before=pin is not None,
                name=None if pin is None else pin.name,
            )
        complete = pin is not None and pin.mode in (PinMode.RECURSIVE, mode)
        return Taken(pin is not None, complete, is_users)

    async def let_go(self, node: Node, node_id: str, cluster: bytes, cid: bytes) -> LetGo:
        """Unpin ``cid`` if it is this cluster's alone, then forget the claim. Safe to repeat after any failure."""
        async with self._turn(node_id, cid):
            pin = await node.pin_of(cid)
            outcome = LetGo.ABSENT
            if pin is not None:
                outcome = LetGo.KEPT
                if await self.ask(self.holdings.may_unpin, node_id, cid, cluster, pin.name):
                    await node.unpin(cid)
                    outcome = LetGo.UNPINNED
            await self.ask(self.holdings.release, node_id, cid, cluster)
            return outcome

    async def forget_unpinned(self, node: Node, node_id: str, cluster: bytes, cid: bytes) -> bool:
        """Drop the claim on a CID whose pinning was given up; False if the node turns out to have it pinned.

        It is asked twice: a node that was about to complete the pin may do so a moment after it was told to stop.
        """
        async with self._turn(node_id, cid):
            for wait_s in (0.0, GIVEN_UP_SECOND_LOOK_S):
                await trio.sleep(wait_s)
                if await node.pin_of(cid) is not None:
                    return False
            await self.ask(self.holdings.release, node_id, cid, cluster)
            return True

    async def give_to_user(self, node: Node, node_id: str, cluster: bytes, cid: bytes) -> None:
        """Leave ``cid`` pinned, as the user's own."""
        async with self._turn(node_id, cid):
            await self.ask(self.holdings.give, node_id, cid, cluster)
            pin = await node.pin_of(cid)
            if pin is not None and pin.name is not None and is_ours(pin.name):
                try:
                    await node.pin(cid, pin.mode, KEPT_NAME, (), lambda _blocks, _bytes: None)
                except NodeRefused:
                    return  # The old name stays; holdings.db knows whose it is.

    @asynccontextmanager
    async def alone(self, node: Node, node_id: str, cluster: bytes, cid: bytes) -> AsyncIterator[bool]:
        """Hold the turn on ``cid``, and say whether the node has it pinned for this cluster and nobody else."""
        async with self._turn(node_id, cid):
            pin = await node.pin_of(cid)
            yield pin is not None and await self.ask(self.holdings.may_unpin, node_id, cid, cluster, pin.name)

    async def let_go_all(
        self, node: Node, node_id: str, cluster: bytes, on_done: Callable[[Rest], None] = lambda _: None
    ) -> Rest:
        """Let go of all that ``cluster`` holds on this node, for `leave`. Interrupted, it goes on where it stopped."""
        rest = Rest()
        entries = self.holdings.of_cluster(cluster)
        while (entry := await self.ask(next, entries, None)) is not None:
            holder, cid = entry
            if holder != node_id:
                rest = Rest(rest.unpinned, rest.kept, rest.elsewhere + 1)
            elif await self.let_go(node, node_id, cluster, cid) is LetGo.KEPT:
                rest = Rest(rest.unpinned, rest.kept + 1, rest.elsewhere)
            else:
                rest = Rest(rest.unpinned + 1, rest.kept, rest.elsewhere)
            on_done(rest)
        return rest

    async def ask(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking call on the holdings in a thread, one at a time."""
        return await trio.to_thread.run_sync(partial(call, *args, **kwargs), limiter=self._limiter)

    @asynccontextmanager
    async def _turn(self, node_id: str, cid: bytes) -> AsyncIterator[None]:
        key = (node_id, cid)
        lock, users = self._turns.get(key, (trio.Lock(), 0))
        self._turns[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            for ahead in self._ahead.values():
                ahead.cids.discard(cid)
            lock, users = self._turns.pop(key)
            if users > 1:
                self._turns[key] = (lock, users - 1)
