from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew.errors import Misuse
from pincrew.limits import CHUNK_BYTES_MAX
from pincrew.node.buzhash import buzhash
from pincrew.node.chunking import CHUNK_BYTES, Buzhash, Chunker, Chunking, FixedSize, Rabin, chunking_of
from pincrew.node.rabin import WINDOW_BYTES, rabin_hash

KIB = 1024


@pytest.mark.parametrize(
    ("name", "chunking"),
    [
        ("", FixedSize(CHUNK_BYTES)),
        ("default", FixedSize(CHUNK_BYTES)),
        ("size-262144", FixedSize(CHUNK_BYTES)),
        ("size-1", FixedSize(1)),
        (f"size-{CHUNK_BYTES_MAX}", FixedSize(CHUNK_BYTES_MAX)),
        ("buzhash", Buzhash()),
        ("rabin", Rabin(87_381, 262_144, 393_216)),
        ("rabin-48", Rabin(16, 48, 72)),
        ("rabin-16-17-18", Rabin(16, 17, 18)),
        ("rabin-min:16-avg:17-max:18", Rabin(16, 17, 18)),
    ],
)
def test_chunkers_by_name(name: str, chunking: Chunking) -> None:
    assert chunking_of(name) == chunking


@pytest.mark.parametrize(
    "name",
    ["size-0", f"size-{CHUNK_BYTES_MAX + 1}", "size--1", "size-", "size-1e3", "size-" + "9" * 10_000, "size-٣", "size",
     "rabin-", "rabin-0", "rabin-47", "rabin-1397935", "rabin-1-2", "rabin-15-64-128", "rabin-16-16-32",
     "rabin-16-32-32", f"rabin-16-32-{CHUNK_BYTES_MAX + 1}", "rabin-avg:16-17-18", "rabin-1-2-3-4", "buzhash-1",
     "Rabin"],
)  # fmt: skip
def test_chunkers_that_there_are_not(name: str) -> None:
    with pytest.raises(Misuse):
        chunking_of(name)


def cut(chunker: Chunker, pieces: list[bytes]) -> list[bytes]:
    """Return the chunks of the pieces; none of them may be missing before the last piece and there again after it."""
    chunks = [chunk for piece in pieces for chunk in chunker.feed(piece)]
    assert chunker.waiting_bytes == sum(map(len, pieces)) - sum(map(len, chunks))
    chunks += chunker.rest()
    assert chunker.waiting_bytes == 0 and chunker.rest() == []
    return chunks


@given(st.integers(1, 9), st.lists(st.binary(max_size=30)))
def test_pieces_of_any_size_become_chunks_of_one(size: int, pieces: list[bytes]) -> None:
    chunks = cut(FixedSize(size).chunker(), pieces)
    assert all(len(chunk) == size for chunk in chunks[:-1])
    assert not chunks or 0 < len(chunks[-1]) <= size
    assert b"".join(chunks) == b"".join(pieces)


def some_bytes(seed: int, size: int) -> bytes:
    """Random bytes, and among them runs of one byte and what was there before."""
    chance = random.Random(seed)
    data = bytearray()
    while len(data) < size:
        how = chance.random()
        if how < 0.6:
            data += chance.randbytes(chance.randrange(1, 3_000))
        elif how < 0.8:
            data += bytes([chance.choice((0, 6, 255))]) * chance.randrange(1, 2_000)
        else:
            begin = chance.randrange(len(data) + 1)
            data += data[begin : begin + 3_000]
    return bytes(data[:size])


@given(st.integers(), st.integers(0, 12_000), st.integers(16, 60), st.integers(1, 60), st.integers(1, 400), st.data())
def test_chunks_end_at_the_first_border_behind_the_smallest_size(
    seed: int, size: int, bytes_min: int, more: int, most: int, drawn: st.DataObject
) -> None:
    chunking = Rabin(bytes_min, bytes_min + more, bytes_min + more + most)
    data = some_bytes(seed, size)
    ends = sorted(drawn.draw(st.lists(st.integers(0, size), max_size=20)))
    pieces = [data[begin:end] for begin, end in zip([0, *ends], [*ends, size], strict=True)]
    chunks = cut(chunking.chunker(), pieces)
    assert b"".join(chunks) == data
    for number, chunk in enumerate(chunks):
        assert len(chunk) <= chunking.bytes_max
        borders = borders_in(chunk, chunking)
        if len(chunk) < chunking.bytes_max and number < len(chunks) - 1:
            assert borders == [len(chunk)]
        else:
            assert borders in ([], [len(chunk)])


def borders_in(chunk: bytes, chunking: Rabin) -> list[int]:
    window_hash = rabin_hash(chunking.average_bytes)
    ends = range(chunking.bytes_min, len(chunk) + 1)
    return [end for end in ends if window_hash.is_border(chunk[end - WINDOW_BYTES : end])]


@pytest.mark.parametrize("piece_bytes", [1_000, 65_536, 10**7])
def test_buzhash_chunks(piece_bytes: int) -> None:
    data = random.Random(4).randbytes(4_000 * KIB)
    chunks = cut(Buzhash().chunker(), [data[at : at + piece_bytes] for at in range(0, len(data), piece_bytes)])
    assert b"".join(chunks) == data
    assert all(128 * KIB <= len(chunk) <= 512 * KIB for chunk in chunks[:-1])
    assert all(len(chunk) == 512 * KIB or buzhash().is_border(chunk[-32:]) for chunk in chunks[:-1])
    assert len({len(chunk) for chunk in chunks}) > 8


@pytest.mark.parametrize("chunking", [Rabin.around(4 * KIB), Buzhash()])
def test_what_is_put_in_front_changes_the_first_chunks_alone(chunking: Chunking) -> None:
    data = random.Random(5).randbytes(3_000 * KIB)
    before = cut(chunking.chunker(), [data])
    after = cut(chunking.chunker(), [b"something else", data])
    assert before[0] != after[0] and before[-3:] == after[-3:]
    assert len(set(before) & set(after)) > len(before) // 2


def test_content_without_any_pattern_is_cut_at_the_smallest_or_the_largest_size() -> None:
    """The fingerprint of zeros is 0: a border everywhere. Buzhash has none there."""
    zeros = [bytes(200_000)] * 10
    assert {len(chunk) for chunk in cut(Rabin(1_000, 2_000, 3_000).chunker(), zeros)} == {1_000}
    assert {len(chunk) for chunk in cut(Buzhash().chunker(), zeros)[:-1]} <= {128 * KIB, 512 * KIB}


def test_sizes_that_chunks_may_have() -> None:
    FixedSize(CHUNK_BYTES_MAX)
    with pytest.raises(Misuse):
        FixedSize(0)
    with pytest.raises(Misuse):
        Rabin(16, 20, CHUNK_BYTES_MAX + 1)
