"""A set of block numbers, each with the ways in which it was reached, at half a byte for each number."""

from __future__ import annotations

import threading

# Numbers rise for ever while blocks come and go, so that only the parts of the range in which something is have memory.
_CHUNK_BITS = 10
_CHUNK_BYTES = 1 << (_CHUNK_BITS - 1)
_OFFSET = (1 << _CHUNK_BITS) - 1

WAYS = 4


class MarkSet:
    """Numbers that were marked in any of four ways. Threads may share one: a lost mark would be a lost block."""

    def __init__(self) -> None:
        self._chunks: dict[int, bytearray] = {}
        self._lock = threading.Lock()

    def mark(self, number: int, way: int = 0) -> bool:
        """Mark ``number`` in ``way`` (0 to 3); return whether it was not marked so before."""
        bit = 1 << way << (number & 1) * WAYS
        at = (number & _OFFSET) >> 1
        with self._lock:
            chunk = self._chunks.get(number >> _CHUNK_BITS)
            if chunk is None:
                chunk = self._chunks[number >> _CHUNK_BITS] = bytearray(_CHUNK_BYTES)
            if chunk[at] & bit:
                return False
            chunk[at] |= bit
            return True

    def __contains__(self, number: int) -> bool:
        """Say whether ``number`` is marked in any way."""
        chunk = self._chunks.get(number >> _CHUNK_BITS)
        return chunk is not None and bool(chunk[(number & _OFFSET) >> 1] >> (number & 1) * WAYS & 0x0F)

    def merge(self, other: MarkSet) -> None:
        """Mark all that ``other``, which nobody changes meanwhile, has marked."""
        with self._lock:
            for key, theirs in other._chunks.items():
                chunk = self._chunks.setdefault(key, bytearray(_CHUNK_BYTES))
                both = int.from_bytes(chunk) | int.from_bytes(theirs)
                chunk[:] = both.to_bytes(_CHUNK_BYTES)
