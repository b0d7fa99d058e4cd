"""Who is let in: what tests/contract/test_room.py does not see of it, with a book in memory and no node."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import trio

from pincrew.admission import Admission
from pincrew.bookkeeper import Bookkeeper, Work
from pincrew.kubo_rpc import KuboRpc
from pincrew.node_address import parse_address
from pincrew.node_watch import NodeWatch
from pincrew.room import Room
from pincrew.selection import Selection
from pincrew.tracker import NO_ROOM, SKIPPED_BY_USER, Candidate, Progress, StatusUpdate
from pincrew.values import Choice, PinState
from pincrew.workplace import Workplace
from support.memory_book import MemoryBook
from support.pinner_bench import CLUSTER, START_MS, cid_of, ownership_at, pin_of

QUEUED, SKIPPED = PinState.QUEUED, PinState.SKIPPED
Test = Callable[[Admission, MemoryBook, Workplace, list[str]], Awaitable[None]]


def admitting(tmp_path: Path, test: Test, *, room: Room | None = None, selection: Selection | None = None) -> None:
    room, selection = room or Room(1_000), selection or Selection()

    async def main() -> None:
        book, heard = MemoryBook(), list[str]()
        keeper = Bookkeeper(
            book,
            room,
            now_ms=lambda: START_MS,
            on_event=lambda _kind, _fields: None,
            on_written=lambda _queued, _leaving: None,
        )
        node = KuboRpc(parse_address("http://127.0.0.1:9"))
        watch = NodeWatch(node, now_ms=lambda: START_MS, luck=random.Random(1))
        async with ownership_at(tmp_path / "holdings.db") as ownership:
            place = Workplace(
                CLUSTER, keeper, node, watch, ownership, lambda: START_MS, lambda _kind, _fields: None, selection, room
            )
            admission = Admission(place, lambda: heard.append("queued"), lambda: heard.append("leaving"))
            with trio.fail_after(20):
                await test(admission, book, place, heard)

    trio.run(main)


def queued(book: MemoryBook, *numbers: int, size: int | None = None) -> list[Candidate]:
    book.put(*(pin_of(number, size=size) for number in numbers))
    return [Candidate(pin_of(number, size=size), QUEUED, size=size) for number in numbers]


def test_what_is_not_selected_or_does_not_fit_is_turned_away_in_one_go(tmp_path: Path) -> None:
    async def test(admission: Admission, book: MemoryBook, place: Workplace, heard: list[str]) -> None:
        found = queued(book, 1, 2, size=400) + queued(book, 3, size=2_000) + queued(book, 4)
        admitted = await admission.sift(found)
        assert [one.pin.cid for one in admitted] == [cid_of(1), cid_of(4)]
        assert book.rows[cid_of(2)].status.cause == SKIPPED_BY_USER
        assert book.rows[cid_of(3)].status.cause == NO_ROOM
        assert heard == [], "nothing of them was held"

    admitting(tmp_path, test, selection=Selection(choices={cid_of(2): Choice.SKIP}))


def test_what_is_held_and_turned_away_leaves(tmp_path: Path) -> None:
    async def test(admission: Admission, book: MemoryBook, place: Workplace, heard: list[str]) -> None:
        found = queued(book, 1, size=2_000)
        place.ownership.holdings.claim("node", cid_of(1), CLUSTER, was_pinned_before=False, name=None)
        assert await admission.sift(found) == []
        assert book.left[cid_of(1)] == -1 and book.left_sizes[cid_of(1)] == 2_000 and heard == ["leaving"]
        assert place.room.kept == 2_000

    admitting(tmp_path, test)


def test_it_is_settled_once_nothing_that_was_skipped_fits(tmp_path: Path) -> None:
    async def test(admission: Admission, book: MemoryBook, place: Workplace, heard: list[str]) -> None:
        await admission.sift(queued(book, 1, size=2_000))
        assert not admission.is_settled
        async with trio.open_nursery() as nursery:
            nursery.start_soon(admission.run)
            while not admission.is_settled:  # noqa: ASYNC110 (found out in a thread)
                await trio.sleep(0.001)
            assert heard == [] and book.state(cid_of(1)) is SKIPPED
            place.room.set_rules(3_000, 0)
            assert not admission.is_settled
            admission.wake()
            while not heard:  # noqa: ASYNC110 (found out in a thread)
                await trio.sleep(0.001)
            assert book.state(cid_of(1)) is QUEUED
            nursery.cancel_scope.cancel()

    admitting(tmp_path, test)


def test_a_search_that_found_nothing_is_not_made_again(tmp_path: Path) -> None:
    async def test(admission: Admission, book: MemoryBook, place: Workplace, heard: list[str]) -> None:
        await admission.sift(queued(book, 1, size=2_000))
        searches = 0
        readmit = book.readmit

        def counted(*arguments: Any, **named: Any) -> int:
            nonlocal searches
            searches += 1
            return readmit(*arguments, **named)

        book.readmit = counted  # type: ignore[method-assign]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(admission.run)
            while not admission.is_settled:  # noqa: ASYNC110 (found out in a thread)
                await trio.sleep(0.001)
            for _ in range(20):
                admission.wake()
                await trio.sleep(0.005)
            assert searches == 1
            place.room.settled(300)
            assert admission.is_settled, "where less is free now, still nothing fits"
            place.room.settled(0)
            place.room.set_rules(3_000, 0)
            assert not admission.is_settled
            nursery.cancel_scope.cancel()

    admitting(tmp_path, test)


def test_what_is_turned_away_while_it_searches_is_searched_for(tmp_path: Path) -> None:
    async def test(admission: Admission, book: MemoryBook, place: Workplace, heard: list[str]) -> None:
        readmit, refused = book.readmit, trio.Event()

        def late(*arguments: Any, **named: Any) -> int:
            found = readmit(*arguments, **named)
            if not refused.is_set():
                trio.from_thread.run_sync(turn_away)
            return found

        def turn_away() -> None:
            place.room.refusals += 1
            refused.set()

        book.readmit = late  # type: ignore[method-assign]
        book.put(pin_of(1, size=500))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(admission.run)
            await refused.wait()
            book.settle([StatusUpdate(cid_of(1), SKIPPED, cause=NO_ROOM)], None)
            admission.wake()
            while not heard:  # noqa: ASYNC110 (found out in a thread)
                await trio.sleep(0.001)
            assert book.state(cid_of(1)) is QUEUED
            nursery.cancel_scope.cancel()

    admitting(tmp_path, test)


def test_of_what_is_under_way_the_last_begun_is_stopped_first(tmp_path: Path) -> None:
    async def test(admission: Admission, book: MemoryBook, place: Workplace, heard: list[str]) -> None:
        works = [Work(cid_of(n), pin_of(n), Progress(QUEUED), START_MS) for n in range(3)]
        for work in works:
            assert place.room.reserve(work.cid, 300)
            place.keeper.begin(work)
        place.room.set_rules(650, 0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(admission.run)
            while works[2].refusal is None:  # noqa: ASYNC110
                await trio.sleep(0.001)
            nursery.cancel_scope.cancel()
        assert [work.refusal is None for work in works] == [True, True, False]
        assert works[2].scope.cancel_called and not works[1].scope.cancel_called

    admitting(tmp_path, test)


def test_why_pins_are_skipped_is_counted(tmp_path: Path) -> None:
    async def test(admission: Admission, book: MemoryBook, place: Workplace, heard: list[str]) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(admission.count)
            await admission.sift(queued(book, 1, 2, size=2_000))
            while admission.census != {NO_ROOM: 2}:  # noqa: ASYNC110 (counted in a thread)
                await trio.sleep(0.001)
            book.settle([StatusUpdate(cid_of(1), QUEUED)], None)
            admission.rows_changed()
            while admission.census != {NO_ROOM: 1}:  # noqa: ASYNC110 (counted in a thread)
                await trio.sleep(0.001)
            nursery.cancel_scope.cancel()

    admitting(tmp_path, test)
