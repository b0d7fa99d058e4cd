"""Go's `math/rand` of a seed, and from it the numbers of buzhash: where the table in `pincrew.node.buzhash` is from.

Go's generator adds up: each number is the sum of those 607 and 273 before it, modulo 2**64. A seed sets the first 607,
by a smaller generator, XORed with 607 numbers that Go keeps as a table. Those are what such a generator comes to after
7.8 million million steps from the seed 1; here they are reached by raising a polynomial to that power.

`PYTHONPATH=tests python -m support.go_random` prints the table.
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator, Sequence

_LONG, _SHORT = 607, 273
_WORD = 2**64 - 1
_STEPS = 7_800_000_000_000
_SEED_OF_ZERO = 89_482_311  # what Go takes instead: of 0 the smaller generator makes nothing but 0
_PRODUCT_BYTES = 18  # of two words each, added up 607 times
_BITS, _ROUNDS = 32, 200


def buzhash_numbers() -> list[int]:
    """Return the number of each byte: half of the bits of each place are set, and each place's shuffled 200 times."""
    numbers = [2**_BITS - 1] * 128 + [0] * 128
    random = GoRandom(0)
    for _ in range(_ROUNDS):
        for place in range(_BITS):
            bit = 1 << place
            for here, there in enumerate(random.permutation(256)):
                if (numbers[here] ^ numbers[there]) & bit:
                    numbers[here] ^= bit
                    numbers[there] ^= bit
    return numbers


class GoRandom:
    """What `rand.New(rand.NewSource(seed))` is in Go, as far as it is used here."""

    def __init__(self, seed: int) -> None:
        start = _start(seed or _SEED_OF_ZERO, (40, 20, 0))
        self._numbers = _sums([one ^ other for one, other in zip(start, _after_many_steps(), strict=True)])

    def below(self, end: int) -> int:
        """Return a number from 0 to under ``end``, each as likely."""
        accepted = 2**31 - 2**31 % end
        while (drawn := next(self._numbers) >> 32 & 2**31 - 1) >= accepted:
            pass
        return drawn % end

    def permutation(self, length: int) -> list[int]:
        """Return the numbers under ``length``, in any order."""
        numbers = [0] * length
        for at in range(length):
            other = self.below(at + 1)
            numbers[at] = numbers[other]
            numbers[other] = at
        return numbers


def _start(seed: int, shifts: tuple[int, int, int]) -> list[int]:
    """Return what a seed puts into Go's array, by age."""

    def small() -> Iterator[int]:
        value = seed
        while True:
            value = value * 48_271 % (2**31 - 1)
            yield value

    drawn = itertools.islice(small(), 20, None)
    numbers = []
    for _ in range(_LONG):
        one, two, three = (next(drawn) << shift for shift in shifts)
        numbers.append((one ^ two ^ three) & _WORD)
    return _by_age(numbers)


def _place(step: int) -> int:
    """Return where in Go's array the number of a step is; the last one of the seed's is that of step 0."""
    return (_LONG - _SHORT - step) % _LONG


def _by_age(array: Sequence[int]) -> list[int]:
    """Return what is in Go's array before the first step, the oldest first."""
    return [array[_place(step)] for step in range(1 - _LONG, 1)]


def _sums(state: Sequence[int]) -> Iterator[int]:
    """Yield what comes after the numbers of ``state``."""
    numbers = list(state)
    at = 0
    while True:
        number = numbers[at] = (numbers[at] + numbers[at - _SHORT]) & _WORD
        yield number
        at = (at + 1) % _LONG


def _after_many_steps() -> list[int]:
    """Return Go's table, by the age of the generator that it is XORed with."""
    start = _start(1, (20, 10, 0))
    numbers = start + list(itertools.islice(_sums(start), _LONG))
    # x**n modulo the generator's polynomial says of which of the first numbers the n-th is the sum, and how often each.
    power = [1] + [0] * (_LONG - 1)
    for digit in f"{_STEPS:b}":
        power = _product(power, power)
        if digit == "1":
            power = _product(power, [0, 1])
    reached = [
        sum(times * number for times, number in zip(power, numbers[at:], strict=False)) & _WORD for at in range(_LONG)
    ]
    # The table is by place in Go's array, and that many steps have turned the array.
    array = [0] * _LONG
    for age, number in enumerate(reached):
        array[_place(_STEPS + 1 - _LONG + age)] = number
    return _by_age(array)


def _product(one: Sequence[int], other: Sequence[int]) -> list[int]:
    """Multiply two polynomials modulo x**607 - x**334 - 1, their coefficients modulo 2**64, as two large numbers."""
    whole = int.from_bytes(b"".join(number.to_bytes(_PRODUCT_BYTES, "little") for number in one), "little")
    whole *= int.from_bytes(b"".join(number.to_bytes(_PRODUCT_BYTES, "little") for number in other), "little")
    count = len(one) + len(other)
    data = whole.to_bytes(_PRODUCT_BYTES * count, "little")
    numbers = [int.from_bytes(data[at : at + _PRODUCT_BYTES], "little") for at in range(0, len(data), _PRODUCT_BYTES)]
    for power in range(count - 1, _LONG - 1, -1):
        numbers[power - _LONG] += numbers[power]
        numbers[power - _SHORT] += numbers[power]
    return [number & _WORD for number in numbers[:_LONG]]


if __name__ == "__main__":
    print(*textwrap.wrap("".join(f"{number:08x}" for number in buzhash_numbers()), 112), sep="\n")
