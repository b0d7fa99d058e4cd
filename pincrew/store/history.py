"""Reading and writing the replicated history: sessions, log, items, trust records, evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pincrew import limits
from pincrew.pinset import Item
from pincrew.store.database import Database
from pincrew.store.window import LogRow, SessionRow
from pincrew.values import Head
from pincrew.yjs import ItemId

_KEYS_PER_QUERY = 250


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

    def sessions(self) -> list[tuple[SessionRow, Head]]:
        """Return every session ever admitted, each with how far it lies within the base in force."""
        with self.database.reading() as db:
            return [
                (SessionRow(*row), Head(cut, cut_hash))
                for *row, cut, cut_hash in db.execute(
                    "SELECT sid, author, nonce, client, number, hash, stopped, cut, cut_hash FROM sessions"
                )
            ]

    def base(self) -> tuple[int, bytes]:
        """Return number and sealed header of the base in force; base 0 has none."""
        with self.database.reading() as db:
            row = db.execute("SELECT n, sealed FROM bases ORDER BY n DESC LIMIT 1").fetchone()
        return (0, b"") if row is None else (row[0], row[1])

    def base_puts(self, sid: int) -> dict[int, int]:
        """Return, per shard, how many puts of a session lie within the base in force."""
        with self.database.reading() as db:
            return dict(db.execute("SELECT shard, base FROM shard_puts WHERE sid=? AND base>0", (sid,)))

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

    def items(
        self, ordered: Sequence[tuple[int, bytes]], clients: dict[int, int], cuts: dict[int, int]
    ) -> dict[bytes, list[Item]]:
        """Return keys' puts, each key's in the order in which they were applied, a row of the base first.

        Keys without any are left out. ``ordered`` are (shard, CID) in ascending order, ``clients`` is sid -> Yjs client
        id, ``cuts`` is sid -> how far it lies within the base in force.
        """
        found: dict[bytes, list[tuple[bool, int, Item]]] = {}
        with self.database.reading() as db:
            for at in range(0, len(ordered), _KEYS_PER_QUERY):
                some = ordered[at : at + _KEYS_PER_QUERY]
                wanted = ",".join(["(?,?)"] * len(some))
                # The cross join looks each key up; left to itself, SQLite compares every item with the list.
                for cid, order, sid, n, number, origin_sid, origin_n, live in db.execute(
                    f"WITH wanted(shard, cid) AS (VALUES {wanted})"
                    " SELECT items.cid, item, sid, n, number, origin_sid, origin_n, pin IS NOT NULL"
                    " FROM wanted CROSS JOIN items USING (shard, cid)",
                    [value for key in some for value in key],
                ):
                    origin = None if origin_sid is None else ItemId(clients[origin_sid], origin_n)
                    based = number <= cuts.get(sid, 0)
                    item = Item(ItemId(clients[sid], n), origin, bool(live), based)
                    found.setdefault(cid, []).append((not based, order, item))
        return {cid: [item for *_, item in sorted(items)] for cid, items in found.items()}

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

    def stop_session(self, row: SessionRow, proof: list[Evidence], rest: list[LogRow]) -> None:
        """Mark a session as stopped; keep the proof, and in the log the ``rest`` of its last page, unapplied."""
        with self.database.transaction() as db:
            db.execute(
                "INSERT INTO sessions (sid, author, nonce, client, number, hash, stopped, seen_ms)"
                " VALUES (?,?,?,?,?,?,?,?) ON CONFLICT (sid) DO UPDATE SET stopped=excluded.stopped",
                (*row[:-1], proof[0].reason, proof[0].seen_ms),
            )
            db.executemany("INSERT OR IGNORE INTO log (sid, number, hash, body, signature) VALUES (?,?,?,?,?)", rest)
            db.executemany("INSERT INTO evidence (sid, reason, body, signature, seen_ms) VALUES (?,?,?,?,?)", proof)

    def proven(self) -> list[int]:
        """Return the sessions (sid) of which a proof is kept, those last whose proof is the newest."""
        with self.database.reading() as db:
            return [sid for (sid,) in db.execute("SELECT sid FROM evidence GROUP BY sid ORDER BY max(id)")]

    def evidence(self, sid: int | None = None) -> list[Evidence]:
        """Return all proofs kept, or those of one session, in the order in which they came."""
        with self.database.reading() as db:
            return [
                Evidence(*row)
                for row in db.execute(
                    "SELECT sid, reason, body, signature, seen_ms FROM evidence WHERE sid=coalesce(?, sid) ORDER BY id",
                    (sid,),
                )
            ]
