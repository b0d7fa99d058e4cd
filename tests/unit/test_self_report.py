"""What a peer says of itself: nothing that others cannot use, and nothing that its user would not want told."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from pincrew.trusted.author import Author, WriteRequest

from pincrew import __version__, limits
from pincrew.announcement import KeptPart
from pincrew.keys import SigningKey
from pincrew.node_client import NodeIdentity
from pincrew.node_watch import NodeState, NodeView
from pincrew.policy import Method
from pincrew.record import encode_record
from pincrew.replica import Replica
from pincrew.requests import Request
from pincrew.self_report import SelfReport, Settled
from pincrew.steps import finish
from pincrew.store.database import Database
from pincrew.store.listing import Listing
from pincrew.store.statuses import Statuses
from pincrew.tracker import VANISHED, StatusUpdate
from pincrew.values import Pin, PinState
from support.pinner_bench import cid_of

KEY = SigningKey.from_seed(b"self" * 8)
PUBLIC, PRIVATE, LOOPBACK = "/ip4/8.8.8.8/tcp/4001", "/ip4/192.168.1.7/tcp/4001", "/ip4/127.0.0.1/tcp/4001"
NODE = NodeIdentity("12D3KooWNode", (PUBLIC, PRIVATE, LOOPBACK), "kubo/0.43.1")
STATES = [PinState.PINNED, PinState.PINNED, PinState.ERROR, PinState.QUEUED]


class Asked:
    """What the report asks of the pinner: the node's view, and to try again."""

    def __init__(self, state: NodeState = NodeState.UP) -> None:
        self.retried: list[bytes | None] = []
        self._view = NodeView(state, "http://127.0.0.1:1", 0, NODE)

    def summary(self) -> Any:
        return SimpleNamespace(node=self._view)

    async def retry(self, cid: bytes | None) -> int:
        self.retried.append(cid)
        return 1 if cid else 4


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(tmp_path / "state.db")
    replica = Replica(database, cluster=b"c" * 32, curators={KEY.public}, trust=0, shard_bits=4, now_ms=lambda: 5)
    author = Author(replica, KEY, now_ms=lambda: 5, nonce=lambda: b"n" * 16)
    finish(
        author.write([WriteRequest(cid_of(n), encode_record(Pin(cid_of(n), size=1_000))) for n in range(len(STATES))])
    )
    updates = [
        StatusUpdate(cid_of(number), state, tries=number, updated_ms=7, error="no luck" if number == 2 else None)
        for number, state in enumerate(STATES)
    ]
    Statuses(database, 4).settle(updates, None)
    return database


def report(
    database: Database, asked: Asked, *addresses: str, free: int | None = None, settled: Settled | None = None
) -> SelfReport:
    return SelfReport(
        "attic",
        pinner=asked,  # type: ignore[arg-type]
        listing=Listing(database, 4),
        statuses=Statuses(database, 4),
        addresses=lambda: addresses,
        free_bytes=lambda: free,
        settled=lambda: settled,
    )


def test_counters_and_room_are_those_of_now(database: Database) -> None:
    own = report(database, Asked(), PUBLIC, free=1_234).own()
    assert (own.counters.pins, own.counters.pinned, own.counters.errors) == (4, 2, 1)
    assert own.free_bytes == 1_234 and own.addresses == (PUBLIC,)
    assert report(database, Asked(), PUBLIC).own().free_bytes is None


def test_tags_queue_and_duty_are_told(database: Database) -> None:
    said = SelfReport(
        "attic",
        pinner=Asked(),  # type: ignore[arg-type]
        listing=Listing(database, 4),
        statuses=Statuses(database, 4),
        addresses=tuple,
        free_bytes=lambda: None,
        tags=(("region", "eu"),),
        repins=lambda: True,
    ).own()
    assert (said.tags, said.queue, said.repins) == ((("region", "eu"),), 1, True), "one is queued"
    own = report(database, Asked()).own()
    assert (own.tags, own.repins) == ((), False)


def test_others_hear_which_part_is_kept_and_how_much_of_it_is_here(database: Database) -> None:
    assert report(database, Asked()).own().part == KeptPart(None, None, 2, 2, 0)
    part = Settled(2**62, 5_000, 3, 77)
    assert report(database, Asked(), settled=part).own().part == KeptPart(2**62, 5_000, 2, 1, 77)
    smaller = Settled(2**60, 5_000, 1, 77)
    own = report(database, Asked(), settled=smaller).own().part
    assert own == KeptPart(2**60, 5_000, 1, 0, 77), "what is here and not in the part yet to leave counts for nothing"


@pytest.mark.parametrize(
    ("reached_at", "told"),
    [
        ((PUBLIC,), (PUBLIC,)),
        ((PUBLIC, PRIVATE), (PUBLIC, PRIVATE)),
        ((LOOPBACK,), (PUBLIC, PRIVATE, LOOPBACK)),
        ((), (PUBLIC,)),
    ],
)
def test_private_addresses_of_the_node_are_told_where_the_peer_has_such_itself(
    database: Database, reached_at: tuple[str, ...], told: tuple[str, ...]
) -> None:
    assert report(database, Asked(), *reached_at).own().node_addresses == told


def test_a_node_that_is_down_is_not_told(database: Database) -> None:
    own = report(database, Asked(NodeState.DOWN), LOOPBACK).own()
    assert own.node_id is None and own.node_addresses == ()


def test_a_question_for_statuses_is_answered_in_its_order(database: Database) -> None:
    async def main() -> None:
        asked = Asked()
        cids = (cid_of(2), cid_of(99), cid_of(0))
        answer = await report(database, asked, LOOPBACK).answer(Request(Method.STATUS, cids))
        assert (answer.name, answer.version, answer.node_id) == ("attic", __version__, NODE.peer_id)
        assert [(one.cid, one.state) for one in answer.statuses] == list(
            zip(cids, ["error", "unpinned", "pinned"], strict=True)
        )
        assert (answer.statuses[0].error, answer.statuses[0].tries) == ("no luck", 2)
        assert not asked.retried and answer.queued == 0

    trio.run(main)


def test_a_pin_that_somebody_took_off_the_node_is_told_as_such(database: Database) -> None:
    Statuses(database, 4).settle([StatusUpdate(cid_of(0), PinState.QUEUED, cause=VANISHED, updated_ms=8)], None)

    async def main() -> None:
        answer = await report(database, Asked()).answer(Request(Method.STATUS, (cid_of(0),)))
        assert answer.statuses[0].state == "unexpectedly_unpinned"

    trio.run(main)


def test_whom_it_is_connected_with_is_told_to_who_asks_who_it_is(database: Database) -> None:
    crowd = [f"peer {number}" for number in range(limits.ANSWER_PEERS_MAX + 5)]
    said = SelfReport(
        "attic",
        pinner=Asked(),  # type: ignore[arg-type]
        listing=Listing(database, 4),
        statuses=Statuses(database, 4),
        addresses=tuple,
        free_bytes=lambda: None,
        connected=lambda: crowd,
    )

    async def main() -> None:
        assert (await said.answer(Request(Method.ID))).peers == tuple(crowd[: limits.ANSWER_PEERS_MAX])
        for method in (Method.STATUS, Method.RECOVER):
            assert (await said.answer(Request(method))).peers == ()
        del crowd[1:]
        assert (await said.answer(Request(Method.ID))).peers == ("peer 0",), "as of now"

    trio.run(main)


def test_recovery_is_of_the_named_pins_or_of_all(database: Database) -> None:
    async def main() -> None:
        asked = Asked()
        some = await report(database, asked).answer(Request(Method.RECOVER, (cid_of(1), cid_of(2))))
        every = await report(database, asked).answer(Request(Method.RECOVER))
        assert asked.retried == [cid_of(1), cid_of(2), None]
        assert (some.queued, every.queued) == (2, 4) and some.statuses == ()

    trio.run(main)
