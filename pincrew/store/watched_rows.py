"""The rows that curators look after: pins that name who keeps them, and pins that expire. Calls block.

Most lists have few of either, or nothing else. There is no index of them: records are searched for the names of fields
and peers as they stand in CBOR, by SQLite itself, in 0.6 s a million rows that name nobody and 4 s a million that do.
So nothing here is for asking all the time: rows that changed are found by their change numbers, and the others when
something happened to a peer.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from pincrew.cid import shard_of
from pincrew.limits import WATCHED_CHANGES_PER_SLICE
from pincrew.store.database import Database
from pincrew.values import OperationId, SessionId

# The names of the fields as they stand in CBOR; a pin's name may read so, too, and whoever reads the record sees it.
_ALLOCATIONS = "instr(record, x'6b616c6c6f636174696f6e73')"
_EXPIRE = "instr(record, x'66657870697265')"
_COLUMNS = "pins.id, cid, record, author, nonce, pins.n"


class WatchedRow(NamedTuple):
    """A row, and the put that it comes of; ``row`` is its place in the order of arrival."""

    row: int
    cid: bytes
    record: bytes
    put: OperationId


class WatchedRows:
    """Reads the rows of one cluster."""

    def __init__(self, database: Database, shard_bits: int) -> None:
        self.database = database
        self._shard_bits = shard_bits

    def changed(self, after: int, limit: int) -> tuple[list[WatchedRow], int, bool]:
        """Return rows that changed behind change number ``after``, the number up to which that is all, and whether
        there may be more."""
        with self.database.reading() as db:
            (last,) = db.execute("SELECT value FROM meta WHERE key='change'").fetchone()
            end = min(last, after + WATCHED_CHANGES_PER_SLICE)
            found = db.execute(
                f"SELECT change, {_COLUMNS} FROM pins CROSS JOIN sessions USING (sid) WHERE change>? AND change<=?"
                f" AND ({_ALLOCATIONS} OR {_EXPIRE}) ORDER BY change LIMIT ?",
                (after, end, limit),
            ).fetchall()
        if len(found) == limit:
            end = found[-1][0]
        return [_row(*one[1:]) for one in found], end, end < last

    def naming(self, peers: Sequence[str], after: int, limit: int) -> list[WatchedRow]:
        """Return rows behind ``after`` (a ``row``; 0: from the first) that name one of ``peers``, in their order."""
        if not peers:
            return []
        named = " OR ".join(["instr(record, ?)"] * len(peers))
        with self.database.reading() as db:
            return _rows(
                db,
                f"SELECT {_COLUMNS} FROM pins CROSS JOIN sessions USING (sid) WHERE pins.id>? AND {_ALLOCATIONS}"
                f" AND ({named}) ORDER BY pins.id LIMIT ?",
                (after, *(peer.encode() for peer in peers), limit),
            )

    def of(self, cids: Sequence[bytes]) -> list[WatchedRow]:
        """Return the rows of ``cids``; those that are gone are left out."""
        found = []
        with self.database.reading() as db:
            for cid in cids:
                found += _rows(
                    db,
                    f"SELECT {_COLUMNS} FROM (SELECT pin AS id FROM items WHERE shard=? AND cid=? AND pin IS NOT NULL)"
                    " JOIN pins USING (id) JOIN sessions USING (sid)",
                    (shard_of(cid, self._shard_bits), cid),
                )
        return found


def _rows(db: sqlite3.Connection, query: str, values: Sequence[object]) -> list[WatchedRow]:
    return [_row(*one) for one in db.execute(query, values)]


def _row(row: int, cid: bytes, record: bytes, author: bytes, nonce: bytes, n: int) -> WatchedRow:
    return WatchedRow(row, cid, record, OperationId(SessionId(author, nonce), n))
