"""One collection of garbage, a slice at a time: mark what the pins reach, sweep the rest, give the space back.

Why this is right while others work is told in keeping.py. Each slice holds the writer, or a reader, for milliseconds;
between two slices anything may happen. A process that ends in the middle has deleted some garbage and nothing else.
"""

from __future__ import annotations

import enum
import sqlite3
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from pincrew.cid import cid_text
from pincrew.errors import BlockCorrupt, Malformed
from pincrew.limits import STORE_SLICE_BLOCKS, STORE_SLICE_BYTES, STORE_SLICE_PAGES, STORE_SLICE_ROWS
from pincrew.node.multihash import DAG_CBOR, DAG_JSON, DAG_PB, RAW, cid_from, codec_of, inlined, matches, multihash_of
from pincrew.node.store.keeping import Keeping
from pincrew.node.store.lost import Lost
from pincrew.node.store.pins import checked_cid
from pincrew.node.store.schema import CID, DATA, MULTIHASH, NUMBER
from pincrew.node.store.store_file import Purpose, StoreFile

# The codecs whose blocks may have links. One block may be linked to as several of them, and each reads it differently:
# so they are the ways in which it can be marked. The first stands for all that have none.
_CODECS = (RAW, DAG_PB, DAG_CBOR, DAG_JSON)
_WAY = {codec: way for way, codec in enumerate(_CODECS)}
_STRICT_BIT = 1
_WAY_SHIFT = 1
_NUMBER_SHIFT = 3


class Phase(enum.Enum):
    """How far a collection is."""

    MARKING = enum.auto()
    SWEEPING = enum.auto()
    SHRINKING = enum.auto()
    DONE = enum.auto()


class Collected(NamedTuple):
    """What a collection has done so far, and which multihashes its last slice removed."""

    phase: Phase
    marked: int
    removed: int
    removed_bytes: int
    gone: tuple[bytes, ...] = ()


class Collection:
    """A collection that has begun. Call `step` until the phase is DONE, and `end` whatever happens."""

    def __init__(
        self,
        file: StoreFile,
        keeping: Keeping,
        lost: Lost,
        next_number: Callable[[], int],
        links_of: Callable[[bytes, bytes], Sequence[bytes]],
    ) -> None:
        self._file = file
        self._keeping = keeping
        self._lost = lost
        self._next_number = next_number
        self._links_of = links_of
        with keeping.sweeping, file.transaction(Purpose.FREEING) as database:
            self._lost_before = lost.newest(database)
            self._round = keeping.begin(next_number())
        self._roots = self._pages()
        # What is marked and still to be read, as numbers with a way and strictness: every block at most once in a way.
        self._grey = array("Q")
        self._missing: list[bytes] = []
        self._gone: list[bytes] = []
        self._broken = ""
        self._swept_to = b""
        self._phase = Phase.MARKING
        self._marked = self._removed = self._removed_bytes = 0

    def end(self) -> None:
        """Let others forget about this collection, finished or not."""
        self._keeping.end(self._round)

    def step(self) -> Collected:
        """Do one slice of what is next.

        Raises BlockCorrupt where a block with links is missing under a complete pin: nothing is deleted from then on.
        """
        self._gone.clear()
        if self._phase is Phase.MARKING:
            self._mark()
        elif self._phase is Phase.SWEEPING:
            self._sweep()
        elif self._phase is Phase.SHRINKING and not self._file.shrink(STORE_SLICE_PAGES):
            self._file.empty_log()
            self._phase = Phase.DONE
        return Collected(self._phase, self._marked, self._removed, self._removed_bytes, tuple(self._gone))

    # -- marking ------------------------------------------------------------------------------------------------------

    def _pages(self) -> Iterator[list[tuple[bytes, bool, bool]]]:
        """Give the roots that stand in the tables, in pages: CID, whether recursive, whether all of it is here.

        Complete pins come first: what they miss is a fault, and what is marked is not looked at again.
        """
        for table in ("pins", "fetching"):
            after = b""
            while True:
                with self._file.reading() as database:
                    rows = database.execute(
                        f"SELECT {CID}, recursive FROM {table} WHERE cid > ? ORDER BY cid LIMIT ?",
                        (after, STORE_SLICE_BLOCKS),
                    ).fetchall()
                if not rows:
                    break
                after = rows[-1][0]
                yield [(checked_cid(cid), bool(recursive), table == "pins") for cid, recursive in rows]

    def _mark(self) -> None:
        """Follow some marked blocks to what they link to; where none is left, take more roots; then go on to sweep."""
        if self._grey:
            self._follow()
        elif (page := next(self._roots, None)) is not None:
            self._take(page)
        elif new := self._round.new_roots:
            # The blocks of a pin that was begun meanwhile are still coming: nothing is amiss if some are not here.
            self._take([(*new.popleft(), False) for _ in range(min(len(new), STORE_SLICE_BLOCKS))])
        else:
            self._finish_marking()
        if self._missing:
            with self._file.transaction(Purpose.PINS) as database:
                self._lost.note(database, self._missing)
            self._missing.clear()

    def _take(self, roots: Sequence[tuple[bytes, bool, bool]]) -> None:
        with self._file.reading() as database:
            for cid, recursive, strict in roots:
                # Of a direct pin only the block counts: it is reached as one that has no links.
                self._reach(database, cid if recursive else cid_from(RAW, multihash_of(cid)), strict=strict)

    def _follow(self) -> None:
        """Take some marked blocks from the stack and mark what they link to."""
        rows: list[tuple[bytes, bytes] | None] = []
        entries: list[int] = []
        size = 0
        with self._file.reading() as database:
            while self._grey and len(rows) < STORE_SLICE_BLOCKS and size < STORE_SLICE_BYTES:
                entry = self._grey.pop()
                row = database.execute(
                    f"SELECT {MULTIHASH}, {DATA} FROM blocks WHERE id=?", (entry >> _NUMBER_SHIFT,)
                ).fetchone()
                entries.append(entry)
                rows.append(row)
                size += len(row[1]) if row else 0
        found = [
            (link, bool(entry & _STRICT_BIT))
            for entry, row in zip(entries, rows, strict=True)
            for link in self._links(entry, row)
        ]
        for start in range(0, len(found), STORE_SLICE_ROWS):
            with self._file.reading() as database:
                for link, strict in found[start : start + STORE_SLICE_ROWS]:
                    self._reach(database, link, strict=strict)

    def _links(self, entry: int, row: tuple[bytes, bytes] | None) -> Sequence[bytes]:
        """Return the links of a marked block; none where it was damaged, before or since it was marked."""
        codec = _CODECS[entry >> _WAY_SHIFT & (len(_CODECS) - 1)]
        if row is not None:
            data = row[1] if matches(*row) else self._lost.damaged(row[0])
            if isinstance(data, bytes):
                return self._links_in(cid_from(codec, row[0]), data)
        if entry & _STRICT_BIT:
            self._broken = cid_text(cid_from(codec, row[0])) if row is not None else "one that was removed just now"
        return ()

    def _links_in(self, cid: bytes, data: bytes) -> Sequence[bytes]:
        try:
            return self._links_of(cid, data)
        except Malformed:
            return ()  # It has not the form of its codec: nobody can reach anything through it.

    def _reach(self, database: sqlite3.Connection, cid: bytes, *, strict: bool) -> None:
        """Mark the block that ``cid`` names, or those that its own data links to."""
        waiting = [cid]  # CIDs that hold their data may hold one another, hundreds deep
        while waiting:
            cid = waiting.pop()
            inside = inlined(multihash_of(cid))
            if inside is None:
                self._reach_block(database, cid, strict=strict)
            elif codec_of(cid) in _WAY:
                waiting += self._links_in(cid, inside)

    def _reach_block(self, database: sqlite3.Connection, cid: bytes, *, strict: bool) -> None:
        """Mark a block; where it may have links, put it on the stack."""
        multihash = multihash_of(cid)
        way = _WAY.get(codec_of(cid), 0)
        row = database.execute(f"SELECT {NUMBER} FROM blocks WHERE multihash=?", (multihash,)).fetchone()
        if row is not None:
            if not 0 < row[0] < self._next_number():
                raise self._file.damage()
            if self._round.marks.mark(row[0], way):
                self._marked += 1
                if way:
                    self._grey.append(row[0] << _NUMBER_SHIFT | way << _WAY_SHIFT | strict)
        elif strict:
            self._missing.append(multihash)
            if way:
                self._broken = cid_text(cid)

    def _finish_marking(self) -> None:
        """Go on to sweep, unless what is missing may hide blocks of pins. What no pin misses is not lost any more."""
        with self._file.transaction(Purpose.FREEING) as database:
            self._lost.forget_until(database, self._lost_before)
        if self._broken:
            raise BlockCorrupt(
                "A block of a pin is missing",
                where=self._broken,
                means="Nothing was removed, because what is below that block cannot be told from garbage",
                next_step="It is fetched anew where a peer has it; else unpin what needs it",
            )
        self._phase = Phase.SWEEPING

    # -- sweeping -----------------------------------------------------------------------------------------------------

    def _sweep(self) -> None:
        """Delete some of what is not marked, or go back to marking where a pin was begun since (K3, K4)."""
        with self._keeping.sweeping, self._file.transaction(Purpose.FREEING) as database:
            if self._round.new_roots:
                self._phase = Phase.MARKING
                return
            rows = database.execute(
                f"SELECT {MULTIHASH}, {NUMBER} FROM blocks WHERE multihash > ? ORDER BY multihash LIMIT ?",
                (self._swept_to, STORE_SLICE_ROWS),
            ).fetchall()
            removed = 0
            for multihash, number in rows:
                self._swept_to = multihash
                if number < self._round.horizon and number not in self._round.marks:
                    self._remove(database, number)
                    self._gone.append(multihash)
                    removed += 1
                    if removed == STORE_SLICE_BLOCKS:
                        return
        if len(rows) < STORE_SLICE_ROWS:
            self.end()
            self._phase = Phase.SHRINKING

    def _remove(self, database: sqlite3.Connection, number: int) -> None:
        row = database.execute("SELECT coalesce(length(data), 0) FROM blocks WHERE id=?", (number,)).fetchone()
        if row is None:
            raise self._file.damage()
        database.execute("DELETE FROM blocks WHERE id=?", (number,))
        self._removed += 1
        self._removed_bytes += row[0]
