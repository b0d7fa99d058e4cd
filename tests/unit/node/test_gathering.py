"""Calls done together: answers find their callers, errors too, and the queue has a bound."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
import trio
import trio.testing

from pincrew.errors import Malformed, NoRoom, PincrewError
from pincrew.node.gathering import Gathering


class Work:
    """Doubles numbers in a thread that waits until it may; keeps the groups."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.groups: list[list[int]] = []
        self.answers_max = 1_000

    def __call__(self, items: Sequence[int]) -> Sequence[int | PincrewError]:
        self.may.wait()
        self.groups.append(list(items))
        if len(items) > 1 and 13 in items:
            raise NoRoom
        return [NoRoom() if item == 13 else 2 * item for item in items[: self.answers_max]]


def gathering(work: Work, **changes: int) -> Gathering[int, int]:
    bounds = {"group_items": 100, "group_size": 100, "queue_size_max": 1_000, **changes}
    return Gathering(work, limiter=trio.CapacityLimiter(4), **bounds)


def run(items: Sequence[int], workers: int = 1, answers_max: int = 1_000, **changes: int) -> tuple[Work, list[object]]:
    """Call for all items, and let the work go on once everybody waits."""
    work = Work()
    work.answers_max = answers_max
    calls = gathering(work, **changes)
    answers: list[object] = [None] * len(items)

    async def call(at: int) -> None:
        try:
            answers[at] = await calls.call(items[at], 1)
        except PincrewError as error:
            answers[at] = error.code

    async def main() -> None:
        async with trio.open_nursery() as workers_nursery:
            for _ in range(workers):
                workers_nursery.start_soon(calls.run)
            async with trio.open_nursery() as nursery:
                for at in range(len(items)):
                    nursery.start_soon(call, at)
                await trio.testing.wait_all_tasks_blocked()
                work.may.set()
            workers_nursery.cancel_scope.cancel()

    trio.run(main)
    return work, answers


def test_what_comes_while_one_group_is_under_way_is_the_next_group() -> None:
    work, answers = run(list(range(50, 90)))
    assert answers == [2 * number for number in range(50, 90)]
    assert sum(map(len, work.groups)) == 40 and len(work.groups) <= 2


def test_groups_have_a_size() -> None:
    work, answers = run(list(range(50, 90)), group_items=7)
    assert answers == [2 * number for number in range(50, 90)]
    assert max(map(len, work.groups)) == 7
    work, _ = run(list(range(50, 90)), group_size=5)
    assert max(map(len, work.groups)) == 5


def test_what_a_group_did_not_answer_is_first_in_the_next() -> None:
    work, answers = run(list(range(50, 60)), answers_max=3, workers=2)
    assert answers == [2 * number for number in range(50, 60)]
    assert len(work.groups) >= 4


def test_an_error_of_one_is_not_that_of_the_others() -> None:
    work, answers = run([50, 13, 51])
    assert answers == [100, "no_room", 102]
    assert [13] in work.groups, "each was tried alone"


def test_the_queue_has_a_bound_and_all_come_through_in_the_end() -> None:
    work, answers = run(list(range(50, 150)), queue_size_max=4, workers=2)
    assert answers == [2 * number for number in range(50, 150)]
    assert max(map(len, work.groups)) <= 4


def test_a_call_that_was_given_up_before_its_group_is_not_done() -> None:
    work = Work()

    async def main() -> None:
        calls = gathering(work)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(calls.run)
            nursery.start_soon(calls.call, 1, 1)
            await trio.testing.wait_all_tasks_blocked()
            with trio.move_on_after(0):
                await calls.call(2, 1)
            work.may.set()
            assert await calls.call(3, 1) == 6
            nursery.cancel_scope.cancel()

    trio.run(main)
    assert work.groups == [[1], [3]]


def test_a_call_larger_than_the_queue_is_let_in_alone() -> None:
    work = Work()
    work.may.set()

    async def main() -> None:
        calls = gathering(work, queue_size_max=10, group_size=10)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(calls.run)
            assert await calls.call(7, 1_000) == 14
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_a_fault_of_the_program_is_not_swallowed() -> None:
    def work(items: Sequence[int]) -> Sequence[int | PincrewError]:
        raise ZeroDivisionError

    async def main() -> None:
        calls: Gathering[int, int] = Gathering(
            work, group_items=1, group_size=1, queue_size_max=1, limiter=trio.CapacityLimiter(1)
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(calls.run)
            await calls.call(1, 1)

    with pytest.raises(ExceptionGroup) as raised:
        trio.run(main)
    assert raised.group_contains(ZeroDivisionError)
    assert not raised.group_contains(Malformed)
