"""Going through a DAG in the order in which its blocks link to each other: each block before what is below it.

For whatever lists a DAG: CAR files, references, statistics. (A pin walks in the order that suits the network: walk.py.)
Each CID comes once; what has come is remembered, about 120 bytes a block.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import NamedTuple

import trio

from pincrew.node.links import links_of
from pincrew.node.read_ahead import Get, ReadAhead, fetching


class Visited(NamedTuple):
    """A block on the way: its CID and data."""

    cid: bytes
    block: bytes


@trio.as_safe_channel
async def preorder(get: Get, root: bytes) -> AsyncGenerator[Visited, None]:
    """Yield every block below ``root``, itself first.

    Used as `async with preorder(...) as blocks: async for visited in blocks`. Raises Malformed for a block that is not
    what its CID says, and what ``get`` raises.
    """
    seen: set[bytes] = set()
    async with fetching() as nursery:
        ahead = ReadAhead[bytes](get, nursery)
        ahead.put_first([(root, 0, root)])
        while (taken := await ahead.take()) is not None:
            cid, block = taken
            # A block may have been put in front twice before it was read: twins among its parent's links.
            if cid in seen:
                continue
            seen.add(cid)
            yield Visited(cid, block)
            ahead.put_first([(link, 0, link) for link in links_of(cid, block) if link not in seen])
