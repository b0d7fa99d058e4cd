from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew.node.buzhash import NUMBERS, WINDOW_BYTES, buzhash
from support.go_random import buzhash_numbers


def number_of(byte: int) -> int:
    return int.from_bytes(NUMBERS[4 * byte : 4 * byte + 4])


def rolled(window: bytes) -> int:
    """The hash as it is usually computed: rotated by one for each byte that comes."""
    hashed = 0
    for byte in window:
        hashed = (hashed << 1 | hashed >> 31) & 2**32 - 1
        hashed ^= number_of(byte)
    return hashed


@given(st.binary(min_size=WINDOW_BYTES, max_size=WINDOW_BYTES + 8))
def test_it_is_what_rolling_gives(data: bytes) -> None:
    windows = [data[at : at + WINDOW_BYTES] for at in range(len(data) - WINDOW_BYTES + 1)]
    assert list(buzhash().low_bits(data)) == [rolled(window) & 0xFF for window in windows]
    assert [buzhash().is_border(window) for window in windows] == [rolled(window) % 2**17 == 0 for window in windows]


@pytest.mark.slow
def test_the_numbers_are_those_of_gos_generator() -> None:
    assert [number_of(byte) for byte in range(256)] == buzhash_numbers()
