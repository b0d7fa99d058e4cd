"""When a peer speaks of itself, and what it makes of what others say. On a clock of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import trio
import trio.testing

from pincrew import limits
from pincrew.announcement import Announcement, Counters, read_announcement
from pincrew.announcer import Announcer, Own
from pincrew.keys import SigningKey, peer_id
from pincrew.member import Member
from pincrew.store.database import Database
from pincrew.trust import TrustChain, first_record
from sim.swarm import key_of

OWNER, CURATOR, OTHER, ME = (key_of(name) for name in ("owner", "curator", "other", "me"))


class Heard:
    """An announcer, what it knows of itself, and everything that it said and asked for."""

    def __init__(self) -> None:
        chain = TrustChain.from_records([first_record([OWNER.public], [CURATOR.public], b"s" * 16).signed(OWNER)])
        self.member = Member(Database(None), chain, now_ms=self.now_ms, now=trio.current_time)
        self.own = Own(("/ip4/192.0.2.1/tcp/1",), None, (), Counters(), None, None)
        self.said: list[tuple[float, Announcement]] = []
        self.sought: list[tuple[str, bool]] = []
        self.nodes: list[Sequence[str]] = []
        self.announcer = Announcer(
            self.member,
            ME,
            name="attic",
            listed=True,
            now_ms=self.now_ms,
            own=lambda: self.own,
            announce=self._announced,
            seek=lambda peer, addresses, priority: self.sought.append((peer, priority)),
            connect_nodes=self.nodes.append,
        )

    def now_ms(self) -> int:
        return int(trio.current_time() * 1_000)

    def _announced(self, sealed: bytes) -> None:
        self.said.append((trio.current_time(), read_announcement(sealed, self.member.chain.cluster_id)))

    def tell(self, key: SigningKey, *node_addresses: str) -> None:
        told = Announcement(
            cluster=self.member.chain.cluster_id,
            key=key.public,
            addresses=("/ip4/192.0.2.9/tcp/1",),
            node_addresses=node_addresses,
            time_ms=self.now_ms(),
        )
        assert self.member.heard.accept(told.sealed(key), trio.current_time())
        self.announcer.changed()


def announcing(test: Callable[[Heard], Awaitable[None]]) -> None:
    async def main() -> None:
        heard = Heard()
        async with trio.open_nursery() as nursery:
            await nursery.start(heard.announcer.run)
            await test(heard)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_it_speaks_at_once_then_now_and_then() -> None:
    async def test(heard: Heard) -> None:
        start = trio.current_time()
        await trio.sleep(3 * limits.ANNOUNCEMENT_INTERVAL_S + 1)
        assert [round(at - start) for at, _ in heard.said] == [0, 30, 60, 90]
        assert heard.said[0][1].name == "attic" and heard.said[0][1].free_bytes is None

    announcing(test)


def test_in_a_crowd_each_speaks_more_rarely_but_well_before_it_expires() -> None:
    async def test(heard: Heard) -> None:
        for number in range(100):
            heard.tell(key_of(f"peer{number}"))
        await trio.sleep(120)
        gaps = [later - earlier for (earlier, _), (later, _) in pairwise(heard.said)]
        assert len(gaps) == 2 and all(50 <= gap < 60 for gap in gaps)
        for number in range(100, 1_000):
            heard.tell(key_of(f"peer{number}"))
        said = len(heard.said)
        await trio.sleep(limits.ANNOUNCEMENT_TTL_S)
        assert len(heard.said) - said >= 3

    announcing(test)


def test_a_clock_that_was_set_back_makes_nobody_vanish() -> None:
    async def test(heard: Heard) -> None:
        await trio.sleep(1)
        (_, first), *_ = heard.said
        back = -600_000
        heard.announcer._now_ms = lambda: heard.now_ms() + back
        await trio.sleep(limits.ANNOUNCEMENT_TTL_S + 60)
        times = [one.time_ms for _, one in heard.said]
        assert len(times) >= 7 and times == sorted(set(times)) and times[0] == first.time_ms
        assert [one.announcement.key for one in heard.member.heard.current(trio.current_time())] == [ME.public]

    announcing(test)


def test_what_others_should_not_wait_for_is_said_soon() -> None:
    async def test(heard: Heard) -> None:
        await trio.sleep(1)
        for change in (
            {"free_bytes": 1_000},
            {"addresses": ("/ip4/192.0.2.2/tcp/1",)},
            {"node_addresses": ("/ip4/192.0.2.3/tcp/1",)},
        ):
            count = len(heard.said)
            heard.own = replace(heard.own, **change)  # type: ignore[arg-type]
            await trio.sleep(limits.ANNOUNCEMENT_LOOK_INTERVAL_S)
            assert len(heard.said) == count + 1, change
        heard.own = replace(heard.own, free_bytes=999, counters=Counters(pins=1))
        await trio.sleep(limits.ANNOUNCEMENT_LOOK_INTERVAL_S)
        assert len(heard.said) == 4, "figures that move all the time have time"
        await trio.sleep(limits.ANNOUNCEMENT_INTERVAL_S)
        assert heard.said[-1][1].free_bytes == 999

    announcing(test)


def test_announced_peers_are_sought_and_their_nodes_connected_curators_first() -> None:
    async def test(heard: Heard) -> None:
        await trio.sleep(1)
        heard.tell(OTHER, "/ip4/192.0.2.9/tcp/2")
        heard.tell(CURATOR, "/ip4/192.0.2.9/tcp/3")
        await trio.sleep(1)
        assert heard.sought == [(peer_id(CURATOR.public), True), (peer_id(OTHER.public), False)]
        assert heard.nodes == [("/ip4/192.0.2.9/tcp/3", "/ip4/192.0.2.9/tcp/2")]
        heard.announcer.changed()
        await trio.sleep(1)
        assert len(heard.nodes) == 1, "the node is told of what is new"

    announcing(test)
