"""Records as lines of a state file, and read back."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import cbor2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pincrew.trusted.pin_requests import wanted_pin

from pincrew.api.shapes import PinObject, PinRequest
from pincrew.cid import cid_text, parse_cid
from pincrew.cli.pin_input import PinOptions, read_lines
from pincrew.cli.state_comparison import of_file, of_store
from pincrew.cli.state_lines import encode_line, expressed
from pincrew.record import encode_record
from pincrew.values import Pin, PinMode, PinType
from support.shape_examples import CID, CID_2, PEER

ENCODER = msgspec.json.Encoder()
ORIGIN = f"/ip4/203.0.113.7/tcp/4001/p2p/{PEER}"
FULL = Pin(
    parse_cid(CID),
    name="a \x00 name “…”",
    mode=PinMode.DIRECT,
    replication_min=2,
    replication_max=3,
    allocations=(PEER,),
    metadata=(("a", "1"), ("ü", "<&>")),
    origins=(ORIGIN,),
    size=3,
    added_ms=1_700_000_000_999,
    expire_ms=4_000_000_000_000,
    update_of=parse_cid(CID_2),
)
TEXTS = st.text(max_size=20)
PINS = st.builds(
    Pin,
    cid=st.binary(min_size=32, max_size=32).map(lambda digest: b"\x01\x55\x12\x20" + digest),
    name=TEXTS,
    mode=st.sampled_from(PinMode),
    allocations=st.sampled_from([(), (PEER,)]),
    metadata=st.dictionaries(TEXTS, TEXTS, max_size=3).map(lambda pairs: tuple(pairs.items())),
    origins=st.sampled_from([(), (ORIGIN,)]),
    size=st.none() | st.integers(0, 2**46 - 1),
    added_ms=st.integers(0, 4_000_000_000_000),
    expire_ms=st.none() | st.integers(0, 4_000_000_000_000),
    update_of=st.none() | st.just(parse_cid(CID_2)),
).flatmap(
    lambda pin: st.sampled_from([(-1, -1), (1, 1), (2, 5)]).map(
        lambda pair: replace(pin, replication_min=pair[0], replication_max=pair[1])
    )
)


def lines_of(*pins: Pin) -> bytes:
    lines = []
    for pin in pins:
        found, lost = expressed(pin.cid, encode_record(pin))
        assert lost == ()
        lines.append(encode_line(found, ENCODER))
    return b"".join(lines)


def read_back(raw: bytes) -> list[PinRequest]:
    return list(read_lines(io.BytesIO(raw), PinOptions(is_state=True)))


def test_a_line_has_the_keys_of_ipfs_cluster_in_their_order() -> None:
    (line,) = lines_of(replace(FULL, size=None)).splitlines()
    assert list(json.loads(line)) == list(PinObject.__struct_fields__)
    (line,) = lines_of(FULL).splitlines()
    assert list(json.loads(line)) == [*PinObject.__struct_fields__, "size"]


def test_a_line_read_back() -> None:
    (request,) = read_back(lines_of(FULL))
    assert request == PinRequest(
        cid=CID,
        name=FULL.name,
        mode="direct",
        replication_factor_min=2,
        replication_factor_max=3,
        allocations=[PEER],
        metadata={"a": "1", "ü": "<&>"},
        origins=[ORIGIN],
        expire_at="2096-10-02T07:06:40Z",
        size=3,
        pin_update=CID_2,
        timestamp="2023-11-14T22:13:20Z",
    )


SHARDED = [
    Pin(parse_cid(CID), type=PinType.META, mode=PinMode.DIRECT, reference=parse_cid(CID_2)),
    Pin(parse_cid(CID), type=PinType.CLUSTER_DAG, mode=PinMode.DIRECT, reference=parse_cid(CID_2)),
    Pin(parse_cid(CID), type=PinType.SHARD, depth=2, reference=parse_cid(CID_2), allocations=(PEER,), size=9),
    Pin(parse_cid(CID), type=PinType.SHARD, depth=1),
]


@pytest.mark.parametrize("pin", SHARDED)
def test_pins_of_content_in_shards_come_back_as_they_were(pin: Pin) -> None:
    (request,) = read_back(lines_of(pin))
    wanted = wanted_pin(request, 5).pin
    assert wanted is not None and replace(wanted, added_ms=0) == pin
    [theirs], [ours] = of_file([request]), of_store([(pin.cid, encode_record(pin))])
    assert theirs.digest == ours.digest


@pytest.mark.parametrize(
    ("pin", "lost"),
    [
        (Pin(parse_cid(CID), type=PinType.META), ("type",)),
        (Pin(parse_cid(CID), type=PinType.CLUSTER_DAG, reference=b"no cid"), ("reference", "type")),
        (Pin(parse_cid(CID), type=PinType.SHARD, reference=parse_cid(CID_2)), ("type",)),
    ],
)
def test_a_part_of_what_is_not_known_becomes_an_ordinary_pin(pin: Pin, lost: tuple[str, ...]) -> None:
    found, missing = expressed(pin.cid, encode_record(pin))
    assert missing == lost
    (request,) = read_back(encode_line(found, ENCODER))
    assert (request.type, request.reference, request.max_depth) == ("pin", None, None)


@given(st.lists(PINS, max_size=4))
def test_the_way_out_and_in_again_loses_nothing(pins: list[Pin]) -> None:
    requests = read_back(lines_of(*pins))
    assert [parse_cid(request.cid) for request in requests] == [pin.cid for pin in pins]
    here = list(of_store((pin.cid, encode_record(pin)) for pin in pins))
    assert [(one.cid, one.digest, one.size) for one in of_file(requests)] == [tuple(one) for one in here]


@pytest.mark.parametrize(
    ("fields", "lost"),
    [
        ({"later": 1}, ["later"]),
        ({"replication": [0, 3]}, ["replication"]),
        ({"replication": [1, 2**70]}, ["replication"]),
        ({"origins": [ORIGIN, "nowhere", "/", ""]}, ["origins"]),
        ({"allocations": [PEER, "nobody"]}, ["allocations"]),
        ({"update": b"no cid"}, ["update"]),
        ({"added": 2**52, "expire": 2**52}, ["added", "expire"]),
    ],
)
def test_what_a_line_cannot_say_is_left_out_and_named(fields: dict[str, object], lost: list[str]) -> None:
    cid = parse_cid(CID)
    pin, missing = expressed(cid, cbor2.dumps({"name": "kept", **fields}))
    assert sorted(missing) == lost
    (request,) = read_back(encode_line(pin, ENCODER))
    assert (request.name, request.replication_factor_min, request.pin_update) == ("kept", -1, None)
    assert (request.origins or [ORIGIN]) == [ORIGIN]
    assert (request.allocations or [PEER]) == [PEER]


@given(st.binary(max_size=200))
def test_every_record_becomes_a_line(record: bytes) -> None:
    pin, _ = expressed(parse_cid(CID), record)
    assert json.loads(encode_line(pin, ENCODER))["cid"] == cid_text(parse_cid(CID)) == CID
