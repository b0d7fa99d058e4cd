"""CIDs as the pinset uses them: canonical binary inside, text at the edges.

A key of the pinset is the binary CID with minimal varints (multiformats/cid). v0 and v1 of one multihash are two keys,
as in ipfs-cluster. The shard of a key is taken from the SHA-256 of its bytes.
"""

from __future__ import annotations

import hashlib

import libipld

from pincrew.errors import Malformed, Misuse
from pincrew.limits import CID_BYTES_MAX

_IDENTITY = 0x00
# SHA2-256 CIDs are nearly all there are; for them the prefix and the length alone prove the canonical form.
_SHA256_V1 = (b"\x01\x55\x12\x20", b"\x01\x70\x12\x20", b"\x01\x71\x12\x20")


def parse_cid(text: str) -> bytes:
    """Return the canonical binary CID that ``text`` names in any multibase; `/ipfs/CID` is understood too.

    Raises Misuse with a sentence for a person when it is not a CID.
    """
    stripped = text.strip()
    for prefix in ("ipfs://", "/ipfs/"):
        if stripped.startswith(prefix):
            stripped = stripped[len(prefix) :].rstrip("/")
    shown = stripped if len(stripped) <= 80 else stripped[:77] + "..."
    if not stripped or "/" in stripped or len(stripped) > 4 * CID_BYTES_MAX:
        raise Misuse(f"{shown!r} is not a CID", next_step="A CID starts with `bafy`, `bafk` or `Qm`")
    try:
        fields = libipld.decode_cid(stripped)
    except Exception as error:  # libipld raises bare ValueError and, on odd bases, its own panics as Exception
        raise Misuse(f"{shown!r} is not a CID", next_step="A CID starts with `bafy`, `bafk` or `Qm`") from error
    return _encode(fields)


def check_cid(cid: bytes) -> None:
    """Raise Malformed unless ``cid`` is a CID in its one canonical binary form (invariant 10)."""
    if type(cid) is bytes and (
        (len(cid) == 36 and cid[:4] in _SHA256_V1) or (len(cid) == 34 and cid[:2] == b"\x12\x20")
    ):
        return
    if not isinstance(cid, bytes) or not 4 <= len(cid) <= CID_BYTES_MAX:
        raise Malformed("a key is not a CID of at most 128 bytes")
    try:
        canonical = _encode(libipld.decode_cid(cid))
    except Malformed:
        raise
    except Exception as error:  # as above: any complaint of the parser means "not a CID"
        raise Malformed("a key is not a CID") from error
    if canonical != cid:
        raise Malformed("a key is not in canonical form")


def cid_text(cid: bytes) -> str:
    """Return the usual text of a binary CID: base58btc for v0, lower-case base32 for v1."""
    return str(libipld.encode_cid(cid))


def shard_of(cid: bytes, shard_bits: int) -> int:
    """Return the shard of a key: the first ``shard_bits`` (at most 16) bits of the SHA-256 of its bytes."""
    return int.from_bytes(hashlib.sha256(cid).digest()[:2]) >> (16 - shard_bits)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _encode(fields: dict[str, object]) -> bytes:
    """Write a decoded CID with minimal varints."""
    multihash = fields["hash"]
    assert isinstance(multihash, dict)
    digest: bytes = multihash["digest"]
    code: int = multihash["code"]
    tail = _varint(code) + _varint(len(digest)) + digest
    if multihash["size"] != len(digest) or (not digest and code != _IDENTITY):
        raise Malformed("a key has a multihash of the wrong length")
    if fields["version"] == 0:
        return tail
    codec = fields["codec"]
    assert isinstance(codec, int)
    cid = b"\x01" + _varint(codec) + tail
    if len(cid) > CID_BYTES_MAX:
        raise Misuse("That CID is longer than 128 bytes", next_step="Pin a parent of it instead")
    return cid
