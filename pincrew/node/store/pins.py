"""What the node keeps: the pins, and the pins that are being fetched.

A pin counts once its blocks are here (`complete`); until then it stands beside the others as one that is being fetched,
and what of it is here already is kept too. Both may exist of one CID: a direct pin holds while a recursive one is
fetched. CIDv0 and v1 of one block are two pins, as in Kubo.

Whoever completes a pin that was fetched needs it on record still: it is off the record once it was removed meanwhile.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from typing import NamedTuple

from pincrew.cid import cid_text
from pincrew.errors import Conflict, Malformed, NotFound, StoreFault
from pincrew.limits import FETCHING_KEPT_S, STORE_SLICE_ROWS
from pincrew.node.multihash import check_form
from pincrew.node.store.keeping import Keeping
from pincrew.node.store.schema import CID, NAME
from pincrew.node.store.store_file import Purpose, StoreFile


class Pin(NamedTuple):
    """A CID that is kept: with all that it links to (recursive), or its one block (direct)."""

    cid: bytes
    recursive: bool = True
    name: str = ""


class PinRemoved(Conflict):
    """The pin was removed while it was being fetched."""


class Pins:
    """The tables `pins` and `fetching`. Methods block for one short transaction; threads may share an instance."""

    def __init__(self, file: StoreFile, keeping: Keeping) -> None:
        self._file = file
        self._keeping = keeping

    def begin(self, pin: Pin, now_s: int) -> None:
        """Note that ``pin`` is being fetched: what of it is here, or comes, is not collected from now on."""
        with self._file.transaction(Purpose.PINS) as database:
            # A direct pin must not take from a recursive one, which another call may be at work on, what is here of it.
            database.execute(
                "INSERT INTO fetching VALUES (?,?,?,?) ON CONFLICT (cid) DO UPDATE"
                " SET recursive=max(recursive, excluded.recursive), name=excluded.name, time=excluded.time",
                (*pin, now_s),
            )
            self._keeping.pin_begun(pin.cid, recursive=pin.recursive)

    def abandon(self, cid: bytes) -> bool:
        """Forget a pin that was being fetched; return whether there was one."""
        with self._file.transaction(Purpose.FREEING) as database:
            return database.execute("DELETE FROM fetching WHERE cid=?", (cid,)).rowcount > 0

    def abandon_forgotten(self, at_work: Collection[bytes], now_s: int) -> int:
        """Forget pins that were begun long ago, all but those ``at_work``, which are renewed; return how many."""
        with self._file.transaction(Purpose.FREEING) as database:
            database.executemany("UPDATE fetching SET time=? WHERE cid=?", [(now_s, cid) for cid in at_work])
            return database.execute(
                "DELETE FROM fetching WHERE cid IN (SELECT cid FROM fetching WHERE time < ? LIMIT ?)",
                (now_s - FETCHING_KEPT_S, STORE_SLICE_ROWS),
            ).rowcount

    def complete(self, pins: Sequence[Pin], fetched: Sequence[Pin] = ()) -> None:
        """Pin what is here with all its blocks, durably; a pin of the same CID gets the new name and reach.

        The blocks were put, or found present, under a lease that is still open. ``fetched`` are more of them, which
        were begun. Raises Conflict for a direct pin of what is pinned recursively, and PinRemoved for a fetched one
        that is not on record any more; then none is made.
        """
        with self._file.transaction(Purpose.PINS, durable=True) as database:
            for pin in pins:
                self._complete(database, pin)
            for pin in fetched:
                self._complete_fetched(database, pin)

    def replace(self, old: bytes, new: Pin) -> None:
        """Complete ``new``, which was fetched, in place of the pin ``old``, in one step.

        Raises NotFound where ``old`` is not pinned, and PinRemoved as `complete` does.
        """
        with self._file.transaction(Purpose.PINS, durable=True) as database:
            if not database.execute("DELETE FROM pins WHERE cid=?", (old,)).rowcount:
                raise NotFound("That is not pinned", where=cid_text(old))
            self._complete_fetched(database, new)

    def _complete_fetched(self, database: sqlite3.Connection, pin: Pin) -> None:
        # Where two calls fetch the same, the first one that completes it takes it off the record, and it is pinned.
        wanted = database.execute(
            "SELECT 1 FROM fetching WHERE cid=?1 AND recursive>=?2"
            " UNION ALL SELECT 1 FROM pins WHERE cid=?1 AND recursive>=?2",
            (pin.cid, pin.recursive),
        ).fetchone()
        if wanted is None:
            raise PinRemoved(where=cid_text(pin.cid))
        self._complete(database, pin)

    def _complete(self, database: sqlite3.Connection, pin: Pin) -> None:
        if (
            not pin.recursive
            and database.execute("SELECT 1 FROM pins WHERE cid=? AND recursive", (pin.cid,)).fetchone()
        ):
            raise Conflict("That is pinned recursively already", where=cid_text(pin.cid))
        database.execute("INSERT OR REPLACE INTO pins VALUES (?,?,?)", pin)
        database.execute("DELETE FROM fetching WHERE cid=? AND recursive<=?", (pin.cid, pin.recursive))

    def remove(self, cid: bytes) -> bool:
        """Unpin; return whether it was pinned. A power cut may bring it back: whoever unpinned it asks again."""
        with self._file.transaction(Purpose.FREEING) as database:
            return database.execute("DELETE FROM pins WHERE cid=?", (cid,)).rowcount > 0

    def of(self, cid: bytes) -> Pin | None:
        """Return the pin of a CID."""
        with self._file.reading() as database:
            row = database.execute(f"SELECT {CID}, recursive, {NAME} FROM pins WHERE cid=?", (cid,)).fetchone()
        return _pin(row) if row else None

    def page(self, after: bytes = b"", limit: int = 1_000, *, recursive: bool | None = None) -> list[Pin]:
        """Return up to ``limit`` pins in the order of their CIDs, from the first one behind ``after``."""
        return self._page("pins", after, limit, recursive)

    def fetching(self, after: bytes = b"", limit: int = 1_000) -> list[Pin]:
        """Return a page, as `page` does, of the pins that are being fetched."""
        return self._page("fetching", after, limit, None)

    def _page(self, table: str, after: bytes, limit: int, recursive: bool | None) -> list[Pin]:
        with self._file.reading() as database:
            rows = database.execute(
                f"SELECT {CID}, recursive, {NAME} FROM {table}"
                " WHERE cid > ?1 AND (?2 IS NULL OR recursive = ?2) ORDER BY cid LIMIT ?3",
                (after, recursive, limit),
            ).fetchall()
        return [_pin(row) for row in rows]

    def count(self) -> int:
        """Return how many pins there are."""
        with self._file.reading() as database:
            number: int = database.execute("SELECT count(*) FROM pins").fetchone()[0]
        return number


def _pin(row: tuple[bytes, int, str]) -> Pin:
    cid, recursive, name = row
    return Pin(checked_cid(cid), bool(recursive), name)


def checked_cid(cid: bytes) -> bytes:
    """Return a CID as it was read. Raises StoreFault when it is none: the disk has changed it."""
    try:
        check_form(cid)
    except Malformed as error:
        raise StoreFault(
            "A pin in the block store is damaged",
            means="Other copies of the content are not affected",
            next_step="Move the file away and start again: what is pinned is fetched anew",
        ) from error
    return cid
