"""The IPFS nodes that the clusters of one daemon use: from what a setting names to a client."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from pincrew.kubo_rpc import KuboRpc
from pincrew.node_address import NodeKind
from pincrew.node_finding import address_of, authorization, kind_of
from pincrew.node_keeper import NodeKeeper
from pincrew.paths import Home
from pincrew.settings import Settings


class Nodes:
    """Makes clients of nodes; the embedded one is looked after by ``keeper``."""

    def __init__(self, home: Home, settings: Settings, environment: Mapping[str, str]) -> None:
        self.keeper = NodeKeeper(home, environment)
        self._home = home
        self._settings = settings
        self._environment = environment

    def kind(self, wanted: str) -> NodeKind:
        """Return the kind of node that a cluster's setting names; "" leaves it to the settings for all clusters."""
        return kind_of(wanted or self._settings.ipfs)

    def client(self, wanted: str) -> KuboRpc:
        """Return a client of the node that a cluster's setting names. May be called in any thread; asks nobody."""
        wanted = wanted or self._settings.ipfs
        if kind_of(wanted) is NodeKind.EMBEDDED:
            return self.keeper.client(no_progress_timeout_s=self._settings.pin_no_progress)
        find = partial(address_of, wanted, self._home, self._environment)
        return KuboRpc(
            find(),
            authorization=authorization(self._environment.get("PINCREW_IPFS_AUTH")),
            find_again=find,
            no_progress_timeout_s=self._settings.pin_no_progress,
        )
