"""Other peers of a running cluster, who answer what a test has them answer; and a curator with a fake node."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from pincrew.trusted.creation import create
from pincrew.trusted.curator import Curator

from pincrew.announcement import Announcement
from pincrew.api.shapes import PinRequest
from pincrew.errors import PincrewError
from pincrew.keys import peer_id
from pincrew.paths import Home
from pincrew.requests import Answer, CidStatus, Request
from sim.swarm import key_of
from support.fake_node import FakeKubo
from unit.test_roster import calling, until

NODE = "12D3KooWMmryrP3X2SqSvhnWhBuYMR4v91geXQqaoA7PuPU9zjFa"


class Others:
    """Peers that are connected. Each has a state for every CID (`pinned`, unless it is told), or a fault."""

    def __init__(self, curator: Curator, patch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, Request]] = []
        self._curator = curator
        self._names: dict[str, str] = {}
        self._answers: dict[str, Mapping[str, str] | PincrewError] = {}
        network: Any = curator.peer.network
        patch.setattr(network, "connections", lambda: [_Connection(peer) for peer in self._answers])
        patch.setattr(curator.peer, "ask", self._ask)

    def announce(self, name: str) -> str:
        """Let a peer be heard of; return its id."""
        key = key_of(name)
        said = Announcement(
            self._curator.peer.member.chain.cluster_id,
            key.public,
            name=name,
            version="9.9.9",
            addresses=("/ip4/192.0.2.1/tcp/4001",),
            node_id=f"node of {name}",
            node_addresses=("/ip4/192.0.2.1/tcp/4002",),
            time_ms=1,
        )
        self._curator.peer.member.heard.accept(said.sealed(key), trio.current_time())
        return peer_id(key.public)

    def connect(self, name: str, states: Mapping[str, str] | PincrewError | None = None) -> str:
        """Let a peer be connected; ``states`` by CID, or what asking it raises. Returns its id."""
        peer = self.announce(name)
        self._names[peer], self._answers[peer] = name, states if states is not None else {}
        return peer

    async def _ask(self, peer: str, request: Request) -> Answer:
        self.asked.append((peer, request))
        await trio.lowlevel.checkpoint()
        told = self._answers[peer]
        if isinstance(told, PincrewError):
            raise told
        statuses = tuple(
            CidStatus(cid, told.get(cid.hex(), "pinned"), 1_700_000_000_000)
            for cid in request.cids
            if told.get(cid.hex()) != "silence"
        )
        name = self._names[peer]
        return Answer(name, "9.9.9", f"node of {name}", (), statuses, 0, (self._curator.peer.id,))


class _Connection:
    def __init__(self, peer: str) -> None:
        self.peer = peer


@asynccontextmanager
async def curating(home: Home) -> AsyncIterator[tuple[Curator, FakeKubo, Others]]:
    """A curator at work with a fake node, among others that do not exist."""
    kubo = FakeKubo(peer_id=NODE)
    async with kubo.served():
        create(home, "books", now_s=0, listen=["/ip4/127.0.0.1/tcp/0"], ipfs=f"127.0.0.1:{kubo.port}", peer_name="ana")
        async with calling(home) as roster:
            await roster.start("books")
            curator = roster.cluster("books")
            assert isinstance(curator, Curator)
            await until(lambda: curator.peer.pinner.summary().node.state == "up")
            with pytest.MonkeyPatch.context() as patch:
                yield curator, kubo, Others(curator, patch)


async def listed(curator: Curator, *requests: PinRequest) -> None:
    """Put pins on the list, and wait until each was tried."""
    await curator.write(requests)
    await until(lambda: not {"queued", "pinning"} & {row.state.value for row in curator.peer.listing.all()})
