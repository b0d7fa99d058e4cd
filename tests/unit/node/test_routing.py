from __future__ import annotations

from contextlib import aclosing

import trio
from trio.testing import MockClock

from pincrew import limits
from pincrew.keys import SigningKey, peer_id
from pincrew.node.routing import Provider, Providers, Source

CID = b"\x01\x55\x12\x20" + bytes(32)
US, *PEERS = [peer_id(SigningKey.from_seed(bytes([number]) * 32).public) for number in range(60)]
WHERE = ("/ip4/1.2.3.4/tcp/4001",)


class Host:
    """An address book, and who is connected."""

    peer = US

    def __init__(self, known: list[str], connected: set[str]) -> None:
        self._known = known
        self.connected = connected

    def known(self) -> list[str]:
        return self._known

    def is_connected(self, peer: str) -> bool:
        return peer in self.connected


class Told:
    """Somebody who can be asked, and knows some peers."""

    def __init__(self, *peers: str, addresses: tuple[str, ...] = WHERE) -> None:
        self.times_asked = 0
        self._found = dict.fromkeys(peers, addresses)

    async def find(self, _cid: bytes) -> dict[str, tuple[str, ...]]:
        await trio.lowlevel.checkpoint()
        self.times_asked += 1
        return dict(self._found)


async def all_of(providers: Providers) -> list[Provider]:
    async with aclosing(providers.find(CID)) as found:
        return [provider async for provider in found]


def test_the_order() -> None:
    known, away, routed, named_twice, dht_only = PEERS[:5]
    routers = [Told(routed, US, away), Told(named_twice, routed, addresses=("/dnsaddr/example.org",))]
    dht = Told(named_twice, dht_only, US)
    host = Host([known, away], {known})
    found = trio.run(all_of, Providers(host, routers, dht))
    assert [(each.peer, each.source) for each in found] == [
        (away, Source.KNOWN),
        *((peer, Source.ROUTER) for peer in [each.peer for each in found][1:3]),
        (dht_only, Source.DHT),
    ]
    assert {each.peer for each in found[1:3]} == {routed, named_twice}
    both = next(each for each in found if each.peer == routed)
    assert set(both.addresses) == {*WHERE, "/dnsaddr/example.org"}


def test_nobody_further_is_asked_than_it_takes() -> None:
    router, dht = Told(PEERS[1]), Told(PEERS[2])
    providers = Providers(Host([PEERS[0]], set()), [router], dht)

    async def main(count: int) -> None:
        async with aclosing(providers.find(CID)) as found:
            for _ in range(count):
                await anext(found)

    trio.run(main, 1)
    assert (router.times_asked, dht.times_asked) == (0, 0)
    providers = Providers(Host([PEERS[0]], set()), [router], dht)
    trio.run(main, 2)
    assert (router.times_asked, dht.times_asked) == (1, 0)


def test_the_dht_is_asked_only_where_routers_did_not_name_enough() -> None:
    enough = PEERS[: limits.ROUTING_PROVIDERS_ENOUGH]
    for named, times in ((enough, 0), (enough[1:], 1)):
        dht = Told()
        found = trio.run(all_of, Providers(Host([], set()), [Told(*named)], dht))
        assert [each.peer for each in found] == list(named)
        assert dht.times_asked == times
    assert trio.run(all_of, Providers(Host([], set()))) == []


def test_known_peers_that_stay_away_are_named_less_and_less_often() -> None:
    async def main() -> None:
        providers = Providers(Host([PEERS[0]], set()))
        rest_s = limits.ROUTING_RECONNECT_REST_S_MIN
        for _ in range(12):
            assert len(await all_of(providers)) == 1
            await trio.sleep(rest_s - 1)  # the clock is the test's own: this takes no time
            assert await all_of(providers) == []
            await trio.sleep(1)
            rest_s = min(2 * rest_s, limits.ROUTING_RECONNECT_REST_S_MAX)

    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_a_few_known_peers_are_named_at_a_time_and_all_in_turn() -> None:
    async def main() -> None:
        host = Host(PEERS, {PEERS[7]})
        providers = Providers(host)
        named: list[str] = []
        while some := await all_of(providers):
            assert len(some) <= limits.ROUTING_RECONNECTS_MAX
            named += [each.peer for each in some]
        assert named == [peer for peer in PEERS if peer != PEERS[7]]
        host.connected = set(PEERS)
        assert await all_of(providers) == []
        host.connected = set()
        # They were back in between: they count as new.
        assert len(await all_of(providers)) == limits.ROUTING_RECONNECTS_MAX

    trio.run(main, clock=MockClock(autojump_threshold=0))
