"""A running curator gives new pins to peers that are alive. Real clusters on loopback, peers that only announce."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import trio
from pincrew.trusted.curator import Curator

from pincrew.announcement import Announcement
from pincrew.api.shapes import PinRequest
from pincrew.errors import Conflict
from pincrew.keys import peer_id
from pincrew.paths import Home
from pincrew.roster import Roster
from pincrew.settings_files import load_cluster, save
from sim.swarm import key_of
from support.machines import made_up_cids
from unit.test_roster import calling, home, made, trio_test

__all__ = ["home"]
CIDS = made_up_cids(8, "curator")


def configured(home: Home, **fields: Any) -> None:
    made(home, "books")
    path = home.cluster("books").settings
    save(path, replace(load_cluster(path), **fields))


async def curator(roster: Roster) -> Curator:
    await roster.start("books", None)
    cluster = roster.cluster("books")
    assert isinstance(cluster, Curator)
    return cluster


def announce(cluster: Curator, name: str, **said: Any) -> str:
    key = key_of(name)
    one = Announcement(cluster.peer.member.chain.cluster_id, key.public, name=name, time_ms=1, **said)
    cluster.peer.member.heard.accept(one.sealed(key), trio.current_time())
    return peer_id(key.public)


async def allocations(cluster: Curator, cid: str) -> list[str]:
    ((pin,),) = [pins async for pins in cluster.pinset([cid])]
    return pin.allocations


@trio_test
async def test_new_pins_are_given_to_the_crew_and_stay_where_they_are(home: Home) -> None:
    configured(
        home, replication_min=2, replication_max=2, allocate_followers=True, allocate_by=("tag:zone", "freespace")
    )
    async with calling(home) as roster:
        cluster = await curator(roster)
        north = [announce(cluster, name, free_bytes=10**9, tags=(("zone", "n"),)) for name in ("a", "b")]
        south = [announce(cluster, name, free_bytes=10**9, tags=(("zone", "s"),)) for name in ("c", "d")]
        await cluster.write([PinRequest(cid) for cid in CIDS])
        for cid in CIDS:
            chosen = await allocations(cluster, cid)
            assert len(chosen) == 2 and len(set(chosen) & set(north)) == 1 == len(set(chosen) & set(south))
        before = [await allocations(cluster, cid) for cid in CIDS]
        await cluster.write([PinRequest(cid, name="again", user_allocations=north) for cid in CIDS])
        assert [await allocations(cluster, cid) for cid in CIDS] == before, "who has it keeps it"
        await cluster.write([PinRequest(CIDS[0], replication_factor_min=-1, replication_factor_max=-1)])
        assert await allocations(cluster, CIDS[0]) == []
        await cluster.write([PinRequest(CIDS[0], user_allocations=[south[1]])])
        assert (await allocations(cluster, CIDS[0]))[0] == south[1], "a wish comes first"


@trio_test
async def test_without_enough_peers_nothing_is_written(home: Home) -> None:
    configured(home, replication_min=2, replication_max=3)
    async with calling(home) as roster:
        cluster = await curator(roster)
        announce(cluster, "follower", free_bytes=10**9)
        announce(cluster, "other follower", free_bytes=10**9)
        with pytest.raises(Conflict, match=r"Needed at least: 2\. Wanted at most: 3\. Available candidates: 0"):
            await cluster.write(
                [PinRequest(CIDS[0], replication_factor_min=-1, replication_factor_max=-1), PinRequest(CIDS[1])]
            )
        assert sum(cluster.peer.statuses.counts().values()) == 0
        await cluster.write([PinRequest(CIDS[1], allocations=[cluster.peer.id])])
        assert await allocations(cluster, CIDS[1]) == [cluster.peer.id], "who is named is asked nothing"


@trio_test
async def test_what_it_says_of_itself(home: Home) -> None:
    configured(home, tags=("region=eu",), repin_after=None)
    async with calling(home) as roster:
        said = (await curator(roster)).peer.self_report.own()
        assert (said.tags, said.queue, said.repins) == ((("region", "eu"),), 0, False)
    path = home.cluster("books").settings
    save(path, replace(load_cluster(path), repin_after=60.0))
    async with calling(home) as roster:
        assert (await curator(roster)).peer.self_report.own().repins


@trio_test
async def test_a_part_of_what_is_added_goes_to_who_has_room_for_it(home: Home) -> None:
    configured(home, allocate_followers=True, allocate_by=("freespace",))
    async with calling(home) as roster:
        cluster = await curator(roster)
        small, large = (announce(cluster, name, free_bytes=size) for name, size in (("a", 10**6), ("b", 10**9)))
        assert cluster.allocate(1, 1, [small]).peers == (small,)
        assert cluster.allocate(1, 1, [small], 10**7).peers == (large,)
        with pytest.raises(Conflict, match="Available candidates: 0"):
            cluster.allocate(1, 1, [], 10**10)
