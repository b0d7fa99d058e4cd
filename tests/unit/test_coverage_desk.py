"""The estimate of a running curator's list: whole where it is small, sampled where it is large, and its spot checks."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from pincrew.trusted.curator import Curator

from pincrew import limits
from pincrew.announcement import Announcement, KeptPart
from pincrew.api.shapes import PinRequest
from pincrew.keys import SigningKey, peer_id
from pincrew.part import cid_value, part_value, rank
from pincrew.paths import Home
from pincrew.requests import Answer, CidStatus, Request
from pincrew.rescue import RescueSlice
from pincrew.roster import Roster
from sim.swarm import key_of
from support.machines import made_up_cids
from unit.test_roster import calling, home, made, trio_test

__all__ = ["home"]
CIDS = made_up_cids(60, "coverage")
HALF = KeptPart(2**63, None, 10, 0, 0)


async def listed(roster: Roster, *requests: PinRequest) -> Curator:
    await roster.start("books", None)
    cluster = roster.cluster("books")
    assert isinstance(cluster, Curator)
    await cluster.write(requests or [PinRequest(cid=cid, size=1_000, name=f"pin {cid[-4:]}") for cid in CIDS])
    return cluster


def announce(cluster: Curator, name: str, part: KeptPart) -> SigningKey:
    key = key_of(name)
    said = Announcement(cluster.peer.member.chain.cluster_id, key.public, name=name, part=part, time_ms=1)
    cluster.peer.member.heard.accept(said.sealed(key), trio.current_time())
    return key


@trio_test
async def test_a_small_list_is_looked_at_whole_with_the_worst_first(home: Home) -> None:
    made(home, "books")
    async with calling(home) as roster:
        cluster = await listed(roster)
        key = announce(cluster, "half", HALF)
        announce(cluster, "all", KeptPart(None, None, 60, 0, 0))
        found = await cluster.coverage.estimate(5)
        assert found.is_estimate and found.wanted == 2 and found.part is None and found.rescue is None
        basis = found.basis
        assert (basis.looked_at, basis.pins, basis.error, basis.named_pins) == (60, 60, 0.0, 0)
        assert basis.peers >= 2 and basis.peers_with_a_part == 1
        value = part_value(key.public)
        kept = sum(rank(cid_value(row.cid), value) < 2**63 for row in cluster.peer.part_rows.page(-1, 100))
        ours = next(bar.copies for bar in found.bars if bar.pins)
        assert {bar.copies: bar.pins for bar in found.bars if bar.pins} == {ours: 60 - kept, ours + 1: kept}
        assert len(found.worst) == 5 and {one.copies for one in found.worst} == {float(ours)}
        assert found.worst[0].name.startswith("pin ") and found.worst[0].size == 1_000
        assert (await cluster.coverage.estimate(0)).worst == []


@trio_test
async def test_a_large_list_is_sampled_and_its_error_said(home: Home) -> None:
    made(home, "books")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "COVERAGE_MIXES_MAX", 200)
        async with calling(home) as roster:
            cluster = await listed(roster)
            announce(cluster, "half", HALF)
            found = await cluster.coverage.estimate(50)
            assert 0 < found.basis.looked_at < 60 and found.basis.error > 0.0
            assert len(found.worst) == len({one.cid for one in found.worst}) <= found.basis.looked_at


@trio_test
async def test_pins_that_name_their_keepers_are_left_out(home: Home) -> None:
    made(home, "books")
    async with calling(home) as roster:
        named = PinRequest(cid=CIDS[0], allocations=[peer_id(key_of("somebody").public)])
        cluster = await listed(roster, named, PinRequest(cid=CIDS[1]))
        found = await cluster.coverage.estimate(5)
        assert (found.basis.named_pins, found.basis.looked_at) == (1, 1)
        assert [one.cid for one in found.worst] == [CIDS[1]]


@trio_test
async def test_what_was_rescued_is_shown(home: Home) -> None:
    made(home, "books")
    async with calling(home) as roster:
        cluster = await listed(roster)
        cluster.rescued = lambda: RescueSlice(3, 3_000, 9_000, True)  # type: ignore[method-assign]
        rescue = (await cluster.coverage.estimate(1)).rescue
        assert rescue is not None and (rescue.pins, rescue.bytes, rescue.room, rescue.is_full) == (
            3,
            3_000,
            9_000,
            True,
        )


@trio_test
async def test_a_few_peers_are_asked_about_what_they_should_have(home: Home) -> None:
    made(home, "books")
    async with calling(home) as roster:
        cluster = await listed(roster)
        assert (await cluster.coverage.estimate(1)).spot_checks == [], "nobody is connected"
        key = announce(cluster, "half", HALF)
        value, asked = part_value(key.public), list[bytes]()

        class Connection:
            peer = peer_id(key.public)

        async def ask(peer: str, request: Request) -> Answer:
            asked.extend(request.cids)
            states = [CidStatus(cid, "pinned" if at else "queued") for at, cid in enumerate(request.cids)]
            return Answer("half", "", None, (), tuple(states))

        network: Any = cluster.peer.network
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(network, "connections", lambda: [Connection()])
            patch.setattr(cluster.peer, "ask", ask)
            checks = (await cluster.coverage.estimate(1)).spot_checks
        assert checks is not None and 0 < len(asked) <= limits.SPOT_CHECK_CIDS
        assert [(one.name, one.asked, one.pinned) for one in checks] == [("half", len(asked), len(asked) - 1)]
        assert all(rank(cid_value(cid), value) < 2**63 for cid in asked)
