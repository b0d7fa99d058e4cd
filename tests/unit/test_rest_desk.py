"""What ipfs-cluster's REST API reads of a running cluster: a real curator with a fake node, other peers as told."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

import pytest

from pincrew import __version__, limits
from pincrew.api.shapes import GlobalPinInfo, PinRequest
from pincrew.cid import parse_cid
from pincrew.errors import Misuse, NodeDown, NotFound, PeerFault
from pincrew.paths import Home
from pincrew.pin_statuses import PinStatuses
from pincrew.policy import Method
from pincrew.requests import Request
from pincrew.rest_desk import RestDesk
from support.crew_of_answers import NODE, Others, curating, listed
from support.fake_node import Orders
from support.machines import made_up_cids
from unit.test_roster import home, trio_test, until

__all__ = ["home"]
CIDS = made_up_cids(5, "rest desk")
BINARY = [parse_cid(cid) for cid in CIDS]
Item = TypeVar("Item")


async def all_of(slices: AsyncGenerator[Sequence[Item], None]) -> list[Item]:
    found: list[Item] = []
    async with aclosing(slices):
        async for some in slices:
            assert some, "no slice is empty"
            found += some
    return found


def asked(others: Others, method: Method) -> list[tuple[str, tuple[bytes, ...]]]:
    return [(peer, request.cids) for peer, request in others.asked if request.method is method]


def words(info: GlobalPinInfo) -> dict[str, str]:
    return {one.peername: one.status for one in info.peer_map.values()}


# ---- peers ---------------------------------------------------------------------------------------------------------
@trio_test
async def test_who_this_peer_is(home: Home) -> None:
    async with curating(home) as (curator, _, others):
        bob = others.connect("bob")
        found = curator.rest.id()
        assert (found.id, found.peername, found.version) == (curator.peer.id, "ana", __version__)
        assert found.cluster_peers == sorted([curator.peer.id, bob])
        assert all(address.endswith(f"/p2p/{found.id}") for address in found.addresses) and found.addresses
        assert found.cluster_peers_addresses == [*found.addresses, f"/ip4/192.0.2.1/tcp/4001/p2p/{bob}"]
        assert (found.ipfs.id, found.ipfs.error, found.error) == (NODE, "", "")


@trio_test
async def test_how_much_passed_between_peers(home: Home) -> None:
    async with curating(home) as (curator, _, _):
        assert curator.rest.bandwidth() == {}
        assert curator.peer.network is not None
        curator.peer.network._traffic.meter("/x").came(100)
        [(protocol, passed)] = curator.rest.bandwidth().items()
        assert (protocol, passed.total_in, passed.total_out, passed.rate_in) == ("/x", 100, 0, 10.0)


@trio_test
async def test_a_node_that_is_down_is_told(home: Home) -> None:
    async with curating(home) as (curator, kubo, _):
        kubo.silent = True
        curator.peer.pinner._watch.lost(NodeDown("It is away"))  # the watch would look a minute later
        found = curator.rest.id()
        assert found.ipfs.error and found.ipfs.id == NODE, "who it was is still known"


@trio_test
async def test_all_peers_connected_or_heard_of(home: Home) -> None:
    async with curating(home) as (curator, _, others):
        bob, eve, gone = others.connect("bob"), others.connect("eve", PeerFault("It is busy")), others.announce("gone")
        first, *found = await all_of(curator.rest.peers())
        assert first == curator.rest.id()
        by_id = {one.id: one for one in found}
        assert list(by_id) == [*sorted((bob, eve)), gone], "those that were asked come first"
        assert by_id[bob].cluster_peers == sorted([bob, curator.peer.id]) and by_id[bob].error == ""
        assert (by_id[bob].ipfs.id, by_id[bob].version) == ("node of bob", "9.9.9")
        assert by_id[bob].addresses == [f"/ip4/192.0.2.1/tcp/4001/p2p/{bob}"]
        assert by_id[eve].error == "It is busy." and by_id[eve].peername == "eve"
        assert (by_id[gone].cluster_peers, by_id[gone].error) == ([gone], "")
        assert sorted(others.asked) == sorted([(bob, Request(Method.ID)), (eve, Request(Method.ID))])


@trio_test
async def test_one_peer(home: Home) -> None:
    async with curating(home) as (curator, _, others):
        bob, gone = others.connect("bob"), others.announce("gone")
        assert (await curator.rest.peer_by_id(curator.peer.id)).peername == "ana"
        assert (await curator.rest.peer_by_id(bob)).peername == "bob"
        with pytest.raises(NotFound, match="not connected"):
            await curator.rest.peer_by_id(gone)


@trio_test
async def test_the_graph(home: Home) -> None:
    async with curating(home) as (curator, kubo, others):
        bob, gone, own = others.connect("bob"), others.announce("gone"), curator.peer.id
        kubo.connected.append("/ip4/192.0.2.9/tcp/1/p2p/Qm")
        found = await curator.rest.graph()
        assert found.cluster_id == own
        assert found.cluster_links == {own: [bob], bob: [own], gone: []}
        assert found.id_to_peername == {own: "ana", bob: "bob", gone: "gone"}
        assert found.cluster_trust_links == {own: True, bob: False, gone: False}
        assert found.cluster_to_ipfs == {own: NODE, bob: "node of bob", gone: "node of gone"}
        assert found.ipfs_links == {NODE: ["Qm"], "node of bob": [], "node of gone": []}


@trio_test
async def test_the_graph_without_the_node(home: Home) -> None:
    async with curating(home) as (curator, _, _others):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(curator.peer.node, "swarm_peers", refusing)
            found = await curator.rest.graph()
        assert (found.cluster_to_ipfs, found.ipfs_links) == ({}, {})


async def refusing() -> list[str]:
    raise NodeDown("It is away")


@trio_test
async def test_garbage_is_that_of_this_peers_node_alone(home: Home) -> None:
    async with curating(home) as (curator, kubo, others):
        others.connect("bob")
        kubo.blocks = {BINARY[0]: b"a", BINARY[1]: b"b"}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(limits, "REST_COLLECTED_SHOWN_MAX", 1)
            found = await curator.rest.collect_garbage()
        own = found.peer_map.pop(curator.peer.id)
        assert found.peer_map == {} and (own.peername, own.error) == ("ana", "")
        assert [one.key for one in own.keys] == [CIDS[0]] and kubo.blocks == {}, "all went, not all is shown"
        assert others.asked == []
        kubo.authorization = "another"
        refused = (await curator.rest.collect_garbage()).peer_map[curator.peer.id]
        assert refused.keys == [] and refused.error


# ---- the list ------------------------------------------------------------------------------------------------------
@trio_test
async def test_the_list_comes_in_slices(home: Home) -> None:
    async with curating(home) as (curator, _, _others):
        assert await all_of(curator.rest.allocations()) == []
        await curator.write([PinRequest(cid=cid, name=f"pin {n}") for n, cid in enumerate(CIDS)])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(limits, "REQUEST_CIDS_MAX", 2)
            async with aclosing(curator.rest.allocations()) as slices:
                sizes = [len(some) async for some in slices]
            assert sizes == [2, 2, 1]
            assert {(pin.cid, pin.name) for pin in await all_of(curator.rest.allocations())} == {
                (cid, f"pin {n}") for n, cid in enumerate(CIDS)
            }


@trio_test
async def test_one_pin_of_the_list(home: Home) -> None:
    async with curating(home) as (curator, _, _others):
        await curator.write([PinRequest(cid=CIDS[0], name="one")])
        assert (await curator.rest.allocation(BINARY[0])).name == "one"
        with pytest.raises(NotFound) as caught:
            await curator.rest.allocation(BINARY[1])
        assert caught.value.what == "pin is not part of the pinset"


@trio_test
async def test_paths_are_resolved_by_the_node(home: Home) -> None:
    async with curating(home) as (curator, kubo, _):
        kubo.paths["/ipns/example.org/a b"] = f"/ipfs/{CIDS[1]}"
        assert await curator.rest.resolve("/ipns/example.org/a b") == BINARY[1]
        assert await curator.rest.resolve(f"/ipfs/{CIDS[0]}") == BINARY[0]
        with pytest.raises(Misuse, match="error resolving path: no link named"):
            await curator.rest.resolve(f"/ipfs/{CIDS[0]}/nowhere")


# ---- how far it is -------------------------------------------------------------------------------------------------
@trio_test
async def test_a_filter_shows_such_peers_alone_and_no_pin_without_any(home: Home) -> None:
    async with curating(home) as (curator, kubo, others):
        others.connect("bob", {BINARY[1].hex(): "error"})
        kubo.orders[BINARY[0]] = Orders(refuse="never")
        await listed(curator, *(PinRequest(cid=cid) for cid in CIDS[:2]))
        every = {
            info.cid: words(info) for info in await all_of(curator.rest.statuses([], words=frozenset(), local=False))
        }
        assert every == {CIDS[0]: {"ana": "pin_error", "bob": "pinned"}, CIDS[1]: {"ana": "pinned", "bob": "pin_error"}}
        failed = await all_of(curator.rest.statuses([], words=frozenset(("pin_error",)), local=False))
        assert {info.cid: words(info) for info in failed} == {
            CIDS[0]: {"ana": "pin_error"},
            CIDS[1]: {"bob": "pin_error"},
        }
        local = await all_of(curator.rest.statuses([], words=frozenset(("pin_error",)), local=True))
        assert [words(info) for info in local] == [{"ana": "pin_error"}]
        assert await all_of(curator.rest.statuses([], words=frozenset(("remote",)), local=False)) == []
        named = await all_of(curator.rest.statuses(BINARY[2:3], words=frozenset(), local=True))
        assert [words(info) for info in named] == [{"ana": "unpinned"}]


@trio_test
async def test_recover_tries_again_here_and_there(home: Home) -> None:
    async with curating(home) as (curator, kubo, others):
        bob = others.connect("bob")
        kubo.orders[BINARY[0]] = Orders(refuse="never")
        await listed(curator, *(PinRequest(cid=cid) for cid in CIDS[:2]))
        assert words(await curator.rest.recover(BINARY[1], local=False)) == {"ana": "pinned", "bob": "pinned"}
        assert asked(others, Method.RECOVER) == [], "nothing failed"
        del kubo.orders[BINARY[0]]
        found = await curator.rest.recover(BINARY[0], local=False)
        assert words(found)["ana"] in ("pin_queued", "pinning", "pinned")
        assert asked(others, Method.RECOVER) == [(bob, (BINARY[0],))]
        await until(lambda: BINARY[0] in kubo.pins)
        assert words(await curator.rest.recover(BINARY[4], local=True)) == {"ana": "unpinned"}


@trio_test
async def test_recover_of_all_is_of_what_failed(home: Home) -> None:
    async with curating(home) as (curator, kubo, others):
        eve = others.connect("eve", PeerFault("It is busy"))
        kubo.orders = {one: Orders(refuse="never") for one in BINARY[:2]}
        await listed(curator, *(PinRequest(cid=cid) for cid in CIDS[:3]))
        kubo.orders = {}
        found = await all_of(curator.rest.recover_all(local=True))
        assert {info.cid for info in found} == set(CIDS[:2]) and asked(others, Method.RECOVER) == []
        await until(lambda: set(BINARY[:3]) <= set(kubo.pins))
        assert await all_of(curator.rest.recover_all(local=False)) == []
        kubo.orders[BINARY[3]] = Orders(refuse="never")
        await listed(curator, PinRequest(cid=CIDS[3]))
        assert [info.cid for info in await all_of(curator.rest.recover_all(local=False))] == [CIDS[3]]
        assert asked(others, Method.RECOVER) == [(eve, (BINARY[3],))], "one that refuses hinders nobody"


@trio_test
async def test_a_follower_asks_nobody_how_far_they_are(home: Home) -> None:
    async with curating(home) as (curator, kubo, others):
        others.connect("bob")
        kubo.orders[BINARY[0]] = Orders(refuse="never")
        await listed(curator, PinRequest(cid=CIDS[0]))
        desk: Any = RestDesk(curator.peer, PinStatuses(curator.peer, asks_others=False), asks_others=False)
        assert words((await all_of(desk.statuses([], words=frozenset(), local=False)))[0]) == {"ana": "pin_error"}
        await desk.recover(BINARY[0], local=False)
        assert others.asked == []
