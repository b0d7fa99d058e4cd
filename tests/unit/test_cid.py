"""CIDs: one canonical binary form inside, any text at the edge."""

from __future__ import annotations

import contextlib
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew.cid import check_cid, cid_text, parse_cid, shard_of
from pincrew.errors import Malformed, Misuse

DIGEST = hashlib.sha256(b"x").digest()
V0, V1 = b"\x12\x20" + DIGEST, b"\x01\x70\x12\x20" + DIGEST
codecs = st.sampled_from([0x55, 0x70, 0x71, 0x0129, 0x0200])


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


@given(codecs, st.sampled_from([0x11, 0x12, 0x13, 0x1B, 0xB220]), st.binary(min_size=1, max_size=64))
def test_text_and_bytes_are_one(codec: int, code: int, digest: bytes) -> None:
    cid = b"\x01" + varint(codec) + varint(code) + varint(len(digest)) + digest
    check_cid(cid)
    assert parse_cid(cid_text(cid)) == cid
    assert parse_cid(f"/ipfs/{cid_text(cid)}") == cid


def test_v0_and_v1_are_two_keys() -> None:
    assert parse_cid(cid_text(V0)) == V0 != V1 == parse_cid(cid_text(V1))
    assert cid_text(V0).startswith("Qm") and cid_text(V1).startswith("bafy")


@pytest.mark.parametrize(
    "cid",
    [
        b"",
        "bafy",
        None,
        bytearray(V1),
        V1 + b"x",
        V1[:-1],
        V0 + b"x",
        b"\x02\x70\x12\x20" + DIGEST,
        b"\x01\xf0\x00\x12\x20" + DIGEST,  # codec in two bytes
        b"\x01\x70\x92\x00\x20" + DIGEST,  # hash code in two bytes
        b"\x01\x70\x12\xa0\x00" + DIGEST,  # length in two bytes
        b"\x01\x70\x12\x00",  # no digest
        b"\x01\x55\x00\x7e" + bytes(126),  # over 128 bytes
        b"\x01",
    ],
)
def test_other_forms_are_refused(cid: bytes) -> None:
    with pytest.raises(Malformed):
        check_cid(cid)


def test_digests_have_at_most_64_bytes() -> None:
    """A bound of the parser that acceptance depends on (invariant 9): a version that takes more is found here."""
    check_cid(b"\x01\x55\x00\x00")
    check_cid(b"\x01\x55\x00\x40" + bytes(64))
    with pytest.raises(Malformed):
        check_cid(b"\x01\x55\x00\x41" + bytes(65))


@given(st.binary(max_size=140))
def test_any_bytes_raise_malformed_and_nothing_else(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        check_cid(data)
        assert parse_cid(cid_text(data)) == data


@given(st.text(max_size=80))
def test_any_text_raises_misuse_and_nothing_else(text: str) -> None:
    with contextlib.suppress(Misuse):
        check_cid(parse_cid(text))


@given(st.binary(min_size=1, max_size=64), st.integers(0, 16))
def test_shards_are_the_first_bits(data: bytes, bits: int) -> None:
    assert shard_of(data, bits) == int.from_bytes(hashlib.sha256(data).digest()) >> (256 - bits)
