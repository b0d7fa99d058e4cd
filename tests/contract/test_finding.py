"""Finding content with real Kubos: the DHT, the routing API and the trustless gateway that each of them has."""

from __future__ import annotations

import json
import os
import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import trio

from pincrew.cid import cid_text, parse_cid
from pincrew.keys import SigningKey
from pincrew.node.delegated import Router
from pincrew.node.dht import LAN, Dht
from pincrew.node.host import NodeHost
from pincrew.node.multihash import matches, multihash_of
from pincrew.node.routing import Providers, Source
from pincrew.node.trustless import Block, Gateways
from support.kubo_process import KuboProcess, running_kubo

pytestmark = [pytest.mark.kubo, pytest.mark.slow]

DEADLINE_S = 60.0


@contextmanager
def dht_server(program: Path, repository: Path) -> Iterator[KuboProcess]:
    """A Kubo that serves the DHT, which on loopback is that of the LAN."""
    with running_kubo(program, repository) as kubo:
        kubo.ipfs("config", "Routing.Type", "dhtserver")
        kubo.ipfs("config", "--json", "Provide.Enabled", "true")
        kubo.ipfs("config", "--json", "Gateway.ExposeRoutingAPI", "true")
        kubo.stop()
        kubo.start()
        yield kubo


@pytest.fixture(scope="module")
def servers(
    kubo_program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[KuboProcess, KuboProcess, bytes]]:
    """Two Kubos that know each other, and a CID that the second has, as the first knows."""
    folder = tmp_path_factory.mktemp("dht")
    with dht_server(kubo_program, folder / "one") as one, dht_server(kubo_program, folder / "two") as two:
        two.ipfs("swarm", "connect", address_of(one))
        cid = two.ipfs("add", "-Q", "--cid-version=1", stdin=os.urandom(1_000)).decode().strip()
        two.ipfs("routing", "provide", cid)
        yield one, two, parse_cid(cid)


def address_of(kubo: KuboProcess) -> str:
    return str(json.loads(kubo.ipfs("id"))["Addresses"][0])


def peer_of(kubo: KuboProcess) -> str:
    return str(json.loads(kubo.ipfs("id"))["ID"])


def gateway_of(kubo: KuboProcess) -> str:
    return (kubo.repository / "gateway").read_text().strip()


@asynccontextmanager
async def running_host() -> AsyncIterator[NodeHost]:
    host = NodeHost(SigningKey.from_seed(os.urandom(32)), ["/ip4/127.0.0.1/tcp/0"])
    async with trio.open_nursery() as nursery:
        await nursery.start(host.run)
        yield host
        nursery.cancel_scope.cancel()


def test_the_dht_says_who_has_it_and_where_a_peer_is(servers: tuple[KuboProcess, KuboProcess, bytes]) -> None:
    one, two, cid = servers
    holder = peer_of(two)

    async def main() -> None:
        with trio.fail_after(DEADLINE_S):
            async with running_host() as host:
                dht = Dht(host, [address_of(one)], protocol=LAN)
                found = await dht.find(cid)
                assert address_of(two).partition("/p2p/")[0] in found[holder]
                assert found[holder] == await dht.find_peer(holder)
                assert not host.peers()
                await host.reach(holder, found[holder])
                assert host.is_connected(holder)
                assert not host.known()

    trio.run(main)


def test_a_router_says_who_has_it(servers: tuple[KuboProcess, KuboProcess, bytes]) -> None:
    one, two, cid = servers
    holder = peer_of(two)

    async def main() -> None:
        with trio.fail_after(DEADLINE_S):
            async with running_host() as host:
                routers = [Router(gateway_of(one))]
                async with aclosing(Providers(host, routers).find(cid)) as found:
                    provider = await anext(found)
                assert (provider.peer, provider.source) == (holder, Source.ROUTER)
                assert address_of(two).partition("/p2p/")[0] in provider.addresses
                await host.reach(provider.peer, provider.addresses)

    trio.run(main)


class Store:
    """A sink that verifies."""

    def __init__(self) -> None:
        self.blocks: dict[bytes, bytes] = {}

    async def has_many(self, multihashes: Sequence[bytes]) -> Mapping[bytes, int]:
        return {each: len(self.blocks[each]) for each in multihashes if each in self.blocks}

    async def put_many(self, blocks: Sequence[Block]) -> None:
        assert all(matches(multihash, data) for multihash, data in blocks)
        self.blocks |= dict(blocks)


@pytest.mark.parametrize("version", [0, 1])
def test_a_kubos_gateway_gives_blocks_and_whole_dags(kubo: KuboProcess, tmp_path: Path, version: int) -> None:
    chance = random.Random(version)
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "large").write_bytes(chance.randbytes(5_000_000))
    for number in range(50):
        (folder / "inner" / str(number)).write_bytes(chance.randbytes(1 + number % 5))
    text = kubo.ipfs("add", "-r", "-Q", f"--cid-version={version}", str(folder)).decode().strip()
    root = parse_cid(text)
    links = [root, *map(parse_cid, kubo.ipfs("refs", "-r", "--unique", text).decode().split())]
    every = {multihash_of(cid) for cid in links}  # (no empty file: its block is known without asking)

    async def main() -> None:
        with trio.fail_after(DEADLINE_S):
            gateways = Gateways([gateway_of(kubo)])
            store = Store()
            assert await gateways.fetch(root, store)
            assert set(store.blocks) == every
            assert await gateways.block(root) == store.blocks[multihash_of(root)]
            assert await Gateways(["http://127.0.0.1:1", gateway_of(kubo)]).block(links[-1]) is not None
            absent = parse_cid("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy")
            with trio.move_on_after(2):
                assert await gateways.block(absent) is None
            # And what is left when a stream has ended in the middle.
            for gone in links[:: len(links) // 10]:
                assert cid_text(gone)
                half = Store()
                assert await gateways.fetch(gone, half)
                assert set(half.blocks) <= every

    trio.run(main)
