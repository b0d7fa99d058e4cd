"""How far every peer got with pins of the list: a real curator with a fake node, other peers as told."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from pincrew.trusted.curator import Curator

from pincrew import limits
from pincrew.api.shapes import GlobalPinInfo, PinRequest
from pincrew.cid import parse_cid
from pincrew.errors import PeerFault
from pincrew.keys import peer_id
from pincrew.paths import Home
from pincrew.pin_statuses import PinStatuses
from pincrew.policy import Method
from pincrew.requests import Request
from sim.swarm import key_of
from support.crew_of_answers import NODE, Others, curating, listed
from support.fake_node import Orders
from support.machines import made_up_cids
from unit.test_rest_desk import all_of, words
from unit.test_roster import home, trio_test

__all__ = ["home"]
CIDS = made_up_cids(5, "pin statuses")
BINARY = [parse_cid(cid) for cid in CIDS]


def asked(others: Others) -> list[tuple[str, Sequence[bytes]]]:
    assert all(request.method is Method.STATUS for _, request in others.asked)
    return sorted((peer, request.cids) for peer, request in others.asked)


async def one(curator: Curator, cid: bytes, *, local: bool = False) -> GlobalPinInfo:
    [found] = await all_of(curator.statuses.of([cid], local=local))
    return found


@trio_test
async def test_what_this_peer_says_of_itself(home: Home) -> None:
    async with curating(home) as (curator, kubo, _):
        kubo.orders[BINARY[0]] = Orders(refuse="no such thing")
        await listed(curator, PinRequest(cid=CIDS[0], name="lost", metadata={"a": "b"}), PinRequest(cid=CIDS[1]))
        lost, held = await one(curator, BINARY[0]), await one(curator, BINARY[1])
        assert (lost.cid, lost.name, lost.metadata, lost.allocations) == (CIDS[0], "lost", {"a": "b"}, [])
        assert lost.created.startswith("20"), "the time at which it was put on the list"
        info = lost.peer_map[curator.peer.id]
        assert (info.status, info.attempt_count, info.peername, info.ipfs_peer_id) == ("pin_error", 1, "ana", NODE)
        assert "no such thing" in info.error and info.timestamp.startswith("20")
        assert words(held) == {"ana": "pinned"}


@trio_test
async def test_a_cid_that_is_on_no_list_is_unpinned_everywhere(home: Home) -> None:
    async with curating(home) as (curator, _, others):
        bob = others.connect("bob", {BINARY[0].hex(): "unpinned"})
        found = await one(curator, BINARY[0])
        assert words(found) == {"ana": "unpinned", "bob": "unpinned"} and found.created == "0001-01-01T00:00:00Z"
        assert found.peer_map[curator.peer.id].timestamp.startswith("20"), "it is so now"
        assert asked(others) == [(bob, (BINARY[0],))]


@trio_test
async def test_only_those_are_asked_that_are_to_keep_it(home: Home) -> None:
    async with curating(home) as (curator, _, others):
        bob, eve = others.connect("bob"), others.connect("eve")
        gone = others.announce("gone")
        stranger = peer_id(key_of("stranger").public)
        own = curator.peer.id
        await listed(
            curator,
            PinRequest(cid=CIDS[0]),
            PinRequest(cid=CIDS[1], allocations=[bob], replication_factor_min=1, replication_factor_max=1),
            PinRequest(
                cid=CIDS[2], allocations=[own, gone, stranger], replication_factor_min=1, replication_factor_max=3
            ),
        )
        found = {info.cid: info for info in await all_of(curator.statuses.all(local=False))}
        remote = {CIDS[1]: {own, eve}, CIDS[2]: {bob, eve}}
        for cid, info in found.items():
            away = {gone, stranger} if cid == CIDS[2] else set()
            assert info.peer_map.keys() == {own, bob, eve} | away, "nobody is shown for whom another pin names"
            assert {peer for peer, at in info.peer_map.items() if at.status == "remote"} == remote.get(cid, set())
        assert words(found[CIDS[0]])["bob"] == words(found[CIDS[0]])["eve"] == "pinned"
        assert found[CIDS[2]].peer_map[gone].status == "cluster_error", "it is to keep it and cannot be asked"
        assert found[CIDS[2]].peer_map[gone].error == "It is not connected to this peer"
        assert (found[CIDS[2]].peer_map[gone].peername, found[CIDS[2]].peer_map[stranger].peername) == ("gone", "")
        sent = msgspec.to_builtins(found[CIDS[2]].peer_map)
        assert "ipfs_peer_id" in sent[gone] and "ipfs_peer_addresses" not in sent[stranger]
        assert "ipfs_peer_id" not in sent[stranger], "ipfs-cluster's clients refuse a whole list with an empty id"
        assert found[CIDS[1]].allocations == [bob] and found[CIDS[1]].peer_map[bob].status == "pinned"
        assert {peer: set(cids) for peer, cids in asked(others)} == {
            bob: {BINARY[0], BINARY[1]},
            eve: {BINARY[0]},
        }


@trio_test
async def test_nobody_is_asked_who_is_to_keep_none(home: Home) -> None:
    async with curating(home) as (curator, _, others):
        bob, eve = others.connect("bob"), others.connect("eve")
        pin = PinRequest(cid=CIDS[0], allocations=[bob], replication_factor_min=1, replication_factor_max=1)
        await listed(curator, pin)
        found = await one(curator, BINARY[0])
        assert found.peer_map[eve].status == "remote" and found.peer_map[eve].ipfs_peer_id == "node of eve"
        assert asked(others) == [(bob, (BINARY[0],))]


@trio_test
async def test_who_fails_or_says_nothing_is_a_cluster_error(home: Home) -> None:
    async with curating(home) as (curator, _, others):
        others.connect("busy", PeerFault("It is busy", where="there"))
        others.connect("mute", {BINARY[0].hex(): "silence"})
        others.connect("newer", {BINARY[0].hex(): "state of tomorrow"})
        await listed(curator, PinRequest(cid=CIDS[0]))
        infos = {info.peername: info for info in (await one(curator, BINARY[0])).peer_map.values()}
        assert {name: info.status for name, info in infos.items() if name != "ana"} == dict.fromkeys(
            ("busy", "mute", "newer"), "cluster_error"
        )
        assert (infos["busy"].error, infos["mute"].error) == ("It is busy", "It did not say")


@trio_test
async def test_states_of_others_in_ipfs_clusters_words(home: Home) -> None:
    expected = {
        "queued": "pin_queued",
        "pinning": "pinning",
        "pinned": "pinned",
        "error": "pin_error",
        "skipped": "remote",
        "remote": "remote",
        "unpinning": "unpinning",
        "unpinned": "unpinned",
        "unexpectedly_unpinned": "unexpectedly_unpinned",
    }
    async with curating(home) as (curator, _, others):
        await listed(curator, PinRequest(cid=CIDS[0]))
        for state in expected:
            others.connect(state, {BINARY[0].hex(): state})
        assert words(await one(curator, BINARY[0])) == {"ana": "pinned", **expected}


@trio_test
async def test_local_and_a_follower_ask_nobody(home: Home) -> None:
    async with curating(home) as (curator, _, others):
        others.connect("bob")
        gone = others.announce("gone")
        pin = PinRequest(cid=CIDS[0], allocations=[gone], replication_factor_min=1, replication_factor_max=1)
        await listed(curator, pin)
        following = PinStatuses(curator.peer, asks_others=False)
        for slices in (
            curator.statuses.of(BINARY[:1], local=True),
            curator.statuses.all(local=True),
            following.of(BINARY[:1], local=False),
            following.all(local=False),
        ):
            [found] = await all_of(slices)
            assert words(found) == {"ana": "remote"}
        assert others.asked == []


@trio_test
async def test_many_are_asked_for_in_slices_in_their_order(home: Home) -> None:
    async with curating(home) as (curator, _, others):
        bob = others.connect("bob")
        await listed(curator, *(PinRequest(cid=cid) for cid in CIDS))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(limits, "REQUEST_CIDS_MAX", 2)
            found = await all_of(curator.statuses.of(BINARY, local=False))
            assert [info.cid for info in found] == CIDS
            assert others.asked == [(bob, Request(Method.STATUS, tuple(BINARY[at : at + 2]))) for at in (0, 2, 4)]
            assert {info.cid for info in await all_of(curator.statuses.all(local=False))} == set(CIDS)
        assert await all_of(curator.statuses.of([], local=False)) == []


@trio_test
async def test_content_in_shards_is_sharded_at_every_peer_and_nobody_is_asked(home: Home) -> None:
    async with curating(home) as (curator, kubo, others):
        others.connect("bob")
        pin = PinRequest(cid=CIDS[0], type="meta-pin", reference=CIDS[1], mode="direct", replication_factor_min=-1)
        await listed(curator, pin)
        found = await one(curator, BINARY[0])
        assert words(found) == {"ana": "sharded", "bob": "sharded"} and found.allocations == []
        assert others.asked == [] and BINARY[0] not in kubo.pins
