from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from pincrew.bookkeeper import Bookkeeper, Work
from pincrew.room import Room
from pincrew.tracker import NO_ROOM, SKIPPED_BY_USER, Progress, StatusUpdate
from pincrew.values import PinState
from support.memory_book import MemoryBook
from support.pinner_bench import cid_of, pin_of

CID = cid_of(1)


def keeping(test: Callable[[Bookkeeper, MemoryBook, list[Any]], Awaitable[None]]) -> None:
    async def main() -> None:
        book, heard = MemoryBook(), []
        keeper = Bookkeeper(
            book,
            Room(),
            now_ms=lambda: 5,
            on_event=lambda kind, _: heard.append(kind),
            on_written=lambda queued, leaving: heard.append((queued, leaving)),
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keeper.run)
            with trio.fail_after(20):
                await test(keeper, book, heard)
            nursery.cancel_scope.cancel()

    trio.run(main)


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 (made true by a thread)
        await trio.sleep(0.001)


def update(state: PinState, cid: bytes = CID) -> StatusUpdate:
    return StatusUpdate(cid, state)


def test_the_newest_status_of_a_cid_is_written_and_older_ones_never() -> None:
    async def test(keeper: Bookkeeper, book: MemoryBook, heard: list[Any]) -> None:
        keeper.settle_soon(update(PinState.PINNING), is_urgent=False)
        keeper.settle_soon(update(PinState.PINNED, cid_of(2)))
        keeper.settle_soon(update(PinState.PINNED))
        await until(lambda: book.settled)
        assert book.settled == [update(PinState.PINNED, cid_of(2)), update(PinState.PINNED)]

    keeping(test)


def test_what_is_not_urgent_is_written_all_the_same() -> None:
    async def test(keeper: Bookkeeper, book: MemoryBook, heard: list[Any]) -> None:
        keeper.settle_soon(update(PinState.PINNING), is_urgent=False)
        await until(lambda: book.settled)

    keeping(test)


def test_a_cid_is_busy_until_its_status_is_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pincrew.bookkeeper.STORE_RETRY_DELAY_S", 0.001)

    async def test(keeper: Bookkeeper, book: MemoryBook, heard: list[Any]) -> None:
        work = Work(CID, pin_of(1), Progress(PinState.PINNING), 0)
        keeper.begin(work)
        with pytest.raises(AssertionError):
            keeper.begin(work)
        async with keeper.turn:
            keeper.settle_soon(update(PinState.PINNED))
            keeper.end(work)
            assert work.finished.is_set()
            book.faults = 2
        assert CID in keeper.busy
        await until(lambda: CID not in keeper.busy)
        assert book.settled == [update(PinState.PINNED)]
        assert heard == ["store_fault", "store_fault", (False, False)]

    keeping(test)


def test_a_status_taken_back_is_not_written() -> None:
    async def test(keeper: Bookkeeper, book: MemoryBook, heard: list[Any]) -> None:
        async with keeper.turn:
            keeper.settle_soon(update(PinState.PINNED))
            assert keeper.take_waiting(CID) == update(PinState.PINNED)
            assert keeper.take_waiting(CID) is None
        keeper.settle_soon(update(PinState.QUEUED, cid_of(2)))
        await until(lambda: heard)
        assert book.settled == [update(PinState.QUEUED, cid_of(2))]
        assert heard == [(True, False)]

    keeping(test)


@pytest.mark.parametrize("state", [PinState.QUEUED, PinState.UNPINNING])
def test_a_row_that_changed_when_its_task_was_just_over_is_looked_for_again(state: PinState) -> None:
    """Whoever looked for it before found it busy, and would not look again for a while."""

    async def test(keeper: Bookkeeper, book: MemoryBook, heard: list[Any]) -> None:
        work = Work(CID, pin_of(1), Progress(PinState.PINNING), 0)
        keeper.begin(work)
        async with keeper.turn:
            keeper.settle_soon(update(PinState.PINNED))
            keeper.end(work)
            keeper.take_waiting(CID)
            book.settle([update(state)], None)
        await until(lambda: heard)
        assert (heard, keeper.busy) == ([(True, True)], {})

    keeping(test)


def test_what_was_refused_is_looked_for_again_once_it_is_written() -> None:
    async def test(keeper: Bookkeeper, book: MemoryBook, heard: list[Any]) -> None:
        before = keeper._room.refusals
        keeper.settle_soon(StatusUpdate(CID, PinState.SKIPPED, cause=SKIPPED_BY_USER))
        await until(lambda: len(book.settled) == 1)
        assert keeper._room.refusals == before
        keeper.settle_soon(StatusUpdate(CID, PinState.SKIPPED, cause=NO_ROOM))
        await until(lambda: keeper._room.refusals == before + 1)

    keeping(test)
