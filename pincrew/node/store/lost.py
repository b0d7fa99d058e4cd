"""Blocks that are not here though they should be: found damaged, or missing under a pin.

They are fetched anew by whoever reads the list; a put takes a block off it. A collection, which looks at every pin,
puts the list right: what no pin misses any more leaves it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from pincrew.errors import BlockCorrupt
from pincrew.node.multihash import matches
from pincrew.node.store.schema import DATA, MULTIHASH
from pincrew.node.store.store_file import Purpose, StoreFile


class Lost:
    """The table `lost`. Most stores have an empty one: then it costs a put nothing."""

    def __init__(self, file: StoreFile) -> None:
        self._file = file
        with file.reading() as database:
            self._anything = database.execute("SELECT 1 FROM lost LIMIT 1").fetchone() is not None

    def page(self, limit: int) -> list[bytes]:
        """Return up to ``limit`` multihashes, the oldest first."""
        with self._file.reading() as database:
            rows = database.execute(f"SELECT {MULTIHASH} FROM lost ORDER BY id LIMIT ?", (limit,)).fetchall()
        return [row[0] for row in rows]

    def newest(self, database: sqlite3.Connection) -> int:
        """Return the number of the newest row, for `forget_until`."""
        number: int = database.execute("SELECT coalesce(max(id), 0) FROM lost").fetchone()[0]
        return number

    def note(self, database: sqlite3.Connection, multihashes: Iterable[bytes]) -> None:
        """Add blocks, as the newest, in the caller's transaction."""
        self._anything = True
        database.executemany(
            "INSERT OR REPLACE INTO lost (multihash) VALUES (?)", [(multihash,) for multihash in multihashes]
        )

    def forget(self, database: sqlite3.Connection, multihash: bytes) -> None:
        """Take off a block that was put, in the caller's transaction."""
        if self._anything:
            database.execute("DELETE FROM lost WHERE multihash=?", (multihash,))

    def forget_until(self, database: sqlite3.Connection, number: int) -> None:
        """Take off all rows up to ``number``, in the caller's transaction."""
        if self._anything:
            database.execute("DELETE FROM lost WHERE id <= ?", (number,))

    def damaged(self, multihash: bytes) -> bytes | BlockCorrupt:
        """Read a block again that was read wrongly: return it if it is right now, else delete it, note it, return why.

        It is right where the writer's connection still holds what the disk has lost: it is written anew, or whoever
        else reads it would read it wrongly for ever.
        """
        with self._file.transaction(Purpose.FREEING) as database:
            row = database.execute(f"SELECT id, {DATA} FROM blocks WHERE multihash=?", (multihash,)).fetchone()
            if row is not None:
                number, data = row
                database.execute("DELETE FROM blocks WHERE id=?", (number,))
                if matches(multihash, data):
                    # No UPDATE: that leaves alone what it takes to be on the disk already.
                    database.execute("INSERT INTO blocks VALUES (?,?,?)", (number, multihash, data))
                    return bytes(data)
                self.note(database, [multihash])
        return BlockCorrupt(
            where=str(self._file.path),
            means="It was removed and is fetched anew when it is needed",
            next_step="If this happens again, test the disk",
        )
