"""The protobuf wire format as far as dag-pb, UnixFS and Bitswap use it: varints, byte strings, fixed-width numbers.

There is no schema here: a reader goes through the fields in the order in which they were written (dag-pb depends on
it, and a protobuf library would not tell), a writer puts fields in the order in which it is called. Strictness is that
of Go's protowire, with which Kubo reads: varints have at most 64 bits and need not be minimal; there are no groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pincrew.errors import Malformed

VARINT = 0
FIXED64 = 1
BYTES = 2
FIXED32 = 5

_NUMBER_MAX = 2**29 - 1
_VARINT_BYTES_MAX = 10


def fields(message: bytes | memoryview) -> Iterator[tuple[int, int, Any]]:
    """Yield (number, wire type, value) of each field of a message, in their order.

    A value is a number for the wire types VARINT, FIXED32 and FIXED64 (unsigned), and for BYTES a slice of ``message``,
    which copies nothing of a memoryview. Raises Malformed once it gets to what is no field.
    """
    at, end = 0, len(message)
    while at < end:
        tag = message[at]
        at += 1
        if tag >= 0x80:
            tag, at = read_varint(message, at - 1)
        number, wire_type = tag >> 3, tag & 7
        if not 0 < number <= _NUMBER_MAX:
            raise Malformed(f"a protobuf field has the number {number}")
        if wire_type == BYTES:
            size, at = read_varint(message, at)
            if size > end - at:
                raise Malformed("a protobuf field is longer than its message")
            yield number, wire_type, message[at : at + size]
            at += size
        elif wire_type == VARINT:
            value, at = read_varint(message, at)
            yield number, wire_type, value
        elif wire_type in (FIXED32, FIXED64):
            size = 4 if wire_type == FIXED32 else 8
            if size > end - at:
                raise Malformed("a protobuf field is longer than its message")
            yield number, wire_type, int.from_bytes(message[at : at + size], "little")
            at += size
        else:
            raise Malformed(f"a protobuf field has the wire type {wire_type}")


def read_varint(data: bytes | memoryview | bytearray, at: int) -> tuple[int, int]:
    """Return the unsigned varint at ``at`` and the place after it. Raises Malformed when none ends in time."""
    try:
        value = data[at]
        at += 1
        if value < 0x80:
            return value, at
        value &= 0x7F
        for shift in range(7, 7 * _VARINT_BYTES_MAX, 7):
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >= 2**64:
                    break
                return value, at
    except IndexError:
        raise Malformed("a varint is cut short") from None
    raise Malformed("a varint has more than 64 bits")


def varint(value: int) -> bytes:
    """Return ``value`` as a minimal unsigned varint."""
    if 0 <= value < 0x80:
        return _SMALL[value]
    out = bytearray()
    put_varint(out, value)
    return bytes(out)


def put_varint(out: bytearray, value: int) -> None:
    """Append ``value`` (0 to 2^64 - 1) as a minimal varint."""
    assert 0 <= value < 2**64
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def put_varint_field(out: bytearray, number: int, value: int) -> None:
    """Append a field that is a varint."""
    put_varint(out, number << 3 | VARINT)
    put_varint(out, value)


def put_bytes_field(out: bytearray, number: int, value: bytes | bytearray | memoryview) -> None:
    """Append a field that is a byte string or a message."""
    put_varint(out, number << 3 | BYTES)
    put_varint(out, len(value))
    out += value


def put_fixed32_field(out: bytearray, number: int, value: int) -> None:
    """Append a field that is a number of four bytes."""
    put_varint(out, number << 3 | FIXED32)
    out += value.to_bytes(4, "little")


_SMALL = [bytes([value]) for value in range(0x80)]
