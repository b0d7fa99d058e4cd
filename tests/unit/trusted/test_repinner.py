"""The task that looks after a list, in a real cluster on loopback whose other peers only announce."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import trio
from pincrew.trusted.caretaker import Facts
from pincrew.trusted.curator import Curator

from pincrew import limits
from pincrew.announcement import Announcement
from pincrew.api.shapes import PinRequest
from pincrew.errors import StoreFault
from pincrew.keys import peer_id
from pincrew.network.contract import Connection
from pincrew.paths import Home
from pincrew.store.events import EventRow
from sim.swarm import key_of
from support.machines import made_up_cids
from unit.test_roster import calling, home, made, trio_test, until
from unit.trusted.test_curator import allocations, curator

__all__ = ["home"]
CIDS = made_up_cids(4, "repinner")
X, Y = (peer_id(key_of(name).public) for name in "xy")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ALLOCATION_LOOK_INTERVAL_S", 0.05)


async def told(cluster: Curator, kind: str) -> list[EventRow]:
    """Wait until something was told, and return all that was."""
    found: list[EventRow] = []
    while kind not in {one.kind for one in found}:
        found += await cluster.peer.diary.after(found[-1].id if found else 0, wait=True)
    return found


def pins(cluster: Curator) -> int:
    return sum(cluster.peer.statuses.counts().values())


@trio_test
async def test_what_expired_leaves_the_list(home: Home) -> None:
    made(home, "books")
    async with calling(home) as roster:
        cluster = await curator(roster)
        soon = (datetime.now(UTC) + timedelta(seconds=0.5)).isoformat()
        await cluster.write(
            [PinRequest(CIDS[0], expire_at=soon), PinRequest(CIDS[1], expire_at="2999-01-01T00:00:00Z")]
        )
        assert pins(cluster) == 2
        await until(lambda: pins(cluster) == 1)
        (event,) = [one for one in await told(cluster, "pins_expired") if one.kind == "pins_expired"]
        assert event.text == "1 pin was taken off the list: the time is over"
        assert await allocations(cluster, CIDS[1]) == []


@trio_test
async def test_holders_are_asked_and_whoever_lacks_a_pin_that_too_many_keep_is_struck_off(home: Home) -> None:
    """This peer has no node, and says that it lacks it; the others are not reached, and may be the ones to have it."""
    made(home, "books")
    async with calling(home) as roster:
        cluster = await curator(roster)
        wanted = PinRequest(
            CIDS[0], allocations=[X, cluster.peer.id, Y], replication_factor_min=1, replication_factor_max=1
        )
        await cluster.write([wanted])
        found = await told(cluster, "copies_settled")
        assert await allocations(cluster, CIDS[0]) == [X, Y]
        assert "pins_repinned" not in {one.kind for one in found}


@trio_test
async def test_a_curator_that_is_not_connected_gets_new_pins_last(home: Home) -> None:
    """It may have died since it announced; a follower that is not connected is one of many."""
    made(home, "books")
    async with calling(home) as roster:
        cluster = await curator(roster)
        member, own = cluster.peer.member, cluster.peer.id
        for key in (key_of("x"), cluster.peer.key):
            said = Announcement(member.chain.cluster_id, key.public, free_bytes=10**9, time_ms=1).sealed(key)
            member.heard.accept(said, trio.current_time())
        assert not cluster.repinner.allocator().alive[X].is_far
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(member.chain), "curators", frozenset({key_of("x").public, cluster.peer.key.public}))
            allocator = cluster.repinner.allocator()
            assert allocator.alive[X].is_far and not allocator.alive[own].is_far


@trio_test
async def test_who_stood_still_takes_nobody_for_gone(home: Home) -> None:
    """A stopped process wakes up with connections that others have long given up, and has heard nobody."""
    made(home, "books")
    async with calling(home) as roster:
        cluster = await curator(roster)
        heard: list[bool] = []
        begin = cluster.repinner._caretaker.begin

        def note(facts: Facts) -> None:
            heard.append(facts.is_listening)
            begin(facts)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cluster.repinner._caretaker, "begin", note)
            patch.setattr(cluster.peer.network, "connections", lambda: [Connection(X, "in", "", 0.0)])
            await until(lambda: heard[-3:] == [True] * 3)
            patch.setattr(limits, "REPIN_STANDSTILL_S", -1.0)  # each rest lasts too long
            await until(lambda: heard[-3:] == [False] * 3)
            patch.setattr(limits, "REPIN_STANDSTILL_S", 60.0)
            await until(lambda: heard[-3:] == [True] * 3)


@trio_test
async def test_who_fell_silent_is_an_alert(home: Home) -> None:
    made(home, "books")
    async with calling(home) as roster:
        cluster = await curator(roster)
        key = key_of("x")
        said = Announcement(cluster.peer.member.chain.cluster_id, key.public, free_bytes=5, time_ms=1).sealed(key)
        cluster.peer.member.heard.accept(said, trio.current_time() - limits.ANNOUNCEMENT_TTL_S - 1)
        await until(lambda: cluster.repinner.alerts.newest_first())
        alerts = cluster.repinner.alerts.newest_first()
        assert {(one.metric.name, one.metric.peer) for one in alerts} == {("ping", X), ("freespace", X)}
        assert not any(one.metric.valid for one in alerts)


@trio_test
async def test_a_disk_that_refuses_is_told_once_and_tried_again(home: Home) -> None:
    made(home, "books")
    with pytest.MonkeyPatch.context() as patch:
        async with calling(home) as roster:
            cluster = await curator(roster)
            tries = 0

            def refuse(*_: object) -> None:
                nonlocal tries
                tries += 1
                raise StoreFault("There is no room for the state")

            patch.setattr(cluster.repinner._caretaker, "read", refuse)
            await until(lambda: tries > 3)
            patch.undo()
            patch.setattr(limits, "ALLOCATION_LOOK_INTERVAL_S", 0.05)
            events = await told(cluster, "not_looked_after")
            assert [one.kind for one in events].count("not_looked_after") == 1
