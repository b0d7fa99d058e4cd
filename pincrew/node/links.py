"""Which blocks a block links to: what a pin walk follows, what garbage collection marks.

Only the structure is read. A link that Kubo would find is always found here; a block that Kubo refuses for another
reason (keys out of order, a string that is not UTF-8) may well be read. Reading takes memory for the links alone and
time in proportion to the block, whatever a stranger put into it.
"""

from __future__ import annotations

import json

from pincrew.cid import parse_cid
from pincrew.errors import Malformed, Misuse
from pincrew.node import dag_pb
from pincrew.node.multihash import DAG_CBOR, DAG_JSON, DAG_PB, RAW, check_form, codec_of

_CBOR = 0x51
_JSON = 0x0200
_LIBP2P_KEY = 0x72
_WITHOUT_LINKS = frozenset((RAW, _CBOR, _JSON, _LIBP2P_KEY))

_LINK_TAG = 42
_LINK_MULTIBASE = 0  # dag-cbor writes a CID with the multibase prefix "binary" in front


def is_readable(codec: int) -> bool:
    """Say whether the links of blocks of this codec can be read.

    Of any other, `links_of` finds none: whoever promises to keep all of a DAG says so before it promises.
    """
    return codec in _WITHOUT_LINKS or codec in _READERS


def links_of(cid: bytes, block: bytes) -> list[bytes]:
    """Return the CIDs that a block links to, in their order and as often as they occur.

    Raises Malformed when the block is not what its CID's codec says. Its hash is the caller's matter.
    """
    reader = _READERS.get(codec_of(cid))
    return reader(block) if reader else []


def cbor_links(block: bytes) -> list[bytes]:
    """Return the CIDs in one dag-cbor item that fills ``block``. Raises Malformed.

    Every container states its length, so that counting the items still to come takes the place of a stack.
    """
    links: list[bytes] = []
    at, end, waiting = 0, len(block), 1
    while waiting:
        if at >= end:
            raise Malformed("dag-cbor is cut short")
        waiting -= 1
        major, argument = block[at] >> 5, block[at] & 0x1F
        at += 1
        if argument >= 24:
            if argument > 27:
                raise Malformed("dag-cbor holds an item of indefinite length")
            size = 1 << (argument - 24)
            argument = int.from_bytes(block[at : at + size])
            at += size
        elif major == 7 and argument < 20:
            raise Malformed("dag-cbor holds a simple value that has no meaning")
        if major in (2, 3):
            at += argument
        elif major == 4:
            waiting += argument
        elif major == 5:
            waiting += 2 * argument
        elif major == 6:
            if argument != _LINK_TAG:
                raise Malformed(f"dag-cbor holds the tag {argument}")
            link, at = _tagged_bytes(block, at)
            check_form(link)
            links.append(link)
    if at != end:
        raise Malformed("dag-cbor is cut short, or bytes follow it")
    return links


def _tagged_bytes(block: bytes, at: int) -> tuple[bytes, int]:
    """Return the CID in the byte string that follows the tag of a link, and the place after it."""
    if block[at : at + 1] == b"\x58":
        start = at + 2
        size = block[at + 1] if at + 1 < len(block) else 0
    elif block[at : at + 1] == b"\x59":
        start = at + 3
        size = int.from_bytes(block[at + 1 : start])
    elif at < len(block) and 0x40 <= block[at] <= 0x57:
        start, size = at + 1, block[at] - 0x40
    else:
        raise Malformed("dag-cbor holds a link that is not a byte string")
    if start + size > len(block) or not size or block[start] != _LINK_MULTIBASE:
        raise Malformed("dag-cbor holds a link that is not a CID")
    return block[start + 1 : start + size], start + size


def _json_links(block: bytes) -> list[bytes]:
    """Return the CIDs of the objects whose one key is "/" and whose value is a string."""
    links: list[bytes] = []

    def take(pairs: list[tuple[str, object]]) -> None:
        # An object that was read is forgotten: its links are noted, and nothing else of it is asked for.
        if len(pairs) == 1 and pairs[0][0] == "/" and isinstance(pairs[0][1], str):
            links.append(parse_cid(pairs[0][1]))

    try:
        # Numbers need not be right; a million digits as a float take no time, as an int they would.
        json.loads(block.decode(errors="replace"), object_pairs_hook=take, parse_int=float, strict=False)
    except (ValueError, RecursionError, Misuse) as error:
        raise Malformed("a block is not dag-json") from error
    return links


def _dag_pb_links(block: bytes) -> list[bytes]:
    return [link.cid for link in dag_pb.decode(block)[0]]


_READERS = {DAG_PB: _dag_pb_links, DAG_CBOR: cbor_links, DAG_JSON: _json_links}
