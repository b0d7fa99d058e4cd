from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew.node.window_hash import WindowHash


def hash_of(tables: list[list[int]], window: bytes) -> int:
    """What the hash is by its definition."""
    hashed = 0
    for table, byte in zip(tables, reversed(window), strict=True):
        hashed ^= table[byte]
    return hashed


def random_tables(seed: int, places: int) -> list[list[int]]:
    chance = random.Random(seed)
    return [[chance.getrandbits(53) for _ in range(256)] for _ in range(places)]


@given(st.integers(0, 9), st.integers(1, 20), st.integers(0, 2**53 - 1), st.binary(max_size=60))
def test_all_windows_at_once_are_as_one_by_one(seed: int, places: int, mask: int, data: bytes) -> None:
    tables = random_tables(seed, places)
    window_hash = WindowHash(tables, mask)
    windows = [data[at : at + places] for at in range(len(data) - places + 1)]
    hashes = [hash_of(tables, window) & mask for window in windows]
    assert list(window_hash.low_bits(data)) == [hashed & 0xFF for hashed in hashes]
    assert [window_hash.is_border(window) for window in windows] == [hashed == 0 for hashed in hashes]


def test_places_that_add_nothing_to_the_low_bits() -> None:
    """They count where the whole hash is looked at."""
    window_hash = WindowHash([list(range(256)), [byte << 8 for byte in range(256)]], 2**16 - 1)
    assert window_hash.low_bits(b"\1\2\3") == b"\2\3"
    assert not window_hash.is_border(b"\1\0")
    assert window_hash.is_border(b"\0\0")


def test_a_window_of_another_length_is_none() -> None:
    with pytest.raises(ValueError, match="zip"):
        WindowHash(random_tables(1, 3), 1).is_border(b"four")
