"""The rows that name peers or expire: found by their changes, by the peers they name, and one by one."""

from __future__ import annotations

from pathlib import Path

import pytest
from pincrew.trusted.author import Author, WriteRequest

from pincrew.keys import SigningKey
from pincrew.record import encode_record
from pincrew.replica import Replica
from pincrew.steps import finish
from pincrew.store import watched_rows
from pincrew.store.database import Database
from pincrew.store.watched_rows import WatchedRow, WatchedRows
from pincrew.values import Pin
from support.pinner_bench import cid_of

KEY = SigningKey.from_seed(b"rows" * 8)
COUNT = 40


class Kept:
    """A store with pins, of which every fourth names peers and every fifth expires."""

    def __init__(self, path: Path) -> None:
        self.database = Database(path)
        replica = Replica(
            self.database, cluster=b"c" * 32, curators={KEY.public}, trust=0, shard_bits=4, now_ms=lambda: 5
        )
        self.author = Author(replica, KEY, now_ms=lambda: 5, nonce=lambda: b"n" * 16)
        self.rows = WatchedRows(self.database, 4)
        self.write(*(self.pin(n) for n in range(COUNT)))

    def pin(self, n: int) -> Pin:
        name = "kallocations" if n == 1 else ""
        allocations = (f"peer{n % 8}", "all") if n % 4 == 0 else ()
        return Pin(cid_of(n), name=name, allocations=allocations, expire_ms=10**12 + n if n % 5 == 0 else None)

    def write(self, *pins: Pin) -> None:
        finish(self.author.write([WriteRequest(pin.cid, encode_record(pin)) for pin in pins]))

    def changed(self, after: int, limit: int) -> tuple[list[WatchedRow], int]:
        found: list[WatchedRow] = []
        is_more = True
        while is_more:
            rows, after, is_more = self.rows.changed(after, limit)
            found += rows
        return found, after


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "state.db")


WATCHED = {cid_of(n) for n in range(COUNT) if n % 4 == 0 or n % 5 == 0 or n == 1}


@pytest.mark.parametrize(("limit", "span"), [(1, 50_000), (7, 50_000), (7, 3), (1_000, 11)])
def test_changed_rows_come_once_whatever_the_slices(
    kept: Kept, limit: int, span: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched_rows, "WATCHED_CHANGES_PER_SLICE", span)
    found, after = kept.changed(0, limit)
    assert len(found) == len(WATCHED) and {row.cid for row in found} == WATCHED
    assert kept.changed(after, limit) == ([], after)
    kept.write(Pin(cid_of(3), name="new"), Pin(cid_of(4), allocations=("late",)), Pin(cid_of(99), expire_ms=5))
    found, after = kept.changed(after, limit)
    assert {row.cid for row in found} == {cid_of(4), cid_of(99)} and kept.changed(after, limit)[0] == []


def test_who_names_a_peer_is_found_in_pages(kept: Kept) -> None:
    found: list[WatchedRow] = []
    while page := kept.rows.naming(["peer4"], found[-1].row if found else 0, 2):
        assert len(page) <= 2
        found += page
    assert [row.cid for row in found] == [row.cid for row in sorted(found, key=lambda one: one.row)]
    assert {row.cid for row in found} == {cid_of(n) for n in range(COUNT) if n % 8 == 4}
    assert {row.cid for row in kept.rows.naming(["peer4", "peer0"], 0, 99)} == {cid_of(n) for n in range(0, COUNT, 4)}
    assert kept.rows.naming(["nobody"], 0, 99) == [] == kept.rows.naming([], 0, 99)


def test_rows_come_with_the_put_that_they_are_of(kept: Kept) -> None:
    (first,) = kept.rows.of([cid_of(4), cid_of(77)])
    assert first.put.session == kept.author.session and first.record == encode_record(kept.pin(4))
    kept.write(Pin(cid_of(4), allocations=("other",)))
    (second,) = kept.rows.of([cid_of(4)])
    assert second.put.n > first.put.n and second.row == first.row
    finish(kept.author.write([WriteRequest(cid_of(4), None)]))
    assert kept.rows.of([cid_of(4)]) == []


def test_a_decision_about_another_put_writes_nothing(kept: Kept) -> None:
    (before,) = kept.rows.of([cid_of(4)])
    kept.write(Pin(cid_of(4), name="meanwhile", allocations=("other",)))
    (now,) = kept.rows.of([cid_of(4)])
    record = encode_record(Pin(cid_of(4), allocations=("decided",)))
    for request in (WriteRequest(cid_of(4), record, before.put), WriteRequest(cid_of(4), None, before.put)):
        written = finish(kept.author.write([request]))
        assert written.overtaken == [cid_of(4)] and not written.sealed and not written.absent
    assert kept.rows.of([cid_of(4)]) == [now]
    written = finish(
        kept.author.write([WriteRequest(cid_of(4), record, now.put), WriteRequest(cid_of(6), None, now.put)])
    )
    assert written.overtaken == [cid_of(6)] and kept.rows.of([cid_of(4)])[0].record == record
    assert finish(kept.author.write([WriteRequest(cid_of(99), record, now.put)])).overtaken == [cid_of(99)]
