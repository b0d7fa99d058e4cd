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
from pincrew.tracker import OWN_DECISION_MS, Lane, StatusUpdate
from pincrew.values import Choice, Pin, PinState
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
    # What was pinned leaves from the moment on in which its row goes: its bytes are on the disk.
    assert change.leaving and book.kept_bytes() == 0
    book.settle([settled(1, PinState.UNPINNING, leaving_ms=3_000)], change.change)
    assert book.changes(10) == []
    assert [(one.cid, one.since_ms) for one in book.leaving(to_ms=9_000, limit=10)] == [(cid_of(1), 1_000)]
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


def pinned(book: Any, *numbers: int, size: int = 100) -> None:
    book.put(*(pin_of(number) for number in numbers))
    book.settle([settled(number, PinState.PINNED, size=size) for number in numbers], None)


def test_what_is_kept_counts_until_it_is_let_go_of(book: Any) -> None:
    pinned(book, 1, 2, 3)
    assert (book.kept_bytes(), book.pinned_bytes()) == (300, 300)
    book.settle([settled(1, PinState.SKIPPED, cause="no room", leaving_ms=OWN_DECISION_MS)], None)
    book.settle([settled(2, PinState.REMOTE, leaving_ms=5_000)], None)
    book.remove(cid_of(3))
    assert (book.kept_bytes(), book.pinned_bytes()) == (300, 0)
    assert book.counts()[PinState.UNPINNING] == 3
    # Own decisions are apart from removals, which count towards what is too much in a day.
    assert [one.cid for one in book.leaving(from_ms=OWN_DECISION_MS, to_ms=OWN_DECISION_MS, limit=9)] == [cid_of(1)]
    assert {one.cid for one in book.leaving(to_ms=9_000, limit=9)} == {cid_of(2), cid_of(3)}
    assert sum(count for _, count in book.leaving_hours(after_ms=-1)) == 2
    book.settle([StatusUpdate(cid_of(number), None) for number in (1, 2, 3)], None)
    assert (book.kept_bytes(), book.counts()[PinState.UNPINNING]) == (0, 0)
    assert book.counts()[PinState.SKIPPED] == 1, "the row stays as it is"


def test_what_is_queued_again_leaves_no_more(book: Any) -> None:
    pinned(book, 1)
    book.settle([settled(1, PinState.SKIPPED, cause="skipped by you", leaving_ms=OWN_DECISION_MS)], None)
    assert book.requeue(cid_of(1), now_ms=5) == 1
    assert (book.kept_bytes(), book.counts()[PinState.UNPINNING], book.counts()[PinState.QUEUED]) == (0, 0, 1)


def test_what_fits_is_let_in_again_the_oldest_first(book: Any) -> None:
    book.put(*(pin_of(number) for number in range(6)))
    sizes = {0: 500, 1: 300, 2: 400, 3: None, 4: 100}
    book.settle([settled(n, PinState.SKIPPED, cause="no room", size=size) for n, size in sizes.items()], None)
    book.settle([settled(5, PinState.SKIPPED, cause="skipped by you", size=1)], None)
    assert book.readmit(450, 10, now_ms=9) == 3

    def queued() -> list[int]:
        found = {one.pin.cid for one in book.candidates(Lane.BACKLOG, now_ms=0, limit=9)}
        return [number for number in range(6) if cid_of(number) in found]

    assert queued() == [1, 3, 4], "together they come to 400"
    assert book.readmit(399, 10, now_ms=9) == 0
    assert book.readmit(None, 1, now_ms=9) == 1 and queued() == [0, 1, 3, 4]
    assert book.skipped_for() == {"no room": 1, "skipped by you": 1}


def test_the_newest_pins_go_first(book: Any) -> None:
    pinned(book, *range(5))
    assert [cid for cid, _ in book.newest_pinned(2)] == [cid_of(4), cid_of(3)]
    assert book.beyond(500) == (0, 0) and book.beyond(450) == (1, 100) and book.beyond(0) == (5, 500)


def test_choices_are_kept_in_order_and_what_comes_next_has_a_lane(book: Any) -> None:
    book.put(*(pin_of(number) for number in range(5)))
    book.choose([cid_of(4), cid_of(1)], Choice.NEXT, now_ms=1)
    book.choose([cid_of(2)], Choice.SKIP, now_ms=2)
    assert book.choices() == {cid_of(4): Choice.NEXT, cid_of(1): Choice.NEXT, cid_of(2): Choice.SKIP}
    found = [one.pin.cid for one in book.candidates(Lane.CHOSEN, now_ms=0, limit=9)]
    assert set(found) == {cid_of(1), cid_of(4)}
    book.settle([settled(1, PinState.PINNED)], None)
    assert [one.pin.cid for one in book.candidates(Lane.CHOSEN, now_ms=0, limit=9)] == [cid_of(4)]
    assert book.requeue(cid_of(1), now_ms=5, also_pinned=False) == 0
    book.choose([cid_of(4), cid_of(2)], None, now_ms=3)
    assert book.choices() == {cid_of(1): Choice.NEXT}


def test_rows_are_looked_at_in_pages(book: Any) -> None:
    book.put(*(pin_of(number) for number in range(7)))
    states = [PinState.PINNED, PinState.PINNING, PinState.REMOTE, PinState.ERROR, PinState.SKIPPED]
    book.settle([settled(number, state) for number, state in enumerate(states)], None)
    found, after = [], -1
    while page := book.standings(after, 2):
        found += [(one.pin.cid, one.state) for one in page]
        after = page[-1].row
    assert {cid_of(0), cid_of(3), cid_of(4), cid_of(5), cid_of(6)} == {cid for cid, _ in found} and len(found) == 5
