"""The trust chain of one cluster on disk: the records by number, and the rival of a conflict."""

from __future__ import annotations

from pincrew.store.database import Database
from pincrew.trust import TrustChain


class TrustStore:
    """Reads and writes the chain; opened read-only it only reads. Raises StoreFault."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def chain(self) -> TrustChain | None:
        """Return the chain that was kept, None where there is none yet."""
        with self._database.reading() as db:
            records = [record for (record,) in db.execute("SELECT record FROM trust ORDER BY n")]
        rival = self._database.meta("trust_rival")
        if isinstance(rival, bytes):
            records.append(rival)
        return TrustChain.from_encoded(records) if records else None

    def keep(self, chain: TrustChain) -> None:
        """Add the records beyond those held, and the proof of a conflict; a held one never changes (invariant 14)."""
        with self._database.transaction() as db:
            db.executemany("INSERT OR IGNORE INTO trust VALUES (?,?)", list(enumerate(chain.encoded())))
            db.executemany("INSERT OR IGNORE INTO meta VALUES ('trust_rival', ?)", [(one,) for one in chain.evidence()])
