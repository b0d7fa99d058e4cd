from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pincrew.node.rabin import WINDOW_BYTES, rabin_hash

_POLYNOMIAL = 17_437_180_132_763_653


def fingerprint(window: bytes) -> int:
    """The remainder, bit by bit."""
    remainder = 0
    for byte in window:
        for place in range(7, -1, -1):
            remainder = remainder << 1 | byte >> place & 1
            if remainder >> 53:
                remainder ^= _POLYNOMIAL
    return remainder


@given(st.binary(min_size=WINDOW_BYTES, max_size=WINDOW_BYTES + 8))
def test_it_is_the_remainder_of_the_window(data: bytes) -> None:
    low_bits = [fingerprint(data[at : at + WINDOW_BYTES]) & 0xFF for at in range(len(data) - WINDOW_BYTES + 1)]
    assert list(rabin_hash(256).low_bits(data)) == low_bits


@given(st.binary(min_size=WINDOW_BYTES, max_size=WINDOW_BYTES), st.integers(1, 6))
def test_a_border_is_where_as_many_bits_are_not_set_as_make_the_average(window: bytes, bits: int) -> None:
    is_border = fingerprint(window) % 2**bits == 0
    for average in (2**bits, 2 ** (bits + 1) - 1):
        assert rabin_hash(average).is_border(window) is is_border


def test_how_often_there_are_borders() -> None:
    data = b"".join(number.to_bytes(8) for number in range(4_000))
    window_hash = rabin_hash(64)
    windows = len(data) - WINDOW_BYTES + 1
    assert window_hash.low_bits(data).count(0) / windows < 1 / 32
