"""How much room the node has left. A node that does not say is no trouble: nothing is decided by this here."""

from __future__ import annotations

import shutil
import urllib.parse
from collections.abc import Callable

import trio

from pincrew.errors import NodeDown, NodeRefused
from pincrew.limits import NODE_ROOM_INTERVAL_S, NODE_ROOM_LOOK_INTERVAL_S
from pincrew.node_client import Node, RepoStat

_HERE = ("127.0.0.1", "::1", "localhost")


class NodeRoom:
    """Asks one node now and then. ``free_bytes`` is None while the node is away, and where nothing bounds it."""

    def __init__(self, node: Node, *, node_is_up: Callable[[], bool]) -> None:
        self._node = node
        self._node_is_up = node_is_up
        self.free_bytes: int | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Ask until cancelled."""
        task_status.started()
        while True:
            self.free_bytes = await self._ask() if self._node_is_up() else None
            # Whether the node came up is looked at more often than it is asked: looking costs nothing.
            await trio.sleep(NODE_ROOM_LOOK_INTERVAL_S if self.free_bytes is None else NODE_ROOM_INTERVAL_S)

    async def _ask(self) -> int | None:
        try:
            stat = await self._node.repo_stat()
        except (NodeDown, NodeRefused):
            return None  # Whether it is there, and since when not, the node's watch tells.
        volume = None
        if stat.path is not None and is_here(self._node.address):
            volume = await trio.to_thread.run_sync(_volume_free, stat.path)
        return free_of(stat, volume)


def free_of(stat: RepoStat, volume_free: int | None) -> int | None:
    """Return how many bytes fit under the node's own limit and onto its volume, as far as either is known."""
    bounds = [] if volume_free is None else [volume_free]
    if stat.storage_max is not None:
        # Kubo goes on beyond its limit, and has no room left then.
        bounds.append(max(0, stat.storage_max - stat.size))
    return min(bounds, default=None)


def is_here(address: str) -> bool:
    """Tell whether a node's address is on this machine, so that its paths may be ours."""
    return address.startswith("unix:") or urllib.parse.urlsplit(address).hostname in _HERE


def _volume_free(path: str) -> int | None:
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None  # A node in a container, or behind a tunnel, names a path that is not ours.
