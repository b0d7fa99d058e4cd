"""One SQLite file: opening, versions, transactions, and readers that never wait for the writer.

Calls block. The writer's connection is one, guarded by a lock, so that any thread may use it in turn; readers are
connections of their own (WAL), lent to one at a time. A commit is durable when it returns (synchronous=FULL,
invariant 4).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pincrew.errors import DamagedStore, NewerStore, StoreFault
from pincrew.limits import READERS_KEPT
from pincrew.store.schema import CREATE, MIGRATIONS, SCHEMA_VERSION, SCHEMA_VERSION_OLDEST
from pincrew.values import PinState

STATES: tuple[PinState, ...] = (
    PinState.QUEUED,
    PinState.PINNING,
    PinState.PINNED,
    PinState.ERROR,
    PinState.SKIPPED,
    PinState.REMOTE,
    PinState.UNPINNING,
)
STATE_NUMBER = {state: number for number, state in enumerate(STATES)}
_BUSY_TIMEOUT_S = 30.0
_VERSION_MAX = 10_000  # a higher one was never written by any pincrew: it is what is left of a damaged header
# How SQLite says that pages are not what they were, also those of the header and of the schema.
_DAMAGE = ("malformed", "not a database", "unsupported file format", "no such table", "no such column", "decode to UTF")


def bytes_on_disk(path: Path) -> int:
    """Return how large a store's files are together: the file, and what SQLite keeps beside it. Blocks."""
    found = 0
    for end in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            found += path.with_name(path.name + end).stat().st_size
    return found


class Database:
    """The state of one cluster on disk."""

    def __init__(self, path: Path | None, *, cluster: bytes = b"", read_only: bool = False) -> None:
        """Open or create the file at ``path`` (None = in memory, for simulation).

        ``cluster`` is the id that a new file belongs to and an old one must belong to; empty accepts any. Raises
        NewerStore, or StoreFault in words.
        """
        self.path = path
        self.read_only = read_only
        self._lock = threading.RLock()
        self._idle: list[sqlite3.Connection] = []  # to read with; threads come and go, and connections outlive them
        self._is_closed = False
        self.commits = 0
        """How often something was written since this was opened."""
        try:
            self.writer = self._connect(read_only=read_only)
            self._prepare(cluster)
        except sqlite3.Error as error:
            raise self.fault(error) from error

    def _connect(self, *, read_only: bool) -> sqlite3.Connection:
        if self.path is None:
            connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        elif read_only:
            connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode=ro",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                timeout=_BUSY_TIMEOUT_S,
            )
        else:
            connection = sqlite3.connect(
                self.path, isolation_level=None, check_same_thread=False, timeout=_BUSY_TIMEOUT_S
            )
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA wal_autocheckpoint=16000")
        connection.execute("PRAGMA cache_size=-32768")
        connection.execute("PRAGMA temp_store=MEMORY")
        return connection

    def _prepare(self, cluster: bytes) -> None:
        version = self.writer.execute("PRAGMA user_version").fetchone()[0]
        has_tables = self.writer.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] > 0
        if not (SCHEMA_VERSION_OLDEST if has_tables else 0) <= version <= _VERSION_MAX:
            raise self._damaged()
        if version > SCHEMA_VERSION:
            raise NewerStore(
                f"The state was written by a newer pincrew (format {version}, this one reads up to {SCHEMA_VERSION})",
                where=str(self.path),
                means="Nothing was changed",
                next_step="Install that newer version again: `./install.sh` from its release",
            )
        if version == 0:
            if self.read_only:
                raise StoreFault("There is no state yet", where=str(self.path))
            with self.transaction() as connection:
                for statement in CREATE.split(";"):
                    connection.execute(statement)
                connection.execute("INSERT INTO meta VALUES ('cluster', ?)", (cluster,))
                connection.execute(
                    "INSERT INTO meta VALUES ('change', 0), ('item', 0), ('pin', 0), ('cursor', 0), ('log_bytes', 0),"
                    " ('items', 0)"
                )
                connection.executemany(
                    "INSERT INTO counters VALUES (?, 0, 0, 0)", [(number,) for number in range(len(STATES))]
                )
                connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        elif version < SCHEMA_VERSION:
            self._migrate(version)
        found = self.meta("cluster")
        if cluster and found and found != cluster:
            raise StoreFault(
                "The state belongs to another cluster",
                where=str(self.path),
                means="Nothing was changed",
                next_step="Give the other cluster another folder with --name",
            )

    def _migrate(self, version: int) -> None:
        """Bring the file from an older format to this one, a version at a time: each is whole or did not happen."""
        if self.read_only:
            raise StoreFault(
                f"The state was written by an older pincrew (format {version}, this one reads {SCHEMA_VERSION})",
                where=str(self.path),
                next_step="The daemon brings it up to date: `pincrew daemon start`",
            )
        for number, script in enumerate(MIGRATIONS[version - SCHEMA_VERSION_OLDEST :], version + 1):
            with self.transaction() as connection:
                for statement in script.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version={number}")

    def fault(self, error: sqlite3.Error) -> StoreFault:
        """Return ``error`` in words, with what to do."""
        text = str(error)
        if "full" in text:
            return StoreFault(
                "There is no room for the state",
                where=str(self.path),
                means="Nothing that was acknowledged is lost",
                next_step="Free some space on that volume; work goes on by itself",
            )
        if any(words in text for words in _DAMAGE):
            return self._damaged()
        if "readonly" in text or "disk I/O" in text:
            return StoreFault(
                f"The disk refuses the state: {text}",
                where=str(self.path),
                means="Nothing that was acknowledged is lost",
                next_step="Look after that disk; work goes on by itself once it can be written",
            )
        return StoreFault(f"The state file cannot be used: {text}", where=str(self.path))

    def _damaged(self) -> DamagedStore:
        return DamagedStore(
            "The state file is damaged",
            where=str(self.path),
            means="The pinned content itself is not affected",
            next_step="`pincrew doctor --repair` has the list fetched anew from the other peers",
        )

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give the writer's connection for one transaction; an exception rolls it back, sqlite's become StoreFault."""
        with self._lock:
            try:
                self.writer.execute("BEGIN IMMEDIATE")
                try:
                    yield self.writer
                except BaseException:  # whatever ended the block, it is undone, and goes on up
                    if self.writer.in_transaction:  # SQLite rolls back by itself where the disk is full
                        self.writer.execute("ROLLBACK")
                    raise
                self.writer.execute("COMMIT")
                self.commits += 1
            except sqlite3.Error as error:
                if self.writer.in_transaction:
                    self.writer.execute("ROLLBACK")
                raise self.fault(error) from error

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection to read with, to nobody else meanwhile (in memory: the writer's)."""
        if self.path is None or self.read_only:
            with self._lock:
                try:
                    yield self.writer
                except sqlite3.Error as error:
                    raise self.fault(error) from error
            return
        connection = self._borrow()
        try:
            yield connection
        except sqlite3.Error as error:
            raise self.fault(error) from error
        finally:
            self._give_back(connection)

    def _borrow(self) -> sqlite3.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            pass
        try:
            return self._connect(read_only=True)
        except sqlite3.Error as error:
            raise self.fault(error) from error

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if self._is_closed or len(self._idle) >= READERS_KEPT:
            connection.close()
        else:
            self._idle.append(connection)

    def meta(self, key: str) -> bytes | int | str | None:
        """Return a value of the `meta` table."""
        try:
            row = self.writer.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            raise self.fault(error) from error
        return None if row is None else row[0]

    def counter(self, key: str) -> int:
        """Return a number of the `meta` table (`change`, `item`, `items`, `pin`, `cursor`, `log_bytes`)."""
        value = self.meta(key)
        return value if isinstance(value, int) else 0

    def count(self, key: str, more: int) -> None:
        """Add to such a number, within the caller's transaction."""
        self.writer.execute("UPDATE meta SET value=value+? WHERE key=?", (more, key))

    def close(self) -> None:
        """Close every connection; a read-only or memory database has one."""
        with self._lock:
            self._is_closed = True
            while self._idle:
                self._idle.pop().close()
            self.writer.close()
