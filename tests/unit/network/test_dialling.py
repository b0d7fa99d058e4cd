"""The loops that reach wanted peers, in a world without sockets and on a clock of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random

import pytest
import trio
import trio.testing

from pincrew import limits
from pincrew.errors import HandshakeFailed
from pincrew.network.contract import Connection, PeerUnreachable
from pincrew.network.dialling import Dialling
from pincrew.network.neighbours import Link, Neighbours
from pincrew.network.streams import FrameStream

ME, OTHER = "12D3KooWA", "12D3KooWB"
ADDRESS = "/ip4/192.0.2.1/tcp/4001"


class World:
    """Where one other peer is up or down. ``dialled`` are the times at which it was tried."""

    def __init__(self) -> None:
        self.neighbours = Neighbours(ME)
        self.up = True
        self.is_foreign = False
        self.is_busy = False
        self.dial_s = 0.0
        self.dialled: list[float] = []
        self.on_dial: Callable[[], None] = lambda: None
        self._links: dict[str, Link] = {}

    def connected_to(self, peer: str) -> bool:
        return False

    async def dial(self, address: str, peer: str) -> None:
        self.dialled.append(trio.current_time())
        self.on_dial()
        await trio.sleep(self.dial_s)
        if not self.up:
            raise PeerUnreachable("Nobody answers", where=address)
        if self.is_busy:
            raise HandshakeFailed("Not done in time")

    async def join(self, peer: str) -> bool:
        if self.is_foreign:
            raise HandshakeFailed("Of another cluster")
        link = Link(Connection(peer, "out", ADDRESS, trio.current_time()), ME, FrameStream(peer, None))
        self._links[peer] = link
        await self.neighbours.take(link)
        return True

    def is_out(self, peer: str) -> bool:
        return False

    def tell_failure(self, address: str, peer: str, error: HandshakeFailed) -> None:
        """Nobody listens here."""

    def come_in(self, peer: str) -> None:
        """The other peer dials us."""
        link = self._links[peer] = Link(Connection(peer, "in", "", 0.0), peer, FrameStream(peer, None))
        self.neighbours._links[peer] = link
        self.neighbours.notice(peer)

    def lose(self, peer: str) -> None:
        self.up = False
        self.neighbours.remove(self._links.pop(peer))

    async def until_met(self, peer: str) -> None:
        while peer not in self.neighbours:
            await self.neighbours.change()


def dialling(test: Callable[[World, Dialling], Awaitable[None]], seed: int = 1) -> None:
    async def resolve(address: str, peer: str) -> list[str]:
        return [address]

    async def main() -> None:
        world = World()
        dialling = Dialling(world, world.neighbours, 8, Random(seed), resolve)
        async with trio.open_nursery() as nursery:
            await nursery.start(dialling.run)
            await test(world, dialling)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


@pytest.mark.parametrize("downtime", [0.1, 1.0, 3.0, 8.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_restart_heals_a_second_after_the_peer_is_back(downtime: float, seed: int) -> None:
    async def test(world: World, dialling: Dialling) -> None:
        dialling.seek(OTHER, [ADDRESS], priority=True)
        await world.until_met(OTHER)
        for _ in range(3):
            await trio.sleep(limits.REDIAL_STEADY_S)
            world.lose(OTHER)
            await trio.sleep(downtime)
            world.up, back = True, trio.current_time()
            await world.until_met(OTHER)
            assert trio.current_time() - back <= limits.REDIAL_QUICK_DELAYS_S[-1]

    dialling(test, seed)


def test_a_restart_heals_soon_also_where_the_other_side_had_dialled_after_it_was_away_for_long() -> None:
    async def test(world: World, dialling: Dialling) -> None:
        world.up = False
        dialling.seek(OTHER, [ADDRESS], priority=True)
        await trio.sleep(3_600)
        world.come_in(OTHER)
        await trio.sleep(limits.REDIAL_STEADY_S)
        world.lose(OTHER)
        await trio.sleep(2)
        world.up, back = True, trio.current_time()
        await world.until_met(OTHER)
        assert trio.current_time() - back <= limits.REDIAL_QUICK_DELAYS_S[-1]

    dialling(test)


def test_a_peer_that_stays_away_is_tried_more_and_more_slowly() -> None:
    async def test(world: World, dialling: Dialling) -> None:
        dialling.seek(OTHER, [ADDRESS], priority=True)
        await world.until_met(OTHER)
        await trio.sleep(limits.REDIAL_STEADY_S)
        world.lose(OTHER)
        await trio.sleep(7_200)
        gaps = [after - before for before, after in zip(world.dialled, world.dialled[1:], strict=False)]
        assert min(gaps[-10:]) >= limits.REDIAL_DELAY_S_MAX / 2
        assert len(world.dialled) < 300

    dialling(test)


def test_a_peer_that_drops_us_at_once_does_not_get_to_be_dialled_in_a_loop() -> None:
    async def test(world: World, dialling: Dialling) -> None:
        dialling.seek(OTHER, [ADDRESS], priority=True)
        for _ in range(20):
            await world.until_met(OTHER)
            world.lose(OTHER)
            world.up = True
        assert trio.current_time() > 10 * limits.REDIAL_DELAY_S_MAX / 2

    dialling(test)


def test_who_is_of_another_cluster_is_tried_at_the_slowest_pace() -> None:
    async def test(world: World, dialling: Dialling) -> None:
        world.is_foreign = True
        dialling.seek(OTHER, [ADDRESS], priority=True)
        await trio.sleep(600)
        assert 10 <= len(world.dialled) <= 20 and "another cluster" in dialling.trouble(OTHER)
        dialling.forget(OTHER)
        assert not dialling.is_wanted(OTHER) and len(dialling) == 0

    dialling(test)


def test_addresses_that_become_known_during_an_attempt_are_tried_next() -> None:
    async def test(world: World, dialling: Dialling) -> None:
        world.up = False
        dialling.seek(OTHER, [ADDRESS], priority=True)
        await trio.sleep(600)
        happened: list[float] = []

        def learn() -> None:
            if not happened:
                happened.append(trio.current_time())
                dialling.seek(OTHER, ["/ip4/192.0.2.2/tcp/4001"], priority=True)
            else:
                world.up = True

        world.on_dial = learn
        await world.until_met(OTHER)
        assert trio.current_time() == happened[0], "without a pause"

    dialling(test)


def test_a_few_are_tried_at_a_time_and_curators_besides() -> None:
    async def test(world: World, dialling: Dialling) -> None:
        world.dial_s = 5.0
        for number in range(20):
            dialling.seek(f"{OTHER}{number}", [ADDRESS], priority=False)
        await trio.testing.wait_all_tasks_blocked()
        assert len(world.dialled) == limits.DIALS_AT_ONCE_MAX
        dialling.seek(OTHER, [ADDRESS], priority=True)
        await trio.testing.wait_all_tasks_blocked()
        assert len(world.dialled) == limits.DIALS_AT_ONCE_MAX + 1
        await trio.sleep(60)
        assert len(world.neighbours) == 8 and OTHER in world.neighbours

    dialling(test)


def test_so_many_are_wanted_and_no_more_than_that() -> None:
    """Anybody may announce any number of peers; for each wish there is a task."""

    async def test(world: World, dialling: Dialling) -> None:
        world.up = False
        for number in range(limits.SOUGHT_PEERS_MAX):
            dialling.seek(f"{OTHER}{number}", [ADDRESS], priority=False)
        dialling.seek("too many", [ADDRESS], priority=False)
        assert not dialling.is_wanted("too many"), "nobody was tried in vain yet"
        dialling.seek("curator", [ADDRESS], priority=True)
        assert dialling.is_wanted("curator") and len(dialling) == limits.SOUGHT_PEERS_MAX + 1
        await trio.sleep(60)
        dialling.seek("another", [ADDRESS], priority=False)
        assert dialling.is_wanted("another") and len(dialling) == limits.SOUGHT_PEERS_MAX + 1
        assert not dialling.is_wanted(f"{OTHER}0"), "which was wanted longest"

    dialling(test)


def test_who_becomes_a_curator_is_tried_at_once() -> None:
    async def test(world: World, dialling: Dialling) -> None:
        world.dial_s = 1_000.0
        for number in range(20):
            dialling.seek(f"{OTHER}{number}", [ADDRESS], priority=False)
        await trio.testing.wait_all_tasks_blocked()
        # One of those that wait: to try one anew frees its place for another.
        waiting = next(name for name in dialling._wishes if name not in dialling._trying)
        dialling.seek(waiting, [ADDRESS], priority=True)
        await trio.testing.wait_all_tasks_blocked()
        assert len(world.dialled) == limits.DIALS_AT_ONCE_MAX + 1

    dialling(test)


def test_where_handshakes_come_to_nothing_all_tries_together_become_few_and_many_again_when_one_gets_through() -> None:
    async def test(world: World, dialling: Dialling) -> None:
        world.is_busy, world.dial_s = True, limits.UPGRADE_TIMEOUT_S
        for number in range(200):
            dialling.seek(f"{OTHER}{number}", [ADDRESS], priority=False)
        await trio.sleep(300)
        world.dialled.clear()
        await trio.sleep(300)
        slowest = limits.UPGRADE_TIMEOUT_S + limits.CONGESTION_DELAY_S_MAX
        assert 300 / slowest - 1 <= len(world.dialled) <= 2 * 300 / slowest
        world.is_busy, world.dial_s = False, 0.1
        begun = trio.current_time()
        while len(world.neighbours) < 8:
            await world.neighbours.change()
        assert trio.current_time() - begun < slowest + 5

    dialling(test)


def test_a_curator_is_tried_however_busy_everybody_is() -> None:
    async def test(world: World, dialling: Dialling) -> None:
        world.is_busy = True
        for number in range(20):
            dialling.seek(f"{OTHER}{number}", [ADDRESS], priority=False)
        await trio.sleep(60)
        world.is_busy = False
        begun = trio.current_time()
        dialling.seek(OTHER, [ADDRESS], priority=True)
        await world.until_met(OTHER)
        assert trio.current_time() == begun

    dialling(test)
