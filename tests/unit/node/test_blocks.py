"""The block store for tasks: the same store, with many at once, and errors at the one whom they concern."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
import trio

from pincrew.errors import BlockCorrupt, Conflict, Malformed, NoRoom
from pincrew.limits import STORE_LIMIT_BYTES_MIN, STORE_PUT_QUEUE_BYTES_MAX
from pincrew.node.blocks import Blocks
from pincrew.node.links import links_of
from pincrew.node.store import BlockStore, Pin, PinRemoved
from support.dags import leaf, tree
from unit.node.store.test_block_store import spoil

Test = Callable[[Blocks], Awaitable[None]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "blocks.db"


def run(path: Path, test: Test, limit_bytes: int | None = None) -> None:
    async def main() -> None:
        store = BlockStore(path, limit_bytes=limit_bytes)
        blocks = Blocks(store)
        async with trio.open_nursery() as nursery:
            await nursery.start(blocks.run)
            await test(blocks)
            nursery.cancel_scope.cancel()
        store.close()

    trio.run(main)


def test_many_tasks_put_and_get(path: Path) -> None:
    put = [leaf(number, 1 + number * 37 % 90_000).block for number in range(500)]

    async def test(blocks: Blocks) -> None:
        async with trio.open_nursery() as nursery:
            for multihash, data in put:
                nursery.start_soon(blocks.put, multihash, data)

        async def get(multihash: bytes, data: bytes) -> None:
            assert await blocks.get(multihash) == data

        async with trio.open_nursery() as nursery:
            for multihash, data in put:
                nursery.start_soon(get, multihash, data)
        wanted = [multihash for multihash, _ in put]
        assert await blocks.get_many(wanted) == dict(put)
        assert await blocks.has_many(wanted) == {multihash: len(data) for multihash, data in put}
        assert await blocks.get(leaf("absent").block[0]) is None
        assert await blocks.count() == len(put) and await blocks.multihashes(limit=3) == sorted(wanted)[:3]
        assert await blocks.delete_many(wanted[:3]) == 3

    run(path, test)


def test_a_bad_block_is_the_fault_of_one(path: Path) -> None:
    good = [leaf(number).block for number in range(20)]

    async def test(blocks: Blocks) -> None:
        async def bad() -> None:
            with pytest.raises(Malformed):
                await blocks.put(good[0][0], b"something else")

        async with trio.open_nursery() as nursery:
            for number, block in enumerate(good):
                nursery.start_soon(blocks.put, *block)
                if number % 5 == 0:
                    nursery.start_soon(bad)
        assert await blocks.count() == len(good)

    run(path, test)


def test_a_spoilt_block_is_told_to_who_asked(path: Path) -> None:
    put = [leaf(number).block for number in range(10)]

    async def test(blocks: Blocks) -> None:
        await blocks.put_many(put)
        spoil(path, put[4][0])
        told: list[bytes] = []

        async def get(multihash: bytes, data: bytes) -> None:
            try:
                assert await blocks.get(multihash) == data
            except BlockCorrupt:
                told.append(multihash)

        async with trio.open_nursery() as nursery:
            for block in put:
                nursery.start_soon(get, *block)
        assert told == [put[4][0]] == await blocks.lost()
        assert await blocks.get(put[4][0]) is None
        assert (await blocks.verify()).count == 9

    run(path, test)


@pytest.mark.slow
def test_who_puts_faster_than_the_disk_waits(path: Path) -> None:
    """Far more than the queue holds is put at once; what does not fit below the limit is refused, each alone."""
    size = 1_000_000
    put = [leaf(number, size).block for number in range(4 * STORE_PUT_QUEUE_BYTES_MAX // size)]
    outcomes: list[bool] = []

    async def test(blocks: Blocks) -> None:
        async def one(multihash: bytes, data: bytes) -> None:
            try:
                await blocks.put(multihash, data)
                outcomes.append(True)
            except NoRoom:
                outcomes.append(False)

        async with trio.open_nursery() as nursery:
            for block in put:
                nursery.start_soon(one, *block)
        assert len(outcomes) == len(put) and True in outcomes and False in outcomes
        assert await blocks.count() == sum(outcomes)
        room = await blocks.room()
        assert room.limit is not None and room.files <= room.limit
        blocks.set_limit(None)
        await blocks.put(*leaf("later", size).block)

    run(path, test, STORE_LIMIT_BYTES_MIN)


def test_pins_share_a_commit_and_a_conflict_concerns_one(path: Path) -> None:
    pins = [Pin(leaf(number).root, name=str(number)) for number in range(30)]

    async def test(blocks: Blocks) -> None:
        await blocks.complete_pin(pins[0])

        async def direct() -> None:
            with pytest.raises(Conflict):
                await blocks.complete_pin(pins[0]._replace(recursive=False))

        async with trio.open_nursery() as nursery:
            for pin in pins[1:]:
                nursery.start_soon(blocks.complete_pin, pin)
            nursery.start_soon(direct)
        assert await blocks.pins() == sorted(pins) and await blocks.pins_count() == len(pins)
        assert await blocks.pins(recursive=False) == []
        assert await blocks.pin_of(pins[3].cid) == pins[3]
        new = Pin(leaf("new").root)
        async with blocks.fetching_pin(new):
            assert await blocks.pins_fetching() == [new]
            assert await blocks.abandon_pin(new.cid)
            with pytest.raises(PinRemoved):
                await blocks.complete_pin(new, was_fetched=True)
        async with blocks.fetching_pin(new):
            await blocks.replace_pin(pins[3].cid, new)
        assert await blocks.pin_of(pins[3].cid) is None
        assert await blocks.unpin(new.cid)

    run(path, test)


def test_garbage_is_collected_beside_other_work(path: Path) -> None:
    kept, garbage, added = tree("kept"), tree("garbage", 3), tree("added")

    async def test(blocks: Blocks) -> None:
        await blocks.put_many([*kept.leaves_first(), *garbage.leaves_first()])
        await blocks.complete_pin(Pin(kept.root))
        gone: set[bytes] = set()

        async def collect() -> None:
            async with aclosing(blocks.collect(links_of)) as slices:
                async for multihashes in slices:
                    gone.update(multihashes)

        with blocks.lease() as lease:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(collect)
                await blocks.put_many(added.leaves_first(), lease=lease)
                assert (await blocks.present(list(added.multihashes), lease)).keys() == added.multihashes
            await blocks.complete_pin(Pin(added.root))
        assert gone == garbage.multihashes
        assert set(await blocks.multihashes()) == kept.multihashes | added.multihashes

    run(path, test)


def test_a_collection_that_is_given_up_lets_the_next_one_begin(path: Path) -> None:
    async def test(blocks: Blocks) -> None:
        await blocks.put_many(tree("garbage", 3).leaves_first())
        async with aclosing(blocks.collect(links_of)) as slices:
            async for _ in slices:
                break
        async with aclosing(blocks.collect(links_of)) as slices:
            async for _ in slices:
                pass
        assert await blocks.count() == 0

    run(path, test)
