"""CIDs taken apart and made; which hash functions count; vectors of the functions' own specifications."""

from __future__ import annotations

import contextlib
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew.cid import cid_text, parse_cid
from pincrew.errors import Malformed
from pincrew.node.multihash import (
    DAG_CBOR,
    DAG_JSON,
    DAG_PB,
    HASH_NAMES,
    RAW,
    CidFields,
    check_allowed,
    check_form,
    cid_end,
    cid_from,
    cid_of,
    codec_of,
    digest,
    fields_of,
    inlined,
    is_usual,
    matches,
    multihash_of,
    prefix_for,
    prefix_of,
)
from pincrew.node.protobuf import varint

DIGEST = hashlib.sha256(b"x").digest()
V0 = b"\x12\x20" + DIGEST
V1 = b"\x01\x70\x12\x20" + DIGEST

# Of the empty input, as the functions' own specifications and reference programs print them.
EMPTY = {
    0x11: "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    0x12: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    0x13: "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
    "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
    0x14: "a69f73cca23a9ac5c8b567dc185a756e97c982164fe25859e0d1dcc1475c80a6"
    "15b2123af1f5f94c11e3e9402c3ac558f500199d95b6d3e301758586281dcd26",
    0x15: "0c63a75b845e4f7d01107d852e4c2485c51a50aaaa94fc61995e71bbee983a2ac3713831264adb47fb6bd1e058d5f004",
    0x16: "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a",
    0x17: "6b4e03423667dbb73b6e15454f0eb1abd4597f9a1b078e3f5b5a6bc7",
    0x19: "46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762f"
    "d75dc4ddd8c0f200cb05019d67b592f6fc821c49479ab48640292eacb3b7c4be",
    0x1B: "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470",
    0x1D: "0eab42de4c3ceb9235fc91acffe746b29c29a8c366b7c60e4e67c466f36a4304"
    "c00fa9caf9d87976ba469bcbe06713b435f091ef2769fb160cdab33d3670680e",
    0x1E: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
    0x56: "5df6e0e2761359d30a8275058e299fcc0381534545f55cf43e41983f5d4c9456",
    0xB220: "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8",
    0xB240: "786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419"
    "d25e1031afee585313896444934eb04b903a685b1448b755d56f701afe9be2ce",
    0xB260: "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9",
}


def multihash(code: int, data: bytes, length: int) -> bytes:
    return varint(code) + varint(length) + digest(code, data, length)


@pytest.mark.parametrize("code", EMPTY, ids=hex)
def test_vectors(code: int) -> None:
    whole = bytes.fromhex(EMPTY[code])
    assert digest(code, b"", len(whole)) == whole
    # A digest that is cut is the start of the whole one, for every function: that is how multihashes are cut.
    assert digest(code, b"", 20) == whole[:20]
    assert matches(varint(code) + varint(20) + whole[:20], b"")
    assert not matches(varint(code) + varint(20) + whole[:20], b"x")
    with pytest.raises(Malformed, match="has 19 bytes"):
        digest(code, b"", 19)


@pytest.mark.parametrize(
    ("code", "length", "says"),
    [
        (0x12, 33, "20 to 32 are taken"),
        (0x1E, 129, "20 to 128 are taken"),
        (0xB214, 21, "20 to 20 are taken"),
        (0xB213, 20, "is not one"),  # BLAKE2b of 19 bytes
        (0xB253, 20, "is not one"),  # BLAKE2s of 19 bytes
        (0xB261, 33, "is not one"),
        (0xD5, 20, "is not one"),  # MD5
        (0x22, 20, "is not one"),  # murmur3
        (0x18, 32, "is not one"),  # SHAKE-128
        (0x00, 129, "at most 128"),
    ],
)
def test_what_does_not_count(code: int, length: int, says: str) -> None:
    cid = b"\x01\x55" + varint(code) + varint(length) + bytes(length)
    check_form(cid)
    with pytest.raises(Malformed, match=says):
        check_allowed(cid)
    with pytest.raises(Malformed, match=says):
        digest(code, b"", length)
    with pytest.raises(Malformed, match=says):
        cid_of(prefix_of(cid), b"")
    assert not matches(multihash_of(cid), b"")


def test_blake2_of_another_size_is_another_function() -> None:
    assert digest(0xB220, b"", 20) != digest(0xB214, b"", 20) == hashlib.blake2b(b"", digest_size=20).digest()


def test_identity_holds_its_data() -> None:
    cid = cid_of(b"\x01\x55\x00\x05", b"hello")
    assert cid == b"\x01\x55\x00\x05hello"
    check_allowed(cid)
    assert inlined(multihash_of(cid)) == b"hello"
    assert inlined(b"\x00\x00") == b""
    assert inlined(V0) is None
    assert matches(b"\x00\x05hello", b"hello") and not matches(b"\x00\x05hello", b"hallo")
    assert matches(b"\x00\x80\x01" + bytes(128), bytes(128))
    with pytest.raises(Malformed, match="another length"):
        digest(0, b"hello", 4)


@given(
    st.sampled_from([RAW, DAG_PB, DAG_CBOR, DAG_JSON, 0x85]),
    st.sampled_from([0x12, 0x13, 0x16, 0x1E, 0xB220]),
    st.integers(20, 32),
    st.binary(max_size=50),
)
def test_a_cid_is_the_sum_of_its_parts(codec: int, code: int, length: int, data: bytes) -> None:
    hashed = multihash(code, data, length)
    cid = cid_from(codec, hashed)
    assert parse_cid(cid_text(cid)) == cid
    assert (multihash_of(cid), codec_of(cid)) == (hashed, codec)
    assert cid == prefix_of(cid) + digest(code, data, length) == cid_of(prefix_of(cid), data)
    assert fields_of(cid) == CidFields(1, codec, code, digest(code, data, length))
    assert cid_end(b"before" + cid + b"after", 6) == 6 + len(cid)
    assert matches(hashed, data) and not matches(hashed, data + b"x") and not matches(hashed[:-1], data)
    check_allowed(cid)


def test_version_0() -> None:
    assert multihash_of(V0) == V0 == multihash_of(V1)
    assert codec_of(V0) == DAG_PB
    assert prefix_of(V0) == b"\x00\x70\x12\x20"
    assert cid_of(prefix_of(V0), b"x") == V0
    assert fields_of(V0) == CidFields(0, DAG_PB, 0x12, DIGEST)
    assert is_usual(V0) and is_usual(V1) and not is_usual(V1 + b"x")
    check_allowed(V0)


@pytest.mark.parametrize("hash_name", HASH_NAMES)
def test_prefixes_by_the_name_of_a_hash_function(hash_name: str) -> None:
    """Each is that of a digest in its usual length, which is the only one that names of functions stand for."""
    cid = cid_of(prefix_for(1, DAG_JSON, hash_name), b"x")
    fields = fields_of(cid)
    bits = 512 if hash_name.endswith("512") else 256
    assert (fields.version, fields.codec, len(fields.digest)) == (1, DAG_JSON, bits // 8)
    assert matches(multihash_of(cid), b"x") and prefix_of(cid) == prefix_for(1, DAG_JSON, hash_name)
    assert inlined(multihash_of(cid_of(prefix_for(1, RAW, hash_name), b""))) == b""


def test_the_prefix_of_version_0() -> None:
    assert prefix_for(0, DAG_PB, "sha2-256") == prefix_of(V0)


@pytest.mark.parametrize(
    "prefix",
    [
        b"",
        b"\x01",
        b"\x00\x55\x12\x20",  # version 0 is dag-pb and SHA2-256
        b"\x00\x70\x13\x40",
        b"\x02\x70\x12\x20",
        b"\x01\x70\x12\x20x",
        b"\x01\xf0\x00\x12\x20",
        b"\x01\x70\x12\x13",
    ],
)
def test_prefixes_that_describe_no_cid(prefix: bytes) -> None:
    with pytest.raises(Malformed):
        cid_of(prefix, b"x")


@pytest.mark.parametrize(
    "cid",
    [
        b"",
        b"\x01",
        V0[:-1],
        V1[:-1],
        V0 + b"x",
        V1 + b"x",
        b"\x00\x70\x12\x20" + DIGEST,
        b"\x02\x70\x12\x20" + DIGEST,
        b"\x01\xf0\x00\x12\x20" + DIGEST,  # codec in two bytes
        b"\x01\x70\x92\x00\x20" + DIGEST,
        b"\x01\x70\x12\xa0\x00" + DIGEST,
        b"\x01" + b"\xff" * 9 + b"\x01\x12\x20" + DIGEST,  # codec of 64 bits
    ],
)
def test_other_forms_are_refused(cid: bytes) -> None:
    for reader in (check_form, check_allowed, fields_of):
        with pytest.raises(Malformed):
            reader(cid)


@given(st.binary(max_size=150), st.binary(max_size=40))
def test_any_bytes_raise_malformed_and_nothing_else(data: bytes, block: bytes) -> None:
    matches(data, block)
    with contextlib.suppress(Malformed):
        cid_of(data, block)
    with contextlib.suppress(Malformed):
        check_form(data)
        assert cid_from(codec_of(data), multihash_of(data)) == data or data[0] == 0x12
        assert data == prefix_of(data)[-2 if data[0] == 0x12 else 0 :] + fields_of(data).digest
        check_allowed(data)


def test_the_block_of_no_bytes_is_known_without_asking() -> None:
    for code, length in ((0x12, 32), (0x13, 64), (0x16, 32), (0x1E, 32), (0xB220, 32)):
        multihash = varint(code) + varint(length) + digest(code, b"", length)
        assert inlined(multihash) == b"" and matches(multihash, b"")
        assert inlined(varint(code) + varint(length) + digest(code, b"x", length)) is None
