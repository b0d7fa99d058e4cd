"""Pages of pins for people: filters, sorts and offsets that stay fast at a million pins.

The trick is to let the offset run over an index alone: ids first, from an index that covers filter and sort, and from
whichever end is nearer; then the rows of those ids. Without a filter, by name prefix or by one state that holds for any
offset; other filters find their first page quickly and count no total. Where a row stands (`place`) is counted in the
same way, and is said only where that is quick.

A single state is walked as a range that is open at its far end: SQLite then compares nothing on its way, which takes a
quarter of the time. What lies behind the state is kept out by the counters, read in the same transaction.

Words are looked for among the first rows of the order, where common ones are soon found. Rarer ones are found by a scan
of the names' index, which has nothing but names in it: 0.1 s a million. (An index of trigrams, FTS5's, answers common
words hardly faster, and costs 8 us a pin, a quarter of applying it, and 40 to 110 MB a million.)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from pincrew.cid import shard_of
from pincrew.errors import Misuse
from pincrew.store.database import STATE_NUMBER, STATES, Database
from pincrew.store.filters import Filter, where_of
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
_LISTED = tuple(state for state in STATES if state is not PinState.UNPINNING)
LIMIT_MAX = 10_000
_ROWS_TRIED = 20_000
# To look up the state of a row that is passed in the order of another index costs so many times what sorting it does.
_LOOK_UP_COST = 2
_HALVINGS = 3  # of a list in which a row is looked for, before the rest is counted
_INDEXES = {"name": "pins_name", "size": "pins_size"}


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


class Listing:
    """Reads pages. Calls block; a page of 256 at any offset of a million takes milliseconds."""

    def __init__(self, database: Database, shard_bits: int) -> None:
        self.database = database
        self._shard_bits = shard_bits

    def page(self, wanted: Filter, *, sort: str = "added", limit: int = 256, offset: int = 0) -> list[PinRow]:
        """Return the rows of one page. Raises Misuse for an unknown sort."""
        _check(sort)
        limit = min(limit, LIMIT_MAX)
        with self.database.reading() as db, _one_moment(db):
            if wanted.cid is not None:
                ids = "SELECT pin AS id FROM items WHERE shard=? AND cid=? AND pin IS NOT NULL LIMIT ? OFFSET ?"
                values: list[object] = [shard_of(wanted.cid, self._shard_bits), wanted.cid]
                rows = self._rows(db, ids, [*values, limit, offset])
            elif wanted.words:
                rows = self._rows_with_words(db, wanted, sort, limit, offset)
            elif sort == "tries" and wanted == Filter():
                rows = self._rows_by_tries(db, limit, offset)
            else:
                rows = self._rows_by_index(db, wanted, sort, limit, offset)
        return [PinRow(row[0], row[1], STATES[row[2]], *row[3:]) for row in rows]

    def place(
        self, wanted: Filter, *, sort: str = "added", cid: bytes | None = None, name_prefix: str = ""
    ) -> int | None:
        """Return at which offset a pin stands in this filter and order: ``cid``, or the first by name that begins so.

        None where it is not among them, and where that cannot be counted quickly: beyond _ROWS_TRIED rows that is so of
        filters that count no total, of states in the order of name, size or tries, of a name prefix in any order but
        that of names, and of pins without a try in the order of tries. Raises Misuse for an unknown sort.
        """
        _check(sort)
        with self.database.reading() as db, _one_moment(db):
            if wanted.cid not in (None, cid):
                return None
            row = self._pin(db, cid) if cid is not None else _first_named(db, wanted, name_prefix)
            where, values = where_of(wanted)
            found = db.execute(
                f"SELECT id, name, added, size, state, tries FROM (SELECT * FROM pins WHERE id=?) {where}",
                (row, *values),
            ).fetchone()
            if found is None:
                return None
            return 0 if wanted.cid is not None else _before(db, wanted, sort, _Key(*found))

    def author(self, cid: bytes) -> bytes | None:
        """Return the key of who put the pin of this CID on the list, None where it is not there."""
        with self.database.reading() as db:
            row = db.execute(
                "SELECT author FROM pins JOIN sessions USING (sid) WHERE id=?", (self._pin(db, cid),)
            ).fetchone()
        return None if row is None else bytes(row[0])

    def _pin(self, db: sqlite3.Connection, cid: bytes) -> int | None:
        row = db.execute(
            "SELECT pin FROM items WHERE shard=? AND cid=? AND pin IS NOT NULL", (shard_of(cid, self._shard_bits), cid)
        ).fetchone()
        return None if row is None else int(row[0])

    def _rows(self, db: sqlite3.Connection, ids: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        return db.execute(f"SELECT {_COLUMNS} FROM ({ids}) JOIN pins USING (id)", values).fetchall()

    def _rows_by_index(
        self, db: sqlite3.Connection, wanted: Filter, sort: str, limit: int, offset: int
    ) -> list[tuple[Any, ...]]:
        is_counted = wanted == Filter(states=wanted.states)
        total = _total(db, wanted) if is_counted or offset > limit else None
        if total is not None and offset >= total:
            return []
        from_end = total is not None and offset > total // 2
        if total is not None:
            limit = min(limit, total - offset)
            offset = total - offset - limit if from_end else offset
        index = ""
        if is_counted and wanted.states and total is not None and sort in _INDEXES:
            passed = (offset + limit) * _counted(db, _LISTED) // total
            index = f"INDEXED BY {_INDEXES[sort]}" if passed * _LOOK_UP_COST < total else ""
        ids, values = _ids(wanted, sort, index, is_counted=is_counted, from_end=from_end)
        rows = self._rows(db, f"{ids} LIMIT ? OFFSET ?", [*values, limit, offset])
        if wanted.states:  # also where the counters are wrong, until somebody repairs them
            rows = [row for row in rows if STATES[row[2]] in wanted.states]
        return rows[::-1] if from_end else rows

    def _rows_by_tries(self, db: sqlite3.Connection, limit: int, offset: int) -> list[tuple[Any, ...]]:
        """Return those with tries, of which there is an index, and then the others, of which there is none."""
        (tried,) = db.execute("SELECT count(*) FROM pins WHERE tries>0").fetchone()
        ids = "SELECT id FROM pins WHERE tries>0 ORDER BY tries DESC, id DESC LIMIT ? OFFSET ?"
        rows = self._rows(db, ids, [min(limit, tried - offset), offset]) if offset < tried else []
        if len(rows) < limit:
            ids = "SELECT id FROM pins NOT INDEXED WHERE tries=0 ORDER BY id DESC LIMIT ? OFFSET ?"
            rows += self._rows(db, ids, [limit - len(rows), max(0, offset - tried)])
        return rows

    def _rows_with_words(
        self, db: sqlite3.Connection, wanted: Filter, sort: str, limit: int, offset: int
    ) -> list[tuple[Any, ...]]:
        order = _order(sort, is_reversed=False)
        plain, plain_values = where_of(replace(wanted, words=()))
        words, word_values = where_of(Filter(words=wanted.words))
        first = f"SELECT id FROM pins {plain} ORDER BY {order} LIMIT {_ROWS_TRIED}"
        ids = f"SELECT id FROM ({first}) CROSS JOIN pins USING (id) {words} ORDER BY {order} LIMIT ? OFFSET ?"
        rows = self._rows(db, ids, [*plain_values, *word_values, limit, offset])
        total = _total(db, replace(wanted, words=()))
        if len(rows) == limit or (total is not None and total <= _ROWS_TRIED):
            return rows
        found = f"SELECT id FROM pins INDEXED BY pins_name {words}"
        ids = f"SELECT id FROM ({found}) CROSS JOIN pins USING (id) {plain} ORDER BY {order} LIMIT ? OFFSET ?"
        return self._rows(db, ids, [*word_values, *plain_values, limit, offset])

    def total(self, wanted: Filter) -> int | None:
        """Return how many rows a filter has, where that is known without looking at them all."""
        with self.database.reading() as db:
            return _total(db, wanted)

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

    def records(self, after: int, limit: int) -> list[tuple[int, bytes, bytes]]:
        """Return (row, CID, record) of rows behind ``after`` (0: from the first), in order of arrival."""
        with self.database.reading() as db:
            return db.execute(
                "SELECT id, cid, record FROM pins WHERE id>? ORDER BY id LIMIT ?", (after, limit)
            ).fetchall()

    def causes(self) -> list[CauseRow]:
        """Return errors grouped by cause, most pins first."""
        with self.database.reading() as db:
            rows = db.execute(
                "SELECT coalesce(cause, 'unknown'), count(*), min(updated), min(next_try), min(error) FROM pins"
                f" WHERE state={STATE_NUMBER[PinState.ERROR]} GROUP BY cause ORDER BY count(*) DESC"
            ).fetchall()
        return [CauseRow(*row) for row in rows]

    def revision(self) -> int:
        """Return a number that moves whenever a row, or how far a pin is, may have moved; it starts anew with us."""
        return self.database.commits


class _Key(NamedTuple):
    """By what a row is sorted."""

    id: int
    name: str
    added: int
    size: int | None
    state: int
    tries: int


def _check(sort: str) -> None:
    if sort not in _ORDER:
        raise Misuse(f"Pins cannot be sorted by {sort!r}", next_step=f"There are: {', '.join(SORTS)}")


@contextmanager
def _one_moment(db: sqlite3.Connection) -> Iterator[None]:
    """Let what is read belong together: the counters, and the rows that they count."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        db.execute("COMMIT")


def _counted(db: sqlite3.Connection, states: Sequence[PinState]) -> int:
    """Return how many rows there are in these states, by the counters."""
    counts = dict(db.execute("SELECT state, pins FROM counters").fetchall())
    return sum(int(counts[STATE_NUMBER[state]]) for state in set(states))


def _total(db: sqlite3.Connection, wanted: Filter) -> int | None:
    if wanted == Filter(states=wanted.states):
        return _counted(db, wanted.states or _LISTED)
    if wanted == Filter(name_prefix=wanted.name_prefix):
        where, values = where_of(wanted)
        return _number(db, where, values)
    return None


def _number(db: sqlite3.Connection, rest: str, values: Sequence[object]) -> int:
    """Return how many rows there are, by an index and a condition."""
    return int(db.execute(f"SELECT count(*) FROM pins {rest}", values).fetchone()[0])


def _ids(wanted: Filter, sort: str, index: str, *, is_counted: bool, from_end: bool) -> tuple[str, list[object]]:
    """Return the query for the ids of a filter in an order, and its values."""
    where, values = where_of(wanted)
    order, states = _order(sort, from_end), sorted({STATE_NUMBER[state] for state in wanted.states})
    if is_counted and len(states) == 1 and sort in ("added", "state"):
        is_descending = _ORDER[sort][1] is not from_end
        where = f"WHERE state{'<=' if is_descending else '>='}{states[0]}"
        order = "state DESC, added DESC, id DESC" if is_descending else "state, added, id"
    elif is_counted and len(states) > 1 and sort == "added":
        # SQLite merges them as they stand in the index; of states in one condition it would sort all rows.
        each = " UNION ALL ".join(f"SELECT id, added FROM pins WHERE state={state}" for state in states)
        return f"{each} ORDER BY {order}", []
    return f"SELECT id FROM pins {index} {where} ORDER BY {order}", values


def _first_named(db: sqlite3.Connection, wanted: Filter, prefix: str) -> int | None:
    """Return the first row by name, of those that a filter lets through, whose name begins so."""
    named, range_values = where_of(Filter(name_prefix=prefix))
    where, values = where_of(wanted)
    row = db.execute(
        f"SELECT id FROM (SELECT id FROM pins INDEXED BY pins_name {named or 'WHERE true'} ORDER BY name, id LIMIT"
        f" {_ROWS_TRIED}) CROSS JOIN pins USING (id) {where} ORDER BY name, id LIMIT 1",
        (*range_values, *values),
    ).fetchone()
    return None if row is None else int(row[0])


def _before(db: sqlite3.Connection, wanted: Filter, sort: str, key: _Key) -> int | None:
    """Return how many rows of a filter come before one in an order, None where to count them takes long."""
    total = _total(db, wanted)
    if total is None:
        return None
    is_slow = bool(
        (wanted.states and sort not in ("added", "state"))
        or (wanted.name_prefix and sort != "name")
        or (sort == "tries" and not key.tries)
    )
    if is_slow and total > _ROWS_TRIED:
        return None
    if sort == "state":
        lower = tuple(state for state in wanted.states or _LISTED if STATE_NUMBER[state] < key.state)
        before = 0
        if lower and wanted.name_prefix:
            where, values = where_of(replace(wanted, states=lower))
            before = _number(db, f"INDEXED BY pins_name {where}", values)
        elif lower:
            before = _counted(db, lower)
        same = Filter(states=(STATES[key.state],), name_prefix=wanted.name_prefix)
        return before + _count_before(db, same, sort, "added", key)
    return _count_before(db, wanted, sort, sort, key)


def _count_before(db: sqlite3.Connection, wanted: Filter, sort: str, column: str, key: _Key) -> int:
    """Count the rows of a filter before one, in an order that is by ``column`` where all states are the same.

    A few rows are looked up by their offsets first, which skips the rest quicker than a condition counts it.
    """
    is_descending = _ORDER[sort][1]
    low, start = 0, None
    total = _total(db, wanted) or 0
    if total > _ROWS_TRIED and (column == "name" or len(wanted.states) == 1):
        high = total
        for _ in range(_HALVINGS):
            middle = (low + high) // 2
            found = _key_at(db, wanted, sort, middle, total)
            if found is None:
                break
            if found.id == key.id:
                return middle
            mine, other = (getattr(key, column), key.id), (getattr(found, column), found.id)
            if other >= mine if is_descending else other <= mine:
                low, start = middle, found
            else:
                high = middle
    return low + _count_between(db, wanted, column, start, key, is_descending=is_descending)


def _key_at(db: sqlite3.Connection, wanted: Filter, sort: str, offset: int, total: int) -> _Key | None:
    """Return the row at an offset."""
    from_end = offset > total // 2
    is_counted = wanted == Filter(states=wanted.states)
    ids, values = _ids(wanted, sort, "", is_counted=is_counted, from_end=from_end)
    row = db.execute(
        f"SELECT id, name, added, size, state, tries FROM ({ids} LIMIT 1 OFFSET ?) JOIN pins USING (id)",
        [*values, total - 1 - offset if from_end else offset],
    ).fetchone()
    return None if row is None else _Key(*row)


def _count_between(
    db: sqlite3.Connection, wanted: Filter, column: str, start: _Key | None, key: _Key, *, is_descending: bool
) -> int:
    """Count the rows of a filter from ``start`` (None: the first of all) to before ``key``, in order."""
    where, values = where_of(wanted)
    index = "INDEXED BY pins_name" if wanted.name_prefix else "INDEXED BY pins_state" if wanted.states else ""
    rest = f"{index} {where + ' AND' if where else 'WHERE'}"
    if column == "tries" and key.tries:
        rest += " tries>0 AND"  # that there is an index of
    before, after = (">", "<=") if is_descending else ("<", ">=")
    value = getattr(key, column)

    def number(condition: str, *bounds: object) -> int:
        return _number(db, f"{rest} {condition}", [*values, *bounds])

    if value is None:  # the smallest of all; only sizes may be unknown, which are sorted downwards
        return number(f"{column} > -1") + number(f"{column} IS NULL AND id {before} ?", key.id)
    level = f"{column} = ? AND id {before} ?"
    if start is None:
        return number(f"{column} {before} ?", value) + number(level, value, key.id)
    began = getattr(start, column)
    if began == value:
        return number(f"{level} AND id {after} ?", value, key.id, start.id)
    return (
        number(f"{column} = ? AND id {after} ?", began, start.id)
        + number(f"{column} {after[0]} ? AND {column} {before} ?", began, value)
        + number(level, value, key.id)
    )


def _order(sort: str, is_reversed: bool) -> str:
    columns, is_descending = _ORDER[sort]
    return columns if is_descending is is_reversed else columns.replace(",", " DESC,") + " DESC"
