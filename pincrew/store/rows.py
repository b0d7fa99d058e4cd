"""Reading the pinset's rows: what the API lists, and what tests compare."""

from __future__ import annotations

from collections.abc import Iterator

from pincrew.store.database import Database


class Rows:
    """The user-visible side of a cluster's state. Calls block."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def progress(self) -> tuple[int, int | None]:
        """Return how many envelopes took effect, over all sessions, and when the last did (Unix milliseconds)."""
        with self.database.reading() as db:
            found: tuple[int, int | None] = db.execute("SELECT total(number), max(seen_ms) FROM sessions").fetchone()
        return int(found[0]), found[1]

    def contents(self) -> Iterator[tuple[bytes, bytes, bytes, bytes, int]]:
        """Yield (CID, record, author, nonce, n) in ascending order of CID: what replicas must agree on byte for byte
        (invariant 11)."""
        with self.database.reading() as db:
            yield from db.execute(
                "SELECT cid, record, author, nonce, n FROM pins JOIN sessions USING (sid) ORDER BY cid"
            )
