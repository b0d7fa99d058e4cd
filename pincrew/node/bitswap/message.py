"""Bitswap's messages as bytes: wants, blocks, and who has what (specs.ipfs.tech/bitswap-protocol). Pure.

Version 1.2 knows all of it; 1.1 has neither WANT-HAVE nor presences, and asks for none; 1.0 and the version without a
number send blocks without a prefix, which are then of CIDv0. All of them are read alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from pincrew import limits
from pincrew.errors import Malformed
from pincrew.node.multihash import check_allowed, fields_of
from pincrew.node.protobuf import BYTES, VARINT, fields, put_bytes_field, put_varint_field, varint

# Newest first: the order in which a stream is asked for.
PROTOCOLS = ("/ipfs/bitswap/1.2.0", "/ipfs/bitswap/1.1.0", "/ipfs/bitswap/1.0.0", "/ipfs/bitswap")
V0_PREFIX = b"\x00\x70\x12\x20"

_HAVE = 1
_PRESENCE_DONT_HAVE = 1
_EMPTY_WANTLIST = b"\x0a\x00"


class Want(NamedTuple):
    """An entry of a wantlist. ``have`` asks whether the block is there, else for the block itself.

    ``dont_have`` asks to be told when it is not there; ``cancel`` takes back what was wanted before.
    """

    cid: bytes
    priority: int = 1
    have: bool = False
    dont_have: bool = False
    cancel: bool = False


class Block(NamedTuple):
    """A block on its way: what its CID says beside the digest, and its data."""

    prefix: bytes
    data: bytes


@dataclass(slots=True)
class Message:
    """One message. With ``full``, the wants replace all that were wanted before."""

    wants: list[Want] = field(default_factory=list)
    full: bool = False
    blocks: list[Block] = field(default_factory=list)
    haves: list[bytes] = field(default_factory=list)
    dont_haves: list[bytes] = field(default_factory=list)
    pending_bytes: int = 0


def knows_have(protocol: str) -> bool:
    """Say whether a version of the protocol has WANT-HAVE, HAVE and DONT_HAVE."""
    return protocol == PROTOCOLS[0]


def has_prefixes(protocol: str) -> bool:
    """Say whether a version of the protocol sends blocks with the prefix of their CIDs."""
    return protocol in PROTOCOLS[:2]


def decode(message: bytes) -> Message:
    """Read a message of another peer.

    What is wanted by a CID that names no block here, because its hash function or its length does not count, is left
    out: nobody has it. Raises Malformed for everything that is no message, or one with too much in it.
    """
    if len(message) > limits.BITSWAP_MESSAGE_BYTES_MAX:
        raise Malformed(f"a Bitswap message has {len(message)} bytes")
    read = Message()
    count = 0
    for number, wire_type, value in fields(memoryview(message)):
        count += 1
        if count > limits.BITSWAP_ENTRIES_MAX:
            raise Malformed("a Bitswap message has too many parts")
        if wire_type == BYTES:
            if number == 1:
                count = _read_wantlist(value, read, count)
            elif number == 2:
                read.blocks.append(Block(V0_PREFIX, bytes(value)))
            elif number == 3:
                read.blocks.append(_read_block(value))
            elif number == 4:
                _read_presence(value, read)
        elif wire_type == VARINT and number == 5:
            read.pending_bytes = _int32(value)
    return read


def encode(message: Message, protocol: str = PROTOCOLS[0]) -> bytes:
    """Write a message as a version of the protocol wants it. A wantlist is always there: some nodes fail without."""
    parts = [_wantlist(message.wants, message.full) if message.wants or message.full else _EMPTY_WANTLIST]
    if has_prefixes(protocol):
        for prefix, data in message.blocks:
            inner = b"\x0a" + varint(len(prefix)) + prefix + b"\x12" + varint(len(data))
            parts += (b"\x1a", varint(len(inner) + len(data)), inner, data)
    else:
        for _, data in message.blocks:
            parts += (b"\x12", varint(len(data)), data)
    parts.append(_presences(message.haves, message.dont_haves))
    if message.pending_bytes:
        parts.append(b"\x28" + varint(min(message.pending_bytes, 2**31 - 1)))
    return b"".join(parts)


def _read_wantlist(wantlist: memoryview, read: Message, count: int) -> int:
    for number, wire_type, value in fields(wantlist):
        count += 1
        if count > limits.BITSWAP_ENTRIES_MAX:
            raise Malformed("a Bitswap message has too many wants")
        if number == 1 and wire_type == BYTES:
            want = _read_want(value)
            if want is not None:
                read.wants.append(want)
        elif number == 2 and wire_type == VARINT:
            read.full = bool(value)
    return count


def _read_want(entry: memoryview) -> Want | None:
    cid = b""
    # proto3 leaves out what is zero: without a priority, it is 0.
    priority = 0
    have = dont_have = cancel = False
    for number, wire_type, value in fields(entry):
        if number == 1 and wire_type == BYTES:
            cid = bytes(value)
        elif wire_type == VARINT:
            if number == 2:
                priority = _int32(value)
            elif number == 3:
                cancel = bool(value)
            elif number == 4:
                have = value == _HAVE
            elif number == 5:
                dont_have = bool(value)
    return Want(cid, priority, have, dont_have, cancel) if _counts(cid) else None


def _read_block(payload: memoryview) -> Block:
    prefix = data = b""
    for number, wire_type, value in fields(payload):
        if wire_type == BYTES:
            if number == 1:
                prefix = bytes(value)
            elif number == 2:
                data = bytes(value)
    return Block(prefix, data)


def _read_presence(presence: memoryview, read: Message) -> None:
    cid, kind = b"", 0
    for number, wire_type, value in fields(presence):
        if number == 1 and wire_type == BYTES:
            cid = bytes(value)
        elif number == 2 and wire_type == VARINT:
            kind = value
    if _counts(cid):
        (read.dont_haves if kind == _PRESENCE_DONT_HAVE else read.haves).append(cid)


def _counts(cid: bytes) -> bool:
    """Say whether a CID names a block that can be had. Raises Malformed when it is no CID at all."""
    try:
        check_allowed(cid)
    except Malformed:
        fields_of(cid)
        return False
    return True


def _wantlist(wants: Iterable[Want], full: bool) -> bytes:
    inner = bytearray()
    for want in wants:
        entry = bytearray()
        put_bytes_field(entry, 1, want.cid)
        if want.priority:
            put_varint_field(entry, 2, want.priority % 2**64)
        if want.cancel:
            entry += b"\x18\x01"
        if want.have:
            entry += b"\x20\x01"
        if want.dont_have:
            entry += b"\x28\x01"
        put_bytes_field(inner, 1, entry)
    if full:
        inner += b"\x10\x01"
    out = bytearray()
    put_bytes_field(out, 1, inner)
    return bytes(out)


def _presences(haves: Iterable[bytes], dont_haves: Iterable[bytes]) -> bytes:
    out = bytearray()
    for cid in haves:
        put_bytes_field(out, 4, b"\x0a" + varint(len(cid)) + cid)
    for cid in dont_haves:
        put_bytes_field(out, 4, b"\x0a" + varint(len(cid)) + cid + b"\x10\x01")
    return bytes(out)


def _int32(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - 2**32 if value >= 2**31 else value
