"""What a join would meet: everybody is tried at once, and what does not answer costs seconds, not minutes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio
import trio.testing
from pincrew.follow.joining import JoinOffer
from pincrew.follow.prospect import Prospect, Reach, look, reach, usual_limit
from pincrew.follow.source import parse_source

from pincrew.config_document import parse, render
from pincrew.errors import NodeDown
from pincrew.keys import SigningKey, peer_id
from pincrew.limits import PROSPECT_TIMEOUT_S
from pincrew.node_client import NodeIdentity, RepoStat
from pincrew.paths import Home
from support.signers import CURATOR, chain

GIGABYTE = 10**9
ME = peer_id(CURATOR.public)
ANA, BEN = (peer_id(SigningKey.from_seed(bytes([n]) * 32).public) for n in (1, 2))


class Node:
    """Says who it is and where it stores, as far as the test wants."""

    def __init__(self, path: Path | None, address: str = "http://127.0.0.1:1", *, is_up: bool = True) -> None:
        self.path = path
        self.address = address
        self.is_up = is_up

    async def id(self) -> NodeIdentity:
        await trio.lowlevel.checkpoint()
        if not self.is_up:
            raise NodeDown
        return NodeIdentity("P", (), "0.43.1")

    async def repo_stat(self) -> RepoStat:
        await trio.lowlevel.checkpoint()
        return RepoStat(0, None, None, None if self.path is None else str(self.path))


def looked(home: Home, node: Node | None, repository: Path | None, *peers: str) -> Prospect:
    document = parse(render(CURATOR, chain(), name="Crew", revision=1, issued=0, peers=peers))
    offer = JoinOffer(parse_source("c.toml", Path("/")), document, "", 0, "crew", None)
    return trio.run(look, offer, home, node, repository)


@pytest.mark.parametrize(
    ("free", "limit"),
    [
        (3_400 * GIGABYTE, 3_050 * GIGABYTE),
        (100 * GIGABYTE + 1, 80 * GIGABYTE),
        (12_222_222_223, GIGABYTE),
        (12_222_222_220, None),
        (0, None),
    ],
)
def test_the_usual_limit_is_nine_tenths_less_ten_gigabytes(free: int, limit: int | None) -> None:
    assert usual_limit(free) == limit


def test_the_node_and_its_volume(tmp_path: Path) -> None:
    home = Home(tmp_path)
    found = looked(home, Node(tmp_path), None)
    assert found.version == "0.43.1" and found.volume is not None and found.folder_trouble == ""
    assert found.limit == usual_limit(found.volume.free)
    own = looked(home, None, tmp_path / "not" / "there" / "yet")
    assert own.version is None and own.volume is not None
    down = looked(home, Node(None, is_up=False), tmp_path)
    assert down.version is None and down.volume is not None
    far = looked(home, Node(tmp_path, "http://192.0.2.1:5001"), None)
    assert (far.version, far.volume, far.limit) == ("0.43.1", None, None)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    assert looked(Home(tmp_path / "gone"), None, None).folder_trouble == os.strerror(2)


def test_who_is_reached(tmp_path: Path) -> None:
    async def main() -> Reach:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        try:
            addresses = [
                f"/ip4/127.0.0.1/tcp/1/p2p/{ME}",
                f"/dns4/localhost/tcp/{port}/p2p/{ME}",
                f"/ip4/127.0.0.1/tcp/1/p2p/{ANA}",
                f"/ip4/127.0.0.1/tcp/{port}/p2p/{BEN}",
                f"/dns4/{'x' * 70}.example/tcp/4001/p2p/{ANA}",
                f"/ip4/127.0.0.1/udp/{port}/quic-v1/p2p/{ANA}",
                f"/ip4/127.0.0.1/tcp/99999/p2p/{ANA}",
                "/dns4/crew.example.org/tcp/443/wss",
            ]
            return await reach(addresses, [ME])
        finally:
            for listener in listeners:
                await listener.aclose()

    assert trio.run(main) == Reach(curators=1, curators_reached=1, others=2, others_reached=1)


def test_a_curator_without_an_address_counts_as_not_reached() -> None:
    assert trio.run(reach, [], [ME]) == Reach(1, 0, 0, 0)


def test_who_never_answers_costs_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silence(*_: object) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(trio, "open_tcp_stream", silence)

    async def main() -> float:
        before = trio.current_time()
        assert await reach([f"/ip4/192.0.2.{n}/tcp/1/p2p/{ME}" for n in range(64)], [ME]) == Reach(1, 0, 0, 0)
        return trio.current_time() - before

    assert trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0)) == PROSPECT_TIMEOUT_S
