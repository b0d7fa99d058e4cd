"""What one window of envelopes changes, and its one transaction (invariant 7)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from pincrew.record import decode_shown
from pincrew.store.database import STATE_NUMBER, Database
from pincrew.values import PinState

# A new row: id, CID, record, sid, n, change number, name, when it was added (ms), size, now (ms).
INSERT_QUEUED = (
    "INSERT INTO pins (id, cid, record, sid, n, change, name, added, state, size, updated)"
    f" VALUES (?,?,?,?,?,?,?,?,{STATE_NUMBER[PinState.QUEUED]},?,?)"
)


class SessionRow(NamedTuple):
    """A session as stored. ``sid`` is this replica's own short number for it."""

    sid: int
    author: bytes
    nonce: bytes
    client: int
    number: int
    hash: bytes
    stopped: str | None


class LogRow(NamedTuple):
    """An envelope as stored; ``signature`` is None where a later one of its page was checked instead."""

    sid: int
    number: int
    hash: bytes
    body: bytes
    signature: bytes | None


class ItemRow(NamedTuple):
    """A put as stored, before it is known whether it won."""

    shard: int
    cid: bytes
    sid: int
    n: int
    number: int
    origin_sid: int | None
    origin_n: int | None
    item: int


class DeleteRow(NamedTuple):
    """One target of a delete, as stored."""

    shard: int
    cid: bytes
    sid: int
    number: int
    target_sid: int
    target_n: int


class RowChange(NamedTuple):
    """The winner of a key changed: ``was`` and ``now`` are (sid, n) or None, ``record`` that of ``now``.

    ``was_based``: ``was`` is a row of the base in force, whose record is kept beyond its time.
    """

    shard: int
    cid: bytes
    was: tuple[int, int] | None
    now: tuple[int, int] | None
    record: bytes
    was_based: bool = False


@dataclass
class WindowChanges:
    """Everything that one window adds; filled by ``Windows``, committed whole or not at all.

    ``items`` and ``rows`` best come in ascending order of shard and key: their pages are met in their order then.
    """

    log: list[LogRow] = field(default_factory=list)
    sessions: dict[int, SessionRow] = field(default_factory=dict)
    dependencies: dict[tuple[int, int], int] = field(default_factory=dict)
    shard_puts: dict[tuple[int, int], int] = field(default_factory=dict)
    items: list[ItemRow] = field(default_factory=list)
    deletes: list[DeleteRow] = field(default_factory=list)
    rows: list[RowChange] = field(default_factory=list)

    def commit(self, database: Database, now_ms: int) -> int:
        """Write everything in one transaction, let go of it, and return the new change number.

        Blocks; raises StoreFault.
        """
        with database.transaction() as db:
            db.executemany(
                "INSERT INTO sessions (sid, author, nonce, client, number, hash, stopped, seen_ms)"
                " VALUES (?,?,?,?,?,?,?,?) ON CONFLICT (sid) DO UPDATE SET"
                " number=excluded.number, hash=excluded.hash, stopped=excluded.stopped, seen_ms=excluded.seen_ms",
                [(*row, now_ms) for row in self.sessions.values()],
            )
            db.executemany("INSERT INTO log (sid, number, hash, body, signature) VALUES (?,?,?,?,?)", self.log)
            db.executemany(
                "INSERT INTO dependencies VALUES (?,?,?) ON CONFLICT DO UPDATE SET number=excluded.number",
                [(sid, dep, number) for (sid, dep), number in self.dependencies.items()],
            )
            db.executemany(
                "INSERT INTO shard_puts (shard, sid, puts) VALUES (?,?,?) ON CONFLICT DO UPDATE SET puts=excluded.puts",
                sorted((shard, sid, puts) for (sid, shard), puts in self.shard_puts.items()),
            )
            won = write_rows(database, self.rows, now_ms)
            db.executemany(
                "INSERT INTO items VALUES (?,?,?,?,?,?,?,?,?)",
                ((*item, won.pop((item.cid, item.sid, item.n), None)) for item in self.items),
            )
            # yrs lets only a newly integrated put win: one that lost, or was deleted, never comes back.
            assert not won, "a winner is not among the window's puts"
            db.executemany("INSERT INTO deletes VALUES (?,?,?,?,?,?)", self.deletes)
            database.count("item", len(self.items))
            database.count("items", len(self.items))
            database.count("log_bytes", sum(len(row.body) for row in self.log))
            change = database.counter("change")
        # A window's rows are freed here, in the thread that wrote them: the event loop has better things to do.
        for rows in (self.log, self.items, self.deletes, self.rows):
            rows.clear()
        return change


def write_rows(database: Database, rows: Iterable[RowChange], now_ms: int) -> dict[tuple[bytes, int, int], int]:
    """Change what users see, within the caller's transaction; return which row each winner (CID, sid, n) became.

    What held before must still be among the items; setting the winners' own `pin` there is left to the caller.
    """
    db = database.writer
    change, pin = database.counter("change"), database.counter("pin")
    added: list[tuple[object, ...]] = []
    won: dict[tuple[bytes, int, int], int] = {}
    queued_bytes = queued_sized = 0
    for shard, cid, was, now, record, was_based in rows:
        change += 1
        if was is None:
            assert now is not None
            pin += 1
            name, size, added_ms = decode_shown(record)
            added.append((pin, cid, record, *now, change, name, added_ms or now_ms, size, now_ms))
            won[cid, *now] = pin
            queued_bytes += size or 0
            queued_sized += size is not None
            continue
        key = (shard, cid, *was)
        (old,) = db.execute("SELECT pin FROM items WHERE shard=? AND cid=? AND sid=? AND n=?", key).fetchone()
        db.execute("UPDATE items SET pin=NULL WHERE shard=? AND cid=? AND sid=? AND n=?", key)
        if was_based:
            db.execute("INSERT OR IGNORE INTO base_records SELECT ?, cid, record FROM pins WHERE id=?", (shard, old))
        if now is None:
            _remove(database, old, change, now_ms)
        else:
            name, _, added_ms = decode_shown(record)
            db.execute(
                "UPDATE pins SET record=?, sid=?, n=?, change=?, name=?, added=?, updated=? WHERE id=?",
                (record, *now, change, name, added_ms or now_ms, now_ms, old),
            )
            won[cid, *now] = old
    db.executemany(INSERT_QUEUED, added)
    if db.execute("SELECT EXISTS (SELECT 1 FROM removed)").fetchone()[0]:
        db.executemany("DELETE FROM removed WHERE cid=?", [(row[1],) for row in added])
    db.execute(
        "UPDATE counters SET pins=pins+?, bytes=bytes+?, sized=sized+? WHERE state=?",
        (len(added), queued_bytes, queued_sized, STATE_NUMBER[PinState.QUEUED]),
    )
    db.executemany("UPDATE meta SET value=? WHERE key=?", [(change, "change"), (pin, "pin")])
    return won


def _remove(database: Database, pin: int, change: int, now_ms: int) -> None:
    """Move a row to `removed`, out of the counters of its state.

    What was pinned is still on the disk, and counts as `leaving` from this very moment on.
    """
    db = database.writer
    cid, size, state, tries = db.execute("SELECT cid, size, state, tries FROM pins WHERE id=?", (pin,)).fetchone()
    db.execute("DELETE FROM pins WHERE id=?", (pin,))
    db.execute(
        "UPDATE counters SET pins=pins-1, bytes=bytes-?, sized=sized-? WHERE state=?",
        (size or 0, size is not None, state),
    )
    db.execute("INSERT OR REPLACE INTO removed VALUES (?,?,?,?)", (cid, change, state, tries))
    if state == STATE_NUMBER[PinState.PINNED]:
        added = db.execute("INSERT OR IGNORE INTO leaving VALUES (?,?,?)", (cid, now_ms, size)).rowcount
        db.execute(
            "UPDATE counters SET pins=pins+?, bytes=bytes+?, sized=sized+? WHERE state=?",
            (added, added * (size or 0), added * (size is not None), STATE_NUMBER[PinState.UNPINNING]),
        )
