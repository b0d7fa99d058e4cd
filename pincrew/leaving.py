"""Leaving a cluster: what it would unpin, and doing it. What others or the user hold stays (invariant 15)."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from pincrew.api import shapes
from pincrew.cluster import Cluster
from pincrew.errors import PincrewError
from pincrew.ownership import Ownership, Rest
from pincrew.values import PinState


async def leave_dry_run(cluster: Cluster, ownership: Ownership) -> shapes.Left:
    """Say what leaving would do."""
    cluster_id = cluster.peer.member.chain.cluster_id
    held = await ownership.ask(ownership.holdings.count, cluster_id)
    kept = await ownership.ask(ownership.holdings.count_shared, cluster_id)
    return shapes.Left(
        cluster=cluster.name,
        dry_run=True,
        pins=held - kept,
        bytes=cluster.peer.statuses.sizes()[PinState.PINNED][0] if cluster.peer.is_running and not kept else None,
        kept=kept,
        removed=[str(cluster.paths.folder)],
        rest=None,
    )


async def finish_leaving(cluster: Cluster, ownership: Ownership, node_id: str) -> shapes.Left:
    """Let go of everything that this cluster holds on the node. The cluster does not run any more.

    Interrupted, or with the node gone, it says what remains; asked again it goes on.
    """
    done = Rest()

    def note(rest: Rest) -> None:
        nonlocal done
        done = rest

    removed: Sequence[str] = [str(cluster.paths.folder)]
    rest = None
    try:
        with trio.CancelScope():
            await ownership.let_go_all(cluster.peer.node, node_id, cluster.peer.member.chain.cluster_id, note)
    except PincrewError as error:
        rest = f"{error.what}. The folder stays; leave again once that is solved"
    if rest is None and done.elsewhere:
        rest = f"{done.elsewhere} pins are on another IPFS node; start it and leave again"
    return shapes.Left(
        cluster=cluster.name,
        dry_run=False,
        pins=done.unpinned,
        bytes=None,
        kept=done.kept,
        removed=[] if rest else list(removed),
        rest=rest,
    )
