"""Frames of the sync stream: one form, every refusal, nothing but Malformed."""

from __future__ import annotations

import contextlib
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pincrew import limits
from pincrew.errors import Malformed
from pincrew.frames import BaseFrame, Blob, Heads, decode_frame, encode_frame
from pincrew.values import Head, SessionId
from unit.golden.vectors import frames


@pytest.mark.parametrize("name", sorted(frames()))
def test_every_kind_survives_its_encoding(name: str) -> None:
    assert decode_frame(encode_frame(frames()[name])) == frames()[name]


BAD: dict[str, Any] = {
    "no array": b"x",
    "empty": [],
    "kind is text": ["0"],
    "kind is true": [True, bytes(32), bytes(16), 1],
    "kind unknown": [14, 0],
    "kind negative": [-1, 0],
    "hello of five": [0, 1, bytes(32), 0, bytes(32), 0],
    "hello with a short cluster": [0, 1, bytes(31), 0, bytes(32), 0, bytes(32)],
    "hello with a negative version": [0, -1, bytes(32), 0, bytes(32), 0, bytes(32)],
    "digest of 31 bytes": [1, 0, bytes(32), 0, bytes(31)],
    "trust number too large": [1, 2**53, bytes(32), 0, bytes(32)],
    "heads no list": [2, b""],
    "head of three": [2, [[bytes(32), bytes(16), 1]]],
    "head is no list": [2, [b""]],
    "head of envelope zero": [2, [[bytes(32), bytes(16), 0, bytes(32)]]],
    "head with a short hash": [2, [[bytes(32), bytes(16), 1, bytes(3)]]],
    "head with a short author": [2, [[bytes(31), bytes(16), 1, bytes(32)]]],
    "too many heads": [2, [[bytes(32), bytes(16), 1, bytes(32)]] * (limits.HEADS_PER_FRAME_MAX + 1)],
    "want after minus one": [3, bytes(32), bytes(16), -1],
    "want with a short nonce": [3, bytes(32), bytes(15), 0],
    "page without a list": [4, bytes(32), bytes(16), b"", bytes(64)],
    "page with text": [4, bytes(32), bytes(16), ["x"], bytes(64)],
    "page with a short signature": [4, bytes(32), bytes(16), [b"x"], bytes(63)],
    "page of too many": [4, bytes(32), bytes(16), [b""] * (limits.PAGE_ENVELOPES_MAX + 1), bytes(64)],
    "absent of four": [5, bytes(32), bytes(16), 0, 0],
    "trust want of null": [6, None],
    "trust of text": [7, ["x"]],
    "too many trust records": [7, [b""] * (limits.TRUST_RECORDS_PER_FRAME_MAX + 1)],
    "announcement of number": [8, [1]],
    "base want of null": [9, None],
    "base want below zero": [9, -1],
    "base want of two": [9, 1, 1],
    "base of text": [10, "x"],
    "blob want with a short hash": [11, bytes(31), 0],
    "blob want below zero": [11, bytes(32), -1],
    "blob of three": [12, bytes(32), 0, 1],
    "blob of text": [12, bytes(32), 0, 1, "x"],
    "blob with a short hash": [12, bytes(33), 0, 1, b"x"],
    "blob that is too large to count": [12, bytes(32), 0, 2**53, b"x"],
    "blob at no number": [12, bytes(32), True, 1, b"x"],
    "proof without a list": [13, bytes(32), bytes(16), b"", bytes(64)],
    "proof with a short nonce": [13, bytes(32), bytes(15), [b"x"], bytes(64)],
    "proof with a short signature": [13, bytes(32), bytes(16), [b"x"], bytes(63)],
    "proof of too many": [13, bytes(32), bytes(16), [b""] * (limits.PAGE_ENVELOPES_MAX + 1), bytes(64)],
    "too many announcements": [8, [b""] * (limits.ANNOUNCEMENTS_PER_FRAME_MAX + 1)],
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_refused(name: str) -> None:
    with pytest.raises(Malformed):
        decode_frame(cbor2.dumps(BAD[name], canonical=True))


def test_refused_by_size_before_it_is_decoded() -> None:
    with pytest.raises(Malformed, match="too large"):
        decode_frame(bytes(limits.FRAME_BYTES_MAX + 1))


def test_the_largest_frames_fit() -> None:
    head = (SessionId(b"\xff" * 32, b"\xff" * 16), Head(2**53 - 1, b"\xff" * 32))
    assert len(encode_frame(Heads((head,) * limits.HEADS_PER_FRAME_MAX))) <= limits.FRAME_BYTES_MAX
    assert limits.ANNOUNCEMENTS_PER_FRAME_MAX * (limits.ANNOUNCEMENT_BYTES_MAX + 5) < limits.FRAME_BYTES_MAX
    piece = Blob(b"\xff" * 32, 2**53 - 1, 2**53 - 1, bytes(limits.BLOB_PIECE_BYTES_MAX))
    assert len(encode_frame(piece)) <= limits.FRAME_BYTES_MAX
    assert len(encode_frame(BaseFrame(bytes(limits.BASE_HEADER_BYTES_MAX)))) <= limits.FRAME_BYTES_MAX
    assert limits.PAGE_BYTES_MAX + 5 * limits.PAGE_ENVELOPES_MAX + 200 < limits.FRAME_BYTES_MAX


@settings(max_examples=300)
@given(st.sampled_from(sorted(frames())), st.lists(st.tuples(st.integers(0, 9999), st.integers(0, 255)), max_size=5))
def test_mutated_frames_raise_malformed_and_nothing_else(name: str, edits: list[tuple[int, int]]) -> None:
    data = bytearray(encode_frame(frames()[name]))
    for where, byte in edits:
        data[where % len(data)] = byte
    with contextlib.suppress(Malformed):
        assert encode_frame(decode_frame(bytes(data))) == bytes(data)
