"""Rows for parts and estimates, and what both remember."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pincrew.trusted.author import Author, WriteRequest

from pincrew.keys import SigningKey
from pincrew.part import ALL, ANY_SIZE, Part
from pincrew.record import encode_record
from pincrew.replica import Replica
from pincrew.steps import finish
from pincrew.store.database import Database
from pincrew.store.part_rows import PartRows
from pincrew.store.statuses import Statuses
from pincrew.tracker import NOT_PART, StatusUpdate
from pincrew.values import NOBODY, Pin, PinState, PinType
from support.pinner_bench import cid_of

KEY = SigningKey.from_seed(b"rows" * 8)
COUNT = 30


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(tmp_path / "state.db")
    replica = Replica(database, cluster=b"c" * 32, curators={KEY.public}, trust=0, shard_bits=4, now_ms=lambda: 5)
    author = Author(replica, KEY, now_ms=lambda: 5, nonce=lambda: b"n" * 16)
    pins = [Pin(cid_of(n), name=f"kallocations {n}" if n == 3 else f"pin {n}", size=n or None) for n in range(COUNT)]
    pins[7] = Pin(cid_of(7), name="named", allocations=("peer",))
    pins[8] = Pin(cid_of(8), name="sharded", type=PinType.META, reference=cid_of(7))
    finish(author.write([WriteRequest(pin.cid, encode_record(pin)) for pin in pins]))
    updates = [
        StatusUpdate(cid_of(1), PinState.PINNED, size=111),
        StatusUpdate(cid_of(2), PinState.SKIPPED, cause=NOT_PART, error="others keep it"),
    ]
    Statuses(database, 4).settle(updates, None)
    return database


def test_pages_bring_every_row_once_with_what_is_known_of_it(database: Database) -> None:
    rows, after = [], -1
    store = PartRows(database)
    while page := store.page(after, 7):
        rows += page
        after = page[-1].row
    by_cid = {row.cid: row for row in rows}
    assert len(rows) == len(by_cid) == COUNT
    assert (by_cid[cid_of(1)].state, by_cid[cid_of(1)].size) == (PinState.PINNED, 111)
    assert by_cid[cid_of(2)].cause == NOT_PART
    assert by_cid[cid_of(0)].size is None and by_cid[cid_of(9)].name == "pin 9"
    named = {row.cid: row.allocations for row in rows if row.allocations}
    assert named == {cid_of(7): ("peer",), cid_of(8): NOBODY}, "a name may read so, too"


def test_samples_are_runs_from_all_over(database: Database) -> None:
    store = PartRows(database)
    some = store.at([0.0, 0.0, 0.5], 4)
    assert len(some) == len({row.row for row in some}) == 8
    assert len(store.at([0.999], 100)) <= 2
    assert store.change() > 0


def test_the_last_change_is_not_asked_of_the_writer_who_may_be_busy(database: Database) -> None:
    store = PartRows(database)
    before = store.change()
    with database.transaction() as db, ThreadPoolExecutor(1) as other:
        db.execute("UPDATE meta SET value=value+1 WHERE key='change'")
        assert other.submit(store.change).result() == before
    assert store.change() == before + 1


def test_an_empty_list_has_no_rows(tmp_path: Path) -> None:
    store = PartRows(Database(tmp_path / "empty.db"))
    assert store.page(-1, 5) == [] and store.at([0.5], 5) == []
    assert store.part() is None and store.rescued() == set() and store.crew() == b""


@pytest.mark.parametrize("part", [Part(ALL, ANY_SIZE, 1, 2), Part(ALL - 1, 10**12, 3, 4), Part(0, 0, 0, 0)])
def test_the_part_outlives_a_restart(database: Database, part: Part) -> None:
    PartRows(database).save_part(part)
    assert database.path is not None
    again = PartRows(Database(database.path))
    assert again.part() == part
    again.save_part(None)
    assert again.part() is None


@pytest.mark.parametrize("text", [b"{}", b"no", b'{"threshold":"x","largest":1,"since_ms":1,"moved_ms":1}'])
def test_a_part_that_cannot_be_read_is_worked_out_anew(database: Database, text: bytes) -> None:
    with database.transaction() as db:
        db.execute("INSERT INTO meta VALUES ('part', ?)", (text,))
    assert PartRows(database).part() is None


def test_rescues_and_the_crew_outlive_a_restart(database: Database) -> None:
    store = PartRows(database)
    store.save_rescued({5, 2**64 - 1})
    store.save_crew(b"mates")
    assert database.path is not None
    again = PartRows(Database(database.path))
    assert again.rescued() == {5, 2**64 - 1} and again.crew() == b"mates"
