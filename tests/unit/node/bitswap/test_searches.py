"""Which searches go on, and for whom."""

from __future__ import annotations

from typing import Any

import trio
import trio.testing

from pincrew.errors import PincrewError, WorldFault
from pincrew.node.bitswap.searches import Searches
from pincrew.node.bitswap.session import Session

CID = b"\x01\x55\x12\x20" + bytes(32)


class Bench:
    """Searches that never find anything; sessions that do nothing but be somebody."""

    def __init__(self) -> None:
        self.searches = Searches(self.seek)
        self.under_way: list[bool] = []
        self.failure: PincrewError | None = None

    async def seek(self, _: bytes, wants_all: bool) -> None:
        self.under_way.append(wants_all)
        try:
            if self.failure is not None:
                raise self.failure
            await trio.sleep_forever()
        finally:
            self.under_way.remove(wants_all)


def session(number: int, *, wants_all: bool = False) -> Session:
    exchange: Any = None  # it is asked for nothing here
    return Session(number, exchange, wants_all=wants_all)


def wanted(_: bytes) -> bool:
    return True


def unwanted(_: bytes) -> bool:
    return False


def test_one_search_for_a_block_goes_on_until_nobody_waits_for_it() -> None:
    async def main() -> None:
        bench, first, second = Bench(), session(1), session(2)
        async with trio.open_nursery() as nursery:
            for each in (first, second):
                bench.searches.begin(CID, each, nursery)
            await trio.testing.wait_all_tasks_blocked()
            assert bench.under_way == [False]
            bench.searches.end(first, wanted)
            await trio.testing.wait_all_tasks_blocked()
            assert bench.under_way == [False]
            bench.searches.end(second, unwanted, [CID])
        assert bench.under_way == []

    trio.run(main)


def test_a_search_for_all_below_a_block_is_of_no_use_to_others() -> None:
    async def main() -> None:
        bench, one = Bench(), session(1, wants_all=True)
        async with trio.open_nursery() as nursery:
            bench.searches.begin(CID, one, nursery)
            await trio.testing.wait_all_tasks_blocked()
            bench.searches.end(one, wanted, [CID[:-1] + b"x"])
            await trio.testing.wait_all_tasks_blocked()
            assert bench.under_way == [True]
            bench.searches.end(one, wanted)
        assert bench.under_way == []

    trio.run(main)


def test_after_a_search_that_failed_there_may_be_another() -> None:
    async def main() -> None:
        bench, one = Bench(), session(1)
        async with trio.open_nursery() as nursery:
            bench.failure = WorldFault("nobody answers")
            bench.searches.begin(CID, one, nursery)
            await trio.testing.wait_all_tasks_blocked()
            bench.failure = None
            bench.searches.begin(CID, one, nursery)
            await trio.testing.wait_all_tasks_blocked()
            assert bench.under_way == [False]
            nursery.cancel_scope.cancel()

    trio.run(main)
