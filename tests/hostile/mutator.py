"""Bytes made wrong in every way that a sender can choose: anywhere in them, and by what they mean.

Seeded, so that a campaign can be run again. What a mutation is signed with afterwards is the campaign's matter.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import cbor2

# Where readers count, and where the next smaller or larger type begins.
_NUMBERS = (0, 1, 2, 23, 24, 255, 256, 2**16, 2**31, 2**32 - 1, 2**53 - 1, 2**53, 2**63, 2**64 - 1, 2**64, -1)
_ODDITIES: tuple[Any, ...] = (
    None,
    True,
    False,
    0.0,
    float("nan"),
    float("inf"),
    "",
    "text",
    "\x00",
    "x" * 5_000,
    b"",
    b"\xff" * 32,
    bytes(70_000),
    [],
    {},
    {"a": 1},
    [[]],
    [[[[[[[[[[[]]]]]]]]]]],
    list(range(5_000)),
    -(2**64),
    2**20_000,
    cbor2.CBORTag(2, b"\x01"),
    cbor2.CBORTag(4, [2**31, 3]),
    cbor2.CBORTag(30, [1, 0]),
    cbor2.CBORTag(35, "(a+)+$"),
    cbor2.CBORTag(258, [1, 2]),
)
# What begins a claim: arrays, maps, byte strings and texts of many, indefinite ones, tags, reserved values.
_CLAIMS = (
    b"\x9b\x00\x00\x00\x00\xff\xff\xff\xff",
    b"\xbb\x00\x00\x00\x00\xff\xff\xff\xff",
    b"\x5b\x00\x00\x00\x00\xff\xff\xff\xff",
    b"\x7b\x00\x00\x00\x00\xff\xff\xff\xff",
    b"\x5a\x10\x00\x00\x00",
    b"\x9a\x00\xff\xff\xff",
    b"\x9f",
    b"\xbf",
    b"\x5f",
    b"\xff",
    b"\xd8\x1c",
    b"\xd8\x1d\x00",
    b"\xfe",
    b"\x18\x01",
    b"\xf9\x7e\x00",
)


class Mutator:
    """Changes bytes and values as ``random`` says."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def raw(self, data: bytes, others: Sequence[bytes] = ()) -> bytes:
        """Change bytes wherever they are; ``others`` are messages to splice with."""
        random = self.random
        at = random.randrange(len(data) + 1)
        end = min(len(data), at + random.choice((1, 1, 2, 4, 32, 200)))
        match random.randrange(9):
            case 0:  # flip a bit, or a few
                changed = bytearray(data)
                for _ in range(random.choice((1, 1, 1, 2, 8))):
                    if changed:
                        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
                return bytes(changed)
            case 1:
                return data[:at]
            case 2:
                return data[:at] + random.randbytes(random.choice((1, 1, 2, 40))) + data[at:]
            case 3:
                return data[:at] + data[end:]
            case 4:
                return data[:end] + data[at:]
            case 5:
                return data[:at] + random.choice(_CLAIMS) + data[at:]
            case 6:  # a length, or whatever stands there
                return data[:at] + struct.pack(">I", random.choice(_NUMBERS[:10]))[: len(data) - at] + data[at + 4 :]
            case 7 if others:
                other = random.choice(others)
                return data[:at] + other[random.randrange(len(other) + 1) :]
            case _:
                return data + random.randbytes(random.choice((1, 9)))

    def meaning(self, data: bytes, others: Sequence[bytes] = ()) -> bytes:
        """Change what CBOR says, and write it in good form again; ``others`` are messages to take values from."""
        value = cbor2.loads(data)
        for _ in range(self.random.choice((1, 1, 1, 2, 3))):
            value = self._changed(value, others)
        try:
            return cbor2.dumps(value, canonical=True)
        except (ValueError, TypeError):  # what cannot be written in good form is bytes like any other
            return self.raw(data, others)

    def _changed(self, value: Any, others: Sequence[bytes]) -> Any:
        """Walk down to some place in a value, through byte strings that are CBOR themselves, and change that."""
        random = self.random
        if isinstance(value, list) and value and random.random() < 0.85:
            at = random.randrange(len(value))
            if random.random() < 0.15:
                return self._rearranged(value, at)
            return [*value[:at], self._changed(value[at], others), *value[at + 1 :]]
        if isinstance(value, bytes) and random.random() < 0.6:
            inner = _inside(value)
            if inner is not None:
                return cbor2.dumps(self._changed(inner, others), canonical=True)
        return self._replaced(value, others)

    def _rearranged(self, value: list[Any], at: int) -> list[Any]:
        other = self.random.randrange(len(value))
        changed = list(value)
        ways: tuple[Callable[[], Any], ...] = (
            lambda: changed.pop(at),
            lambda: changed.insert(other, changed[at]),
            changed.reverse,
            changed.clear,
            lambda: changed.extend(changed * self.random.choice((1, 30))),
        )
        if self.random.random() < 0.3:
            changed[at], changed[other] = changed[other], changed[at]
        else:
            self.random.choice(ways)()
        return changed

    def _replaced(self, value: Any, others: Sequence[bytes]) -> Any:
        random = self.random
        chance = random.random()
        if chance < 0.4 and others:
            # Of the same form, most of the time: what is wrong then is found in the deeper checks only.
            pieces = [self.piece(random.choice(others)) for _ in range(6)]
            return next((one for one in pieces if _form(one) == _form(value) and one != value), pieces[0])
        if chance < 0.45:
            return random.choice(_ODDITIES)
        if type(value) is int:
            return random.choice((value + 1, max(0, value - 1), value * 2, random.choice(_NUMBERS)))
        if type(value) is bytes:
            return random.choice((self.raw(value), bytes(len(value)), random.randbytes(len(value)), value[::-1]))
        if type(value) is str:
            return value + random.choice(("x", "\x00", "é" * 200, "\u202e"))
        return random.choice(_ODDITIES)

    def piece(self, data: bytes) -> Any:
        """Return some value from inside a message."""
        value: Any = cbor2.loads(data)
        while self.random.random() < 0.9:
            if isinstance(value, bytes) and (inner := _inside(value)) is not None:
                value = inner
            elif isinstance(value, list) and value:
                value = self.random.choice(value)
            else:
                break
        return value


def _form(value: Any) -> tuple[type, int]:
    return type(value), len(value) if isinstance(value, bytes) else 0


def _inside(data: bytes) -> Any:
    """What a byte string says, where it is an array in CBOR that fills it."""
    try:
        value = cbor2.loads(data)
        return value if isinstance(value, list) and cbor2.dumps(value, canonical=True) == data else None
    except Exception:  # bytes that are no CBOR are bytes
        return None
