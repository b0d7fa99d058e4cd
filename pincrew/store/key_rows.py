"""What the store has of sessions, and of the keys of one shard: what bases are computed of and change."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from pincrew.folding import KeyHistory, StoredDelete, StoredPut
from pincrew.values import Put, SessionId
from pincrew.wire import decode_envelope


class Place(NamedTuple):
    """Where a session stands: its sid here, its Yjs client id and how far the base in force goes."""

    sid: int
    client: int
    based: int


def places_of(db: sqlite3.Connection) -> dict[SessionId, Place]:
    return {
        SessionId(author, nonce): Place(sid, client, cut)
        for sid, author, nonce, client, cut in db.execute("SELECT sid, author, nonce, client, cut FROM sessions")
    }


def stored_put(row: tuple[int, int, int, int | None, int | None, int, int | None]) -> StoredPut:
    sid, n, number, origin_sid, origin_n, item, pin = row
    origin = None if origin_sid is None or origin_n is None else (origin_sid, origin_n)
    return StoredPut(sid, n, number, origin, item, pin)


def deletes_of(db: sqlite3.Connection, shard: int) -> dict[bytes, list[StoredDelete]]:
    deletes: dict[bytes, list[StoredDelete]] = {}
    for cid, sid, number, target_sid, target_n in db.execute(
        "SELECT cid, sid, number, target_sid, target_n FROM deletes WHERE shard=?", (shard,)
    ):
        deletes.setdefault(cid, []).append(StoredDelete(sid, number, (target_sid, target_n)))
    return deletes


def histories_of(db: sqlite3.Connection, shard: int) -> dict[bytes, KeyHistory]:
    deletes = deletes_of(db, shard)
    histories = {cid: KeyHistory([], found) for cid, found in deletes.items()}
    for cid, *row in db.execute(
        "SELECT cid, sid, n, number, origin_sid, origin_n, item, pin FROM items WHERE shard=?", (shard,)
    ):
        if cid not in histories:
            histories[cid] = KeyHistory()
        histories[cid].puts.append(stored_put(tuple(row)))
    return histories


def record_of(
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
