"""Lists of blocks as dag-cbor, which keep what they name and nothing else: the shards of large content.

A node maps "0", "1", ... to links, which is ipfs-cluster's form; more than SHARD_NODE_LINKS_MAX links stand in several
nodes, under one that links to these. A shard must be kept without what its blocks link to, most of which is in other
shards. IPFS nodes have no pins of a certain depth, so the links themselves say where to stop: each is the CID with the
multihash of the block and the codec "raw". Blocks are stored by multihash: a node finds the block, keeps it, and
follows none of its links.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import cbor2

from pincrew.limits import SHARD_NODE_LINKS_MAX
from pincrew.node.layout import Block
from pincrew.node.multihash import DAG_CBOR, RAW, SHA2_256_NAME, cid_from, cid_of, multihash_of, prefix_for

_LINK_TAG = 42
_LINK_MULTIBASE = b"\x00"
_NONCE = "nonce"
_PREFIX = prefix_for(1, DAG_CBOR, SHA2_256_NAME)


class ShardDag(NamedTuple):
    """A list of links: its root, its blocks (children before parents) and how many levels the links are below it."""

    root: bytes
    blocks: tuple[Block, ...]
    depth: int


def leaf_of(cid: bytes) -> bytes:
    """Return the CID under which a shard names a block, so that nobody follows its links."""
    return cid_from(RAW, multihash_of(cid))


def list_of(links: Sequence[bytes], nonce: bytes = b"") -> ShardDag:
    """Return the list of ``links``, in their order. With another ``nonce`` the same links make another list."""
    own = {_NONCE: nonce} if nonce else {}
    if len(links) <= SHARD_NODE_LINKS_MAX:
        root = _node(links, own)
        return ShardDag(root[0], (root,), 1)
    parts = [
        _node(links[start : start + SHARD_NODE_LINKS_MAX], {}) for start in range(0, len(links), SHARD_NODE_LINKS_MAX)
    ]
    root = _node([cid for cid, _ in parts], own)
    return ShardDag(root[0], (*parts, root), 2)


def _node(links: Iterable[bytes], more: dict[str, bytes]) -> Block:
    fields = {str(number): cbor2.CBORTag(_LINK_TAG, _LINK_MULTIBASE + link) for number, link in enumerate(links)}
    block = cbor2.dumps({**fields, **more}, canonical=True)
    return cid_of(_PREFIX, block), block
