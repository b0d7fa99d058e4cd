"""Records put straight into a cluster's store, as if they had arrived: for tests of what only reads them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from pincrew.record import decode_shown
from pincrew.store.database import Database


def store_records(path: Path, records: Iterable[tuple[bytes, bytes]]) -> None:
    """Make the list of the store at ``path`` consist of these (CID, record), in their order."""
    with closing(Database(path)) as database, database.transaction() as db:
        db.execute("DELETE FROM pins")
        for number, (cid, record) in enumerate(records, 1):
            name, size, added_ms = decode_shown(record)
            db.execute(
                "INSERT INTO pins (id, cid, record, sid, n, change, name, added, state, size, updated)"
                " VALUES (?, ?, ?, 1, ?, ?, ?, ?, 0, ?, 1)",
                (number, cid, record, number, number, name, added_ms, size),
            )
