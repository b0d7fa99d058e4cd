"""The file of a cluster's state: versions, whose it is, full and damaged disks, kill -9 in the middle of a commit."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pincrew.errors import DamagedStore, NewerStore, StoreFault
from pincrew.limits import READERS_KEPT
from pincrew.store.database import Database
from pincrew.store.schema import MIGRATIONS, SCHEMA_VERSION, SCHEMA_VERSION_OLDEST

CLUSTER = bytes(range(32))


def fill(database: Database, rows: int = 1, size: int = 100) -> None:
    with database.transaction() as db:
        db.executemany(
            "INSERT INTO log (sid, number, hash, body, signature) SELECT 1, coalesce(max(number), 0) + 1, x'', ?, NULL"
            " FROM log",
            [(bytes(size),)] * rows,
        )


def held(database: Database) -> int:
    with database.reading() as db:
        count: int = db.execute("SELECT count(*) FROM log").fetchone()[0]
    return count


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def test_a_commit_survives_reopening(path: Path) -> None:
    database = Database(path, cluster=CLUSTER)
    fill(database, 3)
    database.close()
    again = Database(path, cluster=CLUSTER)
    assert held(again) == 3 and again.meta("cluster") == CLUSTER
    (mode,) = again.writer.execute("PRAGMA journal_mode").fetchone()
    (synchronous,) = again.writer.execute("PRAGMA synchronous").fetchone()
    assert (mode, synchronous) == ("wal", 2), "invariant 4: a commit is durable when it returns"
    again.close()


def test_an_exception_rolls_back(path: Path) -> None:
    database = Database(path)
    with pytest.raises(ValueError, match="ours"), database.transaction() as db:
        db.execute("INSERT INTO meta VALUES ('x', 1)")
        raise ValueError("ours")
    assert database.meta("x") is None and not database.writer.in_transaction
    fill(database)
    database.close()


def test_a_newer_version_is_refused_in_words_and_untouched(path: Path) -> None:
    Database(path, cluster=CLUSTER).close()
    with sqlite3.connect(path) as raw:
        raw.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    raw.close()
    for read_only in (False, True):
        with pytest.raises(NewerStore) as refused:
            Database(path, read_only=read_only)
        assert "newer pincrew" in str(refused.value) and "./install.sh" in str(refused.value)
        assert str(path) in str(refused.value) and "Nothing was changed" in str(refused.value)
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION + 1
    raw.close()


def test_every_released_version_has_its_migration() -> None:
    assert len(MIGRATIONS) == SCHEMA_VERSION - SCHEMA_VERSION_OLDEST


def test_another_cluster_is_refused_in_words(path: Path) -> None:
    Database(path, cluster=CLUSTER).close()
    with pytest.raises(StoreFault, match="another cluster"):
        Database(path, cluster=bytes(32))
    Database(path).close()


def test_there_is_nothing_to_read_yet(path: Path) -> None:
    with pytest.raises(StoreFault):
        Database(path, read_only=True)
    assert not path.exists()
    sqlite3.connect(path).close()


@pytest.mark.parametrize("damage", ["overwritten", "cut off"])
def test_a_damaged_file_is_named_in_words(path: Path, damage: str) -> None:
    database = Database(path)
    fill(database, 200, 1000)
    database.close()
    data = path.read_bytes()
    path.write_bytes(b"not a database at all" * 1000 if damage == "overwritten" else data[: len(data) // 2])
    with pytest.raises(StoreFault) as fault:
        broken = Database(path, read_only=damage == "cut off")
        try:
            held(broken)
            with broken.reading() as db:
                db.execute("SELECT body FROM log").fetchall()
        finally:
            broken.close()
    assert "damaged" in str(fault.value) and "fetched anew" in str(fault.value)


@pytest.mark.parametrize("is_read_only", [False, True])
@pytest.mark.parametrize(("at", "damage"), [(60, b"\xff"), (60, b"\x70"), (63, b"\x00"), (19, b"\x7f")])
def test_a_damaged_header_is_damage_and_no_format(path: Path, at: int, damage: bytes, is_read_only: bool) -> None:
    """Whoever was told to install a newer version would look for it in vain."""
    Database(path).close()
    data = bytearray(path.read_bytes())
    data[at : at + 1] = damage
    path.write_bytes(data)
    with pytest.raises(DamagedStore, match="damaged"):
        Database(path, read_only=is_read_only)


def test_a_damaged_file_is_named_by_whatever_reads_it(path: Path) -> None:
    database = Database(path)
    database.writer.execute("DROP TABLE meta")
    with pytest.raises(StoreFault):
        database.counter("item")
    database.close()


def test_a_disk_that_turns_read_only_is_named_in_words_and_goes_on_later(path: Path) -> None:
    database = Database(path)
    database.writer.execute("PRAGMA query_only=1")  # what SQLite says then is what it says of such a disk
    with pytest.raises(StoreFault, match="refuses") as fault:
        fill(database, 1, 10)
    assert "Nothing that was acknowledged is lost" in str(fault.value)
    database.writer.execute("PRAGMA query_only=0")
    fill(database, 1, 10)
    assert held(database) == 1
    database.close()


def test_a_full_database_is_named_in_words_and_goes_on_later(path: Path) -> None:
    database = Database(path)
    (pages,) = database.writer.execute("PRAGMA page_count").fetchone()
    database.writer.execute(f"PRAGMA max_page_count={pages + 4}")
    with pytest.raises(StoreFault, match="no room") as fault:
        fill(database, 100, 4000)
    assert "Nothing that was acknowledged is lost" in str(fault.value)
    assert not database.writer.in_transaction and held(database) == 0
    database.writer.execute("PRAGMA max_page_count=1000000")
    fill(database, 100, 4000)
    assert held(database) == 100
    database.close()


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from pincrew.errors import StoreFault
from pincrew.limits import READERS_KEPT
from pincrew.store.database import Database
sys.path.insert(0, sys.argv[2])
from unit.store.test_database import fill, held
database = Database(Path(sys.argv[1]))
fill(database, 5)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
soft = 400_000
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))
failed = 0
for _ in range(3):
    try:
        fill(database, 200, 4000)
    except StoreFault as fault:
        failed += 1
        print(fault)
assert failed == 3 and held(database) == 5, (failed, held(database))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
fill(database, 200, 4000)
assert held(database) == 205
database.close()
"""


@pytest.mark.slow
def test_a_disk_that_takes_no_more_bytes(path: Path) -> None:
    """The kernel refuses to let the file grow, as on a full volume, and later lets it."""
    tests = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-P", "-c", FULL_DISK, str(path), tests],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    again = Database(path)
    assert held(again) == 205
    again.close()


KILLED = """
import sys
from pathlib import Path
from pincrew.limits import READERS_KEPT
from pincrew.store.database import Database
sys.path.insert(0, sys.argv[2])
from unit.store.test_database import fill
database = Database(Path(sys.argv[1]))
while True:
    fill(database, 50, 2000)
    print("x", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("commits", [0, 1, 7])
def test_kill_9_in_the_middle_of_a_commit(path: Path, commits: int) -> None:
    """What was acknowledged is there; of what was not, all or nothing (invariant 7)."""
    tests = str(Path(__file__).parents[2])
    with subprocess.Popen([sys.executable, "-P", "-c", KILLED, str(path), tests], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        acknowledged = 0
        while acknowledged <= commits:
            assert child.stdout.readline()
            acknowledged += 1
        os.kill(child.pid, signal.SIGKILL)
        acknowledged += child.stdout.read().count(b"x")
    again = Database(path)
    assert held(again) >= 50 * acknowledged and held(again) % 50 == 0
    assert again.writer.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    fill(again)
    again.close()


def test_readers_do_not_wait_for_the_writer(path: Path) -> None:
    database = Database(path)
    fill(database)
    seen: list[int] = []
    with database.transaction() as db:
        db.execute("INSERT INTO log (sid, number, hash, body) VALUES (2, 1, x'', x'')")
        reader = threading.Thread(target=lambda: seen.append(held(database)))
        reader.start()
        reader.join(10)
    assert seen == [1] and held(database) == 2
    database.close()


def test_connections_do_not_pile_up_as_threads_come_and_go(path: Path) -> None:
    database = Database(path)
    fill(database)

    def opened() -> int:
        return sum(one.resolve() == path for one in Path("/proc/self/fd").iterdir())

    def read_beside_others(number: int) -> None:
        with database.reading() as db:
            together.wait()
            assert db.execute("SELECT count(*) FROM log").fetchone() == (1,)
            together.wait()

    for _ in range(3):
        together = threading.Barrier(3 * READERS_KEPT)
        with ThreadPoolExecutor(3 * READERS_KEPT) as threads:
            list(threads.map(read_beside_others, range(3 * READERS_KEPT)))
        assert opened() <= 1 + 3 * READERS_KEPT, "SQLite keeps files open for the next connections"
    with database.reading() as db:
        database.close()
        assert db.execute("SELECT count(*) FROM log").fetchone() == (1,)
    assert opened() == 0


def test_read_only_reads_beside_a_writer_and_writes_nothing(path: Path) -> None:
    database = Database(path, cluster=CLUSTER)
    fill(database)
    beside = Database(path, read_only=True)
    assert held(beside) == 1
    with pytest.raises(StoreFault):
        fill(beside)
    beside.close()
    database.close()
