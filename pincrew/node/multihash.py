"""CIDs and multihashes as bytes: taken apart, made from data, and compared with data.

A block is known by its multihash: a CIDv0 and the CIDv1s that share a multihash name one block. Which hash functions
and digest lengths count is what Kubo lets through (boxo's verifcid): at least 20 bytes of digest, so that nobody can
make a second block for it; identity "digests", which hold the data itself, of at most 128 bytes.

`multihash_of`, `codec_of` and `prefix_of` trust their argument to be a CID: `check_form` is for the bytes of others.
A block may link to what no block can be (a digest too short); `check_allowed` is for whoever is about to ask for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import blake3

from pincrew.errors import Malformed
from pincrew.limits import DIGEST_BYTES_MIN, IDENTITY_BYTES_MAX
from pincrew.node.protobuf import read_varint, varint

RAW = 0x55
DAG_PB = 0x70
DAG_CBOR = 0x71
DAG_JSON = 0x0129

IDENTITY = 0x00
SHA2_256 = 0x12

_V0_START = b"\x12\x20"
_V0_BYTES = 34
# The shapes of nearly every CID that is met; for them the start and the length prove the canonical form.
_USUAL_V1 = (b"\x01\x55\x12\x20", b"\x01\x70\x12\x20", b"\x01\x71\x12\x20")
_USUAL_V1_BYTES = 36
_V0_PREFIX = b"\x00\x70\x12\x20"


class _Hash(NamedTuple):
    """A hash function: its longest digest, and ``compute(data, length)``."""

    bytes_max: int
    compute: Callable[[bytes, int], bytes]


def _named(name: str) -> _Hash:
    """A function of hashlib's; its digest may be cut."""
    return _Hash(hashlib.new(name).digest_size, lambda data, length: hashlib.new(name, data).digest()[:length])


def _keccak(bits: int) -> _Hash:
    def compute(data: bytes, length: int) -> bytes:
        # Imported when it is needed, which is hardly ever: it brings a C parser along and costs each start 80 ms.
        from Crypto.Hash import keccak

        return keccak.new(digest_bits=bits, data=data).digest()[:length]

    return _Hash(bits // 8, compute)


def _blake2(function: type[hashlib.blake2b] | type[hashlib.blake2s], size: int) -> _Hash:
    # The size of BLAKE2's own digest is part of its code and of what it computes; the multihash may still cut it.
    return _Hash(size, lambda data, length: function(data, digest_size=size).digest()[:length])


_HASHES: dict[int, _Hash] = {
    0x11: _named("sha1"),
    SHA2_256: _named("sha256"),
    0x13: _named("sha512"),
    0x14: _named("sha3_512"),
    0x15: _named("sha3_384"),
    0x16: _named("sha3_256"),
    0x17: _named("sha3_224"),
    0x19: _Hash(64, lambda data, length: hashlib.shake_256(data).digest(length)),
    0x1B: _keccak(256),
    0x1D: _keccak(512),
    0x1E: _Hash(128, lambda data, length: blake3.blake3(data).digest(length)),
    0x56: _Hash(32, lambda data, length: hashlib.sha256(hashlib.sha256(data).digest()).digest()[:length]),
    **{0xB200 + size: _blake2(hashlib.blake2b, size) for size in range(DIGEST_BYTES_MIN, 65)},
    **{0xB240 + size: _blake2(hashlib.blake2s, size) for size in range(DIGEST_BYTES_MIN, 33)},
}


SHA2_256_NAME = "sha2-256"
# What content is added with, by Kubo's names: the function's code, and the bytes of its digest.
_NAMED = {
    SHA2_256_NAME: (SHA2_256, 32),
    "sha2-512": (0x13, 64),
    "sha3-512": (0x14, 64),
    "sha3-256": (0x16, 32),
    "blake3": (0x1E, 32),
    "blake2b-256": (0xB220, 32),
}
HASH_NAMES = tuple(_NAMED)

# The multihashes of no bytes, by the functions and lengths that are in use: an empty file is not rare.
_OF_NOTHING = frozenset(
    varint(code) + varint(length) + _HASHES[code].compute(b"", length) for code, length in _NAMED.values()
)


class CidFields(NamedTuple):
    """What a CID says: its version, codec and hash function, and its digest (all of it that there is)."""

    version: int
    codec: int
    code: int
    digest: bytes


def multihash_of(cid: bytes) -> bytes:
    """Return the multihash of a CID."""
    if cid[0] == _V0_START[0]:
        return cid
    if cid[1] < 0x80:
        return cid[2:]
    return cid[read_varint(cid, 1)[1] :]


def codec_of(cid: bytes) -> int:
    """Return the codec of a CID; that of every CIDv0 is dag-pb."""
    if cid[0] == _V0_START[0]:
        return DAG_PB
    return cid[1] if cid[1] < 0x80 else read_varint(cid, 1)[0]


def prefix_of(cid: bytes) -> bytes:
    """Return version, codec, hash function and digest length as varints: a CID without its digest."""
    if cid[0] == _V0_START[0]:
        return _V0_PREFIX
    if cid[:4] in _USUAL_V1:
        return cid[:4]
    at = read_varint(cid, 1)[1]
    at = read_varint(cid, at)[1]
    return cid[: read_varint(cid, at)[1]]


def prefix_for(version: int, codec: int, hash_name: str) -> bytes:
    """Return the prefix of CIDs of that version and codec, by one of HASH_NAMES."""
    return b"".join(map(varint, (version, codec, *_NAMED[hash_name])))


def cid_of(prefix: bytes, data: bytes) -> bytes:
    """Return the CID of ``data`` that ``prefix`` describes.

    Raises Malformed when it describes none, or one of a hash function or a digest length that does not count.
    """
    if prefix in _USUAL_V1:
        return prefix + hashlib.sha256(data).digest()
    if prefix == _V0_PREFIX:
        return _V0_START + hashlib.sha256(data).digest()
    version, at = _minimal(prefix, 0)
    codec, at = _minimal(prefix, at)
    code, at = _minimal(prefix, at)
    length, at = _minimal(prefix, at)
    if version != 1 or at != len(prefix):
        raise Malformed("a prefix describes no CID")
    return cid_from(codec, varint(code) + varint(length) + digest(code, data, length))


def cid_from(codec: int, multihash: bytes) -> bytes:
    """Return the CIDv1 of a codec and a multihash."""
    return b"\x01" + varint(codec) + multihash


def matches(multihash: bytes, data: bytes) -> bool:
    """Say whether ``data`` is the block of a multihash; it never is where the hash function does not count."""
    if len(multihash) == _V0_BYTES and multihash[:2] == _V0_START:
        return hashlib.sha256(data).digest() == multihash[2:]
    try:
        code, at = _minimal(multihash, 0)
        length, at = _minimal(multihash, at)
        return len(multihash) == at + length and digest(code, data, length) == multihash[at:]
    except Malformed:
        return False


def inlined(multihash: bytes) -> bytes | None:
    """Return the data that the multihash itself tells: an identity's, or none at all. None: its block must be got.

    The hash of nothing is known; and Kubo 0.43 says to others that it does not have the empty block.
    """
    if multihash[0] == IDENTITY:
        return multihash[read_varint(multihash, 1)[1] :]
    return b"" if multihash in _OF_NOTHING else None


def digest(code: int, data: bytes, length: int) -> bytes:
    """Return ``length`` bytes of digest. Raises Malformed when that hash function or that length does not count."""
    _check_digest(code, length)
    if code != IDENTITY:
        return _HASHES[code].compute(data, length)
    if len(data) != length:
        raise Malformed("an identity multihash states another length than that of its data")
    return data


def is_usual(cid: bytes) -> bool:
    """Say whether ``cid`` is one of the SHA2-256 CIDs that are nearly all there are: certainly well-formed."""
    return (len(cid) == _USUAL_V1_BYTES and cid[:4] in _USUAL_V1) or (len(cid) == _V0_BYTES and cid[:2] == _V0_START)


def check_form(cid: bytes) -> None:
    """Raise Malformed unless ``cid`` is a CID in its one canonical binary form."""
    if not is_usual(cid) and cid_end(cid, 0) != len(cid):
        raise Malformed("bytes follow a CID")


def check_allowed(cid: bytes) -> None:
    """Raise Malformed, with the reason, unless ``cid`` is a CID whose block may be asked for, stored and served."""
    if not is_usual(cid):
        fields = fields_of(cid)
        _check_digest(fields.code, len(fields.digest))


def fields_of(cid: bytes) -> CidFields:
    """Take a CID apart. Raises Malformed unless it is one in its canonical binary form."""
    check_form(cid)
    if cid[0] == _V0_START[0]:
        return CidFields(0, DAG_PB, SHA2_256, cid[2:])
    codec, at = read_varint(cid, 1)
    code, at = read_varint(cid, at)
    return CidFields(1, codec, code, cid[read_varint(cid, at)[1] :])


def cid_end(data: bytes, at: int) -> int:
    """Return where the CID that starts at ``at`` ends. Raises Malformed when none does."""
    if data[at : at + 2] == _V0_START:
        end = at + _V0_BYTES
    else:
        version, at = _minimal(data, at)
        if version != 1:
            raise Malformed(f"a CID has the version {version}")
        _, at = _minimal(data, at)
        _, at = _minimal(data, at)
        length, at = _minimal(data, at)
        end = at + length
    if end > len(data):
        raise Malformed("a CID is cut short")
    return end


def _check_digest(code: int, length: int) -> None:
    if code == IDENTITY:
        if length > IDENTITY_BYTES_MAX:
            raise Malformed(f"an identity multihash holds {length} bytes, at most {IDENTITY_BYTES_MAX} are taken")
    elif code not in _HASHES:
        raise Malformed(f"the hash function 0x{code:x} is not one that names blocks")
    elif not DIGEST_BYTES_MIN <= length <= _HASHES[code].bytes_max:
        raise Malformed(
            f"a digest of the hash function 0x{code:x} has {length} bytes,"
            f" {DIGEST_BYTES_MIN} to {_HASHES[code].bytes_max} are taken"
        )


def _minimal(data: bytes, at: int) -> tuple[int, int]:
    """Read a varint in its one minimal form, of at most 63 bits: all that CIDs are made of."""
    value, end = read_varint(data, at)
    if value >= 2**63 or (end - at > 1 and data[end - 1] == 0):
        raise Malformed("a CID holds a varint that is not minimal")
    return value, end
