"""The end of a cluster's move from one IPFS node to another: the old one lets go once the new one has everything.

While both are up they are connected, so that content which only the old one has gets over. "Everything" is all that
the old one holds for this cluster and that is still wanted, or was removed so lately that it is still kept: none of
that may be lost by moving. "Has" is what the book says of the node that is present, and of no other: where another one
answers, its rows are of the past. A move that was interrupted goes on with the next start.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import trio

from pincrew.bookkeeper import OnEvent
from pincrew.errors import PincrewError
from pincrew.limits import MOVE_CIDS_PER_SLICE, MOVE_INTERVAL_S
from pincrew.node_client import Node, NodeIdentity
from pincrew.ownership import Ownership
from pincrew.store.statuses import Statuses


class Moving:
    """Looks after the nodes that one cluster moves away from. ``forget`` blocks: it notes on disk that all is done."""

    def __init__(
        self,
        old: Sequence[Node],
        *,
        node: Node,
        up: Callable[[], Awaitable[NodeIdentity]],
        ownership: Ownership,
        cluster: bytes,
        statuses: Statuses,
        on_event: OnEvent,
        forget: Callable[[], None],
    ) -> None:
        self._old = old
        self._node = node
        self._up = up
        self._ownership = ownership
        self._cluster = cluster
        self._statuses = statuses
        self._on_event = on_event
        self._forget = forget

    async def run(self) -> None:
        """Work until every old node has let go."""
        waiting = list(self._old)
        while waiting:
            present = await self._up()
            for old in list(waiting):
                try:
                    if await self._is_left(old, present):
                        waiting.remove(old)
                        await old.aclose()
                except PincrewError:
                    continue  # It is down or refuses: it is asked again, and what it holds is not lost meanwhile.
            if waiting:
                await trio.sleep(MOVE_INTERVAL_S)
        if self._old:
            await trio.to_thread.run_sync(self._forget)

    async def _is_left(self, old: Node, present: NodeIdentity) -> bool:
        identity = await old.id()
        if identity.peer_id == present.peer_id:
            return True
        await self._connect(present, identity)
        if not await self._is_everything_here(identity.peer_id, present.peer_id):
            return False
        # Connecting and looking may have taken minutes, in which another node may have come up at either address.
        if (await self._node.id()).peer_id != present.peer_id or (await old.id()).peer_id != identity.peer_id:
            return False
        rest = await self._ownership.let_go_all(old, identity.peer_id, self._cluster)
        self._on_event("node_left", {"address": old.address, "unpinned": rest.unpinned, "kept": rest.kept})
        return True

    async def _connect(self, present: NodeIdentity, old: NodeIdentity) -> None:
        """Have the two connected, whichever of them can reach the other."""
        if old.peer_id in await self._node.swarm_peers():
            return
        for address in old.addresses:
            try:
                await self._node.connect(address)
                return
            except PincrewError:
                continue  # One of many addresses; what the pins say about it all is what counts.

    async def _is_everything_here(self, old_id: str, present_id: str) -> bool:
        if not await self._is_book_of(present_id):
            return False
        entries = self._ownership.holdings.of_cluster(self._cluster)
        some: list[bytes] = []
        while True:
            entry = await self._ownership.ask(next, entries, None)
            if entry is not None and entry[0] == old_id:
                some.append(entry[1])
            if len(some) >= MOVE_CIDS_PER_SLICE or (entry is None and some):
                if await trio.to_thread.run_sync(self._statuses.is_any_lacking, some):
                    return False
                some = []
            if entry is None:
                return await self._is_book_of(present_id)

    async def _is_book_of(self, node_id: str) -> bool:
        """Say whether it is this node of which the rows say `pinned`."""
        return await trio.to_thread.run_sync(self._statuses.node_id) == node_id
