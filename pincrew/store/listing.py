"""Pages of pins for people: filters, sorts and offsets that stay fast at a million pins.

The trick is to let the offset run over an index alone: ids first, from an index that covers filter and sort, and from
whichever end is nearer; then the rows of those ids. Without a filter, by name prefix or by state that holds for any
offset; other filters find their first page quickly and count no total.

Words are looked for among the first rows of the order, where common ones are soon found. Rarer ones are found by a scan
of the names' index, which has nothing but names in it: 0.1 s a million. (An index of trigrams, FTS5's, answers common
words hardly faster, and costs 8 us a pin, a quarter of applying it, and 40 to 110 MB a million.)

The filter language (words, `state:`, `size>`, `tries>`, `cid:`, `added<`) is one for API, command line and screen.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from pincrew.cid import parse_cid, shard_of
from pincrew.errors import Misuse
from pincrew.quantities import parse_duration, parse_size
from pincrew.store.database import STATE_NUMBER, STATES, Database
from pincrew.values import PinState

SORTS = ("name", "added", "size", "state", "tries")
# Columns of each sort, and whether it runs downwards; `id` (order of arrival) decides among equals.
_ORDER = {
    "name": ("name, id", False),
    "added": ("added, id", True),
    "size": ("size, id", True),
    "state": ("state, added, id", False),
    "tries": ("tries, id", True),
}
_COLUMNS = "cid, name, state, cause, error, tries, next_try, size, bytes_done, blocks_done, updated, record, checked"
LIMIT_MAX = 10_000
_ROWS_TRIED = 20_000
_TERM = re.compile(r"^(state|cid|size|tries|added)\s*([:<>])\s*(.+)$")


class PinRow(NamedTuple):
    """A pin with this peer's progress; times are Unix milliseconds."""

    cid: bytes
    name: str
    state: PinState
    cause: str | None
    error: str | None
    tries: int
    next_try_ms: int | None
    size: int | None
    bytes_done: int | None
    blocks_done: int | None
    updated_ms: int
    record: bytes
    checked_ms: int | None


class CauseRow(NamedTuple):
    """Pins in error for one cause."""

    cause: str
    pins: int
    oldest_ms: int
    next_try_ms: int | None
    example: str | None


@dataclass(frozen=True, slots=True)
class Filter:
    """What a page is taken from. Empty fields do not filter."""

    states: tuple[PinState, ...] = ()
    name_prefix: str = ""
    words: tuple[str, ...] = ()
    cid: bytes | None = None
    size_over: int | None = None
    size_under: int | None = None
    tries_over: int | None = None
    added_after_ms: int | None = None
    added_before_ms: int | None = None

    @classmethod
    def parse(cls, text: str, *, now_ms: int, states: tuple[PinState, ...] = (), name_prefix: str = "") -> Filter:
        """Read the filter language. Raises Misuse with the words that exist."""
        fields: dict[str, object] = {}
        words = []
        for term in text.split():
            match = _TERM.match(term)
            if match is None:
                words.append(term)
                continue
            key, sign, value = match.groups()
            match key, sign:
                case "state", ":":
                    states = (*states, *parse_states(value))
                case "cid", ":":
                    fields["cid"] = parse_cid(value)
                case "size", "<" | ">":
                    fields["size_over" if sign == ">" else "size_under"] = parse_size(value)
                case "tries", ">":
                    if not value.isdigit():
                        raise Misuse(f"{term!r}: tries are compared with a number")
                    fields["tries_over"] = int(value)
                case "added", "<" | ">":
                    at = now_ms - int(parse_duration(value) * 1000)
                    fields["added_after_ms" if sign == "<" else "added_before_ms"] = at
                case _:
                    raise Misuse(
                        f"{term!r} is not a filter",
                        next_step="There are: words of the name, state:S, size>N, tries>N, cid:C, added<7d",
                    )
        return cls(states=states, name_prefix=name_prefix, words=tuple(words), **fields)  # type: ignore[arg-type]


def parse_states(text: str) -> tuple[PinState, ...]:
    """Read `queued,error`. Raises Misuse."""
    states = []
    for word in filter(None, text.split(",")):
        try:
            states.append(PinState(word.strip()))
        except ValueError as error:
            known = ", ".join(state.value for state in STATES)
            raise Misuse(f"{word!r} is not a state of a pin", next_step=f"There are: {known}") from error
    return tuple(states)


class Listing:
    """Reads pages. Calls block; a page of 256 at any offset of a million takes milliseconds."""

    def __init__(self, database: Database, shard_bits: int) -> None:
        self.database = database
        self._shard_bits = shard_bits

    def page(self, wanted: Filter, *, sort: str = "added", limit: int = 256, offset: int = 0) -> list[PinRow]:
        """Return the rows of one page. Raises Misuse for an unknown sort."""
        if sort not in _ORDER:
            raise Misuse(f"Pins cannot be sorted by {sort!r}", next_step=f"There are: {', '.join(SORTS)}")
        total = self.total(wanted) if offset > limit and wanted.cid is None else None
        if total is not None and offset >= total:
            return []
        from_end = total is not None and offset > total // 2
        if from_end and total is not None:
            limit = min(limit, total - offset)
            offset = total - offset - limit
        limit = min(limit, LIMIT_MAX)
        with self.database.reading() as db:
            if wanted.cid is not None:
                ids = "SELECT pin AS id FROM items WHERE shard=? AND cid=? AND pin IS NOT NULL LIMIT ? OFFSET ?"
                values: list[object] = [shard_of(wanted.cid, self._shard_bits), wanted.cid]
                rows = self._rows(db, ids, [*values, limit, offset])
            elif wanted.words:
                rows = self._rows_with_words(db, wanted, sort, limit, offset)
            else:
                where, values = _where(wanted)
                ids = f"SELECT id FROM pins {where} ORDER BY {_order(sort, from_end)} LIMIT ? OFFSET ?"
                rows = self._rows(db, ids, [*values, limit, offset])
        if from_end:
            rows.reverse()
        return [PinRow(row[0], row[1], STATES[row[2]], *row[3:]) for row in rows]

    def _rows(self, db: sqlite3.Connection, ids: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        return db.execute(f"SELECT {_COLUMNS} FROM ({ids}) JOIN pins USING (id)", values).fetchall()

    def _rows_with_words(
        self, db: sqlite3.Connection, wanted: Filter, sort: str, limit: int, offset: int
    ) -> list[tuple[Any, ...]]:
        order = _order(sort, is_reversed=False)
        plain, plain_values = _where(replace(wanted, words=()))
        words, word_values = _where(Filter(words=wanted.words))
        first = f"SELECT id FROM pins {plain} ORDER BY {order} LIMIT {_ROWS_TRIED}"
        ids = f"SELECT id FROM ({first}) CROSS JOIN pins USING (id) {words} ORDER BY {order} LIMIT ? OFFSET ?"
        rows = self._rows(db, ids, [*plain_values, *word_values, limit, offset])
        total = self.total(replace(wanted, words=()))
        if len(rows) == limit or (total is not None and total <= _ROWS_TRIED):
            return rows
        found = f"SELECT id FROM pins INDEXED BY pins_name {words}"
        ids = f"SELECT id FROM ({found}) CROSS JOIN pins USING (id) {plain} ORDER BY {order} LIMIT ? OFFSET ?"
        return self._rows(db, ids, [*word_values, *plain_values, limit, offset])

    def total(self, wanted: Filter) -> int | None:
        """Return how many rows a filter has, where that is known without looking at them all."""
        plain = Filter(states=wanted.states)
        with self.database.reading() as db:
            if wanted == plain:
                counts = dict(db.execute("SELECT state, pins FROM counters").fetchall())
                chosen = wanted.states or tuple(state for state in STATES if state is not PinState.UNPINNING)
                return sum(int(counts[STATE_NUMBER[state]]) for state in set(chosen))
            if wanted == Filter(name_prefix=wanted.name_prefix):
                where, values = _where(wanted)
                return int(db.execute(f"SELECT count(*) FROM pins {where}", values).fetchone()[0])
        return None

    def all(self, limit: int = 1_000) -> Iterator[PinRow]:
        """Yield every row in order of arrival, in slices, without holding a transaction open."""
        last = 0
        while True:
            with self.database.reading() as db:
                rows = db.execute(
                    f"SELECT id, {_COLUMNS} FROM pins WHERE id>? ORDER BY id LIMIT ?", (last, limit)
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield from (PinRow(row[1], row[2], STATES[row[3]], *row[4:]) for row in rows)

    def causes(self) -> list[CauseRow]:
        """Return errors grouped by cause, most pins first."""
        with self.database.reading() as db:
            rows = db.execute(
                "SELECT coalesce(cause, 'unknown'), count(*), min(updated), min(next_try), min(error) FROM pins"
                f" WHERE state={STATE_NUMBER[PinState.ERROR]} GROUP BY cause ORDER BY count(*) DESC"
            ).fetchall()
        return [CauseRow(*row) for row in rows]

    def revision(self) -> int:
        """Return a number that moves when rows move."""
        with self.database.reading() as db:
            return int(db.execute("SELECT value FROM meta WHERE key='change'").fetchone()[0])


def _order(sort: str, is_reversed: bool) -> str:
    columns, is_descending = _ORDER[sort]
    return columns if is_descending is is_reversed else columns.replace(",", " DESC,") + " DESC"


def _where(wanted: Filter) -> tuple[str, list[object]]:
    parts: list[str] = []
    values: list[object] = []
    if wanted.states:
        numbers = ",".join(str(STATE_NUMBER[state]) for state in wanted.states)
        parts.append(f"state IN ({numbers})")
    if wanted.name_prefix:
        parts.append("name >= ? AND name < ?")
        values += [wanted.name_prefix, wanted.name_prefix + "\U0010ffff"]
    for word in wanted.words:
        parts.append("name LIKE ? ESCAPE '\\'")
        escaped = re.sub(r"([\\%_])", r"\\\1", word)
        values.append(f"%{escaped}%")
    for column, sign, value in (
        ("size", ">", wanted.size_over),
        ("size", "<", wanted.size_under),
        ("tries", ">", wanted.tries_over),
        ("added", ">", wanted.added_after_ms),
        ("added", "<", wanted.added_before_ms),
    ):
        if value is not None:
            parts.append(f"{column} {sign} ?")
            values.append(value)
    return ("WHERE " + " AND ".join(parts) if parts else ""), values
