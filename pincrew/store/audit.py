"""Looks at a store for what should not be: damaged pages, wrong figures, rows that do not fit, a log with holes.

Only reads, beside whoever writes: each look is at one moment of the store. Large stores are sampled, unless all is to
be looked at; memory does not grow with the list. Calls block; raise StoreFault where the file cannot be read.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from pincrew import domains
from pincrew.base_form import Base, blob_hash, decode_base, decode_cut, decode_shards
from pincrew.cid import shard_of
from pincrew.errors import Malformed, PeerFault
from pincrew.keys import peer_id, verify
from pincrew.limits import (
    AUDIT_ENVELOPES,
    AUDIT_FAULTS_SHOWN,
    AUDIT_PAGES_S_MAX,
    AUDIT_ROWS,
    AUDIT_SHARDS_MIN,
)
from pincrew.store.bases import BaseStore
from pincrew.store.counting import miscounts
from pincrew.store.database import Database
from pincrew.wire import decode_envelope

_INTERRUPT_OPERATIONS = 100_000
_ALIVE = "SELECT pin FROM items WHERE pin IS NOT NULL"


class Pages(NamedTuple):
    """What is wrong with the file's pages; ``is_whole``: all of them were looked at."""

    faults: list[str]
    is_whole: bool
    took_s: float


@dataclass
class Misfits:
    """Shards in which rows, puts and their counts do not fit each other, of ``looked_at``.

    ``lost`` are those where puts are missing that no base has.
    """

    looked_at: int
    shards: set[int] = field(default_factory=set)
    lost: set[int] = field(default_factory=set)


class Chain(NamedTuple):
    """What is wrong with heads and log; how many sessions there are, and how many envelopes were read."""

    faults: list[str]
    sessions: int
    envelopes: int


@dataclass
class BaseLook:
    """What the base in force says of itself and of the rows. ``base`` None: there is none, or it cannot be read.

    ``fault``: the base itself is damaged. ``different`` are the shards, of ``looked_at``, that are not what was signed.
    """

    base: Base | None = None
    fault: str | None = None
    looked_at: int = 0
    different: list[int] = field(default_factory=list)


class Audit:
    """The looks at one store, opened read-only."""

    def __init__(self, database: Database, shard_bits: int, *, is_whole: bool, luck: Random) -> None:
        """``is_whole``: look at everything, however long it takes."""
        self._database = database
        self._shard_bits = shard_bits
        self._is_whole = is_whole
        self._luck = luck

    @contextmanager
    def _moment(self) -> Iterator[sqlite3.Connection]:
        """Hold the store as it is now for the length of the block."""
        with self._database.reading() as db:
            db.execute("BEGIN")
            try:
                yield db
            finally:
                db.execute("ROLLBACK")

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return 1 << self._shard_bits

    def _sample(self, db: sqlite3.Connection) -> list[int]:
        """Return the shards to look at."""
        (rows,) = db.execute("SELECT count(*) FROM pins").fetchone()
        if self._is_whole or rows <= AUDIT_ROWS:
            return list(range(self.shards))
        count = max(AUDIT_SHARDS_MIN, self.shards * AUDIT_ROWS // rows)
        return sorted(self._luck.sample(range(self.shards), min(count, self.shards)))

    # ---- looks ------------------------------------------------------------------------------------------------

    def pages(self) -> Pages:
        """Look at every page of the file, and with all its indexes where everything is to be looked at."""
        begun = time.monotonic()
        check = "integrity_check" if self._is_whole else "quick_check"
        with self._database.reading() as db:
            if not self._is_whole:
                ends = begun + AUDIT_PAGES_S_MAX
                db.set_progress_handler(lambda: time.monotonic() > ends, _INTERRUPT_OPERATIONS)
            try:
                found = [text for (text,) in db.execute(f"PRAGMA {check}({AUDIT_FAULTS_SHOWN})")]
            except sqlite3.OperationalError:
                if time.monotonic() < begun + AUDIT_PAGES_S_MAX:
                    raise
                return Pages([], is_whole=False, took_s=time.monotonic() - begun)
            finally:
                db.set_progress_handler(None, 0)
        return Pages([text for text in found if text != "ok"], is_whole=True, took_s=time.monotonic() - begun)

    def figures(self) -> tuple[int, list[str]]:
        """Return how many pins there are, and which counters say something else than the rows do."""
        with self._moment() as db:
            (pins,) = db.execute("SELECT count(*) FROM pins").fetchone()
            return int(pins), miscounts(db)

    def rows(self) -> Misfits:
        """Look whether each row is the one put that holds, and whether all puts beyond the base are there."""
        with self._moment() as db:
            (alive,) = db.execute("SELECT count(*) FROM items WHERE pin IS NOT NULL").fetchone()
            (pins,) = db.execute("SELECT count(*) FROM pins").fetchone()
            some = range(self.shards) if alive > pins else self._sample(db)
            found = Misfits(len(some))
            if pins > alive:
                for (cid,) in db.execute(f"SELECT cid FROM pins WHERE id NOT IN ({_ALIVE})"):
                    found.shards.add(shard_of(cid, self._shard_bits))
            for shard in some:
                (wrong,) = db.execute(
                    "SELECT count(*) FROM items LEFT JOIN pins ON pins.id=items.pin WHERE shard=? AND pin IS NOT NULL"
                    " AND (pins.id IS NULL OR pins.cid<>items.cid OR pins.sid<>items.sid OR pins.n<>items.n)",
                    (shard,),
                ).fetchone()
                if wrong:
                    found.shards.add(shard)
                counted = dict(
                    db.execute("SELECT sid, puts-base FROM shard_puts WHERE shard=? AND puts>base", (shard,))
                )
                stored = dict(
                    db.execute(
                        "SELECT sid, count(*) FROM items JOIN sessions USING (sid)"
                        " WHERE shard=? AND items.number>cut GROUP BY sid",
                        (shard,),
                    )
                )
                if counted != stored:
                    found.shards.add(shard)
                    found.lost.add(shard)
            return found

    def chain(self) -> Chain:
        """Look whether each session's log reaches from the base's cut to its head, and hangs together by hashes."""
        with self._moment() as db:
            sessions = db.execute("SELECT sid, author, nonce, number, hash, cut, cut_hash FROM sessions").fetchall()
            faults = []
            ends: dict[tuple[int, int], bytes] = {}
            for sid, author, _, number, digest, cut, cut_hash in sessions:
                (count, last) = db.execute(
                    "SELECT count(*), max(number) FROM log WHERE sid=? AND number>? AND number<=?", (sid, cut, number)
                ).fetchone()
                held = db.execute("SELECT hash FROM log WHERE sid=? AND number=?", (sid, number)).fetchone()
                ends[sid, cut], ends[sid, 0] = cut_hash, b""
                if number < cut or count < number - cut:
                    faults.append(f"{number - cut - count} envelopes of {_who(author)} are missing")
                elif (number == cut and digest != cut_hash) or (number > cut and (last, held[0]) != (number, digest)):
                    faults.append(f"the head of {_who(author)} is not the last envelope of its log")
            read = 0
            known = {sid: (author, nonce) for sid, author, nonce, *_ in sessions}
            for row in self._envelopes(db):
                read += 1
                fault = self._envelope_fault(db, known, ends, row)
                if fault is not None:
                    faults.append(fault)
            return Chain(faults[:AUDIT_FAULTS_SHOWN], len(sessions), read)

    def _envelopes(self, db: sqlite3.Connection) -> Iterable[tuple[int, int, bytes, bytes, bytes | None]]:
        columns = "SELECT sid, number, hash, body, signature FROM log"
        first, last, count = db.execute("SELECT min(id), max(id), count(*) FROM log").fetchone()
        if self._is_whole or count <= 2 * AUDIT_ENVELOPES:
            yield from db.execute(columns)
            return
        yield from db.execute(f"{columns} ORDER BY id DESC LIMIT ?", (AUDIT_ENVELOPES,))
        for _ in range(AUDIT_ENVELOPES):
            yield from db.execute(f"{columns} WHERE id>=? ORDER BY id LIMIT 1", (self._luck.randint(first, last),))

    def _envelope_fault(
        self,
        db: sqlite3.Connection,
        sessions: dict[int, tuple[bytes, bytes]],
        ends: dict[tuple[int, int], bytes],
        row: tuple[int, int, bytes, bytes, bytes | None],
    ) -> str | None:
        sid, number, digest, body, signature = row
        if sid not in sessions:
            return "an envelope is of no session"
        author = sessions[sid][0]
        what = f"envelope {number} of {_who(author)}"
        try:
            envelope = decode_envelope(body, self._shard_bits)
            if signature is not None:
                verify(author, domains.ENVELOPE, body, signature)
        except PeerFault as fault:
            return f"{what} is damaged: {fault.what}"
        if (envelope.session, envelope.number, envelope.hash) != (sessions[sid], number, digest):
            return f"{what} is another one than its place says"
        before = db.execute("SELECT hash FROM log WHERE sid=? AND number=?", (sid, number - 1)).fetchone()
        previous = before[0] if before is not None else ends.get((sid, number - 1))
        if previous is not None and previous != envelope.previous:
            return f"{what} does not follow the one before"
        return None

    def base(self) -> BaseLook:
        """Compute shards as of the cut of the base in force, and compare them with what was signed."""
        look = BaseLook()
        with self._moment() as db:
            store = BaseStore(self._database, self._shard_bits)
            held = store.held()
            if held is None:
                return look
            try:
                look.base = decode_base(held.sealed)
                cut, shards = decode_cut(held.cut), decode_shards(held.shards, self._shard_bits)
            except PeerFault as fault:
                look.fault = fault.what
                return look
            if (blob_hash(held.cut), blob_hash(held.shards)) != (look.base.cut_hash, look.base.shards_hash):
                look.fault = "its cut or its hashes are not those that were signed"
                return look
            stored = {
                (author, nonce): (number, digest)
                for author, nonce, number, digest in db.execute(
                    "SELECT author, nonce, cut, cut_hash FROM sessions WHERE cut>0"
                )
            }
            if stored != cut:
                look.fault = "its cut is not the one that sessions are known by"
                return look
            view = store.view(cut)
            for shard in self._sample(db):
                look.looked_at += 1
                if store.rows_as_stated(shard, view, shards[shard]) is None:
                    look.different.append(shard)
        return look

    def refused(self) -> tuple[int, str] | None:
        """Return number and reason of the last base that was refused, as far as events are kept."""
        with self._database.reading() as db:
            row = db.execute("SELECT fields FROM events WHERE kind='base_refused' ORDER BY id DESC LIMIT 1").fetchone()
        if row is None:
            return None
        fields = json.loads(row[0])
        return int(fields["base"]), str(fields["reason"])


def _who(author: bytes) -> str:
    try:
        return peer_id(author)
    except (Malformed, ValueError):  # the key itself is damaged
        return author.hex()
