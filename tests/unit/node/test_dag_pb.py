from __future__ import annotations

import contextlib
import hashlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pincrew.cid import parse_cid
from pincrew.errors import Malformed
from pincrew.node.dag_pb import Link, decode, encode, linked_size
from pincrew.node.multihash import cid_of
from pincrew.node.protobuf import put_bytes_field, put_varint_field

V0 = b"\x12\x20" + hashlib.sha256(b"x").digest()
V1 = b"\x01\x55" + V0
LONG = b"\x01\x55\x13\x40" + hashlib.sha512(b"x").digest()
INLINE = b"\x01\x55\x00\x02hi"

names = st.one_of(st.just(b""), st.binary(max_size=200))
links = st.lists(
    st.builds(Link, st.sampled_from([V0, V1, LONG, INLINE]), names, st.integers(0, 2**63 - 1)),
    max_size=6,
)


def message(*parts: tuple[int, bytes | int]) -> bytes:
    out = bytearray()
    for number, value in parts:
        if isinstance(value, int):
            put_varint_field(out, number, value)
        else:
            put_bytes_field(out, number, value)
    return bytes(out)


@given(links, st.none() | st.binary(max_size=50))
def test_a_node_is_read_as_written(found: list[Link], data: bytes | None) -> None:
    block = encode(found, data)
    assert decode(block) == (sorted(found, key=lambda link: link.name), data)
    assert encode(*decode(block)) == block


def test_known_blocks() -> None:
    """The empty directory and the empty node, which every IPFS node knows."""
    assert cid_of(b"\x00\x70\x12\x20", encode([], b"\x08\x01")) == parse_cid(
        "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"
    )
    assert cid_of(b"\x00\x70\x12\x20", encode([], None)) == parse_cid("QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n")


def test_links_come_before_data_sorted_by_the_bytes_of_their_names() -> None:
    block = encode([Link(V1, b"b", 1), Link(V0, b"a\xff", 2), Link(V0, b"a", 3), Link(V1, b"a", 4)], b"data")
    assert block == message(
        (2, message((1, V0), (2, b"a"), (3, 3))),
        (2, message((1, V1), (2, b"a"), (3, 4))),
        (2, message((1, V0), (2, b"a\xff"), (3, 2))),
        (2, message((1, V1), (2, b"b"), (3, 1))),
        (1, b"data"),
    )


def test_old_forms_are_read() -> None:
    """Data in front of the links, links out of order, links without names and sizes: all are old IPFS blocks."""
    bare = message((1, V0))
    named = message((1, V1), (2, b"z"), (3, 7))
    assert decode(message((1, b"data"), (2, named), (2, bare))) == ([Link(V1, b"z", 7), Link(V0)], b"data")
    assert decode(message((2, named), (2, bare), (1, b""))) == ([Link(V1, b"z", 7), Link(V0)], b"")
    assert decode(b"") == ([], None)


LINK = (2, message((1, V1), (2, b""), (3, 1)))


@pytest.mark.parametrize(
    ("block", "says"),
    [
        (message((1, 5)), "not bytes"),
        (message((3, b"")), "a field 3"),
        (message((1, b""), (1, b"")), "data twice"),
        (message(LINK, (1, b""), LINK), "two places"),
        (message((2, b"")), "no CID"),
        (message((2, message((2, b"n")))), "no CID"),
        (message(LINK, (2, message((2, b"n"), (1, V1)))), "out of order"),
        (message((2, message((1, V1), (1, V1)))), "a field too many"),
        (message((2, message((1, V1), (3, 1), (2, b"")))), "out of order"),
        (message((2, message((1, V1), (4, 1)))), "a field too many"),
        (message((2, message((1, V1), (2, 1)))), "a field too many"),
        (message((2, message((1, V1 + b"x"), (2, b""), (3, 1)))), "bytes follow a CID"),
        (message((2, message((1, V1[:-1]), (2, b""), (3, 1)))), "cut short"),
        (message(LINK)[:-1], "longer than its message"),
        (message(LINK) + b"\x12", "cut short"),
    ],
)
def test_what_is_not_dag_pb(block: bytes, says: str) -> None:
    with pytest.raises(Malformed, match=says):
        decode(block)


def test_a_link_that_reaches_beyond_its_own_length() -> None:
    """The lengths inside a link are as good as that of the link; both readers must hold them against it."""
    whole = message(LINK)
    shorter = bytes([whole[0], whole[1] - 2]) + whole[2:]
    longer = bytes([whole[0], whole[1] + 2]) + whole[2:] + b"\x18\x01"
    for block in (shorter, longer):
        with pytest.raises(Malformed):
            decode(block)


@given(st.binary(max_size=300))
@example(b"\x12\xff")
@example(b"\x12\x26\x0a\x24" + V1 + b"\x12")
def test_any_bytes_raise_malformed_and_nothing_else(block: bytes) -> None:
    assert 0 <= linked_size(block) <= 2**62
    with contextlib.suppress(Malformed):
        decode(block)


@given(links, st.data())
def test_damaged_blocks_raise_malformed_and_nothing_else(found: list[Link], data: st.DataObject) -> None:
    block = bytearray(encode(found, b"data"))
    at = data.draw(st.integers(0, len(block) - 1))
    block[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Malformed):
        decode(bytes(block))


def test_sizes_of_links() -> None:
    assert linked_size(encode([Link(V1, b"n", 100), Link(V1, b"m", 128)], b"hi")) == 228
    assert linked_size(b"") == 0
    assert linked_size(encode([Link(V1, b"", 2**63 - 1)] * 3, None)) == 2**62
    assert linked_size(b"no node") == 0
