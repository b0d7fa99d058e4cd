from __future__ import annotations

import pytest
import trio
import trio.testing

from pincrew.errors import NoProgress
from pincrew.limits import READ_AHEAD_BLOCKS, READ_AHEAD_BYTES
from pincrew.node.read_ahead import ReadAhead


class Network:
    """Blocks that arrive when the test lets them."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.arrivals: dict[int, trio.Event] = {}

    async def get(self, cid: bytes) -> bytes:
        number = cid[0]
        self.asked.append(number)
        self.arrivals[number] = trio.Event()
        await self.arrivals[number].wait()
        if number == 99:
            raise NoProgress
        return cid * 2


def wanted(*numbers: int, size: int = 0) -> list[tuple[bytes, int, int]]:
    return [(bytes([number]), size, number) for number in numbers]


def test_blocks_come_in_order_and_those_put_first_come_before() -> None:
    async def main() -> None:
        network = Network()
        async with trio.open_nursery() as nursery:
            ahead = ReadAhead[int](network.get, nursery)
            assert await ahead.take() is None
            ahead.put_first(wanted(1, 2, 3))
            taken: list[int] = []

            async def take(count: int) -> None:
                for _ in range(count):
                    result = await ahead.take()
                    assert result is not None and result[1] == bytes([result[0]]) * 2
                    taken.append(result[0])

            nursery.start_soon(take, 1)
            await trio.testing.wait_all_tasks_blocked()
            assert sorted(network.asked) == [1, 2, 3]
            network.arrivals[2].set()
            await trio.testing.wait_all_tasks_blocked()
            assert taken == []
            network.arrivals[1].set()
            await trio.testing.wait_all_tasks_blocked()
            assert taken == [1]
            ahead.put_first(wanted(4, 5))
            nursery.start_soon(take, 4)
            await trio.testing.wait_all_tasks_blocked()
            for number in (3, 5, 4):
                network.arrivals[number].set()
            await trio.testing.wait_all_tasks_blocked()
            assert taken == [1, 4, 5, 2, 3]
            assert sorted(network.asked) == [1, 2, 3, 4, 5]

    trio.run(main)


@pytest.mark.parametrize(
    ("size", "at_once"), [(0, READ_AHEAD_BLOCKS), (READ_AHEAD_BYTES // 4, 4), (READ_AHEAD_BYTES * 2, 1)]
)
def test_only_so_much_is_on_its_way(size: int, at_once: int) -> None:
    async def main() -> None:
        network = Network()
        async with trio.open_nursery() as nursery:
            ahead = ReadAhead[int](network.get, nursery)
            ahead.put_first(wanted(*range(60), size=size))
            nursery.start_soon(ahead.take)
            await trio.testing.wait_all_tasks_blocked()
            assert len(network.asked) == at_once
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_a_failure_is_raised_when_its_block_is_taken() -> None:
    async def main() -> None:
        network = Network()
        async with trio.open_nursery() as nursery:
            ahead = ReadAhead[int](network.get, nursery)
            ahead.put_first(wanted(1, 99))

            async def arrive() -> None:
                await trio.testing.wait_all_tasks_blocked()
                for event in network.arrivals.values():
                    event.set()

            nursery.start_soon(arrive)
            assert await ahead.take() == (1, b"\x01\x01")
            with pytest.raises(NoProgress):
                await ahead.take()

    trio.run(main)
