"""Paths through the maps and lists of dag-cbor and dag-json blocks, up to the first link out of the block.

dag-cbor is walked over as it stands, since only the places on the way matter: nothing is decoded but keys that are
compared. `links.links_of` has checked the whole block before, so that every length in it is true.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from pincrew.cid import cid_text, parse_cid
from pincrew.errors import Malformed, NotFound
from pincrew.node.links import links_of
from pincrew.node.multihash import DAG_CBOR, codec_of
from pincrew.node.segments import name_text

_BYTES, _TEXT, _LIST, _MAP, _TAG = 2, 3, 4, 5, 6
# Digits of an index into a list; blocks have no lists that need more.
_INDEX_DIGITS_MAX = 9


def follow(cid: bytes, block: bytes, segments: Sequence[bytes]) -> tuple[int, bytes | None]:
    """Follow ``segments`` into a block; return how many of them it used up, and the link that it came to.

    Without a link the path ends inside of the block. Raises NotFound when there is nothing at it, Malformed when the
    block is not what its CID says.
    """
    links_of(cid, block)
    return (_follow_cbor if codec_of(cid) == DAG_CBOR else _follow_json)(cid, block, segments)


def absent(cid: bytes, segment: bytes) -> NotFound:
    """Return the error for a name that is not there."""
    return NotFound(f"no link named {name_text(segment)!r} under {cid_text(cid)}")


def _follow_cbor(cid: bytes, block: bytes, segments: Sequence[bytes]) -> tuple[int, bytes | None]:
    at = 0
    for used, segment in enumerate(segments, 1):
        value = _cbor_child(block, at, segment)
        if value is None:
            raise absent(cid, segment)
        at = value
        major, _, content = _head(block, at)
        if major == _TAG:
            _, size, start = _head(block, content)
            return used, block[start + 1 : start + size]
    return len(segments), None


def _cbor_child(block: bytes, at: int, segment: bytes) -> int | None:
    """Return where the value of a key, or the item of that number, begins."""
    major, count, at = _head(block, at)
    if major == _MAP:
        for _ in range(count):
            key, size, start = _head(block, at)
            at = _after(block, at)
            if key == _TEXT and block[start : start + size] == segment:
                return at
            at = _after(block, at)
    elif major == _LIST and (index := _index(segment)) is not None and index < count:
        for _ in range(index):
            at = _after(block, at)
        return at
    return None


def _head(block: bytes, at: int) -> tuple[int, int, int]:
    """Return the major type of the item at ``at``, its argument, and the place after both."""
    major, argument = block[at] >> 5, block[at] & 0x1F
    at += 1
    if argument >= 24:
        size = 1 << (argument - 24)
        return major, int.from_bytes(block[at : at + size]), at + size
    return major, argument, at


def _after(block: bytes, at: int) -> int:
    """Return the place after the item at ``at``, with all that it holds."""
    waiting = 1
    while waiting:
        major, argument, at = _head(block, at)
        waiting -= 1
        if major in (_BYTES, _TEXT):
            at += argument
        elif major == _LIST:
            waiting += argument
        elif major == _MAP:
            waiting += 2 * argument
        elif major == _TAG:
            waiting += 1
    return at


def _follow_json(cid: bytes, block: bytes, segments: Sequence[bytes]) -> tuple[int, bytes | None]:
    try:
        # As in `links`: a million digits take no time as a float.
        value = json.loads(block.decode(errors="replace"), parse_int=float, strict=False)
    except (ValueError, RecursionError) as error:
        raise Malformed("a block is not dag-json") from error
    for used, segment in enumerate(segments, 1):
        if isinstance(value, dict) and (name := name_text(segment)) in value:
            value = value[name]
        elif isinstance(value, list) and (index := _index(segment)) is not None and index < len(value):
            value = value[index]
        else:
            raise absent(cid, segment)
        if isinstance(value, dict) and len(value) == 1 and isinstance(value.get("/"), str):
            return used, parse_cid(value["/"])
    return len(segments), None


def _index(segment: bytes) -> int | None:
    return int(segment) if segment.isdigit() and len(segment) <= _INDEX_DIGITS_MAX else None
