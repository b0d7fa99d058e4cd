"""CAR files: many blocks as one stream. Versions 1 and 2 are read, version 1 is written.

    version 1 = varint size, header, (varint size, CID, block)...
    header    = dag-cbor {"roots": [CID, ...], "version": 1}
    version 2 = pragma, offsets, padding, a version 1, padding, index; the index is of no use to a stream

A reader is fed whatever chunks arrive and holds one section at most. Errors name the section, counted from 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum, auto

import cbor2

from pincrew.errors import Malformed
from pincrew.limits import BLOCK_BYTES_MAX, CAR_CID_BYTES_MAX, CAR_HEADER_BYTES_MAX
from pincrew.node.links import cbor_links
from pincrew.node.multihash import check_allowed, cid_end, matches, multihash_of
from pincrew.node.protobuf import read_varint, varint

_V2_PRAGMA = b"\xa1\x67version\x02"
_V2_HEADER_BYTES = 40
_V2_DATA_OFFSET_MIN = 1 + len(_V2_PRAGMA) + _V2_HEADER_BYTES
_SECTION_BYTES_MAX = CAR_CID_BYTES_MAX + BLOCK_BYTES_MAX
_SIZE_BYTES_MAX = 4  # of the varint in front of a header or a section: enough for 256 MiB


class _Next(Enum):
    """What the bytes to come are."""

    START = auto()
    OFFSETS = auto()
    PADDING = auto()
    HEADER = auto()
    SECTIONS = auto()
    REST = auto()


class CarReader:
    """Reads one CAR as it arrives. ``roots`` is None until the header was read; it may name no roots at all.

    With ``verify`` every block is compared with its CID; without, that is left to the caller (who may want to do it in
    a thread), and so is `check_allowed`. An instance that has raised Malformed is of no more use.
    """

    def __init__(self, *, verify: bool = True) -> None:
        self.roots: tuple[bytes, ...] | None = None
        self._verify = verify
        self._buffer = bytearray()
        self._next = _Next.START
        self._padding = 0
        self._left: int | None = None  # bytes of a version 2's data still to come; a version 1 ends when it ends
        self._section = 1

    def feed(self, chunk: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Take the next bytes; yield (CID, block) of each section that is now complete.

        The caller goes through all of them before it feeds again. Raises Malformed after what came in front of it.
        """
        self._buffer += chunk
        at = 0
        try:
            while self._next is not _Next.REST:
                if self._next is _Next.SECTIONS:
                    if self._left == 0:
                        self._next = _Next.REST
                        break
                    found = self._one(at, _SECTION_BYTES_MAX, f"section {self._section}")
                    if found is None:
                        return
                    cid, block = self._checked(found[0])
                    at = found[1]
                    self._section += 1
                    yield cid, block
                else:
                    after = self._preamble(at)
                    if after is None:
                        return
                    at = after
            at = len(self._buffer)
        finally:
            del self._buffer[:at]

    def finish(self) -> None:
        """Say that no more bytes come. Raises Malformed when the CAR was cut short."""
        complete = self._next is _Next.REST or (self._next is _Next.SECTIONS and not self._buffer and not self._left)
        if complete:
            return
        where = f"in section {self._section}" if self._next is _Next.SECTIONS else "in its header"
        raise Malformed(f"the CAR is cut short {where}")

    def _preamble(self, at: int) -> int | None:
        """Read one part of what comes before the sections; return where it ends, None when it is not all there."""
        buffer = self._buffer
        if self._next is _Next.OFFSETS:
            if len(buffer) - at < _V2_HEADER_BYTES:
                return None
            self._take_offsets(bytes(buffer[at : at + _V2_HEADER_BYTES]))
            return at + _V2_HEADER_BYTES
        if self._next is _Next.PADDING:
            skipped = min(self._padding, len(buffer) - at)
            self._padding -= skipped
            if not self._padding:
                self._next = _Next.HEADER
            return at + skipped if skipped or not self._padding else None
        found = self._one(at, CAR_HEADER_BYTES_MAX, "the header")
        if found is None:
            return None
        header, end = found
        if self._next is _Next.START and header == _V2_PRAGMA:
            self._next = _Next.OFFSETS
        else:
            self.roots = _roots(header)
            self._next = _Next.SECTIONS
        return end

    def _take_offsets(self, header: bytes) -> None:
        offset, size = int.from_bytes(header[16:24], "little"), int.from_bytes(header[24:32], "little")
        if offset < _V2_DATA_OFFSET_MIN or not size or max(offset, size) >= 2**63:
            raise Malformed("the CAR's header states an impossible place or size of its data")
        self._padding = offset - _V2_DATA_OFFSET_MIN
        self._left = size
        self._next = _Next.PADDING

    def _one(self, at: int, bytes_max: int, what: str) -> tuple[bytes, int] | None:
        """Return the bytes behind the size at ``at`` and the place after them; None when they are not all there."""
        buffer = self._buffer
        size_end = at
        while size_end < len(buffer) and buffer[size_end] >= 0x80:
            size_end += 1
        if size_end - at >= _SIZE_BYTES_MAX:
            raise Malformed(f"{what} of the CAR is larger than {bytes_max} bytes")
        if size_end == len(buffer):
            return None
        size, start = read_varint(buffer, at)
        if size > bytes_max:
            raise Malformed(f"{what} of the CAR is larger than {bytes_max} bytes")
        end = start + size
        if self._left is not None and end - at > self._left:
            raise Malformed(f"{what} of the CAR reaches beyond the data")
        if end > len(buffer):
            return None
        if self._left is not None:
            self._left -= end - at
        return bytes(memoryview(buffer)[start:end]), end

    def _checked(self, section: bytes) -> tuple[bytes, bytes]:
        try:
            end = cid_end(section, 0)
            cid, block = section[:end], section[end:]
            if self._verify:
                check_allowed(cid)
        except Malformed as error:
            raise Malformed(f"section {self._section} of the CAR has no CID that can be read: {error.what}") from error
        if len(cid) > CAR_CID_BYTES_MAX or len(block) > BLOCK_BYTES_MAX:
            raise Malformed(f"section {self._section} of the CAR has a block larger than {BLOCK_BYTES_MAX} bytes")
        if self._verify and not matches(multihash_of(cid), block):
            raise Malformed(f"section {self._section} of the CAR has a block that does not match its CID")
        return cid, block


def header_of(roots: Sequence[bytes]) -> bytes:
    """Return the start of a CAR of version 1."""
    header = _header(roots)
    return varint(len(header)) + header


def section_of(cid: bytes, block: bytes) -> bytes:
    """Return one block as it stands in a CAR."""
    return b"".join((varint(len(cid) + len(block)), cid, block))


def _header(roots: Sequence[bytes]) -> bytes:
    return cbor2.dumps({"roots": [cbor2.CBORTag(42, b"\x00" + root) for root in roots], "version": 1})


def _roots(header: bytes) -> tuple[bytes, ...]:
    """Return the roots that a header names: it is the one way of writing them down (dag-cbor), or Malformed."""
    try:
        roots = cbor_links(header)
    except Malformed as error:
        raise Malformed(f"the CAR's header cannot be read: {error.what}") from error
    if _header(roots) != header:
        raise Malformed("the CAR's header is not that of a version that is known")
    return tuple(roots)
