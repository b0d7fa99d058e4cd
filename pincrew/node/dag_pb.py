"""dag-pb: the nodes of UnixFS, links with a name and a size around some bytes of data.

What `encode` writes is the canonical form, byte for byte what Kubo (go-codec-dagpb) writes of the same links and data:
links before data although their field number is higher, sorted by the bytes of their names (stable), every link with
hash, name and size. `decode` is as strict as Kubo's reader: links and data in either order but each together, the
fields of a link in ascending order, nothing else. It keeps the order of the links that it finds.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import NamedTuple

from pincrew.errors import Malformed
from pincrew.node.multihash import check_form, is_usual
from pincrew.node.protobuf import BYTES, VARINT, fields, put_bytes_field, put_varint, read_varint

_NODE_DATA = 1
_NODE_LINK = 2
_LINK_CID = 1
_LINK_NAME = 2
_LINK_SIZE = 3
_LINK_TYPES = {_LINK_CID: BYTES, _LINK_NAME: BYTES, _LINK_SIZE: VARINT}
_SIZE_SUM_MAX = 2**62
_ONE_BYTE_MAX = 0x7F  # the longest length whose varint is one byte
# The tags of a link as bytes, for the paths that are taken a million times: number << 3 | wire type.
_CID_TAG, _NAME_TAG, _SIZE_TAG, _NODE_LINK_TAG = 0x0A, 0x12, 0x18, 0x12


class Link(NamedTuple):
    """A child: its CID, the name under which it is found (any bytes), and the size of all that it leads to."""

    cid: bytes
    name: bytes = b""
    size: int = 0


def encode(links: Iterable[Link], data: bytes | None) -> bytes:
    """Return the canonical block. Data that is absent and data of no bytes are two blocks, as in Kubo."""
    out = bytearray()
    for cid, name, size in sorted(links, key=itemgetter(1)):
        link = bytearray((_CID_TAG,))
        put_varint(link, len(cid))
        link += cid
        link.append(_NAME_TAG)
        put_varint(link, len(name))
        link += name
        link.append(_SIZE_TAG)
        put_varint(link, size)
        out.append(_NODE_LINK_TAG)
        put_varint(out, len(link))
        out += link
    if data is not None:
        put_bytes_field(out, _NODE_DATA, data)
    return bytes(out)


def decode(block: bytes) -> tuple[list[Link], bytes | None]:
    """Return the links, in their order, and the data of a block. Raises Malformed when it is not dag-pb.

    A link without a name or without a size is one whose name is empty, whose size is 0.
    """
    links, at = _usual_links(block)
    data: bytes | None = None
    complete = False  # data came after links: no more links may follow
    for number, wire_type, value in fields(block[at:]):
        if wire_type != BYTES:
            raise Malformed("a dag-pb node has a field that is not bytes")
        if number == _NODE_LINK:
            if complete:
                raise Malformed("a dag-pb node has its links in two places")
            links.append(_link(value))
        elif number == _NODE_DATA:
            if data is not None:
                raise Malformed("a dag-pb node has its data twice")
            data, complete = value, bool(links)
        else:
            raise Malformed(f"a dag-pb node has a field {number}")
    return links, data


def linked_size(block: bytes) -> int:
    """Return the sum of the sizes that a dag-pb block's links state; what is not dag-pb states none."""
    try:
        links, _ = decode(block)
    except Malformed:
        return 0
    return min(sum(link.size for link in links), _SIZE_SUM_MAX)


def _usual_links(block: bytes) -> tuple[list[Link], int]:
    """Read the links that a block starts with as far as they have the usual shape, and say where others begin.

    Files' nodes have up to 174 of them, and reading them field by field takes four times as long. Whatever is not
    as expected is left to the general reader, which also finds the words for what is wrong.
    """
    links: list[Link] = []
    at = 0
    try:
        while block[at] == _NODE_LINK_TAG and block[at + 2] == _CID_TAG:
            cid_at = at + 4
            name_at = cid_at + block[at + 3]
            size_at = name_at + 2 + block[name_at + 1]
            cid = block[cid_at:name_at]
            if block[name_at] != _NAME_TAG or block[size_at] != _SIZE_TAG or not is_usual(cid):
                break
            size, end = read_varint(block, size_at + 1)
            # The three lengths are one byte each, and together they are that of the link.
            if end != at + 2 + block[at + 1] or end - at > _ONE_BYTE_MAX:
                break
            links.append(Link(cid, block[name_at + 2 : size_at], size))
            at = end
    except (IndexError, Malformed):
        pass
    return links, at


def _link(message: bytes) -> Link:
    cid: bytes | None = None
    name, size, last = b"", 0, 0
    for number, wire_type, value in fields(message):
        if number <= last or _LINK_TYPES.get(number) != wire_type:
            raise Malformed("a link of a dag-pb node has a field too many, or out of order")
        last = number
        if number == _LINK_CID:
            cid = value
        elif number == _LINK_NAME:
            name = value
        else:
            size = value
    if cid is None:
        raise Malformed("a link of a dag-pb node has no CID")
    check_form(cid)
    return Link(cid, name, size)
