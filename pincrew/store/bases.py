"""Bases in the store: those that are kept, one shard's rows as of a cut, and the log that leads from one to the next.

Calls block; raise StoreFault.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from pincrew.base_form import Cut, Row, blob_hash, encode_rows
from pincrew.errors import PincrewError, StoreFault
from pincrew.folding import KeyHistory, Numbers
from pincrew.store.adoption import Adoption, adopt
from pincrew.store.database import Database
from pincrew.store.key_rows import Place, deletes_of, places_of, record_of, stored_put
from pincrew.values import Head, SessionId

_log = logging.getLogger("pincrew.bases")


class HeldBase(NamedTuple):
    """A base as stored: its sealed header and the two blobs that every other blob hangs on."""

    n: int
    sealed: bytes
    cut: bytes
    shards: bytes


@dataclass(frozen=True)
class CutView:
    """A cut in the numbers of one store. All by sid: how far it goes, the place of each session in it, how far the base
    in force goes, and Yjs client ids."""

    upto: Numbers
    index: Mapping[int, int]
    based: Numbers
    clients: Mapping[int, int]


@contextmanager
def _one_moment(db: sqlite3.Connection) -> Iterator[None]:
    """See one state of the store in all that is read, also within somebody's transaction."""
    db.execute("SAVEPOINT rows_at")
    try:
        yield
    finally:
        db.execute("RELEASE rows_at")


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

    def sealed(self, n: int) -> bytes | None:
        """Return the header of a kept base."""
        with self.database.reading() as db:
            row = db.execute("SELECT sealed FROM bases WHERE n=?", (n,)).fetchone()
        return None if row is None else row[0]

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
            return places_of(db)

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
        with self.database.reading() as db, _one_moment(db):
            deletes = deletes_of(db, shard)
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
                history = KeyHistory([stored_put(one[1:8]) for one in found], deletes.get(cid, []))
                for put in history.puts:
                    puts[put.sid] -= put.number > view.upto.get(put.sid, 0)
                is_settled = history.is_within(view.upto)
                winner = history.live() if is_settled else history.winner(view.clients, view.based, view.upto)
                if winner is not None:
                    is_based = winner.number <= view.based.get(winner.sid, 0)
                    record = record_of(db, shard, cid, winner, self._shard_bits, is_based=is_based)
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
        """Put a base in force; return the new change number."""
        return adopt(self.database, adoption, shard_bits=self._shard_bits, now_ms=now_ms)

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
            places = places_of(db)
            for session, head in cut:
                if session in places:
                    rows_max -= db.execute(
                        "DELETE FROM log WHERE id IN (SELECT id FROM log WHERE sid=? AND number<=? LIMIT ?)",
                        (places[session].sid, head.number, rows_max),
                    ).rowcount
                if rows_max <= 0:
                    return True
        return False
