"""UnixFS 1.5: what a dag-pb node's data says about a file, a directory or a symbolic link.

`encode` writes the fields as Go's protobuf does, in ascending order and block sizes one by one (not packed), so that
the blocks are those of Kubo. `decode` reads what Kubo reads: fields in any order, the last of a repeated one counts,
block sizes packed or not, unknown fields passed over.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from pincrew.errors import Malformed
from pincrew.node.protobuf import (
    BYTES,
    FIXED32,
    VARINT,
    fields,
    put_bytes_field,
    put_fixed32_field,
    put_varint_field,
    read_varint,
)

_TYPE, _DATA, _FILE_SIZE, _BLOCK_SIZES, _HASH_TYPE, _FANOUT, _MODE, _MODIFIED = range(1, 9)
_NUMBERS = (_FILE_SIZE, _HASH_TYPE, _FANOUT, _MODE)
_SECONDS, _NANOSECONDS = 1, 2


class Kind(IntEnum):
    """What a node is."""

    RAW = 0
    DIRECTORY = 1
    FILE = 2
    METADATA = 3
    SYMLINK = 4
    HAMT_SHARD = 5


class Modified(NamedTuple):
    """When a file was last modified: seconds since 1970, which may be negative, and nanoseconds (None = not stated)."""

    seconds: int
    nanoseconds: int | None = None


class Data(NamedTuple):
    """The message in a node's data. None is an absent field, which is another block than a field of 0 or no bytes.

    ``data`` holds a file's bytes, a symlink's target or a shard's bit field; ``file_size`` counts the bytes of a file
    below and in this node, ``block_sizes`` those below each of its links. ``hash_type`` and ``fanout`` are a shard's.
    """

    kind: Kind
    data: bytes | None = None
    file_size: int | None = None
    block_sizes: tuple[int, ...] = ()
    hash_type: int | None = None
    fanout: int | None = None
    mode: int | None = None
    modified: Modified | None = None


def encode(message: Data) -> bytes:
    """Return the bytes of a message, as Kubo writes them."""
    out = bytearray()
    put_varint_field(out, _TYPE, message.kind)
    if message.data is not None:
        put_bytes_field(out, _DATA, message.data)
    if message.file_size is not None:
        put_varint_field(out, _FILE_SIZE, message.file_size)
    for size in message.block_sizes:
        put_varint_field(out, _BLOCK_SIZES, size)
    for number, value in ((_HASH_TYPE, message.hash_type), (_FANOUT, message.fanout), (_MODE, message.mode)):
        if value is not None:
            put_varint_field(out, number, value)
    if message.modified is not None:
        modified = bytearray()
        put_varint_field(modified, _SECONDS, message.modified.seconds % 2**64)
        if message.modified.nanoseconds is not None:
            put_fixed32_field(modified, _NANOSECONDS, message.modified.nanoseconds)
        put_bytes_field(out, _MODIFIED, modified)
    return bytes(out)


def decode(data: bytes) -> Data:
    """Read a message. Raises Malformed when it is none, or of a kind that is unknown."""
    kind: Kind | None = None
    content: bytes | None = None
    numbers: dict[int, int] = {}
    block_sizes: list[int] = []
    modified: Modified | None = None
    for number, wire_type, value in fields(data):
        if wire_type == VARINT:
            if number == _BLOCK_SIZES:
                block_sizes.append(value)
            elif number == _TYPE:
                kind = _kind(value)
            elif number in _NUMBERS:
                numbers[number] = value
        elif wire_type == BYTES:
            if number == _DATA:
                content = value
            elif number == _BLOCK_SIZES:
                block_sizes += _packed(value)
            elif number == _MODIFIED:
                modified = _modified(value)
    if kind is None:
        raise Malformed("a UnixFS message does not say what it is")
    mode = numbers.get(_MODE)
    return Data(
        kind,
        content,
        numbers.get(_FILE_SIZE),
        tuple(block_sizes),
        numbers.get(_HASH_TYPE),
        numbers.get(_FANOUT),
        None if mode is None else mode % 2**32,
        modified,
    )


def _kind(value: int) -> Kind:
    try:
        return Kind(value)
    except ValueError:
        raise Malformed(f"a UnixFS message is of the unknown kind {value}") from None


def _packed(values: bytes) -> list[int]:
    sizes = []
    at = 0
    while at < len(values):
        size, at = read_varint(values, at)
        sizes.append(size)
    return sizes


def _modified(message: bytes) -> Modified:
    seconds: int | None = None
    nanoseconds: int | None = None
    for number, wire_type, value in fields(message):
        if number == _SECONDS and wire_type == VARINT:
            seconds = value - 2**64 if value >= 2**63 else value
        elif number == _NANOSECONDS and wire_type == FIXED32:
            nanoseconds = value
    if seconds is None:
        raise Malformed("a UnixFS message has a time without seconds")
    return Modified(seconds, nanoseconds)
