"""The pinner's book: what it promises, kept by SQLite and by the fake that the pinner's tests use."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from pincrew.trusted.author import Author, WriteRequest

from pincrew.keys import SigningKey
from pincrew.record import encode_record
from pincrew.replica import Replica
from pincrew.steps import finish
from pincrew.store.database import Database
from pincrew.store.statuses import Statuses
from pincrew.tracker import Lane, StatusUpdate
from pincrew.values import Pin, PinState
from support.memory_book import MemoryBook

KEY = SigningKey.from_seed(b"book" * 8)


class SqliteBook(Statuses):
    """Statuses over a real replica, with the fake's two ways to change the pinset."""

    def __init__(self) -> None:
        database = Database(None)
        replica = Replica(
            database, cluster=b"c" * 32, curators={KEY.public}, trust=0, shard_bits=4, now_ms=lambda: 1_000
        )
        self._author = Author(replica, KEY, now_ms=lambda: 1_000, nonce=lambda: b"n" * 16)
        super().__init__(database, 4)

    def put(self, *pins: Pin) -> None:
        for pin in pins:
            finish(self._author.write([WriteRequest(pin.cid, encode_record(pin))]))

    def remove(self, *cids: bytes) -> None:
        for cid in cids:
            finish(self._author.write([WriteRequest(cid, None)]))


@pytest.fixture(params=[SqliteBook, MemoryBook])
def book(request: pytest.FixtureRequest) -> Any:
    make: Callable[[], Any] = request.param
    return make()


def cid_of(number: int) -> bytes:
    return bytes.fromhex("01551220") + hashlib.sha256(b"%d" % number).digest()


def pin_of(number: int) -> Pin:
    return Pin(cid_of(number), name=f"pin {number}", added_ms=number + 1)


def settled(number: int, state: PinState | None, **fields: Any) -> StatusUpdate:
    return StatusUpdate(cid_of(number), state, updated_ms=2_000, **fields)


def test_changes_come_in_order_until_the_cursor_passes_them(book: Any) -> None:
    book.put(pin_of(1), pin_of(2))
    changes = book.changes(10)
    assert [change.cid for change in changes] == [cid_of(1), cid_of(2)]
    assert changes[0].pin is not None and changes[0].pin.name == "pin 1"
    book.settle([], changes[0].change)
    assert [change.cid for change in book.changes(10)] == [cid_of(2)]
    assert book.change_cursor() == changes[0].change


def test_a_removed_row_is_a_change_with_its_last_state(book: Any) -> None:
    book.put(pin_of(1))
    book.settle([settled(1, PinState.PINNED)], book.changes(1)[0].change)
    book.remove(cid_of(1))
    (change,) = book.changes(10)
    assert (change.cid, change.pin, change.state) == (cid_of(1), None, PinState.PINNED)
    book.settle([settled(1, PinState.UNPINNING, leaving_ms=3_000)], change.change)
    assert book.changes(10) == []
    assert [(one.cid, one.since_ms) for one in book.leaving(to_ms=9_000, limit=10)] == [(cid_of(1), 3_000)]
    assert book.counts()[PinState.UNPINNING] == 1


def test_a_row_put_again_before_its_removal_was_seen_is_one_change(book: Any) -> None:
    book.put(pin_of(1))
    book.settle([], book.changes(1)[0].change)
    book.remove(cid_of(1))
    book.put(pin_of(1))
    (change,) = book.changes(10)
    assert change.pin is not None


def test_counts_follow_every_state(book: Any) -> None:
    book.put(*(pin_of(number) for number in range(6)))
    book.settle(
        [settled(0, PinState.PINNED), settled(1, PinState.ERROR, next_try_ms=5), settled(2, PinState.REMOTE)], None
    )
    counts = book.counts()
    expected = {PinState.QUEUED: 3, PinState.PINNED: 1, PinState.ERROR: 1, PinState.REMOTE: 1}
    assert {state: counts[state] for state in expected} == expected
    book.remove(cid_of(0))
    assert book.counts()[PinState.PINNED] == 0


def test_lanes(book: Any) -> None:
    book.put(*(pin_of(number) for number in range(4)))
    book.settle([settled(3, PinState.ERROR, tries=2, next_try_ms=100)], None)

    def taken(lane: Lane, now_ms: int) -> list[bytes]:
        return [one.pin.cid for one in book.candidates(lane, now_ms=now_ms, limit=2)]

    assert taken(Lane.FRESH, 0) == [cid_of(2), cid_of(1)]
    assert taken(Lane.BACKLOG, 0) == [cid_of(0), cid_of(1)]
    assert taken(Lane.RETRY, 99) == []
    assert taken(Lane.RETRY, 100) == [cid_of(3)]
    assert book.next_due_ms() == 100


def test_requeue_all_and_one(book: Any) -> None:
    book.put(*(pin_of(number) for number in range(3)))
    book.settle([settled(0, PinState.ERROR, next_try_ms=9), settled(1, PinState.ERROR, next_try_ms=9)], None)
    book.settle([settled(2, PinState.REMOTE)], None)
    assert book.requeue(cid_of(2), now_ms=3_000) == 0
    assert book.requeue(cid_of(9), now_ms=3_000) == 0
    assert book.requeue(None, now_ms=3_000) == 2
    assert book.counts()[PinState.QUEUED] == 2
    assert book.next_due_ms() is None


def test_what_is_pinned_is_queued_slice_by_slice(book: Any) -> None:
    book.put(*(pin_of(number) for number in range(5)))
    book.settle([settled(number, PinState.PINNED, size=10) for number in range(4)], None)
    book.settle([settled(4, PinState.REMOTE)], None)
    assert [book.queue_pinned(3, now_ms=3_000) for _ in range(3)] == [3, 1, 0]
    assert (book.counts()[PinState.QUEUED], book.counts()[PinState.PINNED], book.counts()[PinState.REMOTE]) == (4, 0, 1)


def test_of_which_node_it_is_said_is_kept(book: Any) -> None:
    assert book.node_id() is None
    for said in ("one", "", None):
        book.save_node_id(said)
        assert book.node_id() == said


def test_a_status_of_a_row_that_is_gone_is_dropped(book: Any) -> None:
    book.put(pin_of(1))
    book.remove(cid_of(1))
    book.settle([settled(1, PinState.PINNED)], None)
    assert book.counts()[PinState.PINNED] == 0


def test_pinned_pages_cover_everything_once_and_survive_the_loss_of_their_mark(book: Any) -> None:
    book.put(*(pin_of(number) for number in range(7)))
    book.settle([settled(number, PinState.PINNED) for number in range(7)], None)
    seen: list[bytes] = []
    after = None
    while page := book.pinned_page(after, 3):
        seen += page
        after = page[-1]
        book.remove(after)
    assert sorted(seen) == sorted(cid_of(number) for number in range(7))


def test_a_held_row_that_comes_back_is_not_leaving_any_more(book: Any) -> None:
    book.put(pin_of(1))
    book.settle([settled(1, PinState.REMOTE, leaving_ms=1_000)], None)
    assert book.counts()[PinState.UNPINNING] == 1
    book.settle([settled(1, PinState.QUEUED)], None)
    assert book.counts()[PinState.UNPINNING] == 0
    assert book.leaving(to_ms=10_000, limit=5) == []


def test_removals_state_is_kept(book: Any) -> None:
    assert book.removals_state() is None
    book.save_removals_state('{"a": 1}')
    assert book.removals_state() == '{"a": 1}'
