"""Blocks are cut into shards, each of which goes to destinations of its own."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pincrew.trusted.adding import NotStored, add_files, deliveries
from pincrew.trusted.pin_requests import Allocation
from pincrew.trusted.sharding import Place, Shard, Sharding

from pincrew import limits
from pincrew.errors import Conflict, Misuse
from pincrew.node.importing import AddOptions
from pincrew.node.links import links_of
from pincrew.node.multihash import cid_of
from pincrew.node.shard_dag import leaf_of
from unit.trusted.test_adding import RAW, Nodes, files, in_trio, silent

NONCE = b"n" * 16
NO_ROOT = b"\x01\x55\x00\x00"
BLOCKS = [(cid_of(RAW, data), data) for data in (b"%04d" % number for number in range(10))]


class Places:
    """Gives the shards to one peer after the other."""

    def __init__(self, *peers: str) -> None:
        self.peers = peers
        self.given = 0

    def next(self) -> Place:
        peer = self.peers[self.given % len(self.peers)]
        self.given += 1
        return Place(Allocation(1, 1, (peer,)), [peer])


@asynccontextmanager
async def sharding(nodes: Nodes, places: Places, size: int, told: list[Shard] | None = None) -> AsyncIterator[Sharding]:
    async def on_shard(shard: Shard) -> None:
        if told is not None:
            told.append(shard)

    async with deliveries(nodes.send) as some:
        yield Sharding(some, size, NONCE, places.next, on_shard)


def links(shard: Shard) -> list[bytes]:
    return [link for block in shard.dag.blocks for link in links_of(*block)]


def test_a_shard_is_full_before_the_next_begins_and_goes_to_its_own_peers() -> None:
    async def test() -> None:
        nodes, told = Nodes(), list[Shard]()
        async with sharding(nodes, Places("a", "b", "c"), 16, told) as shards:
            await shards.put_many(BLOCKS[:3])
            await shards.put_many(BLOCKS[3:])
            assert [len(links(one)) for one in told] == [4, 4], "each is told when it is stored"
            await shards.finish()
            assert [one.dag.root for one in told] == [one.dag.root for one in shards.shards]
            assert not any(one.dag.blocks for one in shards.shards), "thousands of lists would fill the memory"
            assert nodes.ended == ["a", "b", "c"]
            listed = await shards.put_list(["a"])
        assert [links(one) for one in told] == [[cid for cid, _ in BLOCKS[at : at + 4]] for at in (0, 4, 8)]
        for peer, shard, some in zip("abc", told, (BLOCKS[:4], BLOCKS[4:8], BLOCKS[8:]), strict=True):
            assert shard.place.allocation.peers == (peer,)
            if peer != "a":  # that one took the list of the shards as well
                assert set(nodes.blocks(peer)) - {NO_ROOT} == {cid for cid, _ in (*some, *shard.dag.blocks)}
        assert shard.size == 8 + sum(len(data) for _, data in shard.dag.blocks)
        assert listed not in {one.dag.root for one in told}

    in_trio(test)


def test_a_block_is_in_a_shard_once_and_what_its_cid_tells_is_in_none() -> None:
    async def test() -> None:
        nodes, told = Nodes(), list[Shard]()
        async with sharding(nodes, Places("a"), 1_000, told) as shards:
            told_by_itself = b"\x01\x55\x00\x02hi", b"hi"
            await shards.put_many([BLOCKS[0], told_by_itself, BLOCKS[0]])
            await shards.put_many([BLOCKS[0], BLOCKS[1]])
            shards._size_max = 8
            await shards.put_many(BLOCKS[:2])  # what it has needs no room
            await shards.finish()
            [shard] = told
        assert links(shard) == [leaf_of(BLOCKS[0][0]), leaf_of(BLOCKS[1][0])]

    in_trio(test)


def test_the_same_content_makes_other_shards() -> None:
    """Each shard belongs to one content; whoever unpins it takes nothing from another."""

    async def test() -> None:
        roots = set()
        for nonce in (b"a" * 16, b"b" * 16):
            async with sharding(Nodes(), Places("a"), 16) as shards:
                shards._nonce = nonce
                await shards.put_many(BLOCKS)
                await shards.finish()
                roots |= {one.dag.root for one in shards.shards}
        assert len(roots) == 6

    in_trio(test)


def test_tiny_blocks_fill_a_shard_by_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SHARD_BLOCKS_MAX", 3)

    async def test() -> None:
        told = list[Shard]()
        async with sharding(Nodes(), Places("a"), 10**9, told) as shards:
            await shards.put_many(BLOCKS)
            await shards.finish()
            assert [len(links(one)) for one in told] == [3, 3, 3, 1]

    in_trio(test)


def test_what_cannot_be_sharded_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with sharding(Nodes(), Places("a"), 3) as shards:
            with pytest.raises(Misuse, match="block doesn't fit in empty shard"):
                await shards.put_many(BLOCKS[:1])
        async with sharding(Nodes(), Places("a"), 4) as shards:
            with pytest.raises(Misuse, match="nothing to add"):
                await shards.finish()
        monkeypatch.setattr(limits, "SHARDS_PER_ADD_MAX", 2)
        async with sharding(Nodes(), Places("a"), 4) as shards:
            with pytest.raises(Misuse, match="more than 2 shards"):
                await shards.put_many(BLOCKS)

    in_trio(test)


def test_a_shard_that_nobody_takes_ends_it_and_one_that_some_take_does_not() -> None:
    async def test() -> None:
        nodes = Nodes(b=1)
        with pytest.raises(NotStored, match="b is down"):
            async with sharding(nodes, Places("a", "b"), 16) as shards:
                await shards.put_many(BLOCKS)
        both = Nodes(b=1)

        def place() -> Place:
            return Place(Allocation(2, 2, ("a", "b")), ["a", "b"])

        async with sharding(both, Places("a"), 16) as shards:
            shards._place = place
            await shards.put_many(BLOCKS)
            await shards.finish()
            assert [one.failed for one in shards.shards] == [{"b": "b is down."}] * 3

    in_trio(test)


def test_too_few_peers_for_the_next_shard_end_it() -> None:
    async def test() -> None:
        def nowhere() -> Place:
            raise Conflict("Not enough peers")

        with pytest.raises(Conflict, match="Not enough peers"):
            async with sharding(Nodes(), Places("a"), 16) as shards:
                await shards.put_many(BLOCKS[:4])
                shards._place = nowhere
                await shards.put_many(BLOCKS[4:])

    in_trio(test)


def test_every_block_of_files_is_in_a_shard() -> None:
    async def test() -> None:
        whole, parts = Nodes(), Nodes()
        content = random.Random(7).randbytes(1_024_000)
        async with deliveries(whole.send) as some:
            blocks = await some.begin(["w"])
            [root] = await add_files(files(content), AddOptions(), blocks, silent)
        told = list[Shard]()
        async with sharding(parts, Places("a", "b", "c", "d", "e", "f"), 300_000, told) as shards:
            [again] = await add_files(files(content), AddOptions(), shards, silent)
        assert again == root and len(told) > 3
        named = {link for shard in told for link in links(shard)}
        assert named == {leaf_of(cid) for cid, data in whole.blocks("w").items() if data}

    in_trio(test)
