"""What a join would meet on this machine and in the network: the node, its disk, the folder, the curators.

A look changes nothing and ends within seconds, whatever does not answer. That a curator is reached means that something
takes connections at an address of the document's; who it is shows when the cluster runs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import trio
from pincrew.follow.joining import JoinOffer

from pincrew import limits
from pincrew.errors import NodeDown, NodeRefused
from pincrew.node_client import Node
from pincrew.node_room import is_here, volume_at
from pincrew.paths import Home
from pincrew.room import Volume

_NAMES = ("ip4", "ip6", "dns", "dns4", "dns6")
_PORT_MAX = 65_535


@dataclass(frozen=True)
class Reach:
    """How many of those whom the document says where to find took a connection."""

    curators: int
    curators_reached: int
    others: int
    others_reached: int


@dataclass(frozen=True)
class Prospect:
    """``version`` is the node's, None where it does not answer; ``volume`` that on which it stores, None where that
    cannot be seen from here. ``folder_trouble`` says why pincrew's folder cannot be written, "" that it can."""

    version: str | None
    volume: Volume | None
    folder_trouble: str
    reach: Reach

    @property
    def limit(self) -> int | None:
        """How much the cluster may hold where its user does not say; None: nothing sensible is known."""
        return None if self.volume is None else usual_limit(self.volume.free)


def usual_limit(free: int) -> int | None:
    """Return 90 % of what is free less 10 GB, in whole GB; None where that is too little to be worth it."""
    limit = free * limits.JOIN_LIMIT_PERCENT_OF_FREE // 100 - limits.JOIN_LIMIT_BYTES_LEFT
    return None if limit < limits.JOIN_LIMIT_BYTES_MIN else limit // 1000**3 * 1000**3


async def look(offer: JoinOffer, home: Home, node: Node | None, repository: Path | None) -> Prospect:
    """Look at everything at once. ``node`` is None where pincrew's own will be started.

    ``repository`` is where the node stores, as far as that is known without asking it.
    """
    version: str | None = None
    volume: Volume | None = None
    trouble = ""
    found = Reach(0, 0, 0, 0)

    async def look_at_node() -> None:
        nonlocal version, volume
        where = None if repository is None else str(repository)
        if node is not None:
            with trio.move_on_after(limits.PROSPECT_TIMEOUT_S):
                version, path = await _asked(node)
                where = path or where
        if where is not None:
            volume = await trio.to_thread.run_sync(_volume_of, Path(where))

    async def look_at_folder() -> None:
        nonlocal trouble
        trouble = await trio.to_thread.run_sync(_why_not_writable, home.root)

    async def look_at_peers() -> None:
        nonlocal found
        found = await reach(offer.document.peers, offer.curators)

    async with trio.open_nursery() as nursery:
        for each in (look_at_node, look_at_folder, look_at_peers):
            nursery.start_soon(each)
    return Prospect(version, volume, trouble, found)


async def reach(addresses: Iterable[str], curators: Iterable[str]) -> Reach:
    """Try everybody at the addresses that are named, all at once."""
    by_peer: dict[str, list[str]] = {}
    for address in addresses:
        where, mark, peer = address.rpartition("/p2p/")
        if mark:
            by_peer.setdefault(peer, []).append(where)
    reached: set[str] = set()

    async def attempt(peer: str, host: str, port: int) -> None:
        try:
            stream = await trio.open_tcp_stream(host, port)
        except (OSError, UnicodeError):  # the latter: what cannot be a host's name
            return
        reached.add(peer)
        await trio.aclose_forcefully(stream)

    with trio.move_on_after(limits.PROSPECT_TIMEOUT_S):
        async with trio.open_nursery() as nursery:
            for peer, places in by_peer.items():
                for host, port in _endpoints(places)[: limits.PROSPECT_ADDRESSES_PER_PEER_MAX]:
                    nursery.start_soon(attempt, peer, host, port)
    named = frozenset(curators)
    others = by_peer.keys() - named
    return Reach(len(named), len(reached & named), len(others), len(reached & others))


async def _asked(node: Node) -> tuple[str | None, str | None]:
    """Return the node's version and where it stores, None for what it does not say."""
    try:
        version = (await node.id()).version
    except (NodeDown, NodeRefused):
        return None, None
    try:
        stat = await node.repo_stat()
    except (NodeDown, NodeRefused):
        return version, None
    return version, stat.path if is_here(node.address) else None


def _volume_of(path: Path) -> Volume | None:
    """Return the volume of what is there, or will be."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return volume_at(str(path))


def _why_not_writable(folder: Path) -> str:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(limits.PROSPECT_WRITE_BYTES))
            file.flush()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _endpoints(places: Iterable[str]) -> list[tuple[str, int]]:
    found = []
    for place in places:
        parts = place.split("/")[1:]
        is_tcp = len(parts) >= 4 and parts[0] in _NAMES and parts[2] == "tcp" and parts[3].isdecimal()
        if is_tcp and 0 < int(parts[3][:6]) <= _PORT_MAX:
            found.append((parts[1], int(parts[3])))
    return found
