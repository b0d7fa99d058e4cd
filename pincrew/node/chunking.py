"""Cutting a stream of bytes into the chunks that become a file's leaves.

Chunks have one size, or end at borders that their content decides (`rabin`, `buzhash`), so that what two files share
becomes the same chunks wherever it stands in them. Such a chunk ends at the first border that makes it as large as the
smallest may be, or at the largest size.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from pincrew.errors import Misuse
from pincrew.limits import CHUNK_BYTES_MAX
from pincrew.node import rabin
from pincrew.node.buzhash import buzhash
from pincrew.node.window_hash import WindowHash

CHUNK_BYTES = 256 * 1024  # Kubo's default
_BUZHASH_BYTES_MIN, _BUZHASH_BYTES_MAX = 128 * 1024, 512 * 1024
# How many places are looked at together: few enough for the processor's caches.
_SLICE_BYTES = 32 * 1024
_SIZE = re.compile(r"size-([0-9]{1,10})")
_RABIN = re.compile(r"rabin(?:-([0-9]{1,10}))?")
_RABIN_OF_SIZES = re.compile(r"rabin-(?:min:)?([0-9]{1,10})-(?:avg:)?([0-9]{1,10})-(?:max:)?([0-9]{1,10})")


class Chunker(Protocol):
    """Takes a file's bytes in pieces of any size, gives them back in chunks."""

    @property
    def waiting_bytes(self) -> int:
        """How many bytes it was fed that it has not given back."""

    def feed(self, piece: bytes) -> list[bytes]:
        """Take the next piece; return the chunks that are complete with it."""

    def rest(self) -> list[bytes]:
        """Return the last chunks, once everything was fed; none if nothing is left."""


@dataclass(frozen=True, slots=True)
class FixedSize:
    """Chunks of one size."""

    chunk_bytes: int = CHUNK_BYTES

    def __post_init__(self) -> None:
        _check_bytes_max(self.chunk_bytes)

    @property
    def bytes_min(self) -> int:
        """The size of a chunk that is not the last."""
        return self.chunk_bytes

    def chunker(self) -> Chunker:
        """Return what cuts one file."""
        return _FixedSizeChunker(self.chunk_bytes)


@dataclass(frozen=True, slots=True)
class Rabin:
    """Chunks that end where Rabin's fingerprint of the last bytes says so."""

    bytes_min: int
    average_bytes: int
    bytes_max: int

    def __post_init__(self) -> None:
        _check_bytes_max(self.bytes_max)
        if not rabin.WINDOW_BYTES <= self.bytes_min < self.average_bytes < self.bytes_max:
            raise Misuse(
                f"Rabin chunks of {self.bytes_min}, {self.average_bytes} and {self.bytes_max} bytes cannot be",
                next_step=f"Give the smallest size, of {rabin.WINDOW_BYTES} or more, the average and the largest",
            )

    @classmethod
    def around(cls, average_bytes: int) -> Rabin:
        """Return those of a third to one and a half of an average."""
        return cls(average_bytes // 3, average_bytes, average_bytes + average_bytes // 2)

    def chunker(self) -> Chunker:
        """Return what cuts one file."""
        return _BorderChunker(rabin.rabin_hash(self.average_bytes), self.bytes_min, self.bytes_max)


@dataclass(frozen=True, slots=True)
class Buzhash:
    """Chunks of 128 to 512 KiB that end where buzhash of the last bytes says so."""

    @property
    def bytes_min(self) -> int:
        """The smallest size of a chunk that is not the last."""
        return _BUZHASH_BYTES_MIN

    def chunker(self) -> Chunker:
        """Return what cuts one file."""
        return _BorderChunker(buzhash(), _BUZHASH_BYTES_MIN, _BUZHASH_BYTES_MAX)


Chunking = FixedSize | Rabin | Buzhash


def chunking_of(name: str) -> Chunking:
    """Return what Kubo's option ``chunker`` names, as `size-262144`. Raises Misuse where there is no such thing."""
    if name in ("", "default"):
        return FixedSize()
    if name == "buzhash":
        return Buzhash()
    if found := _SIZE.fullmatch(name):
        return FixedSize(int(found[1]))
    if found := _RABIN.fullmatch(name):
        return Rabin.around(int(found[1] or CHUNK_BYTES))
    if found := _RABIN_OF_SIZES.fullmatch(name):
        return Rabin(*map(int, found.groups()))
    raise Misuse(
        f"unrecognized chunker option: {name[:40]}",
        next_step="Use `size-BYTES`, `buzhash`, `rabin`, `rabin-AVERAGE` or `rabin-MIN-AVERAGE-MAX`",
    )


def _check_bytes_max(size: int) -> None:
    if not 0 < size <= CHUNK_BYTES_MAX:
        raise Misuse(f"A chunk has 1 to {CHUNK_BYTES_MAX} bytes, not {size}")


class _FixedSizeChunker:
    def __init__(self, chunk_bytes: int) -> None:
        self._chunk_bytes = chunk_bytes
        self._kept = bytearray()

    @property
    def waiting_bytes(self) -> int:
        return len(self._kept)

    def feed(self, piece: bytes) -> list[bytes]:
        size = self._chunk_bytes
        if not self._kept and len(piece) == size:
            return [piece]
        self._kept += piece
        whole = len(self._kept) - len(self._kept) % size
        if not whole:
            return []
        with memoryview(self._kept) as view:
            chunks = [bytes(view[at : at + size]) for at in range(0, whole, size)]
        del self._kept[:whole]
        return chunks

    def rest(self) -> list[bytes]:
        rest = [bytes(self._kept)] if self._kept else []
        self._kept.clear()
        return rest


class _BorderChunker:
    """Offsets are those in what is kept, which begins with the chunk that is next."""

    def __init__(self, window_hash: WindowHash, bytes_min: int, bytes_max: int) -> None:
        self._hash = window_hash
        self._bytes_min = bytes_min
        self._bytes_max = bytes_max
        self._kept = bytearray()
        self._at = bytes_min  # the next chunk does not end before
        # The low bits of the hashes of the windows that end at this offset and at those after it.
        self._hashed_from = 0
        self._low_bits = b""

    @property
    def waiting_bytes(self) -> int:
        return len(self._kept)

    def feed(self, piece: bytes) -> list[bytes]:
        self._kept += piece
        return self._cut(complete=False)

    def rest(self) -> list[bytes]:
        chunks = self._cut(complete=True)
        if self._kept:
            chunks.append(bytes(self._kept))
            self._kept.clear()
        return chunks

    def _cut(self, *, complete: bool) -> list[bytes]:
        chunks: list[bytes] = []
        begin = 0
        while (end := self._border(begin + self._bytes_max, complete=complete)) is not None:
            chunks.append(bytes(self._kept[begin:end]))
            begin = end
            self._at = end + self._bytes_min
        del self._kept[:begin]
        self._at -= begin
        self._hashed_from -= begin
        return chunks

    def _border(self, last: int, *, complete: bool) -> int | None:
        """Return where the next chunk ends, at ``last`` if not before; None where what is kept does not say."""
        while self._at < last:
            if not self._hashed_from <= self._at < self._hashed_from + len(self._low_bits):
                end = min(self._at + _SLICE_BYTES, len(self._kept) + 1)
                # A small slice costs as much as a large one: it waits for more, unless it is enough for this chunk.
                if end <= self._at or (end < min(self._at + _SLICE_BYTES, last) and not complete):
                    return None
                self._low_bits = self._hash.low_bits(bytes(self._kept[self._at - self._hash.window_bytes : end - 1]))
                self._hashed_from = self._at
            found = self._low_bits.find(0, self._at - self._hashed_from, last - self._hashed_from)
            if found < 0:
                self._at = self._hashed_from + len(self._low_bits)
                continue
            border = self._hashed_from + found
            if self._hash.is_border(self._kept[border - self._hash.window_bytes : border]):
                return border
            self._at = border + 1
        return last if last <= len(self._kept) else None
