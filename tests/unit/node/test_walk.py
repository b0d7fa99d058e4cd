"""Walks from one real store into another; only the network between them is replaced."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from pincrew.errors import Malformed, Misuse, NoRoom, NotFound
from pincrew.node import dag_pb
from pincrew.node.bitswap.session import SentBy
from pincrew.node.blocks import Blocks
from pincrew.node.dag_pb import Link
from pincrew.node.multihash import DAG_CBOR, DAG_PB, RAW, cid_from, multihash_of
from pincrew.node.pinning import Pinning
from pincrew.node.store import BlockStore, Pin, PinRemoved

Dag = dict[bytes, bytes]


def put(dag: Dag, data: bytes, codec: int) -> bytes:
    cid = cid_from(codec, b"\x12\x20" + hashlib.sha256(data).digest())
    dag[cid] = data
    return cid


def random_dag(seed: int, size: int) -> tuple[bytes, Dag]:
    """Blocks that link to any that came before: shared, repeated, deep and wide."""
    luck, dag, cids = random.Random(seed), Dag(), list[bytes]()
    for _ in range(size):
        links = [Link(luck.choice(cids)) for _ in range(luck.choice((0, 1, 3, 20)))] if cids else []
        if links:
            cids.append(put(dag, dag_pb.encode(links, None), DAG_PB))
        else:
            cids.append(put(dag, luck.randbytes(luck.randint(1, 400)), RAW))
    root = put(dag, dag_pb.encode([Link(cid) for cid in cids[-30:]], None), DAG_PB)
    return root, dag


class Elsewhere:
    """Another node: gives what is wanted in any order, through the store as the exchange does."""

    def __init__(self, dag: Dag, blocks: Blocks, seed: int) -> None:
        self.dag, self.blocks, self.given = dag, blocks, list[bytes]()
        self.wants_all: bool | None = None
        self.sent_by: SentBy = lambda _peer: None
        self._luck = random.Random(seed)
        self._wanted: list[bytes] = []

    @asynccontextmanager
    async def session(self, *, wants_all: bool, sent_by: SentBy) -> AsyncIterator[Elsewhere]:
        self.wants_all, self.sent_by = wants_all, sent_by
        yield self
        self._wanted.clear()

    def want(self, cids: Iterable[bytes]) -> None:
        self._wanted += cids

    async def receive_some(self, bytes_max: int) -> list[tuple[bytes, bytes]]:
        have = [cid for cid in self._wanted if cid in self.dag]
        if not have:
            await trio.sleep_forever()
        cid = self._luck.choice(have)
        self._wanted.remove(cid)
        self.given.append(cid)
        self.sent_by("somebody")
        await self.blocks.put_many([(multihash_of(cid), self.dag[cid])], verified=True)
        return [(cid, self.dag[cid])]


async def no_room() -> bool:
    return False


def with_store(path: Path, test: Callable[[Blocks], Awaitable[None]], limit_bytes: int | None = None) -> None:
    async def main() -> None:
        store = BlockStore(path / "blocks.db", limit_bytes=limit_bytes)
        try:
            blocks = Blocks(store)
            async with trio.open_nursery() as nursery:
                await nursery.start(blocks.run)
                await test(blocks)
                nursery.cancel_scope.cancel()
        finally:
            store.close()

    trio.run(main)


def pinning_of(blocks: Blocks, elsewhere: Elsewhere) -> Pinning:
    return Pinning(blocks, elsewhere.session, no_room, lambda: None)


@pytest.mark.parametrize("seed", range(5))
def test_all_of_a_dag_comes_once_and_is_counted(tmp_path: Path, seed: int) -> None:
    root, dag = random_dag(seed, 300)
    reachable = {root}
    stack = [root]
    while stack:
        cid = stack.pop()
        if dag[cid] and cid[1] == DAG_PB:
            new = {link.cid for link in dag_pb.decode(dag[cid])[0]} - reachable
            reachable |= new
            stack += new

    async def test(blocks: Blocks) -> None:
        elsewhere = Elsewhere(dag, blocks, seed)
        counts: list[tuple[int, int]] = []
        await pinning_of(blocks, elsewhere).pin(Pin(root, True, "x"), lambda *now: counts.append(now))
        assert sorted(elsewhere.given) == sorted(reachable)
        assert counts[-1] == (len(reachable), sum(len(dag[cid]) for cid in reachable))
        assert counts == sorted(counts)
        assert await blocks.pin_of(root) == Pin(root, True, "x") and not await blocks.pins_fetching()
        # Again: all is here, nothing is asked for, and the counts are the same.
        elsewhere.given.clear()
        again: list[tuple[int, int]] = []
        await pinning_of(blocks, elsewhere).pin(Pin(root, True, "y"), lambda *now: again.append(now))
        assert not elsewhere.given and again[-1] == counts[-1]

    with_store(tmp_path, test)


def test_a_walk_that_was_cut_off_goes_on_where_it_was(tmp_path: Path) -> None:
    root, dag = random_dag(7, 200)

    async def test(blocks: Blocks) -> None:
        missing = Elsewhere(dict(list(dag.items())[100:]), blocks, 1)
        with trio.move_on_after(0.5):  # what is missing never comes
            await pinning_of(blocks, missing).pin(Pin(root))
        assert missing.given and await blocks.pin_of(root) is None
        assert [pin.cid for pin in await blocks.pins_fetching()] == [root]
        elsewhere = Elsewhere(dag, blocks, 2)
        await pinning_of(blocks, elsewhere).pin(Pin(root))
        assert not set(missing.given) & set(elsewhere.given)
        assert await blocks.pin_of(root) == Pin(root)

    with_store(tmp_path, test)


def test_a_direct_pin_is_one_block_and_gives_way_to_a_recursive_one(tmp_path: Path) -> None:
    root, dag = random_dag(3, 50)

    async def test(blocks: Blocks) -> None:
        elsewhere = Elsewhere(dag, blocks, 1)
        pinning = pinning_of(blocks, elsewhere)
        await pinning.pin(Pin(root, False))
        assert elsewhere.given == [root] and elsewhere.wants_all is False
        await pinning.pin(Pin(root, True))
        assert elsewhere.wants_all is True
        with pytest.raises(Misuse, match="recursively already"):
            await pinning.pin(Pin(root, False))
        assert await pinning.unpin(root)
        assert not await pinning.unpin(root)

    with_store(tmp_path, test)


def test_an_update_is_one_step_and_keeps_the_name(tmp_path: Path) -> None:
    (old, one), (new, two) = random_dag(1, 20), random_dag(2, 20)

    async def test(blocks: Blocks) -> None:
        pinning = pinning_of(blocks, Elsewhere(one | two, blocks, 1))
        with pytest.raises(NotFound, match="not recursively pinned"):
            await pinning.update(old, new, unpin=True)
        await pinning.pin(Pin(old, True, "mine"))
        await pinning.update(old, new, unpin=False)
        assert await blocks.pins_count() == 2
        await pinning.update(old, new, unpin=True)
        assert await blocks.pins() == [Pin(new, True, "mine")]

    with_store(tmp_path, test)


def test_what_cannot_be_walked_is_refused(tmp_path: Path) -> None:
    dag = Dag()
    strange = put(dag, b"x", 0x78)  # git-raw: its links would be missed
    broken = put(dag, b"\xff\xff", DAG_PB)
    above = put(dag, dag_pb.encode([Link(strange)], None), DAG_PB)

    async def test(blocks: Blocks) -> None:
        pinning = pinning_of(blocks, Elsewhere(dag, blocks, 1))
        for root in (strange, above):
            with pytest.raises(Misuse, match="codec 0x78"):
                await pinning.pin(Pin(root))
        with pytest.raises(Malformed):
            await pinning.pin(Pin(broken))

    with_store(tmp_path, test)


def test_one_block_as_two_codecs_is_followed_as_each(tmp_path: Path) -> None:
    """The same bytes: a list with one link as dag-cbor, and a raw block without any."""
    dag = Dag()
    leaf = put(dag, os.urandom(10), RAW)
    data = b"\x81\xd8\x2a\x58" + bytes([len(leaf) + 1]) + b"\x00" + leaf
    as_cbor, as_raw = put(dag, data, DAG_CBOR), put(dag, data, RAW)
    root = put(dag, dag_pb.encode([Link(as_raw), Link(as_cbor)], None), DAG_PB)

    async def test(blocks: Blocks) -> None:
        await pinning_of(blocks, Elsewhere(dag, blocks, 1)).pin(Pin(root))
        assert await blocks.get(multihash_of(leaf)) == dag[leaf]

    with_store(tmp_path, test)


def test_links_inside_of_a_cid_are_followed(tmp_path: Path) -> None:
    dag = Dag()
    leaf = put(dag, os.urandom(10), RAW)
    inside = dag_pb.encode([Link(leaf)], None)
    identity = cid_from(DAG_PB, b"\x00" + bytes([len(inside)]) + inside)
    root = put(dag, dag_pb.encode([Link(identity)], None), DAG_PB)

    async def test(blocks: Blocks) -> None:
        await pinning_of(blocks, Elsewhere(dag, blocks, 1)).pin(Pin(root))
        assert await blocks.get(multihash_of(leaf)) == dag[leaf]

    with_store(tmp_path, test)


def test_data_inside_of_a_cid_is_as_short_as_kubo_takes_it(tmp_path: Path) -> None:
    dag = Dag()
    inside = cid_from(RAW, b"\x00\x81\x01" + bytes(129))
    root = put(dag, dag_pb.encode([Link(inside)], None), DAG_PB)

    async def test(blocks: Blocks) -> None:
        with pytest.raises(Malformed, match="129 bytes"):
            await pinning_of(blocks, Elsewhere(dag, blocks, 1)).pin(Pin(root))

    with_store(tmp_path, test)


def test_what_is_collected_as_soon_as_it_has_come_is_wanted_again(tmp_path: Path) -> None:
    root, dag = random_dag(5, 60)

    class Collected(Elsewhere):
        """Each block is deleted once after it has been put, as a collection would."""

        async def receive_some(self, bytes_max: int) -> list[tuple[bytes, bytes]]:
            [(cid, data)] = await super().receive_some(bytes_max)
            if self.given.count(cid) == 1:
                await self.blocks.delete_many([multihash_of(cid)])
            return [(cid, data)]

    async def test(blocks: Blocks) -> None:
        elsewhere = Collected(dag, blocks, 1)
        counts: list[tuple[int, int]] = []
        await pinning_of(blocks, elsewhere).pin(Pin(root), lambda *now: counts.append(now))
        needed = set(elsewhere.given)
        assert len(elsewhere.given) == 2 * len(needed) == 2 * counts[-1][0]
        assert len(await blocks.has_many([multihash_of(cid) for cid in needed])) == len(needed)

    with_store(tmp_path, test)


def test_a_pin_that_is_removed_while_it_is_fetched_is_not_made(tmp_path: Path) -> None:
    (old, one), (root, dag) = random_dag(1, 20), random_dag(9, 30)

    class Removed(Elsewhere):
        unpin: Callable[[bytes], Awaitable[bool]]

        async def receive_some(self, bytes_max: int) -> list[tuple[bytes, bytes]]:
            await self.unpin(root)
            return await super().receive_some(bytes_max)

    async def test(blocks: Blocks) -> None:
        elsewhere = Removed(one | dag, blocks, 1)
        pinning = pinning_of(blocks, elsewhere)
        elsewhere.unpin = pinning.unpin
        await pinning.pin(Pin(old, True, "old"))
        with pytest.raises(PinRemoved, match="removed while it was being fetched"):
            await pinning.pin(Pin(root))
        assert await blocks.pins_count() == 1 and not await blocks.pins_fetching()
        await blocks.delete_many([multihash_of(cid) for cid in dag if cid not in one])
        with pytest.raises(PinRemoved):
            await pinning.update(old, root, unpin=True)
        assert await blocks.pins() == [Pin(old, True, "old")]
        await pinning.pin(Pin(root), offline=True)
        assert await blocks.pin_of(root) == Pin(root)

    with_store(tmp_path, test)


def test_offline_nobody_is_asked(tmp_path: Path) -> None:
    root, dag = random_dag(4, 60)

    async def test(blocks: Blocks) -> None:
        elsewhere = Elsewhere(dag, blocks, 1)
        pinning = pinning_of(blocks, elsewhere)
        with pytest.raises(NotFound, match="nobody was asked"):
            await pinning.pin(Pin(root), offline=True)
        assert not elsewhere.given and await blocks.pin_of(root) is None
        await pinning.pin(Pin(root, True))
        await pinning.unpin(root)
        await pinning.pin(Pin(root, True, "again"), offline=True)
        assert await blocks.pin_of(root) == Pin(root, True, "again")

    with_store(tmp_path, test)


def test_a_pin_for_which_there_is_no_room_does_not_sit_on_what_there_is(tmp_path: Path) -> None:
    root, dag = random_dag(8, 60)

    class Full(Elsewhere):
        left = 20

        async def receive_some(self, bytes_max: int) -> list[tuple[bytes, bytes]]:
            self.left -= 1
            if self.left < 0:
                raise NoRoom
            return await super().receive_some(bytes_max)

    async def test(blocks: Blocks) -> None:
        collected: list[bool] = []
        unpinned: list[bool] = []

        async def make_room() -> bool:
            collected.append(True)
            return True

        full = Full(dag, blocks, 1)
        pinning = Pinning(blocks, full.session, make_room, lambda: unpinned.append(True))
        with pytest.raises(NoRoom):
            await pinning.pin(Pin(root))
        assert len(collected) == len(unpinned) == 1, "garbage is tried first"
        assert not await blocks.pins_fetching() and await blocks.pin_of(root) is None
        full.left = 1_000
        await pinning.pin(Pin(root))
        assert await blocks.pin_of(root) == Pin(root)

    with_store(tmp_path, test)
