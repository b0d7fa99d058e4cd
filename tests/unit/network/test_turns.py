"""Who may shake hands when, on a clock of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
import trio.testing

from pincrew import limits
from pincrew.network.turns import Turns

MANY = 5 * limits.HANDSHAKES_AT_ONCE_MAX


class Crowd:
    """Everybody who comes to one door. ``most`` is how many shook hands at the same time."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.within = self.most = 0
        self.done: list[int] = []

    async def come(self, number: int, takes_s: float) -> None:
        async with self.turns.turn():
            self.within += 1
            self.most = max(self.most, self.within)
            await trio.sleep(takes_s)
            self.within -= 1
        self.done.append(number)


def crowding(test: Callable[[Crowd, trio.Nursery], Awaitable[None]]) -> float:
    """Run a test until all have gone; return the seconds that it took."""

    async def main() -> float:
        async with trio.open_nursery() as nursery:
            await test(Crowd(), nursery)
        return trio.current_time()

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_a_crowd_comes_in_by_and_by() -> None:
    crowd: list[Crowd] = []

    async def test(one: Crowd, nursery: trio.Nursery) -> None:
        crowd.append(one)
        for number in range(MANY):
            nursery.start_soon(one.come, number, 0.1)

    assert round(crowding(test), 3) == 0.5
    assert crowd[0].most == limits.HANDSHAKES_AT_ONCE_MAX and len(crowd[0].done) == MANY


def test_who_says_nothing_keeps_the_next_one_waiting_for_a_head_start_only() -> None:
    async def test(one: Crowd, nursery: trio.Nursery) -> None:
        for _ in range(limits.HANDSHAKES_AT_ONCE_MAX):
            nursery.start_soon(one.come, -1, limits.UPGRADE_TIMEOUT_S)
        await trio.testing.wait_all_tasks_blocked()
        begun = trio.current_time()
        await one.come(1, 0.1)
        assert round(trio.current_time() - begun, 3) == limits.HANDSHAKE_HEAD_START_S + 0.1

    crowding(test)


def test_who_goes_away_while_waiting_leaves_no_trace() -> None:
    async def test(one: Crowd, nursery: trio.Nursery) -> None:
        for _ in range(limits.HANDSHAKES_AT_ONCE_MAX):
            nursery.start_soon(one.come, -1, 0.5)
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(0.1):
            await one.come(1, 0.1)
        await one.come(2, 0.1)
        assert 1 not in one.done and round(trio.current_time(), 3) == 0.6

    crowding(test)
