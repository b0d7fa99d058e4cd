"""As much of dag-pb as it takes to read the sizes that a block states of what it links to. No I/O."""

from __future__ import annotations

from collections.abc import Iterator


def linked_size(block: bytes) -> int:
    """Return the sum of the sizes that a dag-pb block's links state; what is not dag-pb states none."""
    total = 0
    try:
        for field, link in _fields(block):
            if field == 2 and isinstance(link, bytes):
                total += sum(size for key, size in _fields(link) if key == 3 and isinstance(size, int))
    except (IndexError, ValueError):
        return 0
    return min(total, 2**62)


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (number, value) of a protobuf message's varints and byte strings, all that dag-pb has."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        value, at = _varint(message, at)
        if tag & 7 == 0:
            yield tag >> 3, value
        elif tag & 7 == 2 and at + value <= len(message):
            yield tag >> 3, message[at : at + value]
            at += value
        else:
            raise ValueError("not dag-pb")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        value |= (message[at] & 0x7F) << shift
        at += 1
        if message[at - 1] < 0x80:
            return value, at
    raise ValueError("a varint without end")
