from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew.errors import Malformed
from pincrew.node.protobuf import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    fields,
    put_bytes_field,
    put_fixed32_field,
    put_varint,
    put_varint_field,
    read_varint,
    varint,
)

numbers = st.integers(0, 2**64 - 1)


@given(numbers)
def test_varints_are_read_as_written(value: int) -> None:
    out = bytearray(b"x")
    put_varint(out, value)
    assert out[1:] == varint(value)
    assert read_varint(out, 1) == (value, len(out))
    assert len(varint(value)) == max(1, (value.bit_length() + 6) // 7)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "cut short"),
        (b"\x80", "cut short"),
        (b"\xff" * 9 + b"\x02", "more than 64 bits"),
        (b"\x80" * 10 + b"\x00", "more than 64 bits"),
    ],
)
def test_varints_that_do_not_end_or_are_too_long(data: bytes, says: str) -> None:
    with pytest.raises(Malformed, match=says):
        read_varint(data, 0)


def test_a_varint_need_not_be_minimal() -> None:
    assert read_varint(b"\x81\x80\x00", 0) == (1, 3)


@pytest.mark.parametrize("kind", [bytes, memoryview])
def test_fields_come_in_their_order(kind: type) -> None:
    out = bytearray()
    put_bytes_field(out, 2, b"two")
    put_varint_field(out, 1, 300)
    put_fixed32_field(out, 2**29 - 1, 7)
    out += bytes([3 << 3 | FIXED64]) + (9).to_bytes(8, "little")
    put_bytes_field(out, 2, b"")
    assert list(fields(kind(bytes(out)))) == [
        (2, BYTES, b"two"),
        (1, VARINT, 300),
        (2**29 - 1, FIXED32, 7),
        (3, FIXED64, 9),
        (2, BYTES, b""),
    ]


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (b"\x00\x01", "has the number 0"),
        (b"\x80\x80\x80\x80\x10\x01", "has the number"),
        (b"\x0a\x02x", "longer than its message"),
        (b"\x0d\x00\x00\x00", "longer than its message"),
        (b"\x09" + bytes(7), "longer than its message"),
        (b"\x0b\x0c", "wire type 3"),
        (b"\x0f", "wire type 7"),
        (b"\x08", "cut short"),
    ],
)
def test_what_is_no_message(message: bytes, says: str) -> None:
    with pytest.raises(Malformed, match=says):
        list(fields(message))


@given(st.binary(max_size=200))
def test_any_bytes_raise_malformed_and_nothing_else(message: bytes) -> None:
    with contextlib.suppress(Malformed):
        list(fields(message))
