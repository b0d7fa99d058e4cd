"""Bases: what a pinset was at one cut through its log, in a form that any peer computes byte for byte.

    header = [version, cluster, n, hash of base n-1, trust number, cut hash, shards hash, pins, bytes]
    sealed = [header, signer, signature]                 by the keeper of that trust record, or one of its owners
    cut    = [[author, nonce, number, hash], ...]        every session ever admitted, ascending, with its last envelope
    shards = the hashes of all shards' rows, 32 bytes each, by shard
    rows   = [[[cid, record, session, n], ...], [[session, puts], ...]]       both ascending; of one shard

``session`` is an index into the cut; ``puts`` counts the puts a session made in the shard up to the cut, so that an
operation's id alone tells whether it lies within the cut. ``bytes`` (``size`` of a ``Base``) is that of all shards'
rows. Cut, shards and rows are *blobs*: they travel and are kept by their hash, SHA-256(domain, blob). Base 0 is empty
and unsigned; its hash is the empty byte string.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, NoReturn

import cbor2

from pincrew import domains, limits
from pincrew.cid import check_cid, shard_of
from pincrew.errors import Malformed
from pincrew.keys import SigningKey, verify
from pincrew.values import Head, SessionId
from pincrew.wire import head_bytes, load, load_any_form

HASH_BYTES = 32
_HEADER_FIELDS = 9
_INTEGER_MAX = 2**53


class Row(NamedTuple):
    """A pin as a base states it; ``session`` (an index into the cut) and ``n`` name the put that wrote it."""

    cid: bytes
    record: bytes
    session: int
    n: int


class ShardRows(NamedTuple):
    """One shard of a base: its rows by CID, and how many puts each session had made in it."""

    rows: tuple[Row, ...]
    puts: tuple[tuple[int, int], ...]


Cut = Mapping[SessionId, Head]


@dataclass(frozen=True)
class Base:
    """A sealed header. ``hash`` names the base; ``signer`` is a public key whose right to sign is for others to say."""

    cluster: bytes
    n: int
    previous: bytes
    trust: int
    cut_hash: bytes
    shards_hash: bytes
    pins: int
    size: int
    signer: bytes
    sealed: bytes
    hash: bytes


def blob_hash(blob: bytes) -> bytes:
    """Return the 32-byte name of a blob."""
    return hashlib.sha256(domains.BASE_BLOB + blob).digest()


def pack_blob(blob: bytes) -> bytes:
    """Return a blob as it travels: in the zlib format (RFC 1950), half as large for usual records.

    At the quickest level, for a shard is packed again whenever it is asked for.
    """
    return zlib.compress(blob, level=1)


def unpack_blob(packed: bytes) -> bytes:
    """Return the blob in what travelled, of at most ``BASE_BLOB_BYTES_MAX``. Raises Malformed."""
    unpacking = zlib.decompressobj()
    try:
        blob = unpacking.decompress(packed, limits.BASE_BLOB_BYTES_MAX + 1)  # the end is seen with room to spare
    except zlib.error:
        _refuse("a blob is not packed as it should be")
    if not unpacking.eof or unpacking.unused_data or len(blob) > limits.BASE_BLOB_BYTES_MAX:
        _refuse("a packed blob is cut off, too large, or has something behind it")
    return blob


# ---- header ---------------------------------------------------------------------------------------------------------


def encode_header(
    *, cluster: bytes, n: int, previous: bytes, trust: int, cut_hash: bytes, shards_hash: bytes, pins: int, size: int
) -> bytes:
    """Return what is signed of a base; ``size`` is that of all shards' rows in bytes."""
    return cbor2.dumps(
        [limits.BASE_FORMAT_VERSION, cluster, n, previous, trust, cut_hash, shards_hash, pins, size], canonical=True
    )


def seal(header: bytes, key: SigningKey) -> bytes:
    """Return a header with its signature, as it travels."""
    return cbor2.dumps([header, key.public, key.sign(domains.BASE, header)], canonical=True)


def decode_base(sealed: bytes) -> Base:
    """Read a sealed base, its signature checked. Raises Malformed or Forged."""
    if len(sealed) > limits.BASE_HEADER_BYTES_MAX:
        _refuse("a base is larger than 1 KiB")
    outer = load(sealed)
    if not isinstance(outer, list) or len(outer) != 3:
        _refuse("a sealed base is not a header with its signature")
    header, signer, signature = _bytes(outer[0]), _bytes(outer[1], 32), _bytes(outer[2], 64)
    fields = load(header)
    if not isinstance(fields, list) or not fields or _integer(fields[0]) != limits.BASE_FORMAT_VERSION:
        _refuse(f"a base is not of format {limits.BASE_FORMAT_VERSION}")
    if len(fields) != _HEADER_FIELDS:
        _refuse("a base has the wrong number of fields")
    _, cluster, n, previous, trust, cut_hash, shards_hash, pins, size = fields
    if _integer(n) < 1:
        _refuse("bases are numbered from 1")
    verify(signer, domains.BASE, header, signature)
    return Base(
        cluster=_bytes(cluster, HASH_BYTES),
        n=n,
        previous=_bytes(previous, HASH_BYTES if n > 1 else 0),
        trust=_integer(trust),
        cut_hash=_bytes(cut_hash, HASH_BYTES),
        shards_hash=_bytes(shards_hash, HASH_BYTES),
        pins=_integer(pins),
        size=_integer(size),
        signer=signer,
        sealed=sealed,
        hash=hashlib.sha256(domains.BASE + header).digest(),
    )


# ---- blobs ----------------------------------------------------------------------------------------------------------


def encode_cut(cut: Cut) -> bytes:
    """Return a cut as a blob."""
    return cbor2.dumps([[*session, *cut[session]] for session in sorted(cut)], canonical=True)


def decode_cut(blob: bytes) -> dict[SessionId, Head]:
    """Read a cut, in ascending order of session. Raises Malformed."""
    entries = load(blob)
    if not isinstance(entries, list) or len(entries) > limits.SESSIONS_MAX:
        _refuse(f"a cut is not an array of at most {limits.SESSIONS_MAX} sessions")
    cut = {}
    for entry in entries:
        if not isinstance(entry, list) or len(entry) != 4 or _integer(entry[2]) < 1:
            _refuse("a cut does not say [author, nonce, number, hash]")
        session = SessionId(_bytes(entry[0], 32), _bytes(entry[1], 16))
        cut[session] = Head(entry[2], _bytes(entry[3], HASH_BYTES))
    if len(cut) != len(entries) or any(left >= right for left, right in pairwise(cut)):
        _refuse("a cut names sessions twice or out of order")
    return cut


def decode_shards(blob: bytes, shard_bits: int) -> list[bytes]:
    """Read the hashes of all shards. Raises Malformed."""
    if len(blob) != HASH_BYTES << shard_bits:
        _refuse("a base does not have a hash for each shard")
    return [blob[at : at + HASH_BYTES] for at in range(0, len(blob), HASH_BYTES)]


def encode_rows(rows: Sequence[Row], puts: Sequence[tuple[int, int]]) -> bytes:
    """Return one shard's rows as a blob; both sequences are ascending."""
    return cbor2.dumps([rows, puts], canonical=True)


def decode_rows(blob: bytes, shard: int, shard_bits: int, sessions: int) -> ShardRows:
    """Read one shard's rows, checked as far as they can be alone; ``sessions`` is the length of the cut.

    Other encodings of the same rows are refused by their length, which is quicker than to write them again: of arrays,
    byte strings and numbers alone, the deterministic form is the only one that is as short. Raises Malformed.
    """
    value = load_any_form(blob)
    if type(value) is not list or len(value) != 2 or not all(type(part) is list for part in value):
        _refuse("a shard of a base is not rows and puts")
    length = 1 + head_bytes(len(value[0])) + head_bytes(len(value[1]))
    puts: dict[int, int] = {}
    for entry in value[1]:
        if type(entry) is not list or len(entry) != 2 or not _integer(entry[0]) < sessions or not _integer(entry[1]):
            _refuse("a shard of a base counts puts of a session that it does not name")
        puts[entry[0]] = entry[1]
        length += 1 + head_bytes(entry[0]) + head_bytes(entry[1])
    if len(puts) != len(value[1]) or any(left >= right for left, right in pairwise(puts)):
        _refuse("a shard of a base counts puts twice or out of order")
    rows = []
    last = b""
    for entry in value[0]:  # a million of them in a join: written out for speed
        if type(entry) is not list or len(entry) != 4:
            _refuse("a row of a base is not [cid, record, session, n]")
        cid, record, session, n = entry
        if type(cid) is not bytes or type(record) is not bytes or type(session) is not int or type(n) is not int:
            _refuse("a row of a base is not [cid, record, session, n]")
        if cid <= last:
            _refuse("rows of a base are not in ascending order")
        check_cid(cid)
        if shard_of(cid, shard_bits) != shard:
            _refuse("a row of a base stands in a shard that is not its own")
        size = len(record)
        if size > limits.RECORD_BYTES_MAX or not 0 <= n < puts.get(session, 0):
            _refuse("a row of a base has a record that is too large, or names no put")
        last = cid
        rows.append(Row(cid, record, session, n))
        length += 1 + head_bytes(len(cid)) + len(cid) + head_bytes(size) + size + head_bytes(session) + head_bytes(n)
    if length != len(blob):
        _refuse("a shard of a base is not in its deterministic form")
    return ShardRows(tuple(rows), tuple(puts.items()))


def _bytes(value: Any, length: int | None = None) -> bytes:
    if type(value) is not bytes or (length is not None and len(value) != length):
        _refuse("a base has a byte string of the wrong length")
    return value


def _integer(value: Any) -> int:
    if type(value) is not int or not 0 <= value < _INTEGER_MAX:
        _refuse("a base has a number out of range")
    return value


def _refuse(what: str) -> NoReturn:
    raise Malformed(what)
