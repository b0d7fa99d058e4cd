"""Lists of blocks: ipfs-cluster's form, and links that nobody follows further."""

from __future__ import annotations

import pytest

from pincrew import limits
from pincrew.cid import check_cid
from pincrew.limits import BLOCK_BYTES_MAX
from pincrew.node.links import links_of
from pincrew.node.multihash import DAG_CBOR, RAW, cid_of, codec_of, matches, multihash_of, prefix_for
from pincrew.node.shard_dag import leaf_of, list_of

V0 = cid_of(b"\x00\x70\x12\x20", b"a node")
LINKS = [cid_of(b"\x01\x55\x12\x20", b"%d" % number) for number in range(limits.SHARD_NODE_LINKS_MAX + 2)]


def test_a_leaf_names_the_same_block_and_has_no_links() -> None:
    for cid in (V0, cid_of(prefix_for(1, 0x70, "sha3-512"), b"another")):
        leaf = leaf_of(cid)
        check_cid(leaf)
        assert (multihash_of(leaf), codec_of(leaf)) == (multihash_of(cid), RAW)
        assert links_of(leaf, b"whatever") == []


def test_links_stand_under_their_numbers_as_dag_cbor_sorts_them() -> None:
    dag = list_of(LINKS[:11])
    [(cid, block)] = dag.blocks
    assert (dag.root, dag.depth, codec_of(cid)) == (cid, 1, DAG_CBOR)
    assert matches(multihash_of(cid), block)
    assert links_of(cid, block) == LINKS[:11], "shorter keys come first: 0 to 9, then 10"
    assert block.startswith(b"\xab\x610\xd8\x2a\x58\x25\x00\x01\x55\x12\x20")


def test_another_nonce_makes_another_list_of_the_same() -> None:
    one, two = list_of(LINKS[:2], b"a" * 16), list_of(LINKS[:2], b"b" * 16)
    assert one.root != two.root
    assert links_of(*one.blocks[0]) == links_of(*two.blocks[0]) == LINKS[:2]


@pytest.mark.parametrize("more", [0, 1, 2])
def test_more_links_than_a_node_has_place_for_stand_a_level_lower(more: int) -> None:
    links = LINKS[: limits.SHARD_NODE_LINKS_MAX + more]
    dag = list_of(links, b"n" * 16)
    assert dag.depth == (2 if more else 1) and dag.blocks[-1][0] == dag.root, "children come before parents"
    assert all(len(block) < BLOCK_BYTES_MAX // 4 and matches(multihash_of(cid), block) for cid, block in dag.blocks)
    if more:
        *parts, root = dag.blocks
        assert links_of(*root) == [cid for cid, _ in parts]
        assert [link for part in parts for link in sorted(links_of(*part), key=links.index)] == links


def test_nothing_is_a_list_too() -> None:
    assert links_of(*list_of([]).blocks[0]) == []
