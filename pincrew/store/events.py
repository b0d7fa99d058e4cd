"""What happened in one cluster, newest 10,000, for people and scripts. Calls block."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from pincrew.limits import EVENTS_KEPT_MAX
from pincrew.store.database import Database


class EventRow(NamedTuple):
    """One event; ``id`` rises by one."""

    id: int
    time_ms: int
    kind: str
    text: str
    fields: dict[str, Any]


class Events:
    """An append-only ring."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add_all(self, happened: list[tuple[int, str, str, dict[str, Any]]]) -> None:
        """Append (time, kind, text, fields) in order; the oldest beyond the ring go."""
        with self.database.transaction() as db:
            db.executemany(
                "INSERT INTO events (time, kind, text, fields) VALUES (?,?,?,?)",
                [(time_ms, kind, text, json.dumps(fields, sort_keys=True)) for time_ms, kind, text, fields in happened],
            )
            (last,) = db.execute("SELECT max(id) FROM events").fetchone()
            db.execute("DELETE FROM events WHERE id<=?", ((last or 0) - EVENTS_KEPT_MAX,))

    def after(self, number: int, limit: int = 1_000) -> list[EventRow]:
        """Return events beyond an id, oldest first."""
        with self.database.reading() as db:
            rows = db.execute(
                "SELECT id, time, kind, text, fields FROM events WHERE id>? ORDER BY id LIMIT ?", (number, limit)
            ).fetchall()
        return [
            EventRow(number, time_ms, kind, text, json.loads(fields)) for number, time_ms, kind, text, fields in rows
        ]
