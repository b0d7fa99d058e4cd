from __future__ import annotations

import contextlib
import hashlib
import json

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pincrew.cid import cid_text
from pincrew.errors import Malformed
from pincrew.node.dag_pb import Link, encode
from pincrew.node.links import cbor_links, is_readable, links_of
from pincrew.node.multihash import DAG_CBOR, DAG_JSON, DAG_PB, RAW, cid_from

V0 = b"\x12\x20" + hashlib.sha256(b"x").digest()
V1 = b"\x01\x71" + V0
LONG = b"\x01\x55\x13\x40" + hashlib.sha512(b"x").digest()
INLINE = b"\x01\x55\x00\x02hi"
HUGE = b"\x01\x55\x00\x80\x02" + bytes(256)


def named(codec: int) -> bytes:
    return cid_from(codec, V0)


def tagged(cid: bytes) -> cbor2.CBORTag:
    return cbor2.CBORTag(42, b"\x00" + cid)


def json_link(cid: bytes) -> dict[str, str]:
    return {"/": cid_text(cid)}


def test_dag_pb() -> None:
    block = encode([Link(V1, b"a", 1), Link(V0, b"b", 1), Link(V1, b"c", 1)], b"data")
    assert links_of(named(DAG_PB), block) == [V1, V0, V1] == links_of(V0, block)


@pytest.mark.parametrize("codec", [RAW, 0x51, 0x0200, 0x72])
def test_codecs_without_links(codec: int) -> None:
    assert is_readable(codec) and links_of(named(codec), encode([Link(V1)], None)) == []


@pytest.mark.parametrize("codec", [0x78, 0x85, 0x90])
def test_codecs_that_are_not_read(codec: int) -> None:
    """git, JOSE and Ethereum: Kubo reads the first two, pincrew says that it does not."""
    assert not is_readable(codec) and links_of(named(codec), b"\xff") == []


def test_codecs_that_are_read() -> None:
    assert all(is_readable(codec) for codec in (DAG_PB, DAG_CBOR, DAG_JSON))


def test_dag_cbor() -> None:
    """Links in maps, lists and alone, among everything else that dag-cbor has; of all the sizes of CIDs."""
    value = {
        "a": [1, -70000, 2**64 - 1, 1.5, True, False, None, b"\xd8\x2a\x58\x25\x00" + V1, "text" * 100],
        "b": tagged(V1),
        "c": {"deeper": [{}, [], [[tagged(V0), tagged(LONG)]]]},
        "d": [tagged(INLINE), tagged(HUGE), tagged(V1)],
        "e": list(range(300)),
    }
    assert links_of(named(DAG_CBOR), cbor2.dumps(value)) == [V1, V0, LONG, INLINE, HUGE, V1]
    assert cbor_links(cbor2.dumps(tagged(V0))) == [V0]
    assert cbor_links(b"\xf7") == []  # "undefined": Kubo takes it for null


@pytest.mark.parametrize(
    ("block", "says"),
    [
        (b"", "cut short"),
        (b"\x82\x01", "cut short"),
        (b"\xa1\x61a", "cut short"),
        (b"\x62a", "cut short"),
        (b"\x1b\x01", "cut short"),
        (b"\x9b" + b"\xff" * 8, "cut short"),
        (b"\x7b" + b"\xff" * 8, "cut short"),
        (b"\x01\x01", "bytes follow"),
        (b"\x9f\x01\xff", "indefinite"),
        (b"\x1c", "indefinite"),
        (b"\xe0", "simple value"),
        (b"\xc2\x41\x01", "tag 2"),
        (b"\xd8\x2b\x41\x00", "tag 43"),
        (b"\xd8\x2a", "not a byte string"),
        (b"\xd8\x2a\x61a", "not a byte string"),
        (b"\xd8\x2a\xd8\x2a\x41\x00", "not a byte string"),
        (b"\xd8\x2a\x58", "not a CID"),
        (b"\xd8\x2a\x40", "not a CID"),
        (b"\xd8\x2a\x45\x00\x01", "not a CID"),
        (b"\xd8\x2a\x58\x25\x01" + V1, "not a CID"),
        (b"\xd8\x2a\x58\x26\x00" + V1 + b"x", "bytes follow a CID"),
        (b"\xd8\x2a\x41\x00", "cut short"),
    ],
)
def test_what_is_not_dag_cbor(block: bytes, says: str) -> None:
    with pytest.raises(Malformed, match=says):
        cbor_links(block)


def test_nesting_costs_no_stack() -> None:
    assert cbor_links(b"\x81" * 100_000 + cbor2.dumps(tagged(V1))) == [V1]


def test_dag_json() -> None:
    value = {
        "a": [1, -1.5, None, True, "bafy", json_link(V1)],
        "b": {"c": json_link(V0), "d": {"/": {"bytes": "aGk"}}, "e": json_link(V1)},
        "/": "not the only key of its object",
        "f": {"/": 5},
        "g": {"/": ["bafy"]},
        "h": json_link(INLINE),
    }
    block = json.dumps(value).encode()
    assert links_of(named(DAG_JSON), block) == [V1, V0, V1, INLINE]
    assert links_of(named(DAG_JSON), json.dumps(json_link(V0)).encode()) == [V0]
    assert links_of(named(DAG_JSON), b'{"a\xff": ' + b"9" * 10_000 + b"}") == []


@pytest.mark.parametrize(
    "block",
    [b"", b"{", b"nothing", b'{"/": "bafy"}', b"1 2", b"[" * 100_000, b'{"a":' * 100_000, b'{"/": "\\ud800"}'],
    ids=range(8),
)
def test_what_is_not_dag_json(block: bytes) -> None:
    with pytest.raises(Malformed):
        links_of(named(DAG_JSON), block)


@given(st.sampled_from([DAG_PB, DAG_CBOR, DAG_JSON]), st.binary(max_size=100))
@example(DAG_JSON, b'{"/": "\x00"}')
def test_any_bytes_raise_malformed_and_nothing_else(codec: int, block: bytes) -> None:
    with contextlib.suppress(Malformed):
        links_of(named(codec), block)


@given(st.data())
def test_damaged_blocks_raise_malformed_and_nothing_else(data: st.DataObject) -> None:
    codec, whole = data.draw(
        st.sampled_from(
            [
                (DAG_CBOR, cbor2.dumps({"a": tagged(V1), "b": [tagged(INLINE), 1, "x"]})),
                (DAG_JSON, json.dumps({"a": json_link(V1), "b": [json_link(V0), 1, "x"]}).encode()),
            ]
        )
    )
    block = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        block[data.draw(st.integers(0, len(block) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Malformed):
        links_of(named(codec), bytes(block))
