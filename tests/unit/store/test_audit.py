"""Each look at a store finds the damage that it is for, and nothing in a store that is sound."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from pincrew.errors import DamagedStore
from pincrew.store import audit as audit_module
from pincrew.store.audit import Audit, Chain
from pincrew.store.database import Database
from pincrew.store.events import Events
from support.stored_cluster import KEY, SHARD_BITS, StoredCluster, one_keeper

SHARDS = 1 << SHARD_BITS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A list of 30, most of it within a base, some changed and removed since."""
    path = tmp_path / "state.db"
    stored = StoredCluster(path, one_keeper(), KEY)
    stored.write(range(25))
    stored.remove([24])
    stored.make_base()
    stored.write(range(25, 32))
    stored.write([0, 25], "again")
    stored.remove([1, 26])
    stored.close()
    return path


@pytest.fixture
def sound(path: Path) -> Iterator[Audit]:
    with closing(Database(path, read_only=True)) as database:
        yield looking(database)


def looking(database: Database, *, is_whole: bool = False) -> Audit:
    return Audit(database, SHARD_BITS, is_whole=is_whole, luck=random.Random(1))


def spoil(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as raw:
        for statement in statements:
            assert raw.execute(statement).rowcount, "nothing was spoilt"
        raw.commit()


def spoilt(path: Path, *statements: str) -> Audit:
    spoil(path, *statements)
    return looking(Database(path, read_only=True))


def test_a_sound_store(sound: Audit) -> None:
    pages, (pins, wrong), rows, chain, base = sound.pages(), sound.figures(), sound.rows(), sound.chain(), sound.base()
    assert (pages.faults, pages.is_whole) == ([], True)
    assert (pins, wrong) == (29, [])
    assert (rows.looked_at, rows.shards, rows.lost) == (SHARDS, set(), set())
    assert chain == Chain([], 1, 36)
    assert base.base is not None
    assert (base.base.n, base.fault, base.looked_at, base.different) == (1, None, SHARDS, [])
    assert sound.refused() is None


def test_an_empty_store(tmp_path: Path) -> None:
    StoredCluster(tmp_path / "state.db", one_keeper()).close()
    with closing(Database(tmp_path / "state.db", read_only=True)) as database:
        look = looking(database)
        assert look.figures() == (0, []) and not look.rows().shards and look.chain() == Chain([], 0, 0)
        assert look.base().base is None


# ---- pages ----------------------------------------------------------------------------------------------------------


def test_a_damaged_page_is_found(path: Path) -> None:
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA journal_mode=DELETE")
        (root,) = raw.execute("SELECT rootpage FROM sqlite_master WHERE name='pins_name'").fetchone()
        (size,) = raw.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((root - 1) * size + 100)
        file.write(b"\xff" * (size - 200))
    # SQLite may refuse the page outright.
    with suppress(DamagedStore), closing(Database(path, read_only=True)) as database:
        assert looking(database).pages().faults


def test_an_index_that_says_something_else_than_the_rows_is_found_by_a_whole_look(path: Path) -> None:
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA writable_schema=ON")
        raw.execute("UPDATE sqlite_master SET sql=replace(sql, '(size)', '(id)') WHERE name='pins_size'")
        raw.commit()
    with closing(Database(path, read_only=True)) as database:
        assert looking(database).pages().faults == []
        assert "pins_size" in looking(database, is_whole=True).pages().faults[0]


def test_a_look_that_takes_too_long_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_module, "AUDIT_PAGES_S_MAX", 0.0)
    monkeypatch.setattr(audit_module, "_INTERRUPT_OPERATIONS", 1)
    with closing(Database(path, read_only=True)) as database:
        assert not looking(database).pages().is_whole
        assert looking(database, is_whole=True).pages().is_whole
        assert looking(database).figures() == (29, []), "and what comes after is not interrupted"


# ---- figures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "wrong"),
    [
        ("UPDATE counters SET pins=pins+1 WHERE state=0", ["queued"]),
        ("UPDATE counters SET bytes=bytes-1 WHERE state=0", ["queued"]),
        ("UPDATE counters SET sized=0 WHERE state=0", ["queued"]),
        ("DELETE FROM counters WHERE state=2", ["pinned"]),
        ("INSERT INTO leaving VALUES (x'01', 1, NULL)", ["unpinning"]),
        ("UPDATE pins SET state=2 WHERE id=1", ["queued", "pinned"]),
        ("UPDATE meta SET value=1 WHERE key='change'", ["change"]),
        ("UPDATE meta SET value='many' WHERE key='pin'", ["pin"]),
        ("UPDATE meta SET value=1 WHERE key='item'", ["item"]),
        ("DELETE FROM meta WHERE key='items'", ["items"]),
    ],
)
def test_wrong_figures(path: Path, statement: str, wrong: list[str]) -> None:
    assert spoilt(path, statement).figures()[1] == wrong


# ---- rows -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "is_lost"),
    [
        ("DELETE FROM pins WHERE id=3", False),
        ("UPDATE pins SET cid=x'01551220' WHERE id=3", False),
        ("UPDATE pins SET n=n+100 WHERE id=3", False),
        ("UPDATE items SET pin=NULL WHERE pin=3", False),
        ("DELETE FROM items WHERE pin=3", False),
        ("DELETE FROM items WHERE pin=(SELECT max(id) FROM pins)", True),
        ("DELETE FROM items WHERE pin IS NULL AND number>(SELECT cut FROM sessions)", True),
        ("UPDATE shard_puts SET puts=puts+1 WHERE puts=(SELECT max(puts) FROM shard_puts)", True),
    ],
)
def test_rows_that_do_not_fit(path: Path, statement: str, is_lost: bool) -> None:
    found = spoilt(path, statement).rows()
    assert found.shards and bool(found.lost) == is_lost


# ---- heads ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("DELETE FROM log WHERE number=30", "1 envelopes of"),
        ("DELETE FROM log WHERE number=(SELECT number FROM sessions)", "1 envelopes of"),
        ("UPDATE sessions SET hash=zeroblob(32)", "is not the last envelope"),
        ("UPDATE sessions SET number=number+1", "1 envelopes of"),
        ("UPDATE log SET hash=zeroblob(32) WHERE number=30", "is another one than its place says"),
        ("UPDATE log SET body=zeroblob(100) WHERE number=30", "is damaged"),
        ("UPDATE log SET body=(SELECT body FROM log WHERE number=31) WHERE number=30", "damaged"),
        ("UPDATE log SET signature=zeroblob(64) WHERE number=30", "is damaged"),
        ("UPDATE log SET sid=7 WHERE number=3", "of no session"),
    ],
)
def test_a_broken_log(path: Path, statement: str, fault: str) -> None:
    assert fault in "; ".join(spoilt(path, statement).chain().faults)


def test_the_link_to_the_cut_is_looked_at(path: Path) -> None:
    """What lies below it may be forgotten, so its hash stands with the session."""
    spoil(path, "DELETE FROM log WHERE number<=(SELECT cut FROM sessions)")
    with closing(Database(path, read_only=True)) as database:
        assert looking(database).chain().faults == []
    (fault,) = spoilt(path, "UPDATE sessions SET cut_hash=zeroblob(32)").chain().faults
    assert "does not follow" in fault


def test_a_long_log_is_sampled(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_module, "AUDIT_ENVELOPES", 5)
    with closing(Database(path, read_only=True)) as database:
        assert looking(database).chain().envelopes == 10
        assert looking(database, is_whole=True).chain().envelopes == 36
    spoil(path, "UPDATE log SET body=zeroblob(100) WHERE number=36")
    with closing(Database(path, read_only=True)) as database:
        assert looking(database).chain().faults, "the newest are always among them"


# ---- the base -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE pins SET record=zeroblob(10) WHERE id=3",
        "DELETE FROM pins WHERE id=3",
        "DELETE FROM items WHERE pin=3",
        "UPDATE items SET n=n+100 WHERE pin=3",
        "DELETE FROM base_records",
        "UPDATE base_records SET record=zeroblob(9)",
        "UPDATE shard_puts SET puts=puts+1, base=base+1",
        "DELETE FROM shard_puts WHERE base>0",
    ],
)
def test_shards_that_are_not_what_was_signed(path: Path, statement: str) -> None:
    look = spoilt(path, statement).base()
    assert look.fault is None and 1 <= len(look.different) <= SHARDS


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE bases SET sealed=zeroblob(10)",
        "UPDATE bases SET sealed=cast(replace(hex(sealed), '00', '01') AS BLOB)",
        "UPDATE bases SET shards=zeroblob(length(shards))",
        "UPDATE bases SET shards=x''",
        "UPDATE bases SET cut=x'80'",
        "UPDATE sessions SET cut=cut-1",
        "UPDATE sessions SET cut_hash=zeroblob(32)",
    ],
)
def test_a_base_that_is_damaged_itself(path: Path, statement: str) -> None:
    assert spoilt(path, statement).base().fault


def test_a_long_list_is_sampled(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_module, "AUDIT_ROWS", 10)
    monkeypatch.setattr(audit_module, "AUDIT_SHARDS_MIN", 2)
    with closing(Database(path, read_only=True)) as database:
        assert looking(database).base().looked_at == looking(database).rows().looked_at == 2
        assert looking(database, is_whole=True).base().looked_at == SHARDS


def test_what_was_refused_is_known_from_the_events(path: Path) -> None:
    with closing(Database(path)) as database:
        fields = {"base": 2, "pins": 1, "reason": "3 of its shards differ"}
        Events(database).add_all([(1, "base_refused", "", fields), (2, "base_adopted", "", {"base": 1})])
    with closing(Database(path, read_only=True)) as database:
        assert looking(database).refused() == (2, "3 of its shards differ")
