"""Bitswap's messages: what is written is read again, what Kubo writes is read, and nothing else comes through."""

from __future__ import annotations

import contextlib
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew import limits
from pincrew.errors import Malformed
from pincrew.node.bitswap.message import (
    PROTOCOLS,
    V0_PREFIX,
    Block,
    Message,
    Want,
    decode,
    encode,
    has_prefixes,
    knows_have,
)

RAW = b"\x01\x55\x12\x20"
CID = RAW + hashlib.sha256(b"one").digest()
OTHER = RAW + hashlib.sha256(b"two").digest()
V0 = CID[2:]
# A CID whose hash function nobody may use (murmur3), and one that holds more than an identity may.
UNUSABLE = b"\x01\x55\x22\x08" + bytes(8)

digests = st.binary(min_size=32, max_size=32)
cids = st.builds(lambda digest, v0: b"\x12\x20" + digest if v0 else RAW + digest, digests, st.booleans())
wants = st.builds(Want, cids, st.integers(-(2**31), 2**31 - 1), st.booleans(), st.booleans(), st.booleans())
blocks = st.builds(Block, st.sampled_from([RAW, V0_PREFIX]), st.binary(max_size=64))
messages = st.builds(
    Message,
    wants=st.lists(wants, max_size=4),
    full=st.booleans(),
    blocks=st.lists(blocks, max_size=4),
    haves=st.lists(cids, max_size=4),
    dont_haves=st.lists(cids, max_size=4),
    pending_bytes=st.integers(0, 2**31 - 1),
)


@given(messages)
def test_what_is_written_is_read_again(message: Message) -> None:
    assert decode(encode(message)) == message


def test_the_bytes_are_those_of_the_specification() -> None:
    message = Message(wants=[Want(V0, 7, have=True, dont_have=True)], full=True, haves=[V0], dont_haves=[V0])
    assert encode(message).hex() == (
        f"0a2e0a2a0a22{V0.hex()}100720012801" + "1001" + f"22240a22{V0.hex()}" + f"22260a22{V0.hex()}1001"
    )
    assert encode(Message(blocks=[Block(RAW, b"data")])).hex() == "0a00" + "1a0c" + "0a0401551220" + "120464617461"


def test_a_wantlist_is_always_there() -> None:
    assert encode(Message()) == b"\x0a\x00"
    assert encode(Message(haves=[CID])).startswith(b"\x0a\x00")


def test_old_versions_get_blocks_without_a_prefix() -> None:
    data = encode(Message(blocks=[Block(RAW, b"data")]), PROTOCOLS[2])
    assert data == b"\x0a\x00\x12\x04data"
    assert decode(data).blocks == [Block(V0_PREFIX, b"data")]
    assert [knows_have(protocol) for protocol in PROTOCOLS] == [True, False, False, False]
    assert [has_prefixes(protocol) for protocol in PROTOCOLS] == [True, True, False, False]


def test_an_empty_message_says_nothing() -> None:
    assert decode(b"") == Message()


def test_unusable_cids_are_left_out_and_the_rest_is_read() -> None:
    read = decode(encode(Message(wants=[Want(UNUSABLE), Want(CID)], haves=[UNUSABLE, OTHER])))
    assert [want.cid for want in read.wants] == [CID]
    assert read.haves == [OTHER]


@pytest.mark.parametrize("cid", [b"", b"\x01", CID + b"x", CID[:-1], b"\x81\x00" + CID[1:]])
def test_what_is_no_cid_spoils_the_message(cid: bytes) -> None:
    with pytest.raises(Malformed):
        decode(encode(Message(wants=[Want(cid)])))
    with pytest.raises(Malformed):
        decode(encode(Message(haves=[cid])))


def test_too_much_is_refused() -> None:
    with pytest.raises(Malformed):
        decode(b"\x1a\x00" * (limits.BITSWAP_ENTRIES_MAX + 1))
    with pytest.raises(Malformed):
        decode(b"\x0a\x00" * (limits.BITSWAP_ENTRIES_MAX + 1))
    with pytest.raises(Malformed):
        decode(bytes(limits.BITSWAP_MESSAGE_BYTES_MAX + 1))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        decode(data)


@given(messages, st.data())
def test_damaged_messages_are_read_or_malformed(message: Message, data: st.DataObject) -> None:
    encoded = bytearray(encode(message))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Malformed):
        decode(bytes(encoded))
