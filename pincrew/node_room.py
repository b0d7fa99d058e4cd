"""How much room the node has left. A node that does not say is no trouble: nothing is decided by this here."""

from __future__ import annotations

import shutil
import urllib.parse
from collections.abc import Callable

import trio

from pincrew.errors import NodeDown, NodeRefused
from pincrew.limits import NODE_ROOM_FIRST_LOOK_INTERVAL_S, NODE_ROOM_INTERVAL_S, NODE_ROOM_LOOK_INTERVAL_S
from pincrew.node_client import Node, RepoStat
from pincrew.room import Volume

_HERE = ("127.0.0.1", "::1", "localhost")


class NodeRoom:
    """Asks one node now and then, and looks at its volume more often; ``has_looked``: once at least.

    ``free_bytes`` is None while the node is away, and where nothing bounds it; ``on_volume`` hears of the volume, None
    where it is not on this machine.
    """

    def __init__(
        self,
        node: Node,
        *,
        node_is_up: Callable[[], bool],
        on_volume: Callable[[Volume | None], None] = lambda _volume: None,
    ) -> None:
        self._node = node
        self._node_is_up = node_is_up
        self._on_volume = on_volume
        self._stat: RepoStat | None = None
        self._asked_at = -NODE_ROOM_INTERVAL_S
        self.has_looked = False
        self.volume: Volume | None = None
        self.free_bytes: int | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Ask until cancelled."""
        task_status.started()
        while True:
            if not self._node_is_up():
                self._stat = None
            elif self._stat is None or trio.current_time() >= self._asked_at + NODE_ROOM_INTERVAL_S:
                await self._ask()
            await self._look()
            # Whether the node came up, and its volume, is looked at more often than it is asked: looking costs nothing.
            # One that is not up may come up at any moment, and nobody is given pins whose room is not known.
            await trio.sleep(NODE_ROOM_LOOK_INTERVAL_S if self._node_is_up() else NODE_ROOM_FIRST_LOOK_INTERVAL_S)

    async def _ask(self) -> None:
        try:
            self._stat = await self._node.repo_stat()
        except (NodeDown, NodeRefused):
            self._stat = None  # Whether it is there, and since when not, the node's watch tells.
        self._asked_at = trio.current_time()

    async def _look(self) -> None:
        if self._stat is None:
            self.free_bytes = None
            return  # the volume is as it was seen last: it does not go away with the node
        self.volume = None
        if self._stat.path is not None and is_here(self._node.address):
            self.volume = await trio.to_thread.run_sync(volume_at, self._stat.path)
        self.has_looked = True
        self.free_bytes = free_of(self._stat, self.volume.free if self.volume is not None else None)
        self._on_volume(self.volume)


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


def volume_at(path: str) -> Volume | None:
    """Return the volume with a file or folder, None where that is not on this machine. Blocks."""
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return None  # A node in a container, or behind a tunnel, names a path that is not ours.
    # What its reserve for root leaves is neither free nor used: a share of what this user could fill is meant.
    return Volume(usage.used + usage.free, usage.free)
