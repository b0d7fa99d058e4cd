"""Finding who has something, in this order: peers that are known, routers on the web, the DHT.

Peers that are known are the crew's nodes and the origins of pins: their addresses came with `swarm/connect`. Those that
are connected are asked by Bitswap anyway; of the others, some are named in each search to be connected again. Routers
are asked all at once, the DHT only where they did not name enough. All of it is hints: blocks are verified when they
come, whoever sends them. Gateways are no peers: see `trustless`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

import trio

from pincrew.limits import (
    NODE_ADDRESS_BOOK_PEERS_MAX,
    ROUTING_PROVIDERS_ENOUGH,
    ROUTING_PROVIDERS_MAX,
    ROUTING_RECONNECT_REST_S_MAX,
    ROUTING_RECONNECT_REST_S_MIN,
    ROUTING_RECONNECTS_MAX,
)
from pincrew.node import contract


class Source(StrEnum):
    """Who named a provider."""

    KNOWN = "known"  # nobody: it is a peer that is known and may have it
    ROUTER = "router"
    DHT = "dht"


@dataclass(frozen=True, slots=True)
class Provider(contract.Provider):
    """A peer that has some content, or may have it, and who says so."""

    source: Source


class Finder(Protocol):
    """Somebody who can be asked (`delegated.Router`, `dht.Dht`)."""

    async def find(self, cid: bytes) -> dict[str, tuple[str, ...]]: ...


class Host(Protocol):
    """What is needed of libp2p (``node.host.NodeHost``)."""

    @property
    def peer(self) -> str: ...
    def is_connected(self, peer: str) -> bool: ...
    def known(self) -> list[str]: ...


class _Rest(NamedTuple):
    until: float
    length_s: float


class Providers:
    """Finds providers for one node."""

    def __init__(self, host: Host, routers: Sequence[Finder] = (), dht: Finder | None = None) -> None:
        self._host = host
        self._routers = tuple(routers)
        self._dht = dht
        self._resting: dict[str, _Rest] = {}

    async def find(self, cid: bytes) -> AsyncGenerator[Provider, None]:
        """Yield whoever may have ``cid``; close it (``aclosing``) when done early: nobody further is asked then."""
        told = {self._host.peer}
        for peer in self._to_reconnect():
            told.add(peer)
            yield Provider(peer, (), Source.KNOWN)
        found = await self._ask_routers(cid)
        for peer, addresses in found.items():
            if peer not in told:
                told.add(peer)
                yield Provider(peer, addresses, Source.ROUTER)
        if len(found) >= ROUTING_PROVIDERS_ENOUGH or self._dht is None:
            return
        for peer, addresses in (await self._dht.find(cid)).items():
            if peer not in told:
                told.add(peer)
                yield Provider(peer, addresses, Source.DHT)

    def _to_reconnect(self) -> list[str]:
        """Return peers that are known and not connected; one that stays away is named less and less often."""
        now = trio.current_time()
        away = [peer for peer in self._host.known() if not self._host.is_connected(peer)]
        # Whoever is back, or forgotten, starts anew.
        self._resting = {peer: self._resting[peer] for peer in away if peer in self._resting}
        chosen = [peer for peer in away if peer not in self._resting or self._resting[peer].until <= now]
        for peer in chosen[:ROUTING_RECONNECTS_MAX]:
            before = self._resting.get(peer)
            length_s = ROUTING_RECONNECT_REST_S_MIN if before is None else 2 * before.length_s
            length_s = min(ROUTING_RECONNECT_REST_S_MAX, length_s)
            self._resting[peer] = _Rest(now + length_s, length_s)
        assert len(self._resting) <= NODE_ADDRESS_BOOK_PEERS_MAX
        return chosen[:ROUTING_RECONNECTS_MAX]

    async def _ask_routers(self, cid: bytes) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}

        async def ask(router: Finder) -> None:
            for peer, addresses in (await router.find(cid)).items():
                if len(found) < ROUTING_PROVIDERS_MAX:
                    found[peer] = tuple(dict.fromkeys([*found.get(peer, ()), *addresses]))

        async with trio.open_nursery() as nursery:
            for router in self._routers:
                nursery.start_soon(ask, router)
        found.pop(self._host.peer, None)
        return found
