"""Yjs v1 updates of the one shape that a pinset needs: built for pycrdt, and read back from its own captures.

    update  = clients deletes
    clients = 0  |  1 count client clock 1*struct          structs of one client, clocks ascending by one
    struct  = 0x28 1 "p" key content                       first write of a key
            | 0xA8 origin content                          overwrite; the key is that of the origin
    content = 1 0x74 length bytes                          one Any, a byte buffer
    deletes = number of clients, each: client, count, (clock, length)*

pycrdt sees only bytes that this process built (invariant 8); ``read_update`` reads what pycrdt captured of this
process's own edits, and is the test oracle of ``build_update``. The encoding is that of Yjs (yjs/yjs, lib0).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pincrew.errors import PincrewError

ROOT = "p"
_SET_NEW = b"\x28\x01\x01p"
_SET_OVER = b"\xa8"
_CONTENT = b"\x01\x74"


class ItemId(NamedTuple):
    """A Yjs item: client id and clock."""

    client: int
    clock: int


class Struct(NamedTuple):
    """One write: under ``key``, or over the item ``origin`` (then the key is the origin's)."""

    key: str | None
    origin: ItemId | None
    value: bytes


class Captured(NamedTuple):
    """What one local transaction did."""

    client: int
    first_clock: int
    structs: tuple[Struct, ...]
    deletes: tuple[ItemId, ...]


def build_update(client: int, first_clock: int, structs: Sequence[Struct], deletes: Iterable[ItemId]) -> bytes:
    """Return the update that writes ``structs`` as items (client, first_clock...) and deletes ``deletes``."""
    out = bytearray()
    if structs:
        out.append(1)
        _write(out, len(structs))
        _write(out, client)
        _write(out, first_clock)
        for struct in structs:
            if struct.origin is None:
                assert struct.key is not None
                raw = struct.key.encode()
                out += _SET_NEW
                _write(out, len(raw))
                out += raw
            else:
                out += _SET_OVER
                _write(out, struct.origin.client)
                _write(out, struct.origin.clock)
            out += _CONTENT
            _write(out, len(struct.value))
            out += struct.value
    else:
        out.append(0)
    by_client: dict[int, list[int]] = {}
    for item in deletes:
        by_client.setdefault(item.client, []).append(item.clock)
    _write(out, len(by_client))
    for owner in sorted(by_client, reverse=True):
        ranges = _ranges(sorted(set(by_client[owner])))
        _write(out, owner)
        _write(out, len(ranges))
        for clock, length in ranges:
            _write(out, clock)
            _write(out, length)
    return bytes(out)


def read_update(update: bytes) -> Captured:
    """Return the writes and deletes of an update that this process's own pycrdt captured.

    Raises PincrewError when it has any other form: then pycrdt does not do what this module assumes.
    """
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = update[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def expect(raw: bytes) -> None:
        nonlocal at
        if update[at : at + len(raw)] != raw:
            raise PincrewError("pycrdt captured an update of an unknown form")
        at += len(raw)

    try:
        client = first_clock = 0
        structs = []
        if number():
            count, client, first_clock = number(), number(), number()
            for _ in range(count):
                key = origin = None
                if update[at] == _SET_OVER[0]:
                    at += 1
                    origin = ItemId(number(), number())
                else:
                    expect(_SET_NEW)
                    length = number()
                    key = update[at : at + length].decode()
                    at += length
                expect(_CONTENT)
                length = number()
                structs.append(Struct(key, origin, update[at : at + length]))
                at += length
        deletes = []
        for _ in range(number()):
            owner = number()
            for _ in range(number()):
                clock, length = number(), number()
                deletes += [ItemId(owner, clock + offset) for offset in range(length)]
    except IndexError as error:
        raise PincrewError("pycrdt captured a truncated update") from error
    if at != len(update):
        raise PincrewError("pycrdt captured an update with a tail")
    return Captured(client, first_clock, tuple(structs), tuple(deletes))


def _write(out: bytearray, value: int) -> None:
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _ranges(clocks: list[int]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for clock in clocks:
        if ranges and sum(ranges[-1]) == clock:
            ranges[-1] = (ranges[-1][0], ranges[-1][1] + 1)
        else:
            ranges.append((clock, 1))
    return ranges
