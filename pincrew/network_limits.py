"""What all clusters together may take of the line, by the hour: told to pincrew's own node, steered towards on Kubo.

The limits stand in settings.toml. Where there never were any, the node keeps what its own settings say. What a Kubo
receives is looked at every second while a limit holds (`steering`); what it sends nobody can limit from outside.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import NamedTuple

import trio

from pincrew.api.shapes import NetworkLimits, NetworkLimitsRequest
from pincrew.bell import Bell
from pincrew.cluster import Cluster
from pincrew.errors import NodeDown, PincrewError
from pincrew.limits import LINE_LOOK_INTERVAL_S
from pincrew.node_address import NodeKind
from pincrew.nodes import Nodes
from pincrew.paths import Home
from pincrew.pinner import Hold
from pincrew.settings import Limit, Settings, load_settings, network_limits, save, with_network
from pincrew.steering import Steering
from pincrew.timetable import timetable_of

_log = logging.getLogger("pincrew.network_limits")


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
        # None: nothing was ever to be told.
        self._told: _InForce | None = None
        self._has_rules = _has_rules(settings)
        self._steered: dict[str, Steering] = {}

    def info(self) -> NetworkLimits:
        """Return what holds, and when."""
        is_kubo = any(cluster.peer.options.node_kind is NodeKind.KUBO for cluster in self._clusters())
        return network_limits(self._settings, self._wall(), str(self._home.settings), is_kubo=is_kubo)

    async def change(self, request: NetworkLimitsRequest) -> NetworkLimits:
        """Let other limits hold, from now on and after a restart. Raises Misuse."""
        async with self._turn:
            self._settings = await trio.to_thread.run_sync(self._change, request)
        self._has_rules = True
        self._bell.ring()
        return self.info()

    def _change(self, request: NetworkLimitsRequest) -> Settings:
        save(self._home.settings, with_network(load_settings(self._home.settings, {}), request))
        return load_settings(self._home.settings, self._environment)

    async def run(self) -> None:
        """Keep to the limits, by the hour, until cancelled."""
        while True:
            info = network_limits(self._settings, self._wall(), "", is_kubo=False)
            now = _InForce(info.download_now, info.upload_now)
            if self._has_rules and now != self._told and await self._tell(now):
                self._told = now
            await self._steer(now.download)
            await self._bell.wait(LINE_LOOK_INTERVAL_S)

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


def _has_rules(settings: Settings) -> bool:
    limits = (settings.download_limit, settings.upload_limit)
    quiet = (settings.quiet_download_limit, settings.quiet_upload_limit)
    return any(one is not None for one in limits + quiet) or bool(timetable_of(settings.quiet_hours).spans)


def _text(limit: Limit) -> str:
    return "none" if limit is None else str(limit)
