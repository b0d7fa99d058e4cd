"""The rows of the list as keeping a part and estimating copies look at them, and what both remember. Calls block."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from pincrew.part import Part
from pincrew.record import decode_record
from pincrew.store.database import STATES, Database
from pincrew.values import PinState

# A row's record where it may name allocations, which few do: how the field's name stands in CBOR.
RECORD_WITH_ALLOCATIONS = "CASE WHEN instr(record, x'6b616c6c6f636174696f6e73') THEN record END"
_COLUMNS = f"id, cid, name, size, state, cause, {RECORD_WITH_ALLOCATIONS}"


class PartRow(NamedTuple):
    """A row; ``row`` is its place in their order. ``allocations``: the peers that are to keep it, none = everybody."""

    row: int
    cid: bytes
    name: str
    size: int | None
    state: PinState
    cause: str | None
    allocations: tuple[str, ...]


class PartRows:
    """Reads the rows of one cluster, and keeps the few things that must outlive a restart."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def page(self, after: int, limit: int) -> list[PartRow]:
        """Return rows behind ``after`` (-1: from the first) in order of arrival."""
        with self.database.reading() as db:
            return _rows(db, f"SELECT {_COLUMNS} FROM pins WHERE id>? ORDER BY id LIMIT ?", (after, limit))

    def at(self, places: Sequence[float], run: int) -> list[PartRow]:
        """Return runs of rows from each of ``places``, which are shares of the whole; no row comes twice."""
        found: dict[int, PartRow] = {}
        with self.database.reading() as db:
            (last,) = db.execute("SELECT coalesce(max(id), 0) FROM pins").fetchone()
            for place in places:
                query = f"SELECT {_COLUMNS} FROM pins WHERE id>=? ORDER BY id LIMIT ?"
                found.update((one.row, one) for one in _rows(db, query, (int(place * last), run)))
        return list(found.values())

    def change(self) -> int:
        """Return the number of the last change of the list."""
        # Not by the writer: while a base is adopted it is busy for seconds, and so would be who asks.
        with self.database.reading() as db:
            return int(db.execute("SELECT value FROM meta WHERE key='change'").fetchone()[0])

    # ---- what is remembered -------------------------------------------------------------------------------------

    def part(self) -> Part | None:
        """Return the part that was settled on last."""
        try:
            kept = self._load("part")
            return None if kept is None else msgspec.json.decode(kept, type=_Part).part()
        except msgspec.DecodeError:
            return None  # it is worked out anew

    def save_part(self, part: Part | None) -> None:
        """Remember the part, durably; None: all is kept."""
        self._save("part", None if part is None else msgspec.json.encode(_Part.of(part)))

    def rescued(self) -> set[int]:
        """Return the values of the CIDs that were rescued."""
        kept = array("Q")
        raw = self._load("rescued") or b""
        kept.frombytes(raw[: len(raw) // 8 * 8])
        return set(kept)

    def save_rescued(self, values: Iterable[int]) -> None:
        """Remember the values of the CIDs that were rescued, durably."""
        self._save("rescued", array("Q", sorted(values)).tobytes())

    def crew(self) -> bytes:
        """Return what `CrewBook.encode` made; nothing where there was none."""
        return self._load("crew") or b""

    def save_crew(self, data: bytes) -> None:
        """Remember the crew, durably."""
        self._save("crew", data)

    def _load(self, key: str) -> bytes | None:
        with self.database.reading() as db:
            row = db.execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()
        return None if row is None or not isinstance(row[0], bytes) else row[0]

    def _save(self, key: str, value: bytes | None) -> None:
        with self.database.transaction() as db:
            if value is None:
                db.execute("DELETE FROM meta WHERE key=?", (key,))
            else:
                db.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (key, value))


class _Part(msgspec.Struct):
    """A part as it is written; a threshold of 2^64 is no integer that every reader of JSON takes, so it is text."""

    threshold: str
    largest: int
    since_ms: int
    moved_ms: int

    @classmethod
    def of(cls, part: Part) -> _Part:
        return cls(str(part.threshold), part.largest, part.since_ms, part.moved_ms)

    def part(self) -> Part:
        if not self.threshold.isdecimal():
            raise msgspec.DecodeError("a threshold is a number")
        return Part(int(self.threshold), self.largest, self.since_ms, self.moved_ms)


def allocations_of(cid: bytes, record: bytes | None) -> tuple[str, ...]:
    """Return the peers that a pin names, from the column RECORD_WITH_ALLOCATIONS."""
    return () if record is None else decode_record(cid, record).keepers


def _rows(db: sqlite3.Connection, query: str, arguments: tuple[int, int]) -> list[PartRow]:
    return [
        PartRow(row, cid, name, size, STATES[state], cause, allocations_of(cid, record))
        for row, cid, name, size, state, cause, record in db.execute(query, arguments)
    ]
