"""When each pin was last re-read, and how far the look at all of them is. Calls block."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from pincrew.cid import shard_of
from pincrew.record import decode_record
from pincrew.store.database import STATES, Database
from pincrew.values import Pin, PinState

_KEY = "verify"


@dataclass(slots=True)
class Damage:
    """A pin with bad blocks that could not be mended yet. ``is_aside``: the node keeps what there is of it aside."""

    since_ms: int
    blocks: int
    is_aside: bool = False


@dataclass(slots=True)
class Journal:
    """How far the look at all pins is: the last CID that was looked at, and when; and what is still damaged."""

    cursor: bytes | None = None
    last_ms: int = 0
    damaged: dict[bytes, Damage] = field(default_factory=dict)


class Checks:
    """Reads pins and notes what became of them; the journal is one small text."""

    def __init__(self, database: Database, shard_bits: int) -> None:
        self.database = database
        self._shard_bits = shard_bits

    def pin(self, cid: bytes) -> tuple[Pin, PinState] | None:
        """Return a pin of the list and its state here."""
        with self.database.reading() as db:
            row = db.execute(
                "SELECT pins.record, pins.state FROM items JOIN pins ON pins.id = items.pin"
                " WHERE items.shard=? AND items.cid=?",
                (shard_of(cid, self._shard_bits), cid),
            ).fetchone()
        return None if row is None else (decode_record(cid, row[0]), STATES[row[1]])

    def sound(self, cid: bytes, now_ms: int) -> None:
        """Note that a pin was re-read and is as it should be."""
        with self.database.transaction() as db:
            db.execute(
                "UPDATE pins SET checked=?"
                " WHERE id=(SELECT pin FROM items WHERE shard=? AND cid=? AND pin IS NOT NULL)",
                (now_ms, shard_of(cid, self._shard_bits), cid),
            )

    def journal(self) -> Journal:
        """Return what ``save`` kept."""
        with self.database.reading() as db:
            row = db.execute("SELECT value FROM meta WHERE key=?", (_KEY,)).fetchone()
        if row is None:
            return Journal()
        kept = json.loads(row[0])
        return Journal(
            bytes.fromhex(kept["cursor"]) if kept["cursor"] else None,
            kept["last_ms"],
            {bytes.fromhex(cid): Damage(*fields) for cid, fields in kept["damaged"].items()},
        )

    def save(self, journal: Journal) -> None:
        """Keep the journal, durably."""
        damaged = {cid.hex(): [one.since_ms, one.blocks, one.is_aside] for cid, one in journal.damaged.items()}
        cursor = journal.cursor.hex() if journal.cursor else None
        text = json.dumps({"cursor": cursor, "last_ms": journal.last_ms, "damaged": damaged})
        with self.database.transaction() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_KEY, text))
