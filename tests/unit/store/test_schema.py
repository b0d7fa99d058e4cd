"""Formats of the store: none changes unnoticed, and one of each is kept and opened."""

from __future__ import annotations

import hashlib
import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pincrew.errors import StoreFault
from pincrew.record import decode_record
from pincrew.store import database as database_module
from pincrew.store.acquaintances import Acquaintances
from pincrew.store.audit import Audit
from pincrew.store.database import Database
from pincrew.store.events import Events
from pincrew.store.rows import Rows
from pincrew.store.schema import CREATE, SCHEMA_VERSION, SCHEMA_VERSION_OLDEST
from pincrew.store.statuses import Statuses
from pincrew.store.trust_store import TrustStore
from pincrew.values import PinState
from support.source_tree import ROOT
from support.stored_cluster import SHARD_BITS, StoredCluster
from unit.golden.vectors import cid

FIXTURES = ROOT / "tests" / "fixtures"
VERSIONS = range(SCHEMA_VERSION_OLDEST, SCHEMA_VERSION + 1)
# SHA-256 of `CREATE` by version. A hash of a released version never changes: whoever changes the format raises
# SCHEMA_VERSION, says in MIGRATIONS how to come there, and adds a line here and a fixture (tests/fixtures).
FORMATS = {
    1: "3d8962f814256aec28f30130ad65e2501081081963194e954afc2ab5804cfc04",
    2: "a7f19f5513fdb2f5c242d1b1b0a225b2cf23bc6f23f835b5c2d8935d909367ee",
}


def test_the_format_does_not_change_without_its_version() -> None:
    assert list(FORMATS) == list(VERSIONS)
    assert hashlib.sha256(CREATE.encode()).hexdigest() == FORMATS[SCHEMA_VERSION]


def test_a_store_of_each_format_is_kept() -> None:
    kept = {path.name for path in FIXTURES.glob("state-v*.sql")}
    assert kept == {f"state-v{version}.sql" for version in VERSIONS}


def tables_of(database: Database) -> set[str]:
    """Return the statements of all tables and indexes, without white space: a column that is added gets its own."""
    found = database.writer.execute("SELECT sql FROM sqlite_master WHERE sql NOT NULL")
    return {"".join(text.split()) for (text,) in found}


@pytest.mark.parametrize("version", VERSIONS)
def test_what_an_older_version_wrote_is_all_there(version: int, tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript((FIXTURES / f"state-v{version}.sql").read_text(encoding="utf-8"))
    with closing(Database(path)) as database:
        assert database.writer.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        with closing(Database(None)) as new:
            assert tables_of(database) == tables_of(new)
        look = Audit(database, SHARD_BITS, is_whole=True, luck=random.Random(1))
        base, chain = look.base(), look.chain()
        assert look.pages().faults == [] and look.figures() == (8, []) and look.rows().shards == set()
        assert (chain.faults, chain.envelopes) == ([], 16)
        assert base.base is not None and (base.base.n, base.base.pins) == (1, 7)
        assert (base.fault, base.different) == (None, [])
        names = {record[0]: decode_record(record[0], record[1]).name for record in Rows(database).contents()}
        assert names == {cid(0): "again 0"} | {cid(number): f"x {number}" for number in (2, 3, 4, 5, 6, 8, 9)}
        statuses = Statuses(database, SHARD_BITS)
        counts = statuses.counts()
        assert {state: counts[state] for state in (PinState.PINNED, PinState.ERROR, PinState.UNPINNING)} == {
            PinState.PINNED: 1,
            PinState.ERROR: 1,
            PinState.UNPINNING: 1,
        }
        assert statuses.sizes()[PinState.PINNED] == (2_222, 1)
        assert [one.cid for one in statuses.changes(9)] == [cid(10)], "a removal that the tracker has not heard of"
        assert [one.cid for one in statuses.leaving(to_ms=2**62, limit=9)] == [cid(11)]
        assert (statuses.removals_state(), statuses.node_id()) == ("{}", "a node")
        trust = TrustStore(database).chain()
        assert trust is not None and (trust.head.n, len(trust.curators)) == (1, 2)
        assert [row.text for row in Events(database).after(0)] == ["x 2 is pinned"]
        assert [one.peer for one in Acquaintances(database).all()] == ["a peer"]
        for table in ("evidence", "reissues", "dependencies", "base_records", "deletes"):
            assert database.writer.execute(f"SELECT count(*) FROM {table}").fetchone()[0], table
        before = list(Rows(database).contents())
    with closing(StoredCluster(path, trust)) as member:
        assert member.bases.n == 1 and list(Rows(member.database).contents()) == before


# ---- the runner, on formats that never were -------------------------------------------------------------------------

MADE_UP = (
    "ALTER TABLE events ADD COLUMN colour TEXT; UPDATE events SET colour='red'",
    "CREATE TABLE colours (event INTEGER, colour TEXT); INSERT INTO colours SELECT id, colour FROM events",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "state.db"
    with closing(Database(path)) as database:
        Events(database).add_all([(1, "pinned", "x", {})])
    return path


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as raw:
        version: int = raw.execute("PRAGMA user_version").fetchone()[0]
    return version


def make_up(monkeypatch: pytest.MonkeyPatch, *migrations: str) -> int:
    """Pretend that there are later formats; return the last one."""
    monkeypatch.setattr(database_module, "MIGRATIONS", migrations)
    monkeypatch.setattr(database_module, "SCHEMA_VERSION_OLDEST", SCHEMA_VERSION)
    monkeypatch.setattr(database_module, "SCHEMA_VERSION", SCHEMA_VERSION + len(migrations))
    return SCHEMA_VERSION + len(migrations)


def test_a_store_goes_through_every_format_in_between(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last = make_up(monkeypatch, *MADE_UP)
    with closing(Database(path)) as database:
        assert database.writer.execute("SELECT * FROM colours").fetchall() == [(1, "red")]
    assert version_of(path) == last
    Database(path).close()


def test_a_store_starts_from_where_it_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_up(monkeypatch, MADE_UP[0])
    Database(path).close()
    last = make_up(monkeypatch, "this is not SQL, and is behind it", MADE_UP[1])
    Database(path).close()
    assert version_of(path) == last


def test_who_only_reads_does_not_migrate_and_says_who_does(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_up(monkeypatch, *MADE_UP)
    with pytest.raises(StoreFault, match="older pincrew") as refused:
        Database(path, read_only=True)
    assert "pincrew daemon start" in refused.value.next_step and version_of(path) == SCHEMA_VERSION


def test_a_migration_that_fails_leaves_the_format_before_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_up(monkeypatch, MADE_UP[0], "CREATE TABLE half (x); INSERT INTO nowhere VALUES (1)")
    with pytest.raises(StoreFault):
        Database(path)
    assert version_of(path) == SCHEMA_VERSION + 1
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT count(*) FROM sqlite_master WHERE name='half'").fetchone() == (0,)
        assert raw.execute("SELECT colour FROM events").fetchall() == [("red",)]
    make_up(monkeypatch, *MADE_UP)
    Database(path).close()
    assert version_of(path) == SCHEMA_VERSION + 2


DYING = """
import os, signal, sys
from pathlib import Path
from pincrew.store import database
class Dying(database.Database):
    def _connect(self, *, read_only):
        connection = super()._connect(read_only=read_only)
        connection.create_function("die", 0, lambda: os.kill(os.getpid(), signal.SIGKILL))
        return connection
database.SCHEMA_VERSION_OLDEST = database.SCHEMA_VERSION
database.SCHEMA_VERSION += 2
database.MIGRATIONS = tuple(sys.argv[2:])
Dying(Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_a_crash_in_the_middle_leaves_the_format_before_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = (MADE_UP[0], "CREATE TABLE half (x); DELETE FROM events; SELECT die()")
    done = subprocess.run(
        [sys.executable, "-P", "-c", DYING, str(path), *scripts], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert version_of(path) == SCHEMA_VERSION + 1
    make_up(monkeypatch, *MADE_UP)
    with closing(Database(path)) as database:
        assert database.writer.execute("SELECT * FROM colours").fetchall() == [(1, "red")]
        assert database.writer.execute("PRAGMA integrity_check").fetchone() == ("ok",)
