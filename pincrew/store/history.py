"""Reading and writing the replicated history: sessions, log, items, trust records, evidence."""

from __future__ import annotations

from typing import NamedTuple

from pincrew import limits
from pincrew.pinset import Item
from pincrew.store.database import Database
from pincrew.store.window import LogRow, SessionRow
from pincrew.yjs import ItemId


class StoredPage(NamedTuple):
    """A run of envelopes of one session; ``signature`` is that of the last."""

    first: int
    bodies: list[bytes]
    signature: bytes


class Evidence(NamedTuple):
    """Why a session was stopped, with the envelope that proves it."""

    sid: int
    reason: str
    body: bytes
    signature: bytes | None
    seen_ms: int


class History:
    """The log side of a cluster's state. Calls block."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def sessions(self) -> list[SessionRow]:
        """Return every session ever admitted."""
        with self.database.reading() as db:
            return [
                SessionRow(*row)
                for row in db.execute("SELECT sid, author, nonce, client, number, hash, stopped FROM sessions")
            ]

    def dependencies(self, sid: int) -> dict[int, int]:
        """Return, per other session, the highest envelope that ``sid`` said it had applied."""
        with self.database.reading() as db:
            return dict(db.execute("SELECT dep, number FROM dependencies WHERE sid=?", (sid,)))

    def shard_puts(self, sid: int) -> dict[int, int]:
        """Return, per shard, how many puts a session made."""
        with self.database.reading() as db:
            return dict(db.execute("SELECT shard, puts FROM shard_puts WHERE sid=?", (sid,)))

    def hash_at(self, sid: int, number: int) -> bytes | None:
        """Return the hash of a held envelope."""
        with self.database.reading() as db:
            row = db.execute("SELECT hash FROM log WHERE sid=? AND number=?", (sid, number)).fetchone()
        return None if row is None else row[0]

    def put_number(self, shard: int, cid: bytes, sid: int, n: int) -> int | None:
        """Return the number of the envelope that holds put ``n`` of a session on this key, if it is on this key."""
        with self.database.reading() as db:
            row = db.execute(
                "SELECT number FROM items WHERE shard=? AND cid=? AND sid=? AND n=?", (shard, cid, sid, n)
            ).fetchone()
        return None if row is None else row[0]

    def record_of(self, shard: int, cid: bytes) -> tuple[int, int, bytes] | None:
        """Return (sid, n, record) of a key's row."""
        with self.database.reading() as db:
            row: tuple[int, int, bytes] | None = db.execute(
                "SELECT pins.sid, pins.n, record FROM items JOIN pins ON pins.id = items.pin"
                " WHERE items.shard=? AND items.cid=? AND items.pin IS NOT NULL",
                (shard, cid),
            ).fetchone()
        return row

    def items(self, shard: int, cid: bytes, clients: dict[int, int]) -> list[Item]:
        """Return a key's puts in the order in which they were applied. ``clients``: sid -> Yjs client id."""
        with self.database.reading() as db:
            rows = db.execute(
                "SELECT item, sid, n, origin_sid, origin_n, pin IS NOT NULL FROM items WHERE shard=? AND cid=?",
                (shard, cid),
            ).fetchall()
        if not rows:
            return []
        rows.sort()
        return [
            Item(
                ItemId(clients[sid], n),
                None if origin_sid is None else ItemId(clients[origin_sid], origin_n),
                bool(live),
            )
            for _, sid, n, origin_sid, origin_n, live in rows
        ]

    def page(self, sid: int, after: int) -> StoredPage | None:
        """Return envelopes after number ``after``: as many as fit a page and end at a signature that was checked."""
        bodies: list[bytes] = []
        size = complete = 0
        signature = b""
        with self.database.reading() as db:
            for number, body, checked in db.execute(
                "SELECT number, body, signature FROM log WHERE sid=? AND number>? ORDER BY number LIMIT ?",
                (sid, after, limits.PAGE_ENVELOPES_MAX),
            ):
                size += len(body) + 8
                if number != after + 1 + len(bodies) or (bodies and size > limits.PAGE_BYTES_MAX):
                    break
                bodies.append(body)
                if checked is not None:
                    complete, signature = len(bodies), checked
        return StoredPage(after + 1, bodies[:complete], signature) if complete else None

    def sealed(self, sid: int, number: int) -> tuple[bytes, bytes | None] | None:
        """Return body and signature of one envelope."""
        with self.database.reading() as db:
            row: tuple[bytes, bytes | None] | None = db.execute(
                "SELECT body, signature FROM log WHERE sid=? AND number=?", (sid, number)
            ).fetchone()
        return row

    def trust_records(self) -> list[bytes]:
        """Return the signed trust records held, by number."""
        with self.database.reading() as db:
            return [record for (record,) in db.execute("SELECT record FROM trust ORDER BY n")]

    def trust_rival(self) -> bytes | None:
        """Return the second record of one number that halted trust changes, if there was one."""
        rival = self.database.meta("trust_rival")
        return rival if isinstance(rival, bytes) else None

    def keep_trust_records(self, records: list[bytes], rival: bytes | None = None) -> None:
        """Add the records beyond those held, and the proof of a conflict; a held one never changes (invariant 14)."""
        with self.database.transaction() as db:
            db.executemany("INSERT OR IGNORE INTO trust VALUES (?,?)", list(enumerate(records)))
            if rival is not None:
                db.execute("INSERT OR IGNORE INTO meta VALUES ('trust_rival', ?)", (rival,))

    def stop_session(self, row: SessionRow, proof: list[Evidence], rest: list[LogRow]) -> None:
        """Mark a session as stopped; keep the proof, and in the log the ``rest`` of its last page, unapplied."""
        with self.database.transaction() as db:
            db.execute(
                "INSERT INTO sessions VALUES (?,?,?,?,?,?,?,?)"
                " ON CONFLICT (sid) DO UPDATE SET stopped=excluded.stopped",
                (*row[:-1], proof[0].reason, proof[0].seen_ms),
            )
            db.executemany("INSERT OR IGNORE INTO log (sid, number, hash, body, signature) VALUES (?,?,?,?,?)", rest)
            db.executemany("INSERT INTO evidence (sid, reason, body, signature, seen_ms) VALUES (?,?,?,?,?)", proof)

    def evidence(self) -> list[Evidence]:
        """Return all proofs kept."""
        with self.database.reading() as db:
            return [
                Evidence(*row)
                for row in db.execute("SELECT sid, reason, body, signature, seen_ms FROM evidence ORDER BY id")
            ]
