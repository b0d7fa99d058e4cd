"""Cutting a stream of bytes into the chunks that become a file's leaves."""

from __future__ import annotations

from pincrew.errors import Misuse
from pincrew.limits import CHUNK_BYTES_MAX

CHUNK_BYTES = 256 * 1024  # Kubo's default


def chunk_bytes_of(chunker: str) -> int:
    """Return the chunk size that Kubo's option ``chunker`` names, as `size-262144`. Raises Misuse for any other.

    Chunkers that look for borders in the content are refused: Kubo does not promise that their chunks stay the same.
    """
    if chunker in ("", "default"):
        return CHUNK_BYTES
    name, _, size = chunker.partition("-")
    if name != "size" or not (size.isascii() and size.isdigit()):
        raise Misuse(f"{chunker[:40]!r} is not a chunker that this node has", next_step="Use `size-BYTES`")
    check_chunk_bytes(int(size[:10]))
    return int(size)


def check_chunk_bytes(size: int) -> None:
    """Raise Misuse unless chunks may have that size."""
    if not 0 < size <= CHUNK_BYTES_MAX:
        raise Misuse(f"A chunk has 1 to {CHUNK_BYTES_MAX} bytes, not {size}")


class Chunker:
    """Takes a file's bytes in pieces of any size, gives them back in chunks of one size."""

    def __init__(self, chunk_bytes: int) -> None:
        self._chunk_bytes = chunk_bytes
        self._kept = bytearray()

    def feed(self, piece: bytes) -> list[bytes]:
        """Take the next piece; return the chunks that it completes."""
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
        """Return the last chunk, which is smaller; none if nothing is left."""
        rest = [bytes(self._kept)] if self._kept else []
        self._kept.clear()
        return rest
