"""A ``verifying.CheckBook`` on a book in memory."""

from __future__ import annotations

from pincrew.store.checks import Journal
from pincrew.values import Pin, PinState
from support.memory_book import MemoryBook


class MemoryChecks:
    """Remembers in a dict; ``checked`` is when each pin was found sound."""

    def __init__(self, book: MemoryBook) -> None:
        self._book = book
        self.checked: dict[bytes, int] = {}
        self.kept = Journal()

    def pin(self, cid: bytes) -> tuple[Pin, PinState] | None:
        row = self._book.rows.get(cid)
        return None if row is None or row.status.state is None else (row.pin, row.status.state)

    def sound(self, cid: bytes, now_ms: int) -> None:
        self.checked[cid] = now_ms

    def journal(self) -> Journal:
        return self.kept

    def save(self, journal: Journal) -> None:
        self.kept = journal
