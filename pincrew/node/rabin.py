"""Rabin's fingerprint as Kubo's chunker `rabin` has it: what borders in the content are found by.

A window of 16 bytes is read as a polynomial over the field of two elements, its last byte the lowest 8 coefficients;
its fingerprint is the remainder by a polynomial of degree 53 that has no factors. Remainders add up by XOR: a window's
is the XOR of those of its single bytes, each at its place.
"""

from __future__ import annotations

import functools

from pincrew.node.window_hash import WindowHash

WINDOW_BYTES = 16
_POLYNOMIAL = 17_437_180_132_763_653  # Kubo's


@functools.lru_cache(maxsize=8)
def rabin_hash(average_bytes: int) -> WindowHash:
    """Return the hash that has borders every ``average_bytes``, rounded down to a power of two, in random content."""
    tables = [[_remainder(byte << 8 * place) for byte in range(256)] for place in range(WINDOW_BYTES)]
    return WindowHash(tables, (1 << (average_bytes.bit_length() - 1)) - 1)


def _remainder(polynomial: int) -> int:
    while (excess := polynomial.bit_length() - _POLYNOMIAL.bit_length()) >= 0:
        polynomial ^= _POLYNOMIAL << excess
    return polynomial
