"""The figures that every writer keeps up, against a count of the rows: which are wrong, and setting them right."""

from __future__ import annotations

import sqlite3

from pincrew.store.database import STATE_NUMBER, STATES
from pincrew.values import PinState

_UNPINNING = STATE_NUMBER[PinState.UNPINNING]
# What each number of `meta` is at least: it is given out once, and never again.
_REACHED = {
    "change": "SELECT max(coalesce((SELECT max(change) FROM pins), 0), coalesce((SELECT max(change) FROM removed), 0))",
    "item": "SELECT coalesce(max(item), 0) FROM items",
    "pin": "SELECT coalesce(max(id), 0) FROM pins",
}


def miscounts(db: sqlite3.Connection) -> list[str]:
    """Return which figures are wrong, by name: states, and numbers of `meta`."""
    kept = {state: (pins, size, sized) for state, pins, size, sized in db.execute("SELECT * FROM counters")}
    counted = _counted(db)
    wrong = [state.value for number, state in enumerate(STATES) if kept.get(number) != counted[number]]
    numbers = dict(db.execute("SELECT key, value FROM meta"))
    wrong += [key for key, least in _least(db).items() if not _is_at_least(numbers.get(key), least)]
    if numbers.get("items") != _items(db):
        wrong.append("items")
    return wrong


def recount(db: sqlite3.Connection) -> list[str]:
    """Set the figures right within the caller's transaction, and drop rows that no put is; return which were wrong.

    Nothing of the list is lost by that: what is on it is what puts say, and a row without one is seen by nobody else.
    """
    strays = db.execute("DELETE FROM pins WHERE id NOT IN (SELECT pin FROM items WHERE pin IS NOT NULL)").rowcount
    wrong = [*(["rows"] if strays else []), *miscounts(db)]
    db.executemany(
        "INSERT OR REPLACE INTO counters (state, pins, bytes, sized) VALUES (?,?,?,?)",
        ((state, *counts) for state, counts in _counted(db).items()),
    )
    db.executemany(
        "INSERT INTO meta VALUES (?1,?2) ON CONFLICT DO UPDATE SET value=max(cast(value AS INTEGER), ?2)",
        _least(db).items(),
    )
    db.execute("INSERT OR REPLACE INTO meta VALUES ('items', ?)", (_items(db),))
    return wrong


def _counted(db: sqlite3.Connection) -> dict[int, tuple[int, int, int]]:
    counted = dict.fromkeys(range(len(STATES)), (0, 0, 0))
    for state, pins, size, sized in db.execute(
        "SELECT state, count(*), sum(coalesce(size,0)), count(size) FROM pins GROUP BY state"
    ):
        counted[state] = pins, size, sized
    leaving = db.execute("SELECT count(*), coalesce(sum(size),0), count(size) FROM leaving").fetchone()
    return counted | {_UNPINNING: leaving}


def _least(db: sqlite3.Connection) -> dict[str, int]:
    return {key: db.execute(query).fetchone()[0] for key, query in _REACHED.items()}


def _items(db: sqlite3.Connection) -> int:
    (items,) = db.execute("SELECT count(*) FROM items").fetchone()
    return int(items)


def _is_at_least(value: object, least: int) -> bool:
    return isinstance(value, int) and value >= least
