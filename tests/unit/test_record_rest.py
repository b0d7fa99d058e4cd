"""What of a record a reader of this version does not have."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew.record import decode_record, encode_record
from pincrew.record_rest import WHOLE, rest_of
from pincrew.values import Pin, PinMode, PinType

CID = b"\x01\x55\x12\x20" + bytes(32)
FULL = Pin(
    CID,
    name="n",
    mode=PinMode.DIRECT,
    replication_min=2,
    replication_max=3,
    allocations=("a",),
    metadata=(("k", "v"),),
    origins=("o",),
    size=7,
    added_ms=8,
    expire_ms=9,
    update_of=CID,
)


def rest(record: bytes) -> tuple[str, ...]:
    return rest_of(record, decode_record(CID, record))


@pytest.mark.parametrize(
    "pin",
    [
        Pin(CID),
        FULL,
        Pin(CID, type=PinType.META, mode=PinMode.DIRECT, reference=CID),
        Pin(CID, type=PinType.SHARD, depth=2, reference=CID),
    ],
)
def test_what_this_version_writes_is_understood(pin: Pin) -> None:
    assert rest(encode_record(pin)) == ()


def test_a_default_that_is_spelled_out_is_no_loss() -> None:
    assert rest(cbor2.dumps({"name": "", "mode": "recursive", "replication": [-1, -1], "origins": []})) == ()


@pytest.mark.parametrize(
    ("fields", "lost"),
    [
        ({"colour": "blue", "name": "x"}, ("colour",)),
        ({5: 6}, ("5",)),
        ({"name": 7}, ("name",)),
        ({"mode": "sideways"}, ("mode",)),
        ({"replication": [1, 2, 3]}, ("replication",)),
        ({"metadata": {"a": "b", "c": 4}}, ("metadata",)),
        ({"origins": ["o", 1], "size": 2**50}, ("origins", "size")),
        ({"type": "soup", "depth": 1, "reference": CID}, ("type", "depth", "reference")),
        ({"type": "meta-pin", "allocations": ["a"]}, ("allocations",)),
        ({"added": -1, "expire": "soon", "update": "text"}, ("added", "expire", "update")),
    ],
)
def test_what_is_left_out_is_named(fields: dict[Any, Any], lost: tuple[str, ...]) -> None:
    assert rest(cbor2.dumps(fields)) == lost


@pytest.mark.parametrize("record", [b"", b"\xff", cbor2.dumps([1])])
def test_what_is_no_record_at_all(record: bytes) -> None:
    assert rest(record) == (WHOLE,)


def test_a_field_whose_name_has_no_text() -> None:
    assert rest(cbor2.dumps({2**20_000: 1})) == ("int",)


@given(st.binary(max_size=200))
def test_never_raises(record: bytes) -> None:
    rest(record)
