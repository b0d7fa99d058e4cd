"""What a peer has done since it joined, as figures in `meta`. Calls block."""

from __future__ import annotations

from dataclasses import dataclass

from pincrew.store.database import Database

_SINCE, _PINS, _FETCHED, _SERVED = "lifetime_since", "lifetime_pins", "lifetime_fetched", "lifetime_served"


@dataclass(frozen=True, slots=True)
class Work:
    """Pins that were fetched, their bytes, and bytes served."""

    pins: int = 0
    fetched: int = 0
    served: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(self.pins + other.pins, self.fetched + other.fetched, self.served + other.served)

    def __sub__(self, other: Work) -> Work:
        return Work(self.pins - other.pins, self.fetched - other.fetched, self.served - other.served)

    def __bool__(self) -> bool:
        return self != Work()


class LifetimeStore:
    """The figures of one cluster."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self) -> tuple[int | None, Work]:
        """Return since when (ms; None: not begun), and what was done since."""
        since = self._database.meta(_SINCE)
        work = Work(*(self._database.counter(key) for key in (_PINS, _FETCHED, _SERVED)))
        return since if isinstance(since, int) else None, work

    def add(self, since_ms: int, work: Work) -> None:
        """Add to what was done; ``since_ms`` is kept where there is none yet."""
        with self._database.transaction() as db:
            db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (_SINCE, since_ms))
            for key, more in ((_PINS, work.pins), (_FETCHED, work.fetched), (_SERVED, work.served)):
                if more:
                    db.execute(
                        "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = value + excluded.value",
                        (key, more),
                    )
