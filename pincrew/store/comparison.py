"""Two lists of pins side by side: one from a file, one from the store, joined by CID in a temporary SQLite file.

Neither list has an order or fits memory. Rows are first written as they arrive, then sorted by CID; SQLite's sorter
does that in bounded memory, where inserting a million keys at random would touch a page for each. The file has no name
and is gone with the connection. What the rows mean is the caller's affair: two pins are equal when their digests are,
and their sizes are too or the file does not say one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import NamedTuple

from pincrew.errors import StoreFault

_CREATE = """
CREATE TABLE arrived (position INTEGER PRIMARY KEY, cid BLOB, digest BLOB, size INTEGER, expired INTEGER);
CREATE TABLE file (
    cid BLOB PRIMARY KEY, position INTEGER, digest BLOB, size INTEGER, expired INTEGER
) WITHOUT ROWID;
CREATE TABLE store (cid BLOB PRIMARY KEY, digest BLOB, size INTEGER) WITHOUT ROWID;
"""
_CACHE_KIB = 16 * 1024
_KIND = (
    "CASE WHEN store.cid IS NULL THEN 'only_file'"
    " WHEN file.digest = store.digest AND (file.size IS NULL OR file.size IS store.size) THEN 'equal'"
    " ELSE 'different' END"
)
_JOINED = f"SELECT file.cid, position, expired, {_KIND} AS kind FROM file LEFT JOIN store USING (cid)"
_ONLY_STORE = "SELECT store.cid FROM store LEFT JOIN file USING (cid) WHERE file.cid IS NULL"


class Kind(StrEnum):
    """Where a pin is, and whether it is the same in both."""

    EQUAL = "equal"
    DIFFERENT = "different"
    ONLY_FILE = "only_file"
    ONLY_STORE = "only_store"


class FilePin(NamedTuple):
    """A pin of the file. ``size`` None: the file does not say."""

    cid: bytes
    digest: bytes
    size: int | None
    is_expired: bool


class StorePin(NamedTuple):
    """A pin of the store."""

    cid: bytes
    digest: bytes
    size: int | None


class Comparison:
    """Fill both sides, each once, then ask. Close it."""

    def __init__(self) -> None:
        with _told():
            self._db = sqlite3.connect("", isolation_level=None)  # no name: a temporary file of SQLite's own
            self._db.execute("PRAGMA journal_mode=OFF")
            self._db.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
            self._db.executescript(_CREATE)
            self._db.execute("BEGIN")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def read_file(self, pins: Iterable[FilePin]) -> None:
        """Take the file's pins, in its order; of several with one CID the last one counts."""
        with _told():
            self._db.executemany("INSERT INTO arrived (cid, digest, size, expired) VALUES (?,?,?,?)", pins)
            # Of a bare column beside max() SQLite takes the value of the row that has the maximum.
            self._db.execute(
                "INSERT INTO file SELECT cid, max(position), digest, size, expired FROM arrived GROUP BY cid"
            )
            self._db.execute("DELETE FROM arrived")

    def read_store(self, pins: Iterable[StorePin]) -> None:
        """Take the store's pins, in any order."""
        with _told():
            self._db.executemany("INSERT INTO arrived (cid, digest, size) VALUES (?,?,?)", pins)
            self._db.execute("INSERT INTO store SELECT cid, digest, size FROM arrived ORDER BY cid")
            self._db.execute("DELETE FROM arrived")

    def count(self, kind: Kind, *, is_expired: bool | None = None) -> int:
        """Return how many pins are of a kind; ``is_expired`` asks for those that are, or are not, in the file."""
        with _told():
            if kind is Kind.ONLY_STORE:
                return int(self._db.execute(f"SELECT count(*) FROM ({_ONLY_STORE})").fetchone()[0])
            row = self._db.execute(
                f"SELECT count(*) FROM ({_JOINED}) WHERE kind = ? AND expired = coalesce(?, expired)",
                (kind.value, is_expired),
            ).fetchone()
            return int(row[0])

    def cids(self, kind: Kind, limit: int | None = None) -> Iterator[bytes]:
        """Yield the CIDs of a kind in ascending order."""
        most = -1 if limit is None else limit
        with _told():
            if kind is Kind.ONLY_STORE:
                rows = self._db.execute(f"{_ONLY_STORE} ORDER BY store.cid LIMIT ?", (most,))
            else:
                rows = self._db.execute(
                    f"SELECT cid FROM ({_JOINED}) WHERE kind = ? ORDER BY cid LIMIT ?", (kind.value, most)
                )
            for (cid,) in rows:
                yield cid

    def to_write(self) -> Iterator[int]:
        """Yield the positions, from 1 on and ascending, of the file's pins that the store lacks or has otherwise and
        that have not expired."""
        with _told():
            rows = self._db.execute(
                f"SELECT position FROM ({_JOINED}) WHERE kind <> 'equal' AND NOT expired ORDER BY position"
            )
            for (position,) in rows:
                yield position


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreFault(
            f"The temporary file for comparing cannot be used: {error}",
            means="Nothing was changed",
            next_step="Is there room? TMPDIR names another folder for temporary files",
        ) from error
