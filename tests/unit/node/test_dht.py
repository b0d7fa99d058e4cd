from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
import trio
from libp2p.kad_dht.pb.kademlia_pb2 import Message
from multiaddr import Multiaddr
from trio.testing import MockClock

from pincrew import limits
from pincrew.cid import parse_cid
from pincrew.errors import Misuse
from pincrew.keys import SigningKey, peer_id
from pincrew.network.contract import PeerUnreachable
from pincrew.network.streams import length_prefix
from pincrew.node.dht import LAN, PUBLIC, PUBLIC_BOOTSTRAP, Dht
from pincrew.node.dht_message import place
from pincrew.node.dialable import peer_bytes
from pincrew.node.multihash import multihash_of

CID = parse_cid("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy")
KEY = multihash_of(CID)
PEERS = [peer_id(SigningKey.from_seed(number.to_bytes(32)).public) for number in range(300)]
US, PROVIDER = PEERS[-1], PEERS[-2]
CLOSEST = sorted(PEERS[:200], key=lambda peer: place(KEY) ^ place(peer_bytes(peer)))


def address_of(peer: str) -> str:
    number = PEERS.index(peer)
    return f"/ip4/8.8.{number // 250}.{number % 250 + 1}/tcp/4001"


class Stream:
    """One stream with a peer of the network."""

    muxed_stream = None

    def __init__(self, network: Network, peer: str) -> None:
        self._network = network
        self._peer = peer
        self._answer = b""
        self._read = 0

    async def write(self, data: bytes) -> None:
        self._answer = await self._network.answer(self._peer, Message.FromString(data[1:]))

    async def read(self, size: int) -> bytes:
        await trio.lowlevel.checkpoint()
        piece = self._answer[self._read : self._read + size]
        self._read += len(piece)
        return piece

    async def close(self) -> None:
        await trio.lowlevel.checkpoint()

    async def reset(self) -> None:
        self._network.open_streams.discard(self)
        await trio.lowlevel.checkpoint()


class Network:
    """A DHT of peers in memory, each of which knows some others, and a host in it."""

    peer = US

    def __init__(self, *, known_by_each: int = 30, seed: int = 0) -> None:
        chance = random.Random(seed)
        self.contacts = {peer: chance.sample(PEERS[:200], known_by_each) for peer in PEERS[:200]}
        self.providers: dict[str, list[tuple[str, list[str]]]] = {}
        self.dead: set[str] = set()
        self.silent: set[str] = set()
        self.lies: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.reached: dict[str, bool] = {}
        self.open_streams: set[Stream] = set()
        self.connected: set[str] = set()
        self.protocols: set[str] = set()
        self.connected_at_once = 0

    # ---- the host ------------------------------------------------------------------------------------------------
    def is_connected(self, peer: str) -> bool:
        return peer in self.connected

    async def reach(self, peer: str, addresses: Sequence[str] = (), *, by_strangers: bool = False) -> None:
        self.reached[peer] = by_strangers
        await trio.sleep(0.1)
        if peer in self.dead or address_of(peer) not in addresses:
            raise PeerUnreachable(where=peer)
        self.connected.add(peer)
        self.connected_at_once = max(self.connected_at_once, len(self.connected))

    async def new_stream(self, peer: str, protocols: Sequence[str]) -> tuple[str, Any]:
        assert peer in self.connected
        self.protocols.update(protocols)
        stream = Stream(self, peer)
        self.open_streams.add(stream)
        return protocols[0], stream

    async def disconnect(self, peer: str) -> None:
        self.connected.discard(peer)

    # ---- the others ----------------------------------------------------------------------------------------------
    async def answer(self, peer: str, request: Message) -> bytes:
        self.asked.append(peer)
        if peer in self.silent:
            await trio.sleep_forever()
        if peer in self.lies:
            return self.lies[peer]
        message = Message(type=request.type, key=request.key)
        nearest = sorted(self.contacts[peer], key=lambda each: place(request.key) ^ place(peer_bytes(each)))
        for each in nearest[:20]:
            message.closerPeers.append(named(each, [address_of(each)]))
        if request.type == Message.MessageType.GET_PROVIDERS:
            for who, addresses in self.providers.get(peer, []):
                message.providerPeers.append(named(who, addresses))
        raw = message.SerializeToString()
        return length_prefix(len(raw)) + raw


def named(peer: str, addresses: list[str]) -> Any:
    return Message.Peer(id=peer_bytes(peer), addrs=[Multiaddr(address).to_bytes() for address in addresses])


def entry(count: int = 2) -> list[str]:
    return [f"{address_of(peer)}/p2p/{peer}" for peer in PEERS[:count]]


def run(network: Network, dht: Dht, *, peer: str | None = None) -> Any:
    async def main() -> Any:
        found = await (dht.find(CID) if peer is None else dht.find_peer(peer))
        assert not network.open_streams
        return found

    return trio.run(main, clock=MockClock(autojump_threshold=0))


def test_a_provider_is_found_at_those_closest_to_the_key() -> None:
    for seed in range(5):
        network = Network(seed=seed)
        for holder in CLOSEST[:3]:
            network.providers[holder] = [(PROVIDER, [address_of(PROVIDER), "/ip4/10.0.0.1/tcp/1"]), (US, [])]
        assert run(network, Dht(network, entry())) == {PROVIDER: (address_of(PROVIDER),)}
        assert network.protocols == {PUBLIC}
        assert len(network.asked) == len(set(network.asked)) < limits.DHT_ASKED_MAX


@pytest.mark.parametrize("protocol", [PUBLIC, LAN])
def test_only_the_users_own_names_and_those_of_the_lan_may_lead_inside(protocol: str) -> None:
    network = Network()
    run(network, Dht(network, entry(), protocol=protocol))
    assert {peer for peer, by_strangers in network.reached.items() if not by_strangers} == (
        set(PEERS[:2]) if protocol == PUBLIC else set(network.reached)
    )
    assert len(network.reached) > 2


def test_connections_are_closed_but_for_those_that_were_there() -> None:
    network = Network()
    network.connected = {CLOSEST[0], CLOSEST[1]}
    run(network, Dht(network, entry()))
    assert network.connected == {CLOSEST[0], CLOSEST[1]}
    assert 2 < network.connected_at_once <= 2 + limits.DHT_ALPHA


def test_the_search_ends_when_enough_are_found() -> None:
    network = Network()
    everybody = [(peer, [address_of(peer)]) for peer in PEERS[200 : 200 + limits.ROUTING_PROVIDERS_ENOUGH]]
    network.providers = dict.fromkeys(PEERS[:200], everybody)
    assert len(run(network, Dht(network, entry(1)))) == len(everybody)
    assert len(network.asked) == 1


def test_nobody_has_it() -> None:
    network = Network()
    assert run(network, Dht(network, entry())) == {}
    assert set(CLOSEST[: limits.DHT_CLOSEST // 2]) <= set(network.asked)


def test_a_provider_without_an_address_is_looked_for() -> None:
    network = Network()
    network.providers[CLOSEST[0]] = [(CLOSEST[5], []), (PROVIDER, [])]
    assert run(network, Dht(network, entry())) == {CLOSEST[5]: (address_of(CLOSEST[5]),), PROVIDER: ()}


def test_where_a_peer_is() -> None:
    network = Network()
    assert run(network, Dht(network, entry()), peer=PEERS[150]) == (address_of(PEERS[150]),)
    assert run(network, Dht(network, entry()), peer=PROVIDER) == ()


def test_dead_silent_and_lying_peers_are_passed_by() -> None:
    network = Network()
    rest = CLOSEST[3:]
    network.dead = set(rest[::5])
    network.silent = set(rest[1::5])
    raw = b"\x42\x05\x00"
    network.lies = dict.fromkeys(rest[2::5], length_prefix(len(raw)) + raw) | dict.fromkeys(rest[3::20], b"\xff" * 10)
    honest = [peer for peer in PEERS[:200] if peer not in network.dead | network.silent | set(network.lies)]
    for holder in CLOSEST[:3]:
        network.providers[holder] = [(PROVIDER, [address_of(PROVIDER)])]
    start = [f"{address_of(peer)}/p2p/{peer}" for peer in honest[-3:]]
    assert PROVIDER in run(network, Dht(network, start))


def test_a_network_that_never_ends_is_left_in_time() -> None:
    network = Network()
    network.silent = set(PEERS)

    async def main() -> float:
        began = trio.current_time()
        assert await Dht(network, entry(5)).find(CID) == {}
        return trio.current_time() - began

    took_s = trio.run(main, clock=MockClock(autojump_threshold=0))
    assert took_s <= limits.DHT_LOOKUP_TIMEOUT_S + 1


def test_no_more_are_asked_than_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DHT_ASKED_MAX", 5)
    network = Network()
    run(network, Dht(network, entry()))
    assert len(network.asked) == 5


def test_who_answered_is_asked_first_the_next_time() -> None:
    network = Network()
    dht = Dht(network, entry())
    run(network, dht)
    before = len(network.asked)
    network.dead = set(PEERS[:2])
    network.providers[CLOSEST[0]] = [(PROVIDER, [address_of(PROVIDER)])]
    assert PROVIDER in run(network, dht)
    assert len(network.asked) - before <= before


def test_without_bootstrap_peers_nobody_is_asked() -> None:
    network = Network()
    dht = Dht(network, [])
    assert run(network, dht) == {}
    assert run(network, dht, peer=PROVIDER) == ()
    assert not network.asked


def test_on_the_lan_addresses_of_the_lan_count() -> None:
    network = Network()
    network.providers[CLOSEST[0]] = [(PROVIDER, ["/ip4/127.0.0.1/tcp/1"])]
    assert run(network, Dht(network, entry(), protocol=LAN)) == {PROVIDER: ("/ip4/127.0.0.1/tcp/1",)}
    assert network.protocols == {LAN}


@pytest.mark.parametrize("address", ["", "/ip4/1.2.3.4/tcp/1", f"/p2p/{US}", "/ip4/1.2.3.4/tcp/1/p2p/nonsense"])
def test_what_names_no_bootstrap_peer(address: str) -> None:
    with pytest.raises(Misuse):
        Dht(Network(), [address])


def test_the_public_entries_are_entries() -> None:
    Dht(Network(), PUBLIC_BOOTSTRAP)
