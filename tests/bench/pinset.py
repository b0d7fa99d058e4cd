"""Made-up pinsets of any size, the same in every run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from pincrew.api.shapes import PinRequest
from pincrew.cid import cid_text


def cid_of(number: int) -> bytes:
    """A raw SHA2-256 CID that nobody has."""
    return b"\x01\x55\x12\x20" + hashlib.sha256(b"bench %d" % number).digest()


def pins(first: int, count: int) -> Iterator[PinRequest]:
    """Yield pins as the curator of an archive would have them: about 200 bytes of record each."""
    for number in range(first, first + count):
        yield PinRequest(
            cid=cid_text(cid_of(number)),
            name=f"archive/{number % 997:04d}/item-{number:08d}.zip",
            metadata={"collection": f"part {number % 13}", "sha1": f"{number:040x}"},
            size=100_000 + number % 10_000,
        )
