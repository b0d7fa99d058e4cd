"""Token buckets, with trio's clock jumping."""

from __future__ import annotations

import trio
import trio.testing

from pincrew.node.throttle import Throttle


def timed(test: object) -> None:
    trio.run(test, clock=trio.testing.MockClock(autojump_threshold=0))  # type: ignore[arg-type]


def test_without_a_limit_nothing_waits() -> None:
    async def main() -> None:
        throttle, begun = Throttle(), trio.current_time()
        for _ in range(1_000):
            await throttle.take(10**9)
        assert trio.current_time() == begun and throttle.total == 10**12

    timed(main)


def test_the_limit_holds_over_time_whatever_the_pieces() -> None:
    async def main() -> None:
        for piece in (10, 1_000, 5_000):
            throttle, begun = Throttle(1_000), trio.current_time()
            for _ in range(20_000 // piece):
                await throttle.take(piece)
            # One second's worth is free at the start.
            assert 18.9 <= trio.current_time() - begun <= 19.1

    timed(main)


def test_an_idle_bucket_saves_up_one_second_and_no_more() -> None:
    async def main() -> None:
        throttle = Throttle(1_000)
        await trio.sleep(3_600)
        begun = trio.current_time()
        await throttle.take(2_000)
        assert 0.99 <= trio.current_time() - begun <= 1.01

    timed(main)


def test_a_change_is_felt_by_those_who_wait() -> None:
    async def main() -> None:
        throttle = Throttle(10)
        begun = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(throttle.take, 10_000)
            await trio.sleep(1)
            throttle.limit = 100_000
        assert trio.current_time() - begun < 1.2
        throttle.limit = None
        await throttle.take(10**9)
        assert trio.current_time() - begun < 1.2

    timed(main)


def test_waiters_come_through_in_order() -> None:
    async def main() -> None:
        throttle, order = Throttle(100), list[int]()

        async def one(number: int) -> None:
            await throttle.take(150)
            order.append(number)

        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(one, number)
                await trio.sleep(0.001)
        assert order == [0, 1, 2, 3, 4]

    timed(main)


def test_the_rate_is_that_of_the_last_ten_seconds() -> None:
    async def main() -> None:
        throttle = Throttle()
        for _ in range(20):
            await throttle.take(1_000)
            await trio.sleep(1)
        assert 900 <= throttle.rate() <= 1_100
        await trio.sleep(30)
        assert throttle.rate() == 0

    timed(main)


def test_what_waits_has_not_passed() -> None:
    async def main() -> None:
        throttle = Throttle(1_000)
        async with trio.open_nursery() as nursery:
            for _ in range(6):
                nursery.start_soon(throttle.take, 1_000)
            await trio.sleep(0.5)
            assert throttle.total == 1_000
            await trio.sleep(2)
            assert throttle.total == 3_000
        assert throttle.total == 6_000

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
