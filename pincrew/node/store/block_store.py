"""The block store: blocks by multihash, checked whenever they come in or go out.

A block is kept under its multihash, so that the CIDv0 and the CIDv1 of a file are one block. What an identity multihash
names is in the multihash: it is here always and takes no room.

A block whose bytes do not match any more (a dying disk) is deleted as soon as that is seen and noted as lost: from then
on it is absent, and whoever wants it gets it from another peer. Putting it again takes it off the list.

Calls block; threads may share an instance. What must hold while a collection runs is told in keeping.py; how the file
stays whole and below its limit, in store_file.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pincrew.errors import BlockCorrupt, Malformed, Misuse
from pincrew.limits import (
    BLOCK_BYTES_MAX,
    STORE_PUT_BLOCKS,
    STORE_PUT_BYTES,
    STORE_READ_BLOCKS,
    STORE_READ_BYTES,
    STORE_SLICE_BLOCKS,
    STORE_SLICE_BYTES,
    STORE_SLICE_ROWS,
)
from pincrew.node.multihash import inlined, matches
from pincrew.node.store.collecting import Collection
from pincrew.node.store.keeping import Keeping, Lease
from pincrew.node.store.lost import Lost
from pincrew.node.store.pins import Pins
from pincrew.node.store.schema import DATA, MULTIHASH, NUMBER
from pincrew.node.store.store_file import Purpose, Room, StoreFile

Block = tuple[bytes, bytes]
"""A multihash and the data that it names."""


@dataclass(frozen=True)
class Verified:
    """What a look at some of the blocks found, and where to go on: behind ``last``; None at the end."""

    last: int | None
    count: int
    size: int
    damaged: tuple[bytes, ...]


class Present(NamedTuple):
    """A block that is here: its number, by which it is told from all others (0: held by its CID), and its size."""

    number: int
    size: int


class BlockStore:
    """Blocks and pins in the file at ``path``."""

    def __init__(self, path: Path, *, limit_bytes: int | None = None) -> None:
        """Open or make the store. Raises Conflict while another process has it open, NewerStore, or StoreFault."""
        self._file = StoreFile(path, limit_bytes=limit_bytes)
        self._keeping = Keeping()
        self._lost = Lost(self._file)
        self.pins = Pins(self._file, self._keeping)
        with self._file.reading() as database:
            self._next: int = database.execute("SELECT coalesce(max(id), 0) + 1 FROM blocks").fetchone()[0]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    # -- out ----------------------------------------------------------------------------------------------------------

    def get(self, multihash: bytes) -> bytes | None:
        """Return the data of a block, or None where it is not here. Raises BlockCorrupt when it was damaged."""
        found = self.read([multihash], bytes_max=0)[0]
        if isinstance(found, BlockCorrupt):
            raise found
        return found

    def get_many(self, multihashes: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return those blocks that are here; damaged ones are not. The caller bounds how many bytes that may be."""
        found: dict[bytes, bytes] = {}
        at = 0
        while at < len(multihashes):
            wanted = multihashes[at : at + STORE_READ_BLOCKS]
            part = self.read(wanted, bytes_max=STORE_READ_BYTES)
            found.update(
                (multihash, data) for multihash, data in zip(wanted, part, strict=False) if type(data) is bytes
            )
            at += len(part)
        return found

    def read(self, multihashes: Sequence[bytes], bytes_max: int) -> list[bytes | BlockCorrupt | None]:
        """Return for each block its data, None, or what is wrong with it.

        It stops behind the block that passes ``bytes_max``: at least one is answered.
        """
        rows: list[bytes | None] = []
        size = 0
        with self._file.reading() as database:
            for multihash in multihashes:
                row = database.execute(f"SELECT {DATA} FROM blocks WHERE multihash=?", (multihash,)).fetchone()
                rows.append(row[0] if row else inlined(multihash))
                size += len(row[0]) if row else 0
                if size > bytes_max:
                    break
        return [
            data if data is None or matches(multihash, data) else self._lost.damaged(multihash)
            for multihash, data in zip(multihashes, rows, strict=False)
        ]

    def has_many(self, multihashes: Sequence[bytes]) -> dict[bytes, int]:
        """Return the lengths of those blocks that are here; they may be collected at any moment (see `present`)."""
        found: dict[bytes, int] = {}
        for part in _slices(multihashes, STORE_SLICE_ROWS):
            with self._file.reading() as database:
                for multihash in part:
                    row = database.execute(
                        "SELECT coalesce(length(data), 0) FROM blocks WHERE multihash=?", (multihash,)
                    ).fetchone()
                    if row is not None:
                        found[multihash] = row[0]
                    elif (inside := inlined(multihash)) is not None:
                        found[multihash] = len(inside)
        return found

    def count(self) -> int:
        """Return how many blocks there are."""
        with self._file.reading() as database:
            number: int = database.execute("SELECT count(*) FROM blocks").fetchone()[0]
        return number

    def multihashes(self, after: bytes = b"", limit: int = 1_000) -> list[bytes]:
        """Return up to ``limit`` multihashes of blocks in their order, from the first one behind ``after``."""
        with self._file.reading() as database:
            rows = database.execute(
                f"SELECT {MULTIHASH} FROM blocks WHERE multihash > ? ORDER BY multihash LIMIT ?", (after, limit)
            ).fetchall()
        return [row[0] for row in rows]

    # -- in -----------------------------------------------------------------------------------------------------------

    def put_many(self, blocks: Sequence[Block], *, verified: bool = False, lease: Lease | None = None) -> None:
        """Put blocks, in as many transactions as they need; what is here already stays as it is.

        ``verified`` says that the caller has just compared each with its multihash. Raises Malformed for one that does
        not match and Misuse for one that is too large, before anything is written; NoRoom, with the first of several
        transactions done.
        """
        for multihash, data in blocks:
            if len(data) > BLOCK_BYTES_MAX:
                raise Misuse(f"A block of {len(data)} bytes is larger than {BLOCK_BYTES_MAX}")
            if not verified and not matches(multihash, data):
                raise Malformed("a block does not match its hash")
        for part in _parts([block for block in blocks if inlined(block[0]) is None]):
            with self._file.transaction(Purpose.BLOCKS) as database:
                numbers = [self._put(database, block) for block in part]
                self._keeping.count_on(lease, numbers)

    def _put(self, database: sqlite3.Connection, block: Block) -> int:
        """Insert a block; return its number, or that of the one that was here already."""
        multihash, data = block
        cursor = database.execute("INSERT OR IGNORE INTO blocks VALUES (?,?,?)", (self._next, multihash, data))
        if not cursor.rowcount:
            here = _look(database, multihash)
            if here is None or not 0 < here.number < self._next:
                raise self._file.damage()
            return here.number
        self._next += 1
        self._lost.forget(database, multihash)
        return self._next - 1

    def delete_many(self, multihashes: Sequence[bytes]) -> int:
        """Delete blocks, whoever needs them: the caller knows that nobody does. Return how many were here."""
        removed = 0
        for part in _slices(multihashes, STORE_SLICE_BLOCKS):
            with self._keeping.sweeping, self._file.transaction(Purpose.FREEING) as database:
                removed += sum(
                    database.execute("DELETE FROM blocks WHERE multihash=?", (multihash,)).rowcount
                    for multihash in part
                )
        return removed

    # -- kept ---------------------------------------------------------------------------------------------------------

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        """Open a lease: until it is closed, no block is collected that was put or found `present` under it."""
        lease = self._keeping.open()
        try:
            yield lease
        finally:
            self._keeping.close(lease)

    def present(self, multihashes: Sequence[bytes], lease: Lease) -> dict[bytes, Present]:
        """Return those of these blocks that are here, and stay while ``lease`` is open."""
        found: dict[bytes, Present] = {}
        for part in _slices(multihashes, STORE_SLICE_ROWS):
            with self._keeping.sweeping:
                with self._file.reading() as database:
                    here = {multihash: block for multihash in part if (block := _look(database, multihash)) is not None}
                if max((block.number for block in here.values()), default=0) >= self._next:
                    raise self._file.damage()
                self._keeping.count_on(lease, (block.number for block in here.values() if block.number))
            found.update(here)
        return found

    def collection(self, links_of: Callable[[bytes, bytes], Sequence[bytes]]) -> Collection:
        """Begin to collect garbage; ``links_of(cid, block)`` returns the CIDs that a block links to.

        Raises Conflict where another collection runs.
        """
        return Collection(self._file, self._keeping, self._lost, lambda: self._next, links_of)

    # -- checked ------------------------------------------------------------------------------------------------------

    def verify(self, after: int = 0) -> Verified:
        """Compare one slice of all the blocks with their multihashes; start with 0, go on behind `Verified.last`."""
        rows: list[tuple[int, bytes, bytes]] = []
        size = 0
        with self._file.reading() as database:
            for row in database.execute(
                f"SELECT id, {MULTIHASH}, {DATA} FROM blocks WHERE id > ? ORDER BY id LIMIT ?",
                (after, STORE_SLICE_BLOCKS),
            ):
                rows.append(row)
                size += len(row[2])
                if size > STORE_SLICE_BYTES:
                    break
        wrong = [multihash for _, multihash, data in rows if not matches(multihash, data)]
        damaged = tuple(multihash for multihash in wrong if isinstance(self._lost.damaged(multihash), BlockCorrupt))
        return Verified(rows[-1][0] if rows else None, len(rows), size, damaged)

    def lost(self, limit: int = 1_000) -> list[bytes]:
        """Return multihashes of blocks that were damaged, or missing under a pin, and have not been put again."""
        return self._lost.page(limit)

    # -- size ---------------------------------------------------------------------------------------------------------

    def set_limit(self, limit_bytes: int | None) -> None:
        """Change what the files may take together; None: no limit. See `StoreFile.set_limit`."""
        self._file.set_limit(limit_bytes)

    def room(self) -> Room:
        """Return how large the store is and may become."""
        return self._file.room()

    def files_bytes(self) -> int:
        """Return the size of the files together."""
        return self._file.files_bytes()


def _look(database: sqlite3.Connection, multihash: bytes) -> Present | None:
    row = database.execute(
        f"SELECT {NUMBER}, coalesce(length(data), 0) FROM blocks WHERE multihash=?", (multihash,)
    ).fetchone()
    if row is not None:
        return Present(*row)
    data = inlined(multihash)
    return None if data is None else Present(0, len(data))


def _slices(multihashes: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    return (multihashes[at : at + size] for at in range(0, len(multihashes), size))


def _parts(blocks: Sequence[Block]) -> Iterator[Sequence[Block]]:
    """Cut blocks into what one transaction takes."""
    start = size = 0
    for end, (_, data) in enumerate(blocks):
        if end > start and (size + len(data) > STORE_PUT_BYTES or end - start >= STORE_PUT_BLOCKS):
            yield blocks[start:end]
            start, size = end, 0
        size += len(data)
    if start < len(blocks):
        yield blocks[start:]
