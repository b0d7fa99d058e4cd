"""Marks: each number apart, each way apart, whatever the range."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from pincrew.node.store.mark_set import WAYS, MarkSet

NUMBERS = st.one_of(st.integers(1, 3_000), st.integers(1, 2**60))
MARKS = st.lists(st.tuples(NUMBERS, st.integers(0, WAYS - 1)), max_size=60)


@given(MARKS, MARKS, st.lists(NUMBERS, max_size=20))
def test_it_is_a_set(first: list[tuple[int, int]], second: list[tuple[int, int]], others: list[int]) -> None:
    marks, more = MarkSet(), MarkSet()
    known: set[tuple[int, int]] = set()
    for number, way in first:
        assert marks.mark(number, way) is ((number, way) not in known)
        known.add((number, way))
    for number, way in second:
        more.mark(number, way)
    marks.merge(more)
    numbers = {number for number, _ in first + second}
    for number in numbers | set(others) | {number + 1 for number in numbers}:
        assert (number in marks) is (number in numbers)
    for number, way in first + second:
        assert not marks.mark(number, way)


def test_threads_lose_no_mark_of_each_other() -> None:
    marks = MarkSet()

    def work(way: int) -> None:
        for number in range(20_000):
            marks.mark(number, way)

    threads = [threading.Thread(target=work, args=(way,)) for way in range(WAYS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not any(marks.mark(number, way) for number in range(20_000) for way in range(WAYS))
