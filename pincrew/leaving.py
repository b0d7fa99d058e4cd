"""Leaving a cluster: what it would unpin, and doing it. What others or the user hold stays (invariant 15)."""

from __future__ import annotations

import shutil
from pathlib import Path

import trio

from pincrew.api import shapes
from pincrew.cluster import Cluster
from pincrew.errors import PincrewError
from pincrew.files import private_folder, sync_folder
from pincrew.node_keeper import identity_once_started
from pincrew.ownership import Ownership, Rest
from pincrew.paths import ClusterPaths


async def leave_dry_run(cluster: Cluster, ownership: Ownership, kept_key: Path) -> shapes.Left:
    """Say what leaving would do; ``kept_key`` is where an owner key would go."""
    cluster_id = cluster.peer.member.chain.cluster_id
    held = await ownership.ask(ownership.holdings.count, cluster_id)
    kept = await ownership.ask(ownership.holdings.count_shared, cluster_id)
    return shapes.Left(
        cluster=cluster.name,
        dry_run=True,
        pins=held - kept,
        bytes=await _bytes_alone(cluster, ownership),
        kept=kept,
        removed=[str(cluster.paths.folder)],
        rest=None,
        owner_key=str(kept_key) if cluster.paths.owner.exists() else None,
    )


async def _bytes_alone(cluster: Cluster, ownership: Ownership) -> int | None:
    """Return the bytes of what this cluster alone holds, None once its rows are closed."""
    peer = cluster.peer
    if not peer.is_running:
        return None
    shared = ownership.holdings.shared(peer.member.chain.cluster_id)

    def alone() -> int:
        return peer.statuses.kept_bytes() - peer.statuses.bytes_of(shared)

    return max(0, await trio.to_thread.run_sync(alone))


async def finish_leaving(cluster: Cluster, ownership: Ownership, planned: shapes.Left) -> shapes.Left:
    """Let go of everything that this cluster holds on the node. The cluster does not run any more.

    Interrupted, or with the node gone, it says what remains; asked again it goes on.
    """
    done = Rest()

    def note(rest: Rest) -> None:
        nonlocal done
        done = rest

    trouble = ""
    cluster_id = cluster.peer.member.chain.cluster_id
    node, old_nodes = cluster.peer.node, cluster.peer.old_nodes
    try:
        if await ownership.ask(ownership.holdings.count, cluster_id):
            node_id = (await identity_once_started(node)).peer_id
            for cid in cluster.peer.verifying.aside:
                await node.end_aside(cid)
            await ownership.let_go_all(node, node_id, cluster_id, note)
            for old in old_nodes:
                before = done
                old_id = (await identity_once_started(old)).peer_id
                await ownership.let_go_all(old, old_id, cluster_id, note)
                done = Rest(before.unpinned + done.unpinned, before.kept + done.kept, done.elsewhere)
    except PincrewError as error:
        where = f" ({error.where})" if error.where else ""
        trouble = f"{error.what.rstrip('.')}{where}"
    finally:
        for one in (node, *old_nodes):
            await one.aclose()
    left = await ownership.ask(ownership.holdings.count, cluster_id)
    rest = _rest(cluster, left, done, trouble) if trouble or done.elsewhere else None
    return shapes.Left(
        cluster=cluster.name,
        dry_run=False,
        pins=done.unpinned,
        bytes=planned.bytes if rest is None else None,
        kept=done.kept,
        removed=[] if rest else planned.removed,
        rest=rest,
    )


def _rest(cluster: Cluster, left: int, done: Rest, trouble: str) -> str:
    """Say what is still held, why, and what to do."""
    pins = "1 pin is" if left == 1 else f"{left:,} pins are"
    if not trouble:
        return (
            f"{pins} still held on another IPFS node. Start that one and type `pincrew leave -c {cluster.name}` again,"
            f" or, should it be gone for good, remove {cluster.paths.folder}"
        )
    return (
        f"{pins} still held: {trouble}. Nothing is fetched any more. Start the node and type"
        f" `pincrew leave -c {cluster.name}` again, or, should it be gone for good, remove {cluster.paths.folder}"
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
