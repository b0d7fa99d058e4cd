"""Leaving a cluster: what it would unpin, and doing it. What others or the user hold stays (invariant 15)."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from pincrew.api import shapes
from pincrew.cluster import Cluster
from pincrew.errors import NodeDown, PincrewError
from pincrew.files import private_folder, sync_folder
from pincrew.node_keeper import identity_once_started
from pincrew.ownership import Ownership, Rest
from pincrew.paths import ClusterPaths
from pincrew.values import PinState


async def leave_dry_run(cluster: Cluster, ownership: Ownership, kept_key: Path) -> shapes.Left:
    """Say what leaving would do; ``kept_key`` is where an owner key would go."""
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
        owner_key=str(kept_key) if cluster.paths.owner.exists() else None,
    )


async def node_to_leave(cluster: Cluster, ownership: Ownership, *, is_resumed: bool) -> str:
    """Return the node that has to let go, "" where nothing is held. Raises NodeDown before anything is done."""
    try:
        if await ownership.ask(ownership.holdings.count, cluster.peer.member.chain.cluster_id):
            return (await identity_once_started(cluster.peer.node)).peer_id
    except NodeDown as error:
        raise NodeDown(
            error.what,
            means="What is pinned stays pinned" if is_resumed else "Nothing was unpinned and nothing is lost",
            next_step=f"Start the node and type `pincrew leave -c {cluster.name}` again",
        ) from error
    return ""


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
    cluster_id = cluster.peer.member.chain.cluster_id
    try:
        if node_id:
            await identity_once_started(cluster.peer.node)
        await ownership.let_go_all(cluster.peer.node, node_id, cluster_id, note)
        for old in cluster.peer.old_nodes if node_id else ():
            before = done
            old_id = (await identity_once_started(old)).peer_id
            await ownership.let_go_all(old, old_id, cluster_id, note)
            done = Rest(before.unpinned + done.unpinned, before.kept + done.kept, done.elsewhere)
    except PincrewError as error:
        rest = f"{error.what}. The folder stays; leave again once that is solved"
    finally:
        for node in (cluster.peer.node, *cluster.peer.old_nodes):
            await node.aclose()
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


def mark(paths: ClusterPaths) -> None:
    """Note on disk that this cluster is being left, and does not run any more. Blocks."""
    paths.leaving.touch()


def is_marked(paths: ClusterPaths) -> bool:
    """Tell whether a leave was begun."""
    return paths.leaving.exists()


def remove_folder(paths: ClusterPaths, kept_key: Path) -> bool:
    """Remove everything of this cluster but its owner key: that goes to ``kept_key``. Blocks.

    Who has an owner key owns the cluster, and nobody can make another. Returns whether there was one.
    """
    had_key = paths.owner.exists()
    if had_key:
        private_folder(kept_key.parent)
        paths.owner.replace(kept_key)
        sync_folder(kept_key.parent)
    # Without its settings the folder is no cluster any more, whatever else a crash leaves of it.
    paths.settings.unlink(missing_ok=True)
    shutil.rmtree(paths.folder, ignore_errors=True)
    return had_key
