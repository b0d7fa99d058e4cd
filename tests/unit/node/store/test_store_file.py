"""The file below the block store: its size, full volumes, damage, versions, and one process at a time."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pincrew.errors import Conflict, Misuse, NewerStore, NoRoom, StoreFault
from pincrew.limits import (
    STORE_CHECKPOINT_BYTES,
    STORE_JOURNAL_BYTES_MAX,
    STORE_LIMIT_BYTES_MIN,
    STORE_PINS_BYTES,
    STORE_TRANSACTION_BYTES_MAX,
)
from pincrew.node.links import links_of
from pincrew.node.store import BlockStore, Phase, Pin
from pincrew.node.store.schema import PAGE_BYTES, SCHEMA_VERSION
from pincrew.node.store.store_file import Purpose, StoreFile
from support.dags import leaf

MIB = 1024 * 1024


def collect(store: BlockStore) -> None:
    collection = store.collection(links_of)
    while collection.step().phase is not Phase.DONE:
        pass
    collection.end()


def fill(store: BlockStore, size: int, start: int = 0) -> list[bytes]:
    """Put blocks until there is no room; return their multihashes."""
    put: list[bytes] = []
    limit = store.room().limit or 2**30  # a volume that is full sets its own, and far below that
    with pytest.raises(NoRoom) as told:
        for number in range(start, start + 2 * limit // size):
            block = leaf(number, size).block
            store.put_many([block], verified=True)
            put.append(block[0])
    assert told.value.code == "no_room" and "Nothing that is kept is lost" in str(told.value)
    return put


@contextmanager
def sampled(store: BlockStore) -> Iterator[list[int]]:
    """Look at the size of the files all the time."""
    sizes: list[int] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.0005):
            sizes.append(store.files_bytes())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield sizes
    finally:
        ended.set()
        thread.join()


def test_a_new_file_is_set_up_for_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "blocks.db"
    BlockStore(path).close()
    raw = sqlite3.connect(path)
    told = [raw.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "auto_vacuum", "page_size")]
    raw.close()
    assert told == ["wal", 2, PAGE_BYTES], "2: space is given back when asked for"


def test_only_what_is_promised_is_flushed(tmp_path: Path) -> None:
    file = StoreFile(tmp_path / "blocks.db")
    for durable, expected in ((False, 1), (True, 2), (False, 1)):
        with file.transaction(Purpose.PINS, durable=durable) as database:
            assert database.execute("PRAGMA synchronous").fetchone()[0] == expected, "1: NORMAL, 2: FULL"
    file.close()


def test_a_newer_version_is_refused_in_words_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "blocks.db"
    BlockStore(path).close()
    raw = sqlite3.connect(path)
    raw.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    raw.close()
    before = path.read_bytes()
    with pytest.raises(NewerStore, match="newer pincrew") as refused:
        BlockStore(path)
    assert "./install.sh" in str(refused.value) and path.read_bytes() == before


def test_one_process_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "blocks.db"
    store = BlockStore(path)
    with pytest.raises(Conflict, match="Another process"):
        BlockStore(path)
    store.close()
    BlockStore(path).close()


def test_a_file_that_is_no_store_is_named_in_words_and_let_go(tmp_path: Path) -> None:
    path = tmp_path / "blocks.db"
    path.write_bytes(b"not a database at all" * 1_000)
    for _ in range(2):
        with pytest.raises(StoreFault, match=r"damaged.*fetched anew"):
            BlockStore(path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreFault, match="cannot be opened"):
        BlockStore(tmp_path / "none" / "blocks.db")


def test_an_exception_rolls_back(tmp_path: Path) -> None:
    file = StoreFile(tmp_path / "blocks.db")
    with pytest.raises(ValueError, match="ours"), file.transaction(Purpose.PINS) as database:
        database.execute("INSERT INTO pins VALUES (x'01', 1, '')")
        raise ValueError("ours")
    with file.reading() as database:
        assert database.execute("SELECT count(*) FROM pins").fetchone() == (0,)
    file.close()


def test_a_volume_that_is_gone_is_a_fault_of_the_store(tmp_path: Path) -> None:
    """As when a disk is pulled out: what asks it for sizes says so, too."""
    folder = tmp_path / "disk"
    folder.mkdir()
    store = BlockStore(folder / "blocks.db")
    folder.rename(tmp_path / "gone")
    with pytest.raises(StoreFault, match="cannot be used: No such file"):
        store.put_many([leaf("x").block])
    (tmp_path / "gone").rename(folder)
    store.put_many([leaf("x").block])
    (folder / "blocks.db-shm").rename(folder / "kept")
    (folder / "blocks.db-shm").symlink_to("blocks.db-shm")
    with pytest.raises(StoreFault, match="cannot be used: Too many levels"):
        store.files_bytes()
    (folder / "kept").rename(folder / "blocks.db-shm")
    store.close()


def test_a_limit_that_leaves_no_room_for_the_log(store: BlockStore) -> None:
    with pytest.raises(Misuse, match="at least"):
        store.set_limit(STORE_LIMIT_BYTES_MIN - 1)
    assert store.room().limit is None
    assert STORE_CHECKPOINT_BYTES + STORE_TRANSACTION_BYTES_MAX <= STORE_JOURNAL_BYTES_MAX
    assert STORE_LIMIT_BYTES_MIN >= STORE_JOURNAL_BYTES_MAX + 2 * STORE_PINS_BYTES


@pytest.mark.slow
@pytest.mark.parametrize("size", [1_000, 30_000, 2_000_000])
def test_the_files_stay_below_the_limit_at_every_sample(tmp_path: Path, size: int) -> None:
    """Filling, pinning, deleting here and there, filling again, collecting: whatever the size of the blocks."""
    limit = STORE_LIMIT_BYTES_MIN + 2 * MIB
    store = BlockStore(tmp_path / "blocks.db", limit_bytes=limit)
    chance = random.Random(size)
    with sampled(store) as sizes:
        together = 8 * MIB // size
        with pytest.raises(NoRoom):
            for start in range(0, 10_000_000, together):
                store.put_many([leaf(number, size).block for number in range(start, start + together)], verified=True)
        fill(store, size, 10_000_000)
        there = store.multihashes(limit=1_000_000)
        assert sum(store.has_many(there).values()) > 0.7 * (limit - STORE_JOURNAL_BYTES_MAX - STORE_PINS_BYTES)
        kept = chance.sample(there, len(there) // 3)
        store.pins.complete([Pin(b"\x01\x55" + multihash) for multihash in kept])
        store.delete_many(chance.sample(sorted(set(there) - set(kept)), len(there) // 3))
        fill(store, size, 20_000_000)
        collect(store)
        assert store.multihashes(limit=1_000_000) == sorted(kept) and store.room().free_inside == 0
        fill(store, size, 30_000_000)
    assert len(sizes) > 100 and max(sizes) <= limit
    store.close()


def test_a_full_store_still_pins_and_a_lower_limit_lets_nothing_in_until_it_shrank(tmp_path: Path) -> None:
    store = BlockStore(tmp_path / "blocks.db", limit_bytes=STORE_LIMIT_BYTES_MIN + 10 * MIB)
    put = fill(store, 1_000_000)
    store.pins.complete([Pin(b"\x01\x55" + put[0])])
    store.set_limit(STORE_LIMIT_BYTES_MIN)
    assert store.room().limit == STORE_LIMIT_BYTES_MIN
    with pytest.raises(NoRoom, match="limit"):
        store.put_many([leaf("one more").block])
    collect(store)
    assert store.multihashes() == [put[0]] and store.files_bytes() < 2 * MIB
    store.put_many([leaf("one more").block])
    store.close()


def test_the_log_is_emptied_though_others_keep_reading(store: BlockStore) -> None:
    blocks = [leaf(number, 250_000).block for number in range(16)]
    store.put_many(blocks)
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            store.get_many([multihash for multihash, _ in blocks])

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        with sampled(store) as sizes:
            for start in range(100, 420, 16):
                store.put_many([leaf(number, 250_000).block for number in range(start, start + 16)], verified=True)
    finally:
        ended.set()
        for reader in readers:
            reader.join()
    assert max(sizes) < 336 * 250_000 * 1.05 + STORE_JOURNAL_BYTES_MAX
    assert (Path(str(store._file.path) + "-wal")).stat().st_size <= STORE_JOURNAL_BYTES_MAX


NO_MOUNT = "this system lets nobody mount a file system of his own"
FULL_VOLUME = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from pincrew.errors import NoRoom
from pincrew.node.store import BlockStore, Pin
from pincrew.node.store.store_file import StoreFile
from support.dags import leaf
from unit.node.store.test_store_file import collect, fill

def ballast(name, left):
    volume = os.statvfs(folder)
    (folder / name).write_bytes(bytes(volume.f_bavail * volume.f_frsize - left))

folder = Path(sys.argv[1])
store = BlockStore(folder / "blocks.db")
put = fill(store, 1_000_000)
assert 20 < len(put) < 100, len(put)
ballast("others", 40_000_000)
try:
    store.put_many([leaf("x").block])
except NoRoom as told:
    assert "volume" in str(told), told
else:
    raise AssertionError("there is less room than is kept free")
store.pins.complete([Pin(b"\\x01\\x55" + put[0])])

# As if others filled the volume within the moment between looking and writing.
StoreFile._check_volume = lambda self: None
more = fill(store, 1_000_000, 10_000)
assert 10 < len(more), len(more)
ballast("rest", 0)
for _ in range(3):
    try:
        store.put_many([leaf("y", 1_000_000).block])
    except NoRoom:
        continue
    raise AssertionError("there is no room at all")
assert store.get(put[0]) is not None and len(store.get_many(put + more)) == len(put + more)
(folder / "rest").unlink()
(folder / "others").unlink()
store.put_many([leaf("z", 1_000_000).block])
collect(store)
assert store.multihashes() == [put[0]]
store.close()
store = BlockStore(folder / "blocks.db")
assert store.verify().count == 1 and store.pins.count() == 1
store.close()
print("held")
"""


@pytest.mark.slow
def test_a_full_volume(tmp_path: Path) -> None:
    """What is there stays readable while a volume is full; room is made by collecting, and found again by itself."""
    tests = str(Path(__file__).parents[3])
    mount = f"mount -t tmpfs -o size=130m none '{tmp_path}' && echo mounted && exec \"$@\""
    python = [sys.executable, "-P", "-c", FULL_VOLUME, str(tmp_path), tests]
    try:
        done = subprocess.run(
            ["unshare", "-Urm", "sh", "-c", mount, "sh", *python],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip(NO_MOUNT)
    if not done.stdout.startswith("mounted\n"):
        pytest.skip(NO_MOUNT)
    assert done.returncode == 0 and done.stdout.endswith("held\n"), done.stderr[-3000:]
