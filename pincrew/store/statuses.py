"""How far this peer got with each pin: the tracker's ``PinBook`` on SQLite.

Every change of a state moves the counters in the same transaction; nothing here scans. A status never raises a row's
change number, so the pinner does not see its own writes as changes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from pincrew.cid import shard_of
from pincrew.record import decode_record
from pincrew.store.database import STATE_NUMBER, STATES, Database
from pincrew.store.part_rows import RECORD_WITH_ALLOCATIONS, allocations_of
from pincrew.tracker import FOR_ROOM, Candidate, Change, Lane, Leaving, Standing, StatusUpdate
from pincrew.values import Choice, Pin, PinState

_HOUR_MS = 3_600_000
_QUEUED, _PINNING, _PINNED = (
    STATE_NUMBER[PinState.QUEUED],
    STATE_NUMBER[PinState.PINNING],
    STATE_NUMBER[PinState.PINNED],
)
_ERROR, _SKIPPED, _REMOTE, _UNPINNING = (
    STATE_NUMBER[PinState.ERROR],
    STATE_NUMBER[PinState.SKIPPED],
    STATE_NUMBER[PinState.REMOTE],
    STATE_NUMBER[PinState.UNPINNING],
)
_DECIDED_ABOUT = f"{_QUEUED},{_PINNED},{_ERROR},{_SKIPPED}"
_COUNT = "UPDATE counters SET pins=pins+?, bytes=bytes+?, sized=sized+? WHERE state=?"
_UNBOUNDED = 2**63 - 1


class Statuses:
    """Implements ``tracker.PinBook``. Calls block."""

    def __init__(self, database: Database, shard_bits: int) -> None:
        self.database = database
        self._shard_bits = shard_bits

    def change_cursor(self) -> int:
        """Return the change number up to which the tracker has seen the rows."""
        return self.database.counter("cursor")

    def changes(self, limit: int) -> list[Change]:
        """Return changed and removed rows beyond the cursor, in the order of their change numbers."""
        with self.database.reading() as db:
            (cursor,) = db.execute("SELECT value FROM meta WHERE key='cursor'").fetchone()
            found = [
                Change(change, cid, decode_record(cid, record), STATES[state], tries, bool(is_leaving), size)
                for change, cid, record, state, tries, is_leaving, size in db.execute(
                    "SELECT change, cid, record, state, tries, EXISTS (SELECT 1 FROM leaving WHERE cid=pins.cid), size"
                    " FROM pins WHERE change>? ORDER BY change LIMIT ?",
                    (cursor, limit),
                )
            ]
            found += [
                Change(change, cid, None, STATES[state], tries, bool(is_leaving))
                for change, cid, state, tries, is_leaving in db.execute(
                    "SELECT change, cid, state, tries, EXISTS (SELECT 1 FROM leaving WHERE cid=removed.cid)"
                    " FROM removed WHERE change>? ORDER BY change LIMIT ?",
                    (cursor, limit),
                )
            ]
        return sorted(found, key=lambda one: one.change)[:limit]

    def settle(self, updates: Sequence[StatusUpdate], cursor: int | None) -> None:
        """Record ``updates``, in order, and move the cursor (None: leave it), in one transaction."""
        moved: dict[int, list[int]] = {}
        with self.database.transaction() as db:
            for update in updates:
                if update.leaving_ms is not None:
                    self._let_leave(db, update.cid, update.leaving_ms, update.size, moved)
                elif update.state is not PinState.UNPINNING:
                    _stay(db, update.cid, moved)
                if update.state is not None and update.state is not PinState.UNPINNING:
                    self._settle_row(db, update, moved)
            db.executemany(_COUNT, [(*delta, state) for state, delta in moved.items() if any(delta)])
            if cursor is not None:
                db.execute("UPDATE meta SET value=? WHERE key='cursor'", (cursor,))
                db.execute("DELETE FROM removed WHERE change<=?", (cursor,))

    def _let_leave(
        self, db: sqlite3.Connection, cid: bytes, since_ms: int, size: int | None, moved: dict[int, list[int]]
    ) -> None:
        """Make a `leaving` entry where there is none; its size is that of the row, unless it is told."""
        if size is None and (pin := self._pin(db, cid)) is not None:
            (size,) = db.execute("SELECT size FROM pins WHERE id=?", (pin,)).fetchone()
        added = db.execute("INSERT OR IGNORE INTO leaving VALUES (?,?,?)", (cid, since_ms, size)).rowcount
        _move(moved, _UNPINNING, added, added * (size or 0), added * (size is not None))

    def _settle_row(self, db: sqlite3.Connection, update: StatusUpdate, moved: dict[int, list[int]]) -> None:
        assert update.state is not None
        pin = self._pin(db, update.cid)
        if pin is None:
            return
        row = db.execute(
            "SELECT state, size, tries, next_try, cause, error, bytes_done, blocks_done FROM pins WHERE id=?", (pin,)
        ).fetchone()
        size = row[1] if update.size is None else update.size
        state = STATE_NUMBER[update.state]
        fresh = (
            *(state, size, update.tries, update.next_try_ms, update.cause, update.error),
            *(update.bytes_done, update.blocks_done),
        )
        if fresh == row:
            return
        db.execute(
            "UPDATE pins SET state=?, size=?, tries=?, next_try=?, cause=?, error=?, bytes_done=?, blocks_done=?,"
            " updated=? WHERE id=?",
            (*fresh, update.updated_ms, pin),
        )
        _move(moved, row[0], -1, -(row[1] or 0), -(row[1] is not None))
        _move(moved, state, 1, size or 0, int(size is not None))

    def candidates(self, lane: Lane, *, now_ms: int, limit: int) -> list[Candidate]:
        """Return rows in state ``queued`` (chosen: those that the user wants next; fresh: newest first; backlog: oldest
        first) or due ``error`` rows."""
        if lane is Lane.CHOSEN:
            return self._chosen(limit)
        if lane is Lane.RETRY:
            where, order = f"next_try<={int(now_ms)} AND state={_ERROR}", "next_try"
        else:
            where, order = f"state={_QUEUED}", "added DESC" if lane is Lane.FRESH else "added"
        return self._candidates(f"WHERE {where} ORDER BY {order} LIMIT ?", limit)

    def interrupted(self, limit: int) -> list[Candidate]:
        """Return rows in state ``pinning``; asked once at start, when whoever pinned them is gone."""
        return self._candidates(f"WHERE state={_PINNING} LIMIT ?", limit)

    def _candidates(self, rest: str, limit: int) -> list[Candidate]:
        with self.database.reading() as db:
            return [
                Candidate(decode_record(cid, record), STATES[state], tries, size)
                for cid, record, state, tries, size in db.execute(
                    f"SELECT cid, record, state, tries, size FROM pins {rest}", (limit,)
                )
            ]

    def _chosen(self, limit: int) -> list[Candidate]:
        with self.database.reading() as db:
            chosen = db.execute(
                "SELECT cid FROM choices WHERE choice=? ORDER BY since", (Choice.NEXT.value,)
            ).fetchall()
        found: list[Candidate] = []
        for (cid,) in chosen:
            with self.database.reading() as db:
                pin = self._pin(db, cid)
            if pin is not None:
                found += self._candidates(f"WHERE id={pin} AND state={_QUEUED} LIMIT ?", 1)
            if len(found) == limit:
                break
        return found

    def standings(self, after: int, limit: int) -> list[Standing]:
        """Return rows behind ``after`` (-1: from the first) that are queued, pinned, skipped or in error."""
        with self.database.reading() as db:
            return [
                Standing(
                    row, Pin(cid, name, size=size, allocations=allocations_of(cid, record)), STATES[state], cause, tries
                )
                for row, cid, name, size, state, cause, tries, record in db.execute(
                    f"SELECT id, cid, name, size, state, cause, tries, {RECORD_WITH_ALLOCATIONS} FROM pins"
                    f" WHERE id>? AND state IN ({_DECIDED_ABOUT}) ORDER BY id LIMIT ?",
                    (after, limit),
                )
            ]

    def newest_pinned(self, limit: int) -> list[tuple[bytes, int]]:
        """Return (CID, size) of ``pinned`` rows, the newest of the list first."""
        with self.database.reading() as db:
            return db.execute(
                f"SELECT cid, coalesce(size,0) FROM pins WHERE state={_PINNED} ORDER BY added DESC, id DESC LIMIT ?",
                (limit,),
            ).fetchall()

    def beyond(self, limit: int) -> tuple[int, int]:
        """Return how many of the newest pins, and how many bytes, would have to go for the others to fit ``limit``."""
        pins = total = 0
        with self.database.reading() as db:
            excess = self.pinned_bytes() - limit
            if excess > 0:
                query = f"SELECT coalesce(size,0) FROM pins WHERE state={_PINNED} ORDER BY added DESC, id DESC"
                for (size,) in db.execute(query):
                    pins, total = pins + 1, total + size
                    if total >= excess:
                        break
        return pins, total

    def readmit(self, size_max: int | None, limit: int, *, now_ms: int) -> int:
        """Queue rows that were skipped for want of room, the oldest first; return how many.

        Their known sizes come to at most ``size_max`` in all (None: to anything).
        """
        left = _UNBOUNDED if size_max is None else size_max
        with self.database.transaction() as db:
            causes = ",".join("?" * len(FOR_ROOM))
            rows = db.execute(
                f"SELECT id, coalesce(size,0) FROM pins WHERE state={_SKIPPED} AND cause IN ({causes})"
                " AND coalesce(size,0)<=? ORDER BY added LIMIT ?",
                (*FOR_ROOM, left, limit),
            ).fetchall()
            fitting = []
            for row, size in rows:
                if size <= left:
                    left -= size
                    fitting.append(row)
            return self._queue(db, f"id IN ({','.join(map(str, fitting))})", now_ms) if fitting else 0

    def next_due_ms(self) -> int | None:
        """Return the earliest next try of the ``error`` rows."""
        with self.database.reading() as db:
            row = db.execute(
                "SELECT next_try FROM pins WHERE next_try IS NOT NULL ORDER BY next_try LIMIT 1"
            ).fetchone()
        return None if row is None else row[0]

    def requeue(self, cid: bytes | None, *, now_ms: int, also_pinned: bool = True) -> int:
        """Make ``error`` rows (or the row ``cid``, unless ``pinning`` or ``remote``) ``queued``; return how many."""
        with self.database.transaction() as db:
            if cid is None:
                where = f"state={_ERROR}"
            else:
                pin = self._pin(db, cid)
                if pin is None:
                    return 0
                where = f"id={pin} AND state NOT IN ({_PINNING},{_REMOTE}{'' if also_pinned else f',{_PINNED}'})"
            return self._queue(db, where, now_ms)

    def _queue(self, db: sqlite3.Connection, where: str, now_ms: int) -> int:
        """Queue rows, within the caller's transaction; what of them was about to be unpinned stays."""
        rows = db.execute(
            f"SELECT state, count(*), sum(coalesce(size,0)), count(size) FROM pins WHERE {where} GROUP BY state"
        ).fetchall()
        moved: dict[int, list[int]] = {}
        for (cid,) in db.execute(f"SELECT cid FROM pins WHERE {where} AND state={_SKIPPED}").fetchall():
            _stay(db, cid, moved)
        db.execute(
            f"UPDATE pins SET state={_QUEUED}, next_try=NULL, cause=NULL, error=NULL, updated=? WHERE {where}",
            (now_ms,),
        )
        for state, pins, size, sized in rows:
            _move(moved, state, -pins, -size, -sized)
            _move(moved, _QUEUED, pins, size, sized)
        db.executemany(_COUNT, [(*delta, state) for state, delta in moved.items()])
        return sum(row[1] for row in rows)

    def queue_pinned(self, limit: int, *, now_ms: int) -> int:
        """Make up to ``limit`` ``pinned`` rows ``queued``; return how many."""
        with self.database.transaction() as db:
            some = f"SELECT id FROM pins WHERE state={_PINNED} LIMIT ?"
            pins, size, sized = db.execute(
                f"SELECT count(*), sum(coalesce(size,0)), count(size) FROM pins WHERE id IN ({some})", (limit,)
            ).fetchone()
            if pins:
                db.execute(f"UPDATE pins SET state={_QUEUED}, updated=? WHERE id IN ({some})", (now_ms, limit))
                db.executemany(_COUNT, [(-pins, -size, -sized, _PINNED), (pins, size, sized, _QUEUED)])
        return int(pins)

    def node_id(self) -> str | None:
        """Return what ``save_node_id`` kept."""
        with self.database.reading() as db:
            row = db.execute("SELECT value FROM meta WHERE key='node'").fetchone()
        return None if row is None else str(row[0])

    def save_node_id(self, peer_id: str | None) -> None:
        """Keep of which node ``pinned`` is said, durably; "" is a node that is not used any more, None is not known."""
        with self.database.transaction() as db:
            if peer_id is None:
                db.execute("DELETE FROM meta WHERE key='node'")
            else:
                db.execute("INSERT OR REPLACE INTO meta VALUES ('node', ?)", (peer_id,))

    def is_any_lacking(self, cids: Sequence[bytes]) -> bool:
        """Say whether one of ``cids`` is to be kept here and is not pinned, or has left the list and is still kept."""
        with self.database.reading() as db:
            for cid in cids:
                row = db.execute(
                    "SELECT pins.state FROM items JOIN pins ON pins.id = items.pin WHERE items.shard=? AND items.cid=?",
                    (shard_of(cid, self._shard_bits), cid),
                ).fetchone()
                if row is not None and row[0] not in (_PINNED, _SKIPPED, _REMOTE):
                    return True
                if db.execute("SELECT 1 FROM leaving WHERE cid=?", (cid,)).fetchone():
                    return True
        return False

    def pinned_page(self, after: bytes | None, limit: int) -> list[bytes]:
        """Return CIDs in state ``pinned`` by shard and key, behind ``after`` (which may be gone by now)."""
        start = (-1, b"") if after is None else (shard_of(after, self._shard_bits), after)
        with self.database.reading() as db:
            rows = db.execute(
                "SELECT items.cid FROM items JOIN pins ON pins.id = items.pin"
                f" WHERE (items.shard, items.cid) > (?, ?) AND pins.state={_PINNED}"
                " ORDER BY items.shard, items.cid LIMIT ?",
                (*start, limit),
            ).fetchall()
        return [cid for (cid,) in rows]

    def counts(self) -> Mapping[PinState, int]:
        """Return how many there are of each state, ``unpinning`` (all `leaving` entries) included, from counters."""
        with self.database.reading() as db:
            return {STATES[state]: pins for state, pins in db.execute("SELECT state, pins FROM counters")}

    def sizes(self) -> Mapping[PinState, tuple[int, int]]:
        """Return, per state, the bytes of pins of known size, and how many those are."""
        with self.database.reading() as db:
            return {
                STATES[state]: (size, sized)
                for state, size, sized in db.execute("SELECT state, bytes, sized FROM counters")
            }

    def kept_bytes(self) -> int:
        """Return the bytes of what is pinned and of what is about to be unpinned, from counters."""
        sizes = self.sizes()
        return sizes[PinState.PINNED][0] + sizes[PinState.UNPINNING][0]

    def bytes_of(self, cids: Iterable[bytes]) -> int:
        """Return the known bytes of those of ``cids`` that are pinned or about to be unpinned."""
        total = 0
        with self.database.reading() as db:
            for cid in cids:
                row = db.execute(
                    f"SELECT coalesce(size,0) FROM pins WHERE id=? AND state={_PINNED}", (self._pin(db, cid),)
                ).fetchone()
                row = row or db.execute("SELECT coalesce(size,0) FROM leaving WHERE cid=?", (cid,)).fetchone()
                total += row[0] if row else 0
        return total

    def pinned_bytes(self) -> int:
        """Return the bytes of what is pinned, from counters."""
        return self.sizes()[PinState.PINNED][0]

    def skipped_for(self) -> Mapping[str, int]:
        """Return how many pins are skipped for each cause. Looks at every one of them."""
        with self.database.reading() as db:
            query = f"SELECT coalesce(cause, ''), count(*) FROM pins WHERE state={_SKIPPED} GROUP BY cause"
            return dict(db.execute(query).fetchall())

    def choices(self) -> dict[bytes, Choice]:
        """Return what the user said of single pins, in the order of his words."""
        with self.database.reading() as db:
            return {cid: Choice(choice) for cid, choice in db.execute("SELECT cid, choice FROM choices ORDER BY since")}

    def choose(self, cids: Sequence[bytes], choice: Choice | None, *, now_ms: int) -> None:
        """Keep what the user says of pins; None takes it back."""
        with self.database.transaction() as db:
            db.executemany("DELETE FROM choices WHERE cid=?", [(cid,) for cid in cids])
            if choice is not None:
                db.executemany("INSERT INTO choices VALUES (?,?,?)", [(cid, choice.value, now_ms) for cid in cids])

    def leaving(self, *, from_ms: int = 0, to_ms: int, limit: int) -> list[Leaving]:
        """Return `leaving` entries with ``from_ms <= since_ms <= to_ms``, oldest first; own decisions come before 0."""
        with self.database.reading() as db:
            rows = db.execute(
                "SELECT cid, since FROM leaving WHERE since BETWEEN ? AND ? ORDER BY since LIMIT ?",
                (from_ms, to_ms, limit),
            )
            return [Leaving(cid, since) for cid, since in rows]

    def leaving_hours(self, *, after_ms: int) -> list[tuple[int, int]]:
        """Return (start of the hour in ms, how many) of the `leaving` entries with ``since_ms > after_ms``."""
        with self.database.reading() as db:
            return db.execute(
                f"SELECT since / {_HOUR_MS} * {_HOUR_MS} AS hour, count(*) FROM leaving WHERE since>?"
                " GROUP BY hour ORDER BY hour",
                (after_ms,),
            ).fetchall()

    def removals_state(self) -> str | None:
        """Return what ``save_removals_state`` kept."""
        with self.database.reading() as db:
            row = db.execute("SELECT value FROM meta WHERE key='removals'").fetchone()
        return None if row is None else str(row[0])

    def save_removals_state(self, text: str) -> None:
        """Keep a text of at most 4 KiB, durably."""
        with self.database.transaction() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES ('removals', ?)", (text,))

    def _pin(self, db: sqlite3.Connection, cid: bytes) -> int | None:
        row = db.execute(
            "SELECT pin FROM items WHERE shard=? AND cid=? AND pin IS NOT NULL", (shard_of(cid, self._shard_bits), cid)
        ).fetchone()
        return None if row is None else row[0]


def _stay(db: sqlite3.Connection, cid: bytes, moved: dict[int, list[int]]) -> None:
    """Drop the `leaving` entry of a CID, if there is one."""
    row = db.execute("SELECT size FROM leaving WHERE cid=?", (cid,)).fetchone()
    if row is not None:
        db.execute("DELETE FROM leaving WHERE cid=?", (cid,))
        _move(moved, _UNPINNING, -1, -(row[0] or 0), -(row[0] is not None))


def _move(moved: dict[int, list[int]], state: int, pins: int, size: int, sized: int) -> None:
    delta = moved.setdefault(state, [0, 0, 0])
    delta[0] += pins
    delta[1] += size
    delta[2] += sized
