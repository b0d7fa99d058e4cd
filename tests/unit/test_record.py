"""Records: what the writer refuses, and that a reader never does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew import limits
from pincrew.errors import Misuse
from pincrew.record import decode_record, encode_record, with_allocations
from pincrew.values import Pin, PinMode, PinType

CID = b"\x01\x55\x12\x20" + bytes(32)
texts = st.text(max_size=20)
numbers = st.integers(0, 2**46 - 1)


@given(
    st.builds(
        Pin,
        cid=st.just(CID),
        name=texts,
        mode=st.sampled_from(PinMode),
        replication_min=st.integers(-1, 9),
        replication_max=st.integers(-1, 9),
        allocations=st.lists(texts, max_size=5).map(tuple),
        metadata=st.dictionaries(texts, texts, max_size=5).map(
            lambda one: tuple(sorted(one.items(), key=lambda pair: (len(pair[0].encode()), pair[0].encode())))
        ),
        origins=st.lists(texts, max_size=5).map(tuple),
        size=st.none() | numbers,
        added_ms=numbers,
        expire_ms=st.none() | numbers,
        update_of=st.none() | st.just(CID),
    )
)
def test_what_is_written_is_read(pin: Pin) -> None:
    assert decode_record(CID, encode_record(pin)) == pin


SHARDED = [
    Pin(CID, type=PinType.META, mode=PinMode.DIRECT, reference=CID, replication_min=2, replication_max=3),
    Pin(CID, type=PinType.CLUSTER_DAG, mode=PinMode.DIRECT, reference=CID),
    Pin(CID, type=PinType.SHARD, depth=1, allocations=("a",), size=7),
    Pin(CID, type=PinType.SHARD, depth=2, reference=CID),
]


@pytest.mark.parametrize("pin", SHARDED)
def test_pins_of_content_in_shards_are_read_as_they_were_written(pin: Pin) -> None:
    record = encode_record(pin)
    assert decode_record(CID, record) == pin
    assert with_allocations(record, ["b"]) and decode_record(CID, with_allocations(record, ["b"])).type is pin.type


def test_nobody_keeps_a_meta_pin_whoever_reads_it() -> None:
    fields = cbor2.loads(encode_record(SHARDED[0]))
    assert fields["allocations"] == [""], "which a reader that knows no types takes for a peer that is not there"
    assert (SHARDED[0].keepers, SHARDED[2].keepers, Pin(CID).keepers) == (("",), ("a",), ())


@pytest.mark.parametrize(
    "fields",
    [{"type": 7}, {"type": "soup"}, {"type": b"shard-pin"}, {"depth": 1, "reference": CID}, {"type": ["shard-pin"]}],
)
def test_a_type_that_is_none_makes_an_ordinary_pin(fields: dict[str, Any]) -> None:
    assert decode_record(CID, cbor2.dumps(fields)) == Pin(CID)


@pytest.mark.parametrize("depth", [0, 3, -1, True, "1", None])
def test_a_depth_that_makes_no_sense_is_none(depth: object) -> None:
    found = decode_record(CID, cbor2.dumps({"type": "shard-pin", "depth": depth, "reference": "text"}))
    assert (found.type, found.depth, found.reference) == (PinType.SHARD, None, None)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "x" * (limits.PIN_NAME_BYTES_MAX + 1)},
        {"name": "é" * (limits.PIN_NAME_BYTES_MAX // 2 + 1)},
        {"allocations": ("p",) * (limits.PIN_ALLOCATIONS_MAX + 1)},
        {"origins": ("o",) * (limits.PIN_ORIGINS_MAX + 1)},
        {"metadata": tuple((str(n), "") for n in range(limits.PIN_METADATA_MAX + 1))},
        {"metadata": (("k", "v" * 4096),)},
    ],
)
def test_a_writer_refuses_what_is_too_much(fields: dict[str, Any]) -> None:
    with pytest.raises(Misuse):
        encode_record(Pin(CID, **fields))


def test_a_writer_takes_the_most() -> None:
    encode_record(Pin(CID, name="x" * limits.PIN_NAME_BYTES_MAX, allocations=("p",) * limits.PIN_ALLOCATIONS_MAX))


@given(st.binary(max_size=200))
def test_a_reader_reads_any_bytes(data: bytes) -> None:
    assert decode_record(CID, data).cid == CID


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=9) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
KEYS = ["added", "name", "mode", "replication", "allocations", "metadata", "origins", "size", "expire", "update"]


@given(st.dictionaries(st.sampled_from([*KEYS, "later"]), anything))
def test_a_field_of_the_wrong_type_counts_as_absent(fields: dict[str, Any]) -> None:
    pin = decode_record(CID, cbor2.dumps(fields))
    assert isinstance(pin.name, str) and isinstance(pin.added_ms, int) and pin.added_ms >= 0
    assert pin.size is None or 0 <= pin.size < 2**46
    assert all(isinstance(one, str) for one in (*pin.allocations, *pin.origins))


def test_an_absurd_size_counts_as_none() -> None:
    assert decode_record(CID, encode_record(Pin(CID, size=2**46 - 1))).size == 2**46 - 1
    assert decode_record(CID, encode_record(Pin(CID, size=2**46))).size is None


@pytest.mark.parametrize(
    "data", [b"\xc4\x82\x1b" + b"\xff" * 8 + b"\x01", b"\xd8\x23\x63(((", b"\x81" * 4000 + b"\x00"]
)
def test_odd_cbor_shows_as_a_pin_without_fields(data: bytes) -> None:
    assert decode_record(CID, data) == Pin(CID)


def test_other_allocations_leave_all_else_as_it_is() -> None:
    fields = {"added": 5, "name": "x", "allocations": ["a"], "replication": [1, 2], "of a later version": {"k": [1]}}
    record = cbor2.dumps(fields, canonical=True)
    assert cbor2.loads(with_allocations(record, ("b", "c"))) == {**fields, "allocations": ["b", "c"]}
    assert with_allocations(record, ("a",)) == record
    assert "allocations" not in cbor2.loads(with_allocations(record, ()))
    pin = Pin(b"cid", name="x", allocations=("a",), replication_min=1, replication_max=2)
    assert with_allocations(encode_record(pin), ("b",)) == encode_record(replace(pin, allocations=("b",)))
