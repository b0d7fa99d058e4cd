"""Mends the store of one running cluster, where `doctor` found something wrong with it."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from pincrew.api.shapes import Mended
from pincrew.peer import Peer
from pincrew.store.counting import recount


class RepairDesk:
    """Implements ``api.contract.RepairDoor``."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def mend(self, shards: Sequence[int]) -> Mended:
        """Recount the figures, and have these shards of the base in force fetched anew. Raises StoreFault."""
        peer = self._peer
        figures = await trio.to_thread.run_sync(self._recounted)
        if figures:
            peer.diary.happened("counters_repaired", {"figures": ", ".join(figures)})
        wanted = await peer.succession.mend(shards)
        connections = peer.network.connections() if peer.network is not None else []
        return Mended(peer.options.name, figures, peer.member.bases.n, wanted, len(connections))

    def _recounted(self) -> list[str]:
        with self._peer.database.transaction() as db:
            return recount(db)
