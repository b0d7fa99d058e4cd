"""The list of what is to be fetched anew: what puts it right."""

from __future__ import annotations

from pathlib import Path

import pytest

from pincrew.errors import BlockCorrupt
from pincrew.node.links import links_of
from pincrew.node.store import BlockStore, Phase, Pin
from support.dags import leaf, node
from unit.node.store.test_block_store import spoil


def collect(store: BlockStore) -> None:
    collection = store.collection(links_of)
    try:
        while collection.step().phase is not Phase.DONE:
            pass
    finally:
        collection.end()


def test_a_missing_leaf_of_a_pin_is_found_by_a_collection_and_hinders_nothing(store: BlockStore) -> None:
    first, second, garbage = leaf(1), leaf(2), leaf("garbage")
    root = node(first, second)
    store.put_many([root.block, first.block, garbage.block])
    store.pins.complete([Pin(root.root)])
    collect(store)
    assert store.lost() == [second.block[0]] and store.count() == 2
    store.put_many([second.block])
    assert store.lost() == []


def test_where_a_node_of_a_pin_is_missing_nothing_is_removed(store: BlockStore) -> None:
    below = leaf("below")
    inner = node(below)
    root = node(inner, says="root")
    store.put_many([root.block, below.block])
    store.pins.complete([Pin(root.root)])
    with pytest.raises(BlockCorrupt, match="Nothing was removed"):
        collect(store)
    assert store.lost() == [inner.block[0]] and store.count() == 2
    store.put_many([inner.block, leaf("garbage").block])
    collect(store)
    assert store.multihashes() == sorted(root.multihashes)


def test_a_spoilt_node_of_a_pin_is_seen_by_the_collection(store: BlockStore, tmp_path: Path) -> None:
    root = node(leaf("below"))
    store.put_many(root.leaves_first())
    store.pins.complete([Pin(root.root)])
    spoil(tmp_path / "blocks.db", root.block[0])
    with pytest.raises(BlockCorrupt, match="Nothing was removed"):
        collect(store)
    assert store.lost() == [root.block[0]] and store.count() == 1


def test_what_no_pin_misses_is_forgotten(store: BlockStore, tmp_path: Path) -> None:
    block = leaf("unpinned").block
    store.put_many([block])
    spoil(tmp_path / "blocks.db", block[0])
    with pytest.raises(BlockCorrupt):
        store.get(block[0])
    assert store.lost() == [block[0]]
    collect(store)
    assert store.lost() == []


def test_the_list_is_there_after_a_restart(store: BlockStore, tmp_path: Path) -> None:
    block = leaf("pinned").block
    store.put_many([block])
    spoil(tmp_path / "blocks.db", block[0])
    with pytest.raises(BlockCorrupt):
        store.get(block[0])
    store.close()
    again = BlockStore(tmp_path / "blocks.db")
    assert again.lost() == [block[0]]
    again.put_many([block])
    assert again.lost() == []
    again.close()
