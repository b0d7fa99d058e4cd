from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew.errors import Misuse
from pincrew.limits import CHUNK_BYTES_MAX
from pincrew.node.chunking import CHUNK_BYTES, Chunker, check_chunk_bytes, chunk_bytes_of


def test_chunkers_by_name() -> None:
    assert chunk_bytes_of("") == chunk_bytes_of("default") == chunk_bytes_of("size-262144") == CHUNK_BYTES
    assert chunk_bytes_of("size-1") == 1
    assert chunk_bytes_of(f"size-{CHUNK_BYTES_MAX}") == CHUNK_BYTES_MAX


@pytest.mark.parametrize(
    "name",
    ["size-0", f"size-{CHUNK_BYTES_MAX + 1}", "size--1", "size-", "size-1e3", "size-" + "9" * 10_000, "size-٣", "rabin",
     "buzhash", "size"],
)  # fmt: skip
def test_chunkers_that_there_are_not(name: str) -> None:
    with pytest.raises(Misuse):
        chunk_bytes_of(name)


def test_sizes_that_chunks_may_have() -> None:
    check_chunk_bytes(CHUNK_BYTES_MAX)
    with pytest.raises(Misuse):
        check_chunk_bytes(0)


@given(st.integers(1, 9), st.lists(st.binary(max_size=30)))
def test_pieces_of_any_size_become_chunks_of_one(size: int, pieces: list[bytes]) -> None:
    chunker = Chunker(size)
    chunks = [chunk for piece in pieces for chunk in chunker.feed(piece)]
    assert all(len(chunk) == size for chunk in chunks)
    rest = chunker.rest()
    assert all(0 < len(chunk) < size for chunk in rest)
    assert b"".join(chunks + rest) == b"".join(pieces)
    assert chunker.rest() == []
