"""Connections, and who has what."""

from __future__ import annotations

from pincrew.node.contract import Provider
from support.http_door import Rpc, with_rpc
from support.memory_node import PEER

ADDRESS = f"/ip4/127.0.0.1/tcp/1/p2p/{PEER}"
CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"


def test_connecting_and_connections() -> None:
    async def test(rpc: Rpc) -> None:
        assert await rpc.one("swarm/peers") == {"Peers": None}
        assert (await rpc.refusal(f"swarm/connect?arg={ADDRESS}")).startswith(f"connect {PEER} failure: ")
        rpc.node.reachable.add(ADDRESS)
        assert await rpc.one(f"swarm/connect?arg={ADDRESS}") == {"Strings": [f"connect {PEER} success"]}
        [peer] = (await rpc.one("swarm/peers"))["Peers"]
        assert (peer["Addr"], peer["Peer"]) == ("/ip4/127.0.0.1/tcp/1", PEER) and "Latency" not in peer
        [peer] = (await rpc.one("swarm/peers?verbose=true"))["Peers"]
        assert (peer["Direction"], peer["Latency"]) == (2, "n/a")

    with_rpc(test)


def test_addresses_that_name_nobody() -> None:
    async def test(rpc: Rpc) -> None:
        assert (await rpc.refusal("swarm/connect?arg=nonsense")).startswith('failed to parse multiaddr "nonsense"')
        assert await rpc.refusal("swarm/connect?arg=/ip4/1.2.3.4/tcp/1") == "found no ipfs peers at /ip4/1.2.3.4/tcp/1"

    with_rpc(test)


def test_providers() -> None:
    async def test(rpc: Rpc) -> None:
        assert await rpc.lines(f"routing/findprovs?arg={CID}") == []
        rpc.node.providers = [Provider(PEER, ("/ip4/127.0.0.1/tcp/1",))] * 3
        found = await rpc.lines(f"routing/findprovs?arg={CID}&num-providers=2")
        response = {"Addrs": ["/ip4/127.0.0.1/tcp/1"], "ID": PEER}
        assert found == [{"Extra": "", "ID": "", "Responses": [response], "Type": 4}] * 2

    with_rpc(test)
