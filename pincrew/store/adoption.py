"""The one transaction in which a base comes into force."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from pincrew.base_form import Base, Cut, ShardRows
from pincrew.folding import KeyHistory, StoredPut
from pincrew.limits import BASE_SHARDS_READ_AHEAD, BASES_KEPT
from pincrew.record import Shown, decode_shown
from pincrew.store.counting import recount
from pincrew.store.database import STATE_NUMBER, Database
from pincrew.store.key_rows import histories_of, places_of, record_of
from pincrew.store.window import INSERT_QUEUED, RowChange, write_rows
from pincrew.values import Head, PinState
from pincrew.wire import client_id


@dataclass
class Adoption:
    """A base that comes into force, with everything that was decided about it before the transaction.

    ``replaced`` gives the rows of shards that are taken from the base as they are; all others were recomputed here and
    found equal. ``void`` says for sessions (sid) of which something counts no longer how far they do count, and why no
    further (None: they go on from there); of void envelopes those of ``author`` are kept, to be written again. An
    owner's base lets every session of its cut go on that was stopped. ``is_again``: it is in force already, and only
    rows that were damaged are replaced.
    """

    base: Base
    cut_blob: bytes
    shards_blob: bytes
    cut: Cut
    replaced: Mapping[int, ShardRows] = field(default_factory=dict)
    void: Mapping[int, tuple[Head, str | None]] = field(default_factory=dict)
    author: bytes = b""
    is_owners: bool = False
    is_again: bool = False


def adopt(database: Database, adoption: Adoption, *, shard_bits: int, now_ms: int) -> int:
    """Put a base in force, in one transaction; return the new change number."""
    with database.transaction() as db:
        (is_empty,) = db.execute("SELECT NOT EXISTS (SELECT 1 FROM items)").fetchone()
        indexes = _drop_indexes(db) if is_empty else []
        before = {place.sid: place.based for place in places_of(db).values()}
        _take_sessions(db, adoption, now_ms)
        places = places_of(db)
        turn = _Turn(
            database=database,
            clients={place.sid: place.client for place in places.values()},
            before=before,
            cut={place.sid: place.based for place in places.values()},
            void={sid: head.number for sid, (head, _) in adoption.void.items()},
            shard_bits=shard_bits,
            now_ms=now_ms,
        )
        _count_puts(db, turn)
        order = [places[session].sid for session in adoption.cut]
        touched = _touched(db, turn)
        db.execute(
            "DELETE FROM items WHERE pin IS NULL AND number <= (SELECT cut FROM sessions WHERE sid=items.sid)"
            " AND NOT EXISTS (SELECT 1 FROM temp.touched WHERE shard=items.shard AND cid=items.cid)"
        )
        kept: list[tuple[int, bytes, bytes]] = []
        if is_empty:
            _fill(db, adoption.replaced, order, turn)
        for shard in () if is_empty else sorted({*touched, *adoption.replaced}):
            if shard in adoption.replaced:
                _let_go_of_lost_rows(db, shard)
            histories = histories_of(db, shard)
            if shard in adoption.replaced:
                settled = _stated(adoption.replaced[shard], order, turn)
                keys = sorted({*histories, *settled})
                _state_puts(db, shard, adoption.replaced[shard], order, turn)
            else:
                keys = touched[shard]
                settled = _refolded(db, shard, keys, histories, turn)
            kept += _settle(db, shard, keys, histories, settled, turn)
        db.execute("DELETE FROM base_records")
        db.executemany("INSERT INTO base_records VALUES (?,?,?)", kept)
        db.execute("DELETE FROM deletes WHERE number <= (SELECT cut FROM sessions WHERE sid=deletes.sid)")
        _drop_void(db, adoption)
        db.execute(
            "INSERT OR REPLACE INTO bases (n, sealed, cut, cut_hash, shards, shards_hash, adopted_ms)"
            " VALUES (?,?,?,?,?,?,?)",
            (
                adoption.base.n,
                adoption.base.sealed,
                adoption.cut_blob,
                adoption.base.cut_hash,
                adoption.shards_blob,
                adoption.base.shards_hash,
                now_ms,
            ),
        )
        db.execute("DELETE FROM bases WHERE n <= ?", (adoption.base.n - BASES_KEPT,))
        if not adoption.is_again:
            db.execute("UPDATE meta SET value=0 WHERE key='log_bytes'")
        db.execute("UPDATE meta SET value=(SELECT count(*) FROM items) WHERE key='items'")
        for statement in indexes:
            db.execute(statement)
        if adoption.replaced and not is_empty:
            recount(db)  # what was damaged may have been counted, too
        return database.counter("change")


@dataclass
class _Turn:
    """What is known while one base takes over from another; numbers are by sid."""

    database: Database
    clients: dict[int, int]
    before: dict[int, int]  # how far the base goes that was in force
    cut: dict[int, int]
    void: dict[int, int]  # how far sessions count of which something counts no longer
    shard_bits: int
    now_ms: int

    def counts(self, sid: int, number: int) -> bool:
        """Return whether an envelope counts at all."""
        return number <= self.void.get(sid, number)

    def is_beyond(self, sid: int, number: int) -> bool:
        """Return whether an envelope counts and lies beyond the cut."""
        return number > self.cut.get(sid, 0) and self.counts(sid, number)


def _take_sessions(db: sqlite3.Connection, adoption: Adoption, now_ms: int) -> None:
    """Note how far the base goes in each session; a session that is not that far here goes on from there."""
    db.execute("UPDATE sessions SET cut=0, cut_hash=x''")
    (last,) = db.execute("SELECT coalesce(max(sid), 0) FROM sessions").fetchone()
    places = places_of(db)
    for session, head in adoption.cut.items():
        if session not in places:
            last += 1
            db.execute(
                "INSERT INTO sessions VALUES (?,?,?,?,?,?,NULL,?,?,?)",
                (last, *session, client_id(session), *head, now_ms, *head),
            )
            continue
        sid = places[session].sid
        db.execute("UPDATE sessions SET cut=?, cut_hash=? WHERE sid=?", (*head, sid))
        db.execute("UPDATE sessions SET number=?, hash=? WHERE sid=? AND number<?", (*head, sid, head.number))
        if adoption.is_owners:
            db.execute("UPDATE sessions SET stopped=NULL WHERE sid=?", (sid,))
            # The unapplied rest of its last page makes room for what comes next.
            db.execute("DELETE FROM log WHERE sid=?1 AND number>(SELECT number FROM sessions WHERE sid=?1)", (sid,))
    for sid, (head, reason) in adoption.void.items():
        db.execute("UPDATE sessions SET number=?, hash=?, stopped=? WHERE sid=?", (*head, reason, sid))


def _touched(db: sqlite3.Connection, turn: _Turn) -> dict[int, list[bytes]]:
    """Return, by shard, the keys with something on both sides of the cut, or of which something is void."""
    db.execute("DROP TABLE IF EXISTS temp.touched")
    db.execute("CREATE TEMP TABLE touched (shard INTEGER, cid BLOB, PRIMARY KEY (shard, cid)) WITHOUT ROWID")
    for table in ("items", "deletes"):
        db.execute(
            f"INSERT OR IGNORE INTO temp.touched SELECT shard, cid FROM {table} JOIN sessions USING (sid)"
            f" WHERE {table}.number > cut AND EXISTS (SELECT 1 FROM items AS other JOIN sessions USING (sid)"
            f" WHERE other.shard={table}.shard AND other.cid={table}.cid AND other.number <= cut)"
        )
        db.executemany(
            f"INSERT OR IGNORE INTO temp.touched SELECT shard, cid FROM {table} WHERE sid=? AND number>?",
            turn.void.items(),
        )
    touched: dict[int, list[bytes]] = {}
    for shard, cid in db.execute("SELECT shard, cid FROM temp.touched ORDER BY shard, cid"):
        touched.setdefault(shard, []).append(cid)
    return touched


def _stated(rows: ShardRows, order: Sequence[int], turn: _Turn) -> dict[bytes, tuple[StoredPut, bytes]]:
    """Return a shard's rows as the base states them. Any number within the cut will do for the envelope's."""
    return {
        row.cid: (StoredPut(order[row.session], row.n, turn.cut[order[row.session]], None, 0, None), row.record)
        for row in rows.rows
    }


def _fill(db: sqlite3.Connection, shards: Mapping[int, ShardRows], order: Sequence[int], turn: _Turn) -> None:
    """Take over whole shards into a store that has nothing: what ``_settle`` would do, without looking for anything."""
    change, pin, item = (turn.database.counter(key) for key in ("change", "pin", "item"))
    count = size_known = size_total = 0
    for shard, rows, shown in _read_ahead(shards):
        _state_puts(db, shard, rows, order, turn)
        pins, items = [], []
        for (cid, record, session, n), (name, size, added_ms) in zip(rows.rows, shown, strict=True):
            count += 1
            sid = order[session]
            size_total, size_known = size_total + (size or 0), size_known + (size is not None)
            added = added_ms or turn.now_ms
            pins.append((pin + count, cid, record, sid, n, change + count, name, added, size, turn.now_ms))
            items.append((shard, cid, sid, n, turn.cut[sid], item + count, pin + count))
        db.executemany(INSERT_QUEUED, pins)
        db.executemany("INSERT INTO items (shard, cid, sid, n, number, item, pin) VALUES (?,?,?,?,?,?,?)", items)
    db.execute(
        "UPDATE counters SET pins=pins+?, bytes=bytes+?, sized=sized+? WHERE state=?",
        (count, size_total, size_known, STATE_NUMBER[PinState.QUEUED]),
    )
    for key in ("change", "pin", "item"):
        turn.database.count(key, count)


def _read_ahead(shards: Mapping[int, ShardRows]) -> Iterator[tuple[int, ShardRows, list[Shown]]]:
    """Yield the shards in their order, each read while SQLite writes the one before: reading takes as long."""

    def read(shard: int) -> tuple[int, ShardRows, list[Shown]]:
        rows = shards[shard]
        return shard, rows, [decode_shown(row.record) for row in rows.rows]

    with ThreadPoolExecutor(1, "base-reader") as reader:
        ahead: deque[Future[tuple[int, ShardRows, list[Shown]]]] = deque()
        for shard in sorted(shards):
            ahead.append(reader.submit(read, shard))
            if len(ahead) > BASE_SHARDS_READ_AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _settle(
    db: sqlite3.Connection,
    shard: int,
    keys: Iterable[bytes],
    histories: Mapping[bytes, KeyHistory],
    settled: Mapping[bytes, tuple[StoredPut, bytes]],
    turn: _Turn,
) -> list[tuple[int, bytes, bytes]]:
    """Give keys their rows in the base, decide anew who holds, and change what users see.

    Return the records (shard, CID, record) of rows of the base that do not hold.
    """
    changes: list[RowChange] = []
    pins: dict[tuple[bytes, int, int], int] = {}
    based: list[tuple[int, bytes, int, int, int]] = []
    kept = []
    for cid in keys:
        history = histories.get(cid, KeyHistory())
        live = history.live()
        row, record = settled.get(cid, (None, b""))
        beyond = [put for put in history.puts if turn.is_beyond(put.sid, put.number)]
        deletes = [one for one in history.deletes if turn.is_beyond(one.sid, one.number)]
        winner = row
        if beyond or deletes:
            now = KeyHistory([*([row] if row else []), *beyond], deletes)
            winner = now.winner(turn.clients, turn.cut, None)
        if row is not None:
            based.append((shard, cid, *row.id, row.number))
            if winner is not row:
                kept.append((shard, cid, record))
        was, now_id = (None if put is None else put.id for put in (live, winner))
        if was == now_id and not (winner is row and _is_rewritten(db, live, record)):
            if live is not None and live.pin is not None:
                pins[cid, *live.id] = live.pin
        else:
            if winner is not None and winner is not row:
                record = record_of(db, shard, cid, winner, turn.shard_bits, is_based=False)
            changes.append(RowChange(shard, cid, was, now_id, record))
    pins |= write_rows(turn.database, changes, turn.now_ms)
    db.executemany(
        "DELETE FROM items WHERE shard=? AND cid=? AND (number <= (SELECT cut FROM sessions WHERE sid=items.sid)"
        " OR number > (SELECT number FROM sessions WHERE sid=items.sid))",
        ((shard, cid) for cid in keys),
    )
    item = turn.database.counter("item")
    db.executemany(
        "INSERT INTO items (shard, cid, sid, n, number, item, pin) VALUES (?,?,?,?,?,?,?)",
        ((*one, item + at, pins.pop(one[1:4], None)) for at, one in enumerate(based, 1)),
    )
    turn.database.count("item", len(based))
    db.executemany(
        "UPDATE items SET pin=? WHERE shard=? AND cid=? AND sid=? AND n=?",
        ((pin, shard, *name) for name, pin in pins.items()),
    )
    return kept


def _let_go_of_lost_rows(db: sqlite3.Connection, shard: int) -> None:
    """Let puts of a shard hold no longer whose rows a damaged store does not have, or has for another put."""
    db.execute(
        "UPDATE items SET pin=NULL WHERE shard=? AND pin IS NOT NULL AND NOT EXISTS (SELECT 1 FROM pins"
        " WHERE id=items.pin AND pins.cid=items.cid AND pins.sid=items.sid AND pins.n=items.n)",
        (shard,),
    )


def _is_rewritten(db: sqlite3.Connection, live: StoredPut | None, record: bytes) -> bool:
    """Return whether what holds has another record than the base says: that of another branch of a fork."""
    return live is not None and db.execute("SELECT record FROM pins WHERE id=?", (live.pin,)).fetchone()[0] != record


def _refolded(
    db: sqlite3.Connection, shard: int, keys: Iterable[bytes], histories: Mapping[bytes, KeyHistory], turn: _Turn
) -> dict[bytes, tuple[StoredPut, bytes]]:
    """Return keys' rows in the base, recomputed, each with its record; keys without a row are left out."""
    settled = {}
    for cid in keys:
        put = histories[cid].winner(turn.clients, turn.before, turn.cut)
        if put is not None:
            is_based = put.number <= turn.before.get(put.sid, 0)
            settled[cid] = put, record_of(db, shard, cid, put, turn.shard_bits, is_based=is_based)
    return settled


def _count_puts(db: sqlite3.Connection, turn: _Turn) -> None:
    """Count, per session and shard, the puts that lie within the cut, and take void ones out of the count of all."""
    db.execute("UPDATE shard_puts SET base=puts")
    beyond: dict[tuple[int, int], int] = {}
    void: dict[tuple[int, int], int] = {}
    for sid, shard, number in db.execute(
        "SELECT sid, shard, items.number FROM items JOIN sessions USING (sid) WHERE items.number > cut"
    ):
        beyond[shard, sid] = beyond.get((shard, sid), 0) + 1
        if not turn.counts(sid, number):
            void[shard, sid] = void.get((shard, sid), 0) + 1
    for column, counts in (("base", beyond), ("puts", void)):
        db.executemany(
            f"UPDATE shard_puts SET {column}={column}-? WHERE shard=? AND sid=?",
            ((count, *name) for name, count in counts.items()),
        )


def _state_puts(db: sqlite3.Connection, shard: int, rows: ShardRows, order: Sequence[int], turn: _Turn) -> None:
    """Take over how many puts each session made in a shard up to the cut; what lies beyond comes on top."""
    beyond: dict[int, int] = {}
    for sid, number in db.execute("SELECT sid, number FROM items WHERE shard=?", (shard,)):
        beyond[sid] = beyond.get(sid, 0) + turn.is_beyond(sid, number)
    based = {order[session]: count for session, count in rows.puts}
    db.execute("DELETE FROM shard_puts WHERE shard=?", (shard,))
    db.executemany(
        "INSERT INTO shard_puts (shard, sid, puts, base) VALUES (?,?,?,?)",
        ((shard, sid, based.get(sid, 0) + beyond.get(sid, 0), based.get(sid, 0)) for sid in sorted({*based, *beyond})),
    )


def _drop_void(db: sqlite3.Connection, adoption: Adoption) -> None:
    """Drop the envelopes that count no longer; an author of some keeps its own, to write them again."""
    for sid, (head, reason) in adoption.void.items():
        db.execute(
            "INSERT INTO reissues (body) SELECT body FROM log JOIN sessions USING (sid)"
            " WHERE sid=? AND log.number>? AND author=? ORDER BY log.number",
            (sid, head.number, adoption.author),
        )
        # Where the base names another branch, all that is here of the session may be of the wrong one.
        db.execute("DELETE FROM log WHERE sid=? AND number>?", (sid, 0 if reason is None else head.number))
        db.execute("DELETE FROM deletes WHERE sid=? AND number>?", (sid, head.number))
        db.execute("DELETE FROM dependencies WHERE sid=? OR (dep=? AND number>?)", (sid, sid, head.number))


def _drop_indexes(db: sqlite3.Connection) -> list[str]:
    """Drop the indexes of the rows, which are quicker to make at the end; return how to make them."""
    found = db.execute("SELECT name, sql FROM sqlite_master WHERE type='index' AND tbl_name='pins' AND sql NOT NULL")
    indexes = found.fetchall()
    for name, _ in indexes:
        db.execute(f"DROP INDEX {name}")
    return [sql for _, sql in indexes]
