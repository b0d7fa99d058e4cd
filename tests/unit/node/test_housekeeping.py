"""Garbage and lost blocks of a real store; who has the lost ones is a script."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from pincrew import limits
from pincrew.node import housekeeping
from pincrew.node.blocks import Blocks
from pincrew.node.housekeeping import Housekeeping
from pincrew.node.multihash import multihash_of
from pincrew.node.store import BlockStore, Pin
from pincrew.node.store.store_file import Purpose
from support.dags import leaf, node


class Others:
    """Other nodes: what they have comes through the store, as it does through the exchange."""

    def __init__(self, blocks: Blocks) -> None:
        self.has: dict[bytes, bytes] = {}
        self.asked: list[list[bytes]] = []
        self._blocks = blocks
        self._coming: list[bytes] = []

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Others]:
        yield self

    def want(self, cids: Iterable[bytes]) -> None:
        self.asked.append([multihash_of(cid) for cid in cids])
        self._coming = [each for each in self.asked[-1] if each in self.has]

    async def receive(self) -> tuple[bytes, bytes]:
        if not self._coming:
            await trio.sleep_forever()
        multihash = self._coming.pop()
        await self._blocks.put(multihash, self.has[multihash])
        return multihash, self.has[multihash]


def with_store(path: Path, test: Callable[[BlockStore, Blocks, Others], Awaitable[None]]) -> None:
    async def main() -> None:
        store = BlockStore(path / "blocks.db")
        blocks = Blocks(store, clock=trio.current_time)
        async with trio.open_nursery() as nursery:
            await nursery.start(blocks.run)
            await test(store, blocks, Others(blocks))
            nursery.cancel_scope.cancel()
        store.close()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.05))


def lose(store: BlockStore, *multihashes: bytes) -> None:
    with store._file.transaction(Purpose.FREEING) as database:
        store._lost.note(database, multihashes)
        for multihash in multihashes:
            database.execute("DELETE FROM blocks WHERE multihash=?", (multihash,))


def test_what_was_lost_is_asked_for_at_the_start_and_again_and_again(tmp_path: Path) -> None:
    parts = [leaf(number) for number in range(4)]
    dag = node(*parts)

    async def test(store: BlockStore, blocks: Blocks, others: Others) -> None:
        await blocks.put_many(dag.leaves_first())
        await blocks.complete_pin(Pin(dag.root))
        lost = [part.block[0] for part in parts[:2]]
        lose(store, *lost)
        others.has = dict([parts[0].block])
        keeper = Housekeeping(blocks, others.session)  # type: ignore[arg-type]
        async with trio.open_nursery() as nursery:
            await nursery.start(keeper.run)
            while await blocks.lost() != lost[1:]:  # noqa: ASYNC110 (a store has no event for it)
                await trio.sleep(1)
            others.has = dict(dag.leaves_first())
            while await blocks.lost():  # noqa: ASYNC110 (a store has no event for it)
                await trio.sleep(1)
            nursery.cancel_scope.cancel()
        assert len(others.asked) == 2
        assert await blocks.get(lost[1]) == parts[1].data

    with_store(tmp_path, test)


def test_what_nobody_has_does_not_keep_the_others_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [leaf(number) for number in range(5)]

    async def test(store: BlockStore, blocks: Blocks, others: Others) -> None:
        lose(store, *(part.block[0] for part in parts))
        lose(store, b"\xff no multihash")
        others.has = dict([parts[4].block])
        keeper = Housekeeping(blocks, others.session)  # type: ignore[arg-type]
        came = [await keeper.refetch() for _ in range(3)]
        assert came == [0, 0, 1]
        assert [len(asked) for asked in others.asked] == [2, 2, 1]

    monkeypatch.setattr(housekeeping, "REFETCH_BLOCKS", 2)
    with_store(tmp_path, test)


def test_garbage_goes_some_time_after_something_was_unpinned(tmp_path: Path) -> None:
    kept, gone = node(leaf("a"), says="kept"), node(leaf("b"), says="gone")

    async def test(store: BlockStore, blocks: Blocks, others: Others) -> None:
        for dag in (kept, gone):
            await blocks.put_many(dag.leaves_first())
            await blocks.complete_pin(Pin(dag.root))
        keeper = Housekeeping(blocks, others.session)  # type: ignore[arg-type]
        async with trio.open_nursery() as nursery:
            await nursery.start(keeper.run)
            assert not await keeper.make_room(), "all of it is pinned"
            await blocks.unpin(gone.root)
            keeper.unpinned()
            await trio.sleep(limits.COLLECT_DELAY_S / 2)
            assert await blocks.count() == 4
            while await blocks.count() > 2:  # noqa: ASYNC110 (a store has no event for it)
                await trio.sleep(1)
            nursery.cancel_scope.cancel()

    with_store(tmp_path, test)


def test_a_bug_in_a_collection_does_not_end_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    garbage, kept = leaf("garbage"), node(leaf("below"))

    def fails(_cid: bytes, _block: bytes) -> list[bytes]:
        raise RecursionError("a bug")

    async def test(store: BlockStore, blocks: Blocks, others: Others) -> None:
        await blocks.put_many([*kept.leaves_first(), garbage.block])
        await blocks.complete_pin(Pin(kept.root))
        keeper = Housekeeping(blocks, others.session)  # type: ignore[arg-type]
        async with trio.open_nursery() as nursery:
            await nursery.start(keeper.run)
            with monkeypatch.context() as broken:
                broken.setattr(housekeeping, "links_of", fails)
                keeper.unpinned()
                while "a bug" not in caplog.text:  # noqa: ASYNC110 (a log has no event for it)
                    await trio.sleep(1)
            assert await blocks.count() == 3
            keeper.unpinned()
            while await blocks.count() > 2:  # noqa: ASYNC110 (a store has no event for it)
                await trio.sleep(1)
            nursery.cancel_scope.cancel()

    with_store(tmp_path, test)


def test_a_pin_half_fetched_that_nobody_asks_for_is_given_up_some_day(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Not one that a call is at work on, however long; and what is given up is garbage for the next collection."""
    caplog.set_level("INFO")
    forgotten, working = Pin(leaf("forgotten").root), Pin(leaf("working").root)

    async def test(store: BlockStore, blocks: Blocks, others: Others) -> None:
        await blocks.put_many([leaf("forgotten").block, leaf("working").block])
        keeper = Housekeeping(blocks, others.session)  # type: ignore[arg-type]
        async with blocks.fetching_pin(forgotten):
            pass
        async with blocks.fetching_pin(working), trio.open_nursery() as nursery:
            await nursery.start(keeper.run)
            assert not await keeper.make_room()
            await trio.sleep(limits.FETCHING_KEPT_S - limits.FETCHING_CHECK_INTERVAL_S)
            assert await blocks.pins_fetching() == sorted([forgotten, working])
            await trio.sleep(2 * limits.FETCHING_CHECK_INTERVAL_S + 1)
            assert await blocks.pins_fetching() == [working]
            assert "given up: 1" in caplog.text
            assert await keeper.make_room()
            nursery.cancel_scope.cancel()
        # Its call has just ended: it has as long as any other, however long ago it was begun.
        async with trio.open_nursery() as nursery:
            await nursery.start(keeper.run)
            await trio.sleep(limits.FETCHING_KEPT_S - 2 * limits.FETCHING_CHECK_INTERVAL_S)
            assert await blocks.pins_fetching() == [working]
            nursery.cancel_scope.cancel()
        await trio.sleep(3 * limits.FETCHING_CHECK_INTERVAL_S)
        async with aclosing(keeper.collect()) as collection:
            assert [gone async for some in collection for gone in some] == [leaf("working").block[0]]
        assert not await blocks.pins_fetching()

    with_store(tmp_path, test)
