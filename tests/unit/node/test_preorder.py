"""Every block of a DAG once, each before what is below it."""

from __future__ import annotations

import pytest
import trio

from pincrew.errors import BlockCorrupt
from pincrew.node.dag_pb import Link, encode
from pincrew.node.multihash import cid_of
from pincrew.node.preorder import preorder

DAG_PB, RAW = b"\x01\x70\x12\x20", b"\x01\x55\x12\x20"


def parent(blocks: dict[bytes, bytes], *children: bytes) -> bytes:
    block = encode([Link(child, str(index).encode(), 1) for index, child in enumerate(children)], None)
    cid = cid_of(DAG_PB, block)
    blocks[cid] = block
    return cid


def leaf(blocks: dict[bytes, bytes], data: bytes) -> bytes:
    cid = cid_of(RAW, data)
    blocks[cid] = data
    return cid


async def visited(blocks: dict[bytes, bytes], root: bytes) -> list[bytes]:
    async def get(cid: bytes) -> bytes:
        await trio.lowlevel.checkpoint()
        if cid not in blocks:
            raise BlockCorrupt
        return blocks[cid]

    async with preorder(get, root) as found:
        return [cid async for cid, block in found if blocks[cid] == block]


def test_depth_first_in_the_order_of_links_and_twins_once() -> None:
    blocks: dict[bytes, bytes] = {}
    a, b, c = (leaf(blocks, data) for data in (b"a", b"b", b"c"))
    inner = parent(blocks, b, a, b)
    root = parent(blocks, a, inner, inner, c)
    assert trio.run(visited, blocks, root) == [root, a, inner, b, c]
    assert trio.run(visited, blocks, a) == [a]


def test_a_million_ways_to_one_block_are_one() -> None:
    blocks: dict[bytes, bytes] = {}
    below = leaf(blocks, b"x")
    for _ in range(20):
        below = parent(blocks, below, below)
    assert len(trio.run(visited, blocks, below)) == 21


def test_what_cannot_be_had_is_raised_as_it_is() -> None:
    blocks: dict[bytes, bytes] = {}
    a, b = leaf(blocks, b"a"), leaf(blocks, b"b")
    root = parent(blocks, a, b)
    del blocks[b]
    with pytest.raises(BlockCorrupt):
        trio.run(visited, blocks, root)
