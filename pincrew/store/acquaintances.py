"""Peers met before, at most 200, so that a restart finds somebody while no curator is online. Calls block."""

from __future__ import annotations

import json
from typing import NamedTuple

from pincrew.limits import REMEMBERED_PEERS_MAX
from pincrew.store.database import Database


class Acquaintance(NamedTuple):
    """A peer, where it was reached, and when it was last connected (Unix milliseconds)."""

    peer: str
    addresses: tuple[str, ...]
    role: str
    seen_ms: int


class Acquaintances:
    """The peers of one cluster that this one was connected to, last seen first."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def remember(self, met: list[Acquaintance]) -> None:
        """Note peers; those seen longest ago make room."""
        with self.database.transaction() as db:
            db.executemany(
                "INSERT OR REPLACE INTO peers VALUES (?,?,?,?)",
                [(one.peer, json.dumps(one.addresses), one.role, one.seen_ms) for one in met],
            )
            db.execute(
                "DELETE FROM peers WHERE peer NOT IN (SELECT peer FROM peers ORDER BY seen_ms DESC LIMIT ?)",
                (REMEMBERED_PEERS_MAX,),
            )

    def all(self) -> list[Acquaintance]:
        """Return everybody, last seen first."""
        with self.database.reading() as db:
            rows = db.execute("SELECT peer, addresses, role, seen_ms FROM peers ORDER BY seen_ms DESC").fetchall()
        return [Acquaintance(peer, tuple(json.loads(addresses)), role, seen) for peer, addresses, role, seen in rows]
