"""The SQLite file below the block store: opening, transactions, readers, durability, and never more bytes than allowed.

**Durability.** The file is written through SQLite's log (WAL) with synchronous=NORMAL: a commit costs no flush, so that
blocks go in at the speed of the disk. A killed process loses nothing; a power cut may lose the newest commits, in
order, and never damages the file (the log is flushed before it is copied into the file). A transaction that promises
something to a person is ``durable``: it runs with synchronous=FULL, which flushes the log. Whatever was committed
before stands earlier in the same log, or is in the file already: so a pin that was acknowledged is there after a power
cut, together with all of its blocks.

**Size.** The files are the database, its log and the log's index. Only copying the log makes the database grow, to its
number of pages: so ``pages * page size + STORE_JOURNAL_BYTES_MAX <= limit``, checked before each commit, bounds their
sum at every moment. The log is emptied and cut to nothing between transactions once it is larger than
STORE_CHECKPOINT_BYTES, and no transaction adds more than STORE_TRANSACTION_BYTES_MAX to it (callers work in slices).

**Threads.** One connection writes, behind one lock, and only it copies the log. Readers are a few connections that any
thread borrows; whoever holds one never waits for the writer, because emptying the log waits for readers.
"""

from __future__ import annotations

import enum
import fcntl
import os
import queue
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pincrew.errors import Conflict, Misuse, NewerStore, NoRoom, StoreFault
from pincrew.limits import (
    STORE_BUSY_TIMEOUT_S,
    STORE_CHECKPOINT_BYTES,
    STORE_JOURNAL_BYTES_MAX,
    STORE_LIMIT_BYTES_MIN,
    STORE_PINS_BYTES,
    STORE_READER_CACHE_BYTES,
    STORE_READERS,
    STORE_TRANSACTION_BYTES_MAX,
    STORE_VOLUME_FREE_BYTES_MIN,
    STORE_WRITER_CACHE_BYTES,
)
from pincrew.node.store.schema import CREATE, PAGE_BYTES, SCHEMA_VERSION


class Purpose(enum.Enum):
    """What a transaction does to the size of the file."""

    BLOCKS = enum.auto()
    PINS = enum.auto()
    FREEING = enum.auto()


class Room(NamedTuple):
    """How large the store is, in bytes."""

    files: int
    """The files now."""
    free_inside: int
    """Of that, what new blocks take first."""
    limit: int | None
    """What the files never exceed; None: the volume alone sets a limit."""


class StoreFile:
    """An open file. Calls block; threads may share it. Errors are StoreFault, of which NoRoom is one."""

    def __init__(self, path: Path, *, limit_bytes: int | None = None) -> None:
        """Open or make the file at ``path``, whose folder exists. Raises Conflict while another process has it open."""
        self.path = path
        self._log_path = path.with_name(path.name + "-wal")
        self._index_path = path.with_name(path.name + "-shm")
        self._lock = threading.RLock()
        self._limit: int | None = None
        self.set_limit(limit_bytes)
        self._process_lock = self._taken()
        self._connections: list[sqlite3.Connection] = []
        self._idle: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        try:
            with self._faults():
                self._writer = self._connect()
                self._prepare()
                for _ in range(STORE_READERS):
                    self._idle.put(self._connect(read_only=True))
        except BaseException:  # whatever keeps it from opening, the next attempt must find it unlocked
            self.close()
            raise

    def _taken(self) -> int:
        place = self.path.with_name(self.path.name + ".lock")
        try:
            lock = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreFault(f"The block store cannot be opened: {error.strerror}", where=str(place)) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise Conflict("Another process uses the block store", where=str(self.path)) from error
        return lock

    def _connect(self, *, read_only: bool = False) -> sqlite3.Connection:
        place = f"{self.path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        connection = sqlite3.connect(
            place, uri=True, isolation_level=None, check_same_thread=False, timeout=STORE_BUSY_TIMEOUT_S
        )
        self._connections.append(connection)
        size = STORE_READER_CACHE_BYTES if read_only else STORE_WRITER_CACHE_BYTES
        connection.execute(f"PRAGMA cache_size={-size // 1024}")
        return connection

    def _prepare(self) -> None:
        version = self._number("user_version")
        if version > SCHEMA_VERSION:
            raise NewerStore(
                f"The blocks were written by a newer pincrew (format {version}, this one reads up to {SCHEMA_VERSION})",
                where=str(self.path),
                means="Nothing was changed",
                next_step="Install that newer version again: `./install.sh` from its release",
            )
        if version == 0:
            # Both count only before anything is in the file.
            self._writer.execute(f"PRAGMA page_size={PAGE_BYTES}")
            self._writer.execute("PRAGMA auto_vacuum=INCREMENTAL")
        self._writer.execute("PRAGMA journal_mode=WAL")
        self._writer.execute("PRAGMA synchronous=NORMAL")
        self._writer.execute("PRAGMA fullfsync=1")  # on macOS a flush stops at the drive's own cache without it
        self._writer.execute("PRAGMA wal_autocheckpoint=0")
        self._writer.execute("PRAGMA secure_delete=OFF")  # where it is built in, it would write all that is deleted
        self._page_bytes = self._number("page_size")
        if version == 0:
            with self.transaction(Purpose.PINS, durable=True) as database:
                for statement in CREATE.split(";"):
                    database.execute(statement)
                database.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def _number(self, pragma: str) -> int:
        value: int = self._writer.execute(f"PRAGMA {pragma}").fetchone()[0]
        return value

    @contextmanager
    def transaction(self, purpose: Purpose, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Give the writer's connection for one transaction; an exception rolls it back.

        What is done in one transaction adds at most STORE_TRANSACTION_BYTES_MAX to the log. ``durable`` ones are there
        after a power cut once they have returned.
        """
        with self._lock, self._faults():
            if purpose is Purpose.BLOCKS:
                self._check_volume()
            self._empty_log_in_time()
            if durable:
                self._writer.execute("PRAGMA synchronous=FULL")
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                self._check_limit(purpose)
                self._writer.execute("COMMIT")
            except BaseException:  # of the caller's too: half a transaction is never committed
                if self._writer.in_transaction:  # SQLite rolls back by itself where the disk is full
                    self._writer.execute("ROLLBACK")
                raise
            finally:
                if durable:
                    self._writer.execute("PRAGMA synchronous=NORMAL")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection for one look at what is committed; take no other lock and be done within milliseconds."""
        connection = self._idle.get()
        try:
            with self._faults():
                connection.execute("BEGIN")
                try:
                    yield connection
                finally:
                    if connection.in_transaction:
                        connection.execute("COMMIT")
        finally:
            self._idle.put(connection)

    def set_limit(self, limit_bytes: int | None) -> None:
        """Change what the files may take together. Where they take more already, nothing comes in until they shrank."""
        if limit_bytes is not None and limit_bytes < STORE_LIMIT_BYTES_MIN:
            raise Misuse(
                "The limit for the block store is too small",
                next_step=f"Give it at least {STORE_LIMIT_BYTES_MIN // 1024**2} MiB",
            )
        self._limit = limit_bytes

    def room(self) -> Room:
        """Return how large the store is and may become."""
        with self.reading() as database:
            free: int = database.execute("PRAGMA freelist_count").fetchone()[0]
        return Room(self.files_bytes(), free * self._page_bytes, self._limit)

    def files_bytes(self) -> int:
        """Return the size of the files together."""
        with self._faults():
            return sum(_size(path) for path in (self.path, self._log_path, self._index_path))

    def shrink(self, pages: int) -> bool:
        """Give up to ``pages`` unused pages back to the file system; return whether there are more."""
        with self._lock, self._faults():
            self._empty_log_in_time()
            # SQLite frees one page a step, and `execute` makes one step of a statement that has no columns. It is a
            # transaction of its own.
            self._writer.executescript(f"PRAGMA incremental_vacuum({pages})")
            return self._number("freelist_count") > 0

    def empty_log(self) -> bool:
        """Copy the log into the file and cut it to nothing; return whether no reader was in the way for too long."""
        with self._lock, self._faults():
            busy: int = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            return not busy

    def close(self) -> None:
        """Close everything; the last connection empties the log."""
        with self._lock, self._faults():
            for connection in reversed(self._connections):  # the writer is the first, and the last to go
                connection.close()
            self._connections.clear()
            if self._process_lock >= 0:
                os.close(self._process_lock)
                self._process_lock = -1

    def _empty_log_in_time(self) -> None:
        size = _size(self._log_path)
        if size < STORE_CHECKPOINT_BYTES:
            return
        reason: StoreFault | None = None
        try:
            done = self.empty_log()
        except StoreFault as fault:
            done, reason = False, fault
        # While the log has room for one more, that one may be what makes room on a full volume.
        if not done and size + STORE_TRANSACTION_BYTES_MAX > STORE_JOURNAL_BYTES_MAX:
            raise reason or StoreFault("Something keeps reading the block store", where=str(self.path))

    def _check_volume(self) -> None:
        volume = os.statvfs(self.path.parent)
        if volume.f_bavail * volume.f_frsize < STORE_VOLUME_FREE_BYTES_MIN:
            raise NoRoom(
                "No room: the volume of the block store is full",
                where=str(self.path),
                means="Nothing that is kept is lost",
                next_step="Free some space on that volume; work goes on by itself",
            )

    def _check_limit(self, purpose: Purpose) -> None:
        if self._limit is None or purpose is Purpose.FREEING:
            return
        spare = STORE_PINS_BYTES if purpose is Purpose.BLOCKS else 0
        if self._number("page_count") * self._page_bytes > self._limit - STORE_JOURNAL_BYTES_MAX - spare:
            raise NoRoom(
                "No room: the limit for the block store is reached",
                where=str(self.path),
                means="Nothing that is kept is lost"
                f" ({(STORE_JOURNAL_BYTES_MAX + spare) // 1024**2} MiB of the limit are for the store's own log)",
                next_step="Raise the limit, or unpin something",
            )

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._fault(error) from error
        except OSError as error:  # of a volume that is gone, or does not answer, when it is asked for sizes
            raise StoreFault(f"The block store cannot be used: {error.strerror}", where=str(self.path)) from error
        except UnicodeDecodeError as error:  # in the schema, which sqlite3 reads as text
            raise self.damage() from error

    def _fault(self, error: sqlite3.Error) -> StoreFault:
        text = str(error)
        if "full" in text:
            return NoRoom(
                "No room: the volume of the block store is full",
                where=str(self.path),
                means="Nothing that is kept is lost",
                next_step="Free some space on that volume; work goes on by itself",
            )
        if "malformed" in text or "not a database" in text:
            return self.damage()
        return StoreFault(f"The block store cannot be used: {text}", where=str(self.path))

    def damage(self) -> StoreFault:
        """Return the error for a file in which something stands that nobody wrote."""
        return StoreFault(
            "The block store is damaged",
            where=str(self.path),
            means="Other copies of the content are not affected",
            next_step="Move the file away and start again: what is pinned is fetched anew",
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
