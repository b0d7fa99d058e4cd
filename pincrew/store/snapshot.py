"""The list as it is at one moment, however long it takes to read and whatever is written meanwhile."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from pincrew.store.database import Database


class Snapshot:
    """One consistent view: ``count`` pins. Memory does not grow with the list; calls block."""

    def __init__(self, database: Database, db: sqlite3.Connection) -> None:
        self._database = database
        self._db = db
        self.count = int(db.execute("SELECT count(*) FROM pins").fetchone()[0])

    def records(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield (CID, record) in the order of arrival. Raises StoreFault."""
        try:
            yield from self._db.execute("SELECT cid, record FROM pins ORDER BY id")
        except sqlite3.Error as error:
            raise self._database.fault(error) from error


@contextmanager
def snapshot(database: Database) -> Iterator[Snapshot]:
    """Hold one view for the length of the block. Raises StoreFault.

    The writer is not held up; what it writes meanwhile waits in its log (WAL), which is larger for so long.
    """
    with database.reading() as db:
        db.execute("BEGIN")
        try:
            yield Snapshot(database, db)
        finally:
            db.execute("ROLLBACK")
