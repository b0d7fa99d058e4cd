"""What two neighbours say to each other on a sync stream: frames of deterministic CBOR, the kind first.

    0 hello          [0, version, cluster, trust number, trust hash, base, digest]     first in each direction
    1 digest         [1, trust number, trust hash, base, digest]
    2 heads          [2, [[author, nonce, number, hash], ...]]
    3 want           [3, author, nonce, after]
    4 page           [4, author, nonce, [body, ...], signature]
    5 absent         [5, author, nonce, after]
    6 trust want     [6, first number]
    7 trust          [7, [signed record, ...]]
    8 announcements  [8, [signed announcement, ...]]
    9 base want      [9, n]                             base n where it is kept, else (or for 0) the newest
   10 base           [10, sealed base]
   11 blob want      [11, hash, offset]
   12 blob           [12, hash, offset, size of the whole, piece]     size 0: the sender does not have it
   13 proof          [13, author, nonce, [body, ...], signature]      of a fork; shaped as a page

A frame is at most ``FRAME_BYTES_MAX``; a reader raises Malformed at anything else, and its connection pays.
"""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn

import cbor2

from pincrew import limits
from pincrew.errors import Malformed
from pincrew.values import Envelope, Head, SessionId
from pincrew.wire import load


class Standing(NamedTuple):
    """Where a peer stands: trust record, base, and a digest over both and all heads."""

    trust: int
    trust_hash: bytes
    base: int
    digest: bytes


class Hello(NamedTuple):
    version: int
    cluster: bytes
    standing: Standing


class Digest(NamedTuple):
    standing: Standing


class Heads(NamedTuple):
    heads: tuple[tuple[SessionId, Head], ...]


class Want(NamedTuple):
    session: SessionId
    after: int


class Page(NamedTuple):
    """``envelopes`` are the bodies, read already by whoever took the frame in; empty where nobody has."""

    session: SessionId
    bodies: tuple[bytes, ...]
    signature: bytes
    envelopes: tuple[Envelope, ...] = ()


class Absent(NamedTuple):
    session: SessionId
    after: int


class TrustWant(NamedTuple):
    first: int


class TrustRecords(NamedTuple):
    records: tuple[bytes, ...]


class AnnouncementsFrame(NamedTuple):
    announcements: tuple[bytes, ...]


class BaseWant(NamedTuple):
    n: int


class BaseFrame(NamedTuple):
    sealed: bytes


class BlobWant(NamedTuple):
    name: bytes
    offset: int


class Blob(NamedTuple):
    """A piece of a blob; ``size`` is that of the whole, 0 where the sender does not have it."""

    name: bytes
    offset: int
    size: int
    piece: bytes


class Proof(NamedTuple):
    """A run of a session that its author forked, for who may be on the other branch; otherwise as a ``Page``."""

    session: SessionId
    bodies: tuple[bytes, ...]
    signature: bytes
    envelopes: tuple[Envelope, ...] = ()


Frame = (
    Hello
    | Digest
    | Heads
    | Want
    | Page
    | Absent
    | TrustWant
    | TrustRecords
    | AnnouncementsFrame
    | BaseWant
    | BaseFrame
    | BlobWant
    | Blob
    | Proof
)


def encode_frame(frame: Frame) -> bytes:
    """Return the bytes of a frame."""
    match frame:
        case Hello(version, cluster, standing):
            raw: list[Any] = [0, version, cluster, *standing]
        case Digest(standing):
            raw = [1, *standing]
        case Heads(heads):
            raw = [2, [[*session, *head] for session, head in heads]]
        case Want(session, after):
            raw = [3, *session, after]
        case Page(session, bodies, signature):
            raw = [4, *session, list(bodies), signature]
        case Absent(session, after):
            raw = [5, *session, after]
        case TrustWant(first):
            raw = [6, first]
        case TrustRecords(records):
            raw = [7, list(records)]
        case AnnouncementsFrame(announcements):
            raw = [8, list(announcements)]
        case BaseWant(n):
            raw = [9, n]
        case BaseFrame(sealed):
            raw = [10, sealed]
        case BlobWant(name, offset):
            raw = [11, name, offset]
        case Blob(name, offset, size, piece):
            raw = [12, name, offset, size, piece]
        case Proof(session, bodies, signature):
            raw = [13, *session, list(bodies), signature]
    return cbor2.dumps(raw, canonical=True)


def decode_frame(data: bytes) -> Frame:
    """Read a frame. Raises Malformed."""
    if len(data) > limits.FRAME_BYTES_MAX:
        _refuse("a frame is too large")
    raw = load(data)
    if not isinstance(raw, list) or not raw or type(raw[0]) is not int:
        _refuse("a frame is not an array that starts with its kind")
    kind, fields = raw[0], raw[1:]
    lengths = (6, 4, 1, 3, 4, 3, 1, 1, 1, 1, 1, 2, 4, 4)
    if not 0 <= kind < len(lengths) or len(fields) != lengths[kind]:
        _refuse("a frame is of an unknown kind or has the wrong number of fields")
    match kind:
        case 0:
            return Hello(_number(fields[0]), _bytes(fields[1], 32), _standing(fields[2:]))
        case 1:
            return Digest(_standing(fields))
        case 2:
            return Heads(tuple(_head(row) for row in _list(fields[0], limits.HEADS_PER_FRAME_MAX)))
        case 3:
            return Want(_session(fields), _number(fields[2]))
        case 4:
            return Page(*_run(fields))
        case 5:
            return Absent(_session(fields), _number(fields[2]))
        case 6:
            return TrustWant(_number(fields[0]))
        case 7:
            records = _list(fields[0], limits.TRUST_RECORDS_PER_FRAME_MAX)
            return TrustRecords(tuple(_bytes(record) for record in records))
        case 8:
            signed = _list(fields[0], limits.ANNOUNCEMENTS_PER_FRAME_MAX)
            return AnnouncementsFrame(tuple(_bytes(one) for one in signed))
        case 9:
            return BaseWant(_number(fields[0]))
        case 10:
            return BaseFrame(_bytes(fields[0]))
        case 11:
            return BlobWant(_bytes(fields[0], 32), _number(fields[1]))
        case 12:
            return Blob(_bytes(fields[0], 32), _number(fields[1]), _number(fields[2]), _bytes(fields[3]))
        case _:
            return Proof(*_run(fields))


def _standing(fields: list[Any]) -> Standing:
    return Standing(_number(fields[0]), _bytes(fields[1], 32), _number(fields[2]), _bytes(fields[3], 32))


def _head(row: Any) -> tuple[SessionId, Head]:
    if not isinstance(row, list) or len(row) != 4:
        _refuse("a head has the wrong form")
    number = _number(row[2])
    if number < 1:
        _refuse("a head is not of an envelope")
    return _session(row), Head(number, _bytes(row[3], 32))


def _session(fields: list[Any]) -> SessionId:
    return SessionId(_bytes(fields[0], 32), _bytes(fields[1], 16))


def _run(fields: list[Any]) -> tuple[SessionId, tuple[bytes, ...], bytes]:
    bodies = _list(fields[2], limits.PAGE_ENVELOPES_MAX)
    return _session(fields), tuple(_bytes(body) for body in bodies), _bytes(fields[3], 64)


def _list(value: Any, length_max: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > length_max:
        _refuse("a list in a frame is too long")
    return value


def _bytes(value: Any, length: int | None = None) -> bytes:
    if type(value) is not bytes or (length is not None and len(value) != length):
        _refuse("a byte string in a frame has the wrong length")
    return value


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        _refuse("a number in a frame is out of range")
    return value


def _refuse(what: str) -> NoReturn:
    raise Malformed(what)
