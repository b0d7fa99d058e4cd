from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew.errors import Malformed
from pincrew.node.protobuf import put_bytes_field, put_varint_field, varint
from pincrew.node.unixfs import Data, Kind, Modified, decode, encode

sizes = st.integers(0, 2**64 - 1)
messages = st.builds(
    Data,
    st.sampled_from(Kind),
    st.none() | st.binary(max_size=40),
    st.none() | sizes,
    st.lists(sizes, max_size=5).map(tuple),
    st.none() | sizes,
    st.none() | sizes,
    st.none() | st.integers(0, 2**32 - 1),
    st.none() | st.builds(Modified, st.integers(-(2**63), 2**63 - 1), st.none() | st.integers(0, 999_999_999)),
)


@given(messages)
def test_a_message_is_read_as_written(message: Data) -> None:
    assert decode(encode(message)) == message


def test_fields_are_written_in_ascending_order() -> None:
    message = Data(Kind.FILE, b"hi", 300, (1, 299), 0x22, 256, 0o644, Modified(-1, 7))
    assert encode(message).hex(" ", 1) == (
        "08 02"
        " 12 02 68 69"
        " 18 ac 02"
        " 20 01 20 ab 02"  # one by one, not packed
        " 28 22"
        " 30 80 02"
        " 38 a4 03"
        " 42 10 08 ff ff ff ff ff ff ff ff ff 01 15 07 00 00 00"
    )


def test_absent_is_not_empty() -> None:
    assert encode(Data(Kind.DIRECTORY)) == b"\x08\x01"
    assert encode(Data(Kind.FILE, b"", 0)) == b"\x08\x02\x12\x00\x18\x00"
    assert decode(b"\x08\x02").data is None


def test_what_others_may_write() -> None:
    """Packed block sizes, fields in any order, fields of later versions, the last of several counts."""
    out = bytearray()
    put_bytes_field(out, 4, varint(300) + varint(5))
    put_varint_field(out, 9, 1)
    put_varint_field(out, 4, 6)
    put_varint_field(out, 3, 1)
    put_varint_field(out, 3, 311)
    put_varint_field(out, 1, 0)
    put_varint_field(out, 1, 2)
    put_varint_field(out, 7, 2**32 + 0o600)
    assert decode(bytes(out)) == Data(Kind.FILE, None, 311, (300, 5, 6), mode=0o600)


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (b"", "what it is"),
        (b"\x12\x00", "what it is"),
        (b"\x08\x06", "unknown kind 6"),
        (b"\x08\x02\x42\x00", "without seconds"),
        (b"\x08\x02\x42\x02\x0a\x00", "without seconds"),
        (b"\x08\x02\x22\x01\x80", "cut short"),
        (b"\x08", "cut short"),
    ],
)
def test_what_is_no_message(message: bytes, says: str) -> None:
    with pytest.raises(Malformed, match=says):
        decode(message)


@given(st.binary(max_size=200))
def test_any_bytes_raise_malformed_and_nothing_else(message: bytes) -> None:
    with contextlib.suppress(Malformed):
        decode(b"\x08\x02" + message)
