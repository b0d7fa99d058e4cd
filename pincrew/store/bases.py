"""Bases in the store: one shard's rows as of a cut, and the one transaction in which a base comes into force.

Calls block; raise StoreFault.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from pincrew.base_form import Base, Cut, Row, ShardRows, blob_hash, encode_rows
from pincrew.errors import PincrewError, StoreFault
from pincrew.folding import KeyHistory, Numbers, StoredDelete, StoredPut
from pincrew.limits import BASES_KEPT
from pincrew.record import decode_shown
from pincrew.store.counting import recount
from pincrew.store.database import STATE_NUMBER, Database
from pincrew.store.window import INSERT_QUEUED, RowChange, write_rows
from pincrew.values import Head, PinState, Put, SessionId
from pincrew.wire import client_id, decode_envelope

_log = logging.getLogger("pincrew.bases")


class HeldBase(NamedTuple):
    """A base as stored: its sealed header and the two blobs that every other blob hangs on."""

    n: int
    sealed: bytes
    cut: bytes
    shards: bytes


class Place(NamedTuple):
    """Where a session stands: its sid here, its Yjs client id and how far the base in force goes."""

    sid: int
    client: int
    based: int


@dataclass(frozen=True)
class CutView:
    """A cut in the numbers of one store. All by sid: how far it goes, the place of each session in it, how far the base
    in force goes, and Yjs client ids."""

    upto: Numbers
    index: Mapping[int, int]
    based: Numbers
    clients: Mapping[int, int]


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


class BaseStore:
    """The base side of a cluster's state."""

    def __init__(self, database: Database, shard_bits: int) -> None:
        self.database = database
        self._shard_bits = shard_bits

    def held(self, n: int | None = None) -> HeldBase | None:
        """Return the base in force, or number ``n`` where it is kept."""
        with self.database.reading() as db:
            row = db.execute(
                "SELECT n, sealed, cut, shards FROM bases WHERE n = coalesce(?, n) ORDER BY n DESC LIMIT 1", (n,)
            ).fetchone()
        return None if row is None else HeldBase(*row)

    def manifest(self, name: bytes) -> bytes | None:
        """Return the cut or the hashes of a kept base, by hash."""
        with self.database.reading() as db:
            row = db.execute(
                "SELECT iif(cut_hash=?1, cut, shards) FROM bases WHERE ?1 IN (cut_hash, shards_hash)", (name,)
            ).fetchone()
        return None if row is None else row[0]

    def figures(self) -> dict[str, int]:
        """Return the bytes of log since the base in force, the puts that are stored, and the rows.

        By a reader: the writer may be busy for seconds, and nobody here should wait for it.
        """
        with self.database.reading() as db:
            (pins,) = db.execute("SELECT total(pins) FROM counters").fetchone()
            counted = dict(db.execute("SELECT key, value FROM meta WHERE key IN ('log_bytes', 'items')"))
        return {**counted, "pins": int(pins)}

    def places(self) -> dict[SessionId, Place]:
        """Return where every session stands."""
        with self.database.reading() as db:
            return _places(db)

    def view(self, cut: Cut) -> CutView:
        """Return a cut in this store's own numbers, which stay true while windows go on."""
        places = self.places()
        order = [places[session].sid if session in places else -1 for session in sorted(cut)]
        return CutView(
            upto={places[session].sid: head.number for session, head in cut.items() if session in places},
            index={sid: at for at, sid in enumerate(order)},
            based={place.sid: place.based for place in places.values()},
            clients={place.sid: place.client for place in places.values()},
        )

    def rows_at(self, shard: int, view: CutView) -> tuple[bytes, int]:
        """Return one shard's rows as of a cut, encoded, and how many they are."""
        rows: list[Row] = []
        with self.database.reading() as db:
            deletes = _deletes(db, shard)
            puts = dict(db.execute("SELECT sid, puts FROM shard_puts WHERE shard=?", (shard,)))
            stored = db.execute(
                "SELECT items.cid, items.sid, items.n, number, origin_sid, origin_n, item, pin, record"
                " FROM items LEFT JOIN pins ON pins.id=items.pin WHERE shard=? ORDER BY items.cid",
                (shard,),
            )
            for cid, group in groupby(stored, itemgetter(0)):
                found = list(group)
                if len(found) == 1 and cid not in deletes:
                    _, sid, n, number, _, _, _, pin, record = found[0]
                    if number > view.upto.get(sid, 0):
                        puts[sid] -= 1
                    elif pin is not None:  # by far the most: written once
                        rows.append(Row(cid, record, view.index[sid], n))
                    continue
                history = KeyHistory([_stored_put(one[1:8]) for one in found], deletes.get(cid, []))
                for put in history.puts:
                    puts[put.sid] -= put.number > view.upto.get(put.sid, 0)
                is_settled = history.is_within(view.upto)
                winner = history.live() if is_settled else history.winner(view.clients, view.based, view.upto)
                if winner is not None:
                    is_based = winner.number <= view.based.get(winner.sid, 0)
                    record = _record(db, shard, cid, winner, self._shard_bits, is_based=is_based)
                    rows.append(Row(cid, record, view.index[winner.sid], winner.n))
        counted = sorted((view.index[sid], count) for sid, count in puts.items() if count)
        return encode_rows(rows, counted), len(rows)

    def rows_as_stated(self, shard: int, view: CutView, name: bytes) -> bytes | None:
        """Return one shard's rows as of a cut, None where they do not have this hash: something here is damaged."""
        try:
            rows = self.rows_at(shard, view)[0]
        except StoreFault:
            raise
        except (LookupError, TypeError, ValueError, AssertionError, PincrewError) as error:
            # What is stored contradicts itself, in whatever way. The error itself would hold the open query.
            _log.warning("shard %d is damaged: %s", shard, repr(error))
            return None
        return rows if blob_hash(rows) == name else None

    # ---- coming into force ------------------------------------------------------------------------------------

    def adopt(self, adoption: Adoption, now_ms: int) -> int:
        """Put a base in force, in one transaction; return the new change number."""
        with self.database.transaction() as db:
            (is_empty,) = db.execute("SELECT NOT EXISTS (SELECT 1 FROM items)").fetchone()
            indexes = _drop_indexes(db) if is_empty else []
            before = {place.sid: place.based for place in _places(db).values()}
            _take_sessions(db, adoption, now_ms)
            places = _places(db)
            turn = _Turn(
                database=self.database,
                clients={place.sid: place.client for place in places.values()},
                before=before,
                cut={place.sid: place.based for place in places.values()},
                void={sid: head.number for sid, (head, _) in adoption.void.items()},
                shard_bits=self._shard_bits,
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
                histories = _histories(db, shard)
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
            return self.database.counter("change")

    def reissues(self, most: int) -> list[tuple[int, bytes]]:
        """Return own envelopes that a base made void, the oldest first, each with its place in the table."""
        with self.database.reading() as db:
            return db.execute("SELECT id, body FROM reissues ORDER BY id LIMIT ?", (most,)).fetchall()

    def reissued(self, last: int) -> None:
        """Forget those up to a place: they were written again."""
        with self.database.transaction() as db:
            db.execute("DELETE FROM reissues WHERE id<=?", (last,))

    def log_after(self, sid: int, number: int, last: int) -> list[bytes]:
        """Return the envelopes of a session after one number up to another."""
        with self.database.reading() as db:
            return [
                body
                for (body,) in db.execute(
                    "SELECT body FROM log WHERE sid=? AND number>? AND number<=? ORDER BY number", (sid, number, last)
                )
            ]

    def forget_log(self, cut: Iterable[tuple[SessionId, Head]], rows_max: int) -> bool:
        """Drop up to ``rows_max`` envelopes that lie within a cut; return whether there may be more."""
        with self.database.transaction() as db:
            places = _places(db)
            for session, head in cut:
                if session in places:
                    rows_max -= db.execute(
                        "DELETE FROM log WHERE id IN (SELECT id FROM log WHERE sid=? AND number<=? LIMIT ?)",
                        (places[session].sid, head.number, rows_max),
                    ).rowcount
                if rows_max <= 0:
                    return True
        return False


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


def _places(db: sqlite3.Connection) -> dict[SessionId, Place]:
    return {
        SessionId(author, nonce): Place(sid, client, cut)
        for sid, author, nonce, client, cut in db.execute("SELECT sid, author, nonce, client, cut FROM sessions")
    }


def _stored_put(row: tuple[int, int, int, int | None, int | None, int, int | None]) -> StoredPut:
    sid, n, number, origin_sid, origin_n, item, pin = row
    origin = None if origin_sid is None or origin_n is None else (origin_sid, origin_n)
    return StoredPut(sid, n, number, origin, item, pin)


def _deletes(db: sqlite3.Connection, shard: int) -> dict[bytes, list[StoredDelete]]:
    deletes: dict[bytes, list[StoredDelete]] = {}
    for cid, sid, number, target_sid, target_n in db.execute(
        "SELECT cid, sid, number, target_sid, target_n FROM deletes WHERE shard=?", (shard,)
    ):
        deletes.setdefault(cid, []).append(StoredDelete(sid, number, (target_sid, target_n)))
    return deletes


def _histories(db: sqlite3.Connection, shard: int) -> dict[bytes, KeyHistory]:
    deletes = _deletes(db, shard)
    histories = {cid: KeyHistory([], found) for cid, found in deletes.items()}
    for cid, *row in db.execute(
        "SELECT cid, sid, n, number, origin_sid, origin_n, item, pin FROM items WHERE shard=?", (shard,)
    ):
        if cid not in histories:
            histories[cid] = KeyHistory()
        histories[cid].puts.append(_stored_put(tuple(row)))
    return histories


def _take_sessions(db: sqlite3.Connection, adoption: Adoption, now_ms: int) -> None:
    """Note how far the base goes in each session; a session that is not that far here goes on from there."""
    db.execute("UPDATE sessions SET cut=0, cut_hash=x''")
    (last,) = db.execute("SELECT coalesce(max(sid), 0) FROM sessions").fetchone()
    places = _places(db)
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
    for shard in sorted(shards):
        rows = shards[shard]
        _state_puts(db, shard, rows, order, turn)
        pins, items = [], []
        for cid, record, session, n in rows.rows:
            count += 1
            sid = order[session]
            name, size, added_ms = decode_shown(record)
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
                record = _record(db, shard, cid, winner, turn.shard_bits, is_based=False)
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
            settled[cid] = put, _record(db, shard, cid, put, turn.shard_bits, is_based=is_based)
    return settled


def _record(
    db: sqlite3.Connection, shard: int, cid: bytes, put: StoredPut, shard_bits: int, *, is_based: bool
) -> bytes:
    """Return the record of a put, from wherever it still is; ``is_based``: it is a row of the base in force."""
    if put.pin is not None:
        row = db.execute("SELECT record FROM pins WHERE id=?", (put.pin,)).fetchone()
        return bytes(row[0])
    if is_based:
        row = db.execute("SELECT record FROM base_records WHERE shard=? AND cid=?", (shard, cid)).fetchone()
        return bytes(row[0])
    (body,) = db.execute("SELECT body FROM log WHERE sid=? AND number=?", (put.sid, put.number)).fetchone()
    for part in decode_envelope(body, shard_bits).parts:
        for operation in part.operations:
            if isinstance(operation, Put) and operation.cid == cid:
                return operation.record
    raise AssertionError("a put is not in its envelope")


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
