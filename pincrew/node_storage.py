"""Keeps the embedded node's files below the limits of the clusters that use it.

Where each of them has a limit, their sum becomes the node's `storage_limit`: written to `node.toml` before the node
starts, told to it while it runs. Where one has none, the node keeps what its own settings say.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import trio

from pincrew.errors import NodeDown, PincrewError
from pincrew.files import private_folder
from pincrew.limits import NODE_STORAGE_RETRY_S
from pincrew.node_address import NodeKind
from pincrew.node_finding import kind_of
from pincrew.node_keeper import KeptNode, NodeKeeper
from pincrew.paths import Home
from pincrew.settings import Limit, Settings
from pincrew.settings_files import load_cluster, load_node, save

_log = logging.getLogger("pincrew.node_storage")


class NodeStorage:
    """The storage limit of the one embedded node of ``home``."""

    def __init__(self, home: Home, settings: Settings, keeper: NodeKeeper) -> None:
        self._home = home
        self._settings = settings
        self._keeper = keeper

    def limit(self) -> Limit:
        """Return the sum of the clusters' limits, None where one has none or the node has no cluster. Blocks."""
        total = 0
        for paths in self._home.joined():
            try:
                local = load_cluster(paths.settings)
            except PincrewError:  # its own start says so; nobody knows what it may hold
                return None
            if kind_of(local.ipfs or self._settings.ipfs) is NodeKind.EMBEDDED:
                if local.limit is None:
                    return None
                total += local.limit
        return total or None

    def prepare(self) -> None:
        """Have a node that does not run yet start with the right limit. Blocks."""
        wanted = self.limit()
        if wanted is None or self._keeper.pid is not None:
            return
        settings = load_node(self._home.node.settings)
        if settings.storage_limit != wanted:
            private_folder(self._home.node.folder)  # the node itself makes it when it first starts
            save(self._home.node.settings, replace(settings, storage_limit=wanted))

    async def fit(self, node: KeptNode, *, was_changed: bool = False) -> None:
        """Tell the node, once it answers.

        ``was_changed``: a user changed a limit just now, and where there is none any more the node has none either.
        """
        while True:
            wanted = await trio.to_thread.run_sync(self.limit)
            if wanted is None and not was_changed:
                return
            try:
                await node.limit_storage(wanted)
                return
            except NodeDown:
                await trio.sleep(NODE_STORAGE_RETRY_S)
            except PincrewError as error:
                _log.warning("the node's storage limit was not changed: %s", error.sentence)
                return
