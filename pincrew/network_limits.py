"""What all clusters together may take of the line, by the hour: told to pincrew's own node, steered towards on Kubo.

The limits stand in settings.toml, and nowhere else: what an earlier version left in the node's own settings is taken
over at the first start. What a Kubo receives is looked at every second while a limit holds (`steering`); what it sends
nobody can limit from outside. How much passes in a month is `month_keeper`'s.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import trio

from pincrew.api.shapes import NetworkLimits, NetworkLimitsRequest
from pincrew.bell import Bell
from pincrew.cluster import Cluster
from pincrew.errors import NodeDown, PincrewError
from pincrew.limit_settings import network_limits, with_network
from pincrew.limits import LINE_LOOK_INTERVAL_S
from pincrew.month_keeper import MonthKeeper
from pincrew.node_address import NodeKind
from pincrew.nodes import Nodes
from pincrew.paths import Home
from pincrew.pinner import Hold
from pincrew.settings import Limit, Settings
from pincrew.settings_files import load_node, load_settings, names_any, save
from pincrew.steering import Steering

_log = logging.getLogger("pincrew.network_limits")
_NAMES = ("download_limit", "upload_limit", "quiet_hours", "quiet_download_limit", "quiet_upload_limit")


class _InForce(NamedTuple):
    """Bytes a second; None for no limit."""

    download: Limit
    upload: Limit


class LineKeeper:
    """Implements ``api.contract.NetworkDoor``, and keeps to the limits while it runs."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        environment: Mapping[str, str],
        nodes: Nodes,
        clusters: Callable[[], Sequence[Cluster]],
        wall: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._home = home
        self._settings = settings
        self._environment = environment
        self._nodes = nodes
        self._clusters = clusters
        self._wall = wall
        self._bell = Bell()
        self._turn = trio.Lock()
        self._month = MonthKeeper(home, nodes, clusters, lambda: self._settings.monthly_cap, wall)
        self._told = _InForce(None, None)
        self._steered: dict[str, Steering] = {}
        nodes.keeper.prepare = self._prepare

    def info(self) -> NetworkLimits:
        """Return what holds, and when."""
        is_kubo = any(cluster.peer.options.node_kind is NodeKind.KUBO for cluster in self._clusters())
        wall, path = self._wall(), str(self._home.settings)
        return network_limits(self._settings, wall, self._month.months, path, is_kubo=is_kubo)

    async def change(self, request: NetworkLimitsRequest) -> NetworkLimits:
        """Let other limits hold, from now on and after a restart. Raises Misuse."""
        async with self._turn:
            self._settings = await trio.to_thread.run_sync(self._change, request)
        self._bell.ring()
        self._month.wake()
        return self.info()

    def _change(self, request: NetworkLimitsRequest) -> Settings:
        save(self._home.settings, with_network(load_settings(self._home.settings, {}), request))
        return load_settings(self._home.settings, self._environment)

    async def run(self) -> None:
        """Keep to the limits, by the hour, until cancelled."""
        async with self._turn:
            self._settings, self._told = await trio.to_thread.run_sync(self._begin)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._month.run)
            nursery.start_soon(self._keep_to)

    def _begin(self) -> tuple[Settings, _InForce]:
        """Return the settings, with what only the node's own said so far, and what the node starts with."""
        try:
            node = load_node(self._home.node.settings)
        except PincrewError as error:  # the node says so too, when it starts
            _log.warning("the node's settings are not read: %s", error.sentence)
            return self._settings, _InForce(None, None)
        told = _InForce(node.download_limit, node.upload_limit)
        is_first_start = not self._home.months.exists()
        if told == _InForce(None, None) or not is_first_start or names_any(self._home.settings, _NAMES):
            return self._settings, told
        kept = load_settings(self._home.settings, {})
        save(self._home.settings, replace(kept, download_limit=told.download, upload_limit=told.upload))
        _log.info("the limits in %s are now in %s", self._home.node.settings, self._home.settings)
        return load_settings(self._home.settings, self._environment), told

    async def _keep_to(self) -> None:
        while True:
            now = self._in_force()
            if now != self._told and await self._tell(now):
                self._told = now
            await self._steer(now.download)
            await self._bell.wait(LINE_LOOK_INTERVAL_S)

    def _in_force(self) -> _InForce:
        info = network_limits(self._settings, self._wall(), self._month.months, "", is_kubo=False)
        return _InForce(info.download_now, info.upload_now)

    def _prepare(self) -> None:
        """Have the node start with the limits of this hour."""
        now, path = self._in_force(), self._home.node.settings
        try:
            node = load_node(path)
            if now != (node.download_limit, node.upload_limit):
                save(path, replace(node, download_limit=now.download, upload_limit=now.upload))
        except PincrewError as error:  # it is told once it runs
            _log.warning("the node's settings were not changed: %s", error.sentence)

    async def _tell(self, now: _InForce) -> bool:
        """Tell pincrew's own node; whether that is done. One that does not run is told once it does."""
        client = self._nodes.keeper.client(no_progress_timeout_s=self._settings.pin_no_progress)
        async with aclosing(client) as node:
            try:
                await node.limit_network(_text(now.download), _text(now.upload))
            except NodeDown:
                return False
            except PincrewError as error:
                _log.warning("the node's limits were not changed: %s", error.sentence)
        return True

    async def _steer(self, limit: Limit) -> None:
        """Hold up the pins of clusters on a Kubo that has received too much; let those on others go on."""
        is_open: dict[str, bool] = {}
        for cluster in self._clusters():
            peer = cluster.peer
            if peer.options.node_kind is not NodeKind.KUBO:
                continue
            address = peer.node.address
            if limit is None:
                is_open[address] = True
            elif address not in is_open:
                is_open[address] = await self._look(cluster, address, limit)
            if is_open[address]:
                peer.pinner.go_on(Hold.LINE)
            else:
                peer.pinner.hold(Hold.LINE)
        self._steered = {
            address: one for address, one in self._steered.items() if limit is not None and address in is_open
        }

    async def _look(self, cluster: Cluster, address: str, limit: int) -> bool:
        steering = self._steered.get(address)
        try:
            received = (await cluster.peer.node.traffic()).received
        except PincrewError:  # it is away, which the status says: it fetches nothing now
            return steering is None or steering.is_open
        now = trio.current_time()
        if steering is None:
            steering = self._steered[address] = Steering(limit, now, received)
        steering.bytes_per_s = limit
        return steering.look(now, received)


def _text(limit: Limit) -> str:
    return "none" if limit is None else str(limit)
