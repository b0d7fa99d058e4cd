"""Rows of the store in the API's shapes."""

from __future__ import annotations

from pincrew.api.lines import ZERO_TIME, pin_fields, pin_object, time_text
from pincrew.api.shapes import PinObject
from pincrew.cid import parse_cid
from pincrew.values import Pin, PinMode, PinType
from support.shape_examples import CID


def test_a_pin_as_ipfs_cluster_writes_it() -> None:
    pin = Pin(parse_cid(CID), mode=PinMode.DIRECT, metadata=(("a", "b"),), added_ms=1_999, expire_ms=None)
    found = pin_object(pin)
    assert list(pin_fields(pin)) == list(PinObject.__struct_fields__), "in its order"
    assert (found.mode, found.max_depth, found.metadata) == ("direct", 0, {"a": "b"})
    assert (found.timestamp, found.expire_at) == ("1970-01-01T00:00:01Z", ZERO_TIME)


def test_the_pins_of_content_in_shards() -> None:
    cid = parse_cid(CID)
    meta = pin_object(Pin(cid, type=PinType.META, mode=PinMode.DIRECT, reference=cid))
    assert (meta.type, meta.mode, meta.max_depth, meta.reference, meta.allocations) == (
        "meta-pin",
        "direct",
        0,
        CID,
        [],
    )
    shard = pin_object(Pin(cid, type=PinType.SHARD, depth=2, size=7))
    assert (shard.type, shard.max_depth, shard.shard_size, shard.reference) == ("shard-pin", 2, 7, None)
    again = shard.rewritten()
    assert (again.type, again.max_depth, again.size) == ("shard-pin", 2, 7)
    assert pin_object(Pin(cid, type=PinType.META, reference=b"no cid")).reference is None


def test_times() -> None:
    assert (time_text(None), time_text(1_500)) == (None, "1970-01-01T00:00:01.500Z")


def test_what_another_version_wrote_is_shown_as_far_as_it_goes() -> None:
    found = pin_object(Pin(parse_cid(CID), added_ms=2**52, expire_ms=2**52, update_of=b"no cid"))
    assert (found.timestamp, found.expire_at, found.pin_update) == (ZERO_TIME, ZERO_TIME, None)
