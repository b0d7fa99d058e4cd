"""The routes of the list and of its status."""

from __future__ import annotations

from typing import Any

import pytest

from pincrew import limits
from pincrew.cid import parse_cid
from pincrew.errors import NodeDown
from pincrew.rest.pin_options import PinOptions
from pincrew.rest.pin_routes import read_statuses
from pincrew.values import PinMode
from support.rest_door import NOW_MS, FollowingDoor, WritingDoor, send
from support.shape_examples import CID, CID_2, PEER

ABSENT = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
ERRORS = frozenset(("cluster_error", "pin_error", "unpin_error"))


def options_of(door: WritingDoor) -> PinOptions:
    """Return the options of the one pin that was asked for."""
    [(_, _, options)] = [call for call in door.asked if call[0] == "pin"]
    assert isinstance(options, PinOptions)
    return options


# ---- the list -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", [CID, CID_2]),
        ("all", [CID, CID_2]),
        ("pin", [CID]),
        ("pin,shard-pin", [CID, CID_2]),
        ("shard-pin , nonsense", [CID_2]),
        (",pin,", [CID]),
    ],
)
def test_the_list_by_type(words: str, found: list[str]) -> None:
    answer = send(FollowingDoor(), "GET", f"/allocations?filter={words.replace(' ', '%20')}")
    assert [pin["cid"] for pin in answer.lines] == found


def test_a_filter_that_lets_nothing_through_is_204_or_refused() -> None:
    assert send(FollowingDoor(), "GET", "/allocations?filter=meta-pin").status == 204
    door = FollowingDoor()
    answer = send(door, "GET", "/allocations?filter=nonsense")
    assert answer.status == 400 and answer.message.startswith("invalid filter value") and door.asked == []


def test_one_pin_of_the_list() -> None:
    answer = send(FollowingDoor(), "GET", f"/allocations/{CID}")
    assert list(answer.one)[:5] == ["replication_factor_min", "replication_factor_max", "name", "mode", "shard_size"]
    assert answer.one["cid"] == CID
    assert send(FollowingDoor(), "GET", f"/allocations/{ABSENT}").content == (
        b'{"code":404,"message":"pin is not part of the pinset"}\n'
    )


# ---- statuses -------------------------------------------------------------------------------------------------------
def test_status_of_one_and_nothing_is_ever_404() -> None:
    door = FollowingDoor()
    assert list(send(door, "GET", f"/pins/{CID}?local=true").one["peer_map"]) == ["peer-0", "peer-1"]
    assert send(door, "GET", f"/pins/{ABSENT}").status == 200
    assert door.asked == [("statuses", [CID], frozenset(), True), ("statuses", [ABSENT], frozenset(), False)]


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ("", frozenset()),
        ("undefined", frozenset()),
        ("pinned", frozenset(("pinned",))),
        ("error", ERRORS),
        ("queued,unexpectedly_unpinned", frozenset(("pin_queued", "unpin_queued", "unexpectedly_unpinned"))),
        ("pinned, nonsense", frozenset(("pinned",))),
        (
            "remote,sharded,unpinned,pinning,unpinning",
            frozenset(("remote", "sharded", "unpinned", "pinning", "unpinning")),
        ),
    ],
)
def test_statuses_by_filter(words: str, asked: frozenset[str]) -> None:
    door = FollowingDoor()
    assert len(send(door, "GET", f"/pins?filter={words.replace(' ', '%20')}").lines) == 1
    assert door.asked == [("statuses", [], asked, False)] and read_statuses(words) == asked


@pytest.mark.parametrize("words", ["nonsense", "a,b", "undefined,nonsense", "PINNED"])
def test_a_filter_of_nothing_that_exists_is_refused(words: str) -> None:
    door = FollowingDoor()
    answer = send(door, "GET", f"/pins?filter={words}")
    assert answer.status == 400 and answer.message.startswith("invalid filter value") and door.asked == []


def test_statuses_of_named_cids_heed_no_filter() -> None:
    door = FollowingDoor()
    send(door, "GET", f"/pins?cids={CID},{CID_2},&filter=nonsense&local=true")
    assert door.asked == [("statuses", [CID, CID_2], frozenset(), True)]


@pytest.mark.parametrize("cids", ["nonsense", f"{CID},nonsense", ",".join(["bafkqaaa"] * (limits.REST_CIDS_MAX + 1))])
def test_named_cids_that_make_no_sense_or_are_too_many(cids: str) -> None:
    door = FollowingDoor()
    assert send(door, "GET", f"/pins?cids={cids}").status == 400 and door.asked == []


# ---- recover --------------------------------------------------------------------------------------------------------
def test_recover() -> None:
    door = FollowingDoor()
    assert send(door, "POST", f"/pins/{CID}/recover").one["cid"] == CID
    assert len(send(door, "POST", "/pins/recover?local=true").lines) == 1
    assert door.asked == [("recover", CID, False), ("recover_all", True)]
    door.found = []
    assert send(door, "POST", "/pins/recover").status == 204


# ---- writing --------------------------------------------------------------------------------------------------------
def test_pin_with_options() -> None:
    door = WritingDoor()
    query = (
        "name=a+b%26c&mode=direct&replication-min=1&replication-max=3&shard-size=7"
        f"&user-allocations={PEER},nobody&expire-in=1h30m&meta-a=1&meta-=2&meta-b%20c=d"
        f"&pin-update={CID_2}&origins=/ip4/1.2.3.4/tcp/5/p2p/{PEER}"
    )
    answer = send(door, "POST", f"/pins/{CID}?{query}")
    assert (answer.status, answer.one["name"]) == (200, "a b&c")
    assert options_of(door) == PinOptions(
        name="a b&c",
        mode=PinMode.DIRECT,
        replication_min=1,
        replication_max=3,
        shard_size=7,
        user_allocations=(PEER,),
        expire_ms=NOW_MS + 5_400_000,
        metadata={"a": "1", "b c": "d"},
        update_of=parse_cid(CID_2),
        origins=(f"/ip4/1.2.3.4/tcp/5/p2p/{PEER}",),
    )


@pytest.mark.parametrize("path", [f"/pins/{CID}", f"/pins/ipfs/{CID}", f"/pins/ipfs/{CID_2}/a/b", "/pins/ipns/x.org/"])
def test_direct_holds_on_every_route(path: str) -> None:
    door = WritingDoor()
    assert send(door, "POST", f"{path}?mode=direct").one["mode"] == "direct"
    assert options_of(door).mode is PinMode.DIRECT


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        (f"/ipfs/{CID}", []),
        (f"/ipfs/{CID}/", []),
        (f"/ipld/{CID}", []),
        (f"/ipfs/{CID}/a%20b/c", [("resolve", f"/ipfs/{CID}/a b/c")]),
        ("/ipns/docs.example.org", [("resolve", "/ipns/docs.example.org")]),
        (f"/ipns/{PEER}/x", [("resolve", f"/ipns/{PEER}/x")]),
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_paths_are_resolved_by_the_node_where_that_takes_one(method: str, path: str, asked: list[Any]) -> None:
    door = WritingDoor()
    answer = send(door, method, f"/pins{path}?name=x")
    cid = CID_2 if asked else CID
    assert (answer.status, answer.one["cid"]) == (200, cid)
    assert [call for call in door.asked if call[0] == "resolve"] == asked
    assert door.asked[-1][:2] == ({"POST": "pin", "DELETE": "unpin"}[method], cid)


@pytest.mark.parametrize("path", ["/ipfs/nonsense", "/ipfs/nonsense/a", "/ipfs/", "/ipns//", "/ipld/ipfs"])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_paths_that_make_no_sense(method: str, path: str) -> None:
    door = WritingDoor()
    assert send(door, method, f"/pins{path}").status == 400 and door.asked == []


def test_a_node_that_does_not_resolve() -> None:
    door = WritingDoor()
    door.fault = NodeDown("It does not answer")
    assert send(door, "POST", f"/pins/ipfs/{CID}/a").status == 503


@pytest.mark.parametrize(
    "query",
    [
        "replication-min=abc",
        "replication-max=1.5",
        "replication=1e3",
        "shard-size=-1",
        "expire-at=tomorrow",
        "expire-at=2030-01-01",
        "expire-in=0.5s",
        "expire-in=1d",
        "pin-update=nonsense",
        "origins=/ip4/1.2.3.4",
        "meta-x=1&expire-in=5",
    ],
)
@pytest.mark.parametrize("path", [f"/pins/{CID}", f"/pins/ipfs/{CID}"])
def test_bad_options_are_refused_before_anything_is_pinned(path: str, query: str) -> None:
    door = WritingDoor()
    answer = send(door, "POST", f"{path}?{query}")
    assert answer.status == 400 and answer.message and door.asked == []


def test_unpin() -> None:
    door = WritingDoor()
    assert send(door, "DELETE", f"/pins/{CID}").one["cid"] == CID
    answer = send(door, "DELETE", f"/pins/{ABSENT}")
    assert (answer.status, answer.message) == (404, "pin is not part of the pinset")


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("path", [CID, f"ipfs/{CID}", f"ipfs/{CID}/a"])
def test_a_follower_writes_nothing(method: str, path: str) -> None:
    door = FollowingDoor()
    answer = send(door, method, f"/pins/{path}")
    assert answer.status == 403 and "follows" in answer.message and door.asked == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/allocations/nonsense"),
        ("GET", "/pins/nonsense"),
        ("POST", "/pins/nonsense"),
        ("DELETE", "/pins/nonsense"),
        ("POST", "/pins/nonsense/recover"),
        ("GET", "/pins/%00%ff"),
    ],
)
def test_what_is_no_cid_is_400(method: str, path: str) -> None:
    door = WritingDoor()
    answer = send(door, method, path)
    assert answer.status == 400 and answer.message.startswith("error decoding Cid: ") and door.asked == []
