"""On a clock of its own, with a node that says what the test wants."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from pincrew.errors import NodeDown, NodeRefused
from pincrew.limits import NODE_ROOM_FIRST_LOOK_INTERVAL_S, NODE_ROOM_INTERVAL_S, NODE_ROOM_LOOK_INTERVAL_S
from pincrew.node_client import RepoStat
from pincrew.node_room import NodeRoom, free_of, is_here


class SayingNode:
    """Answers ``repo_stat`` with what stands in ``answer``; counts."""

    def __init__(self, answer: RepoStat | Exception, address: str = "http://127.0.0.1:1") -> None:
        self.answer = answer
        self.address = address
        self.asked = 0

    async def repo_stat(self, *, count: bool = False) -> RepoStat:
        self.asked += 1
        await trio.lowlevel.checkpoint()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def watching(node: SayingNode, test: Callable[[NodeRoom, set[str]], Awaitable[None]]) -> None:
    async def main() -> None:
        up = {"up"}
        room = NodeRoom(node, node_is_up=lambda: bool(up))  # type: ignore[arg-type]
        async with trio.open_nursery() as nursery:
            await nursery.start(room.run)
            await test(room, up)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_a_node_that_comes_up_is_asked_at_once() -> None:
    async def test(room: NodeRoom, up: set[str]) -> None:
        up.clear()
        await trio.sleep(1.5 * NODE_ROOM_LOOK_INTERVAL_S)
        assert room.free_bytes is None
        up.add("up")
        await trio.sleep(2 * NODE_ROOM_FIRST_LOOK_INTERVAL_S)
        assert room.free_bytes == 700

    watching(SayingNode(RepoStat(size=300, storage_max=1_000, objects=None)), test)


def test_free_is_what_fits_under_the_limit_and_onto_the_volume() -> None:
    stat = RepoStat(size=300, storage_max=1_000, objects=None)
    assert free_of(stat, None) == 700
    assert free_of(stat, 50) == 50
    assert free_of(stat, 5_000) == 700
    assert free_of(RepoStat(1_500, 1_000, None), 5_000) == 0, "Kubo goes on beyond its limit"
    assert free_of(RepoStat(300, None, None), None) is None
    assert free_of(RepoStat(300, None, None), 50) == 50


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("http://127.0.0.1:5001", True),
        ("http://[::1]:5001", True),
        ("http://localhost:5001", True),
        ("unix:/run/ipfs.sock", True),
        ("https://ipfs.example.org:443", False),
        ("http://192.0.2.7:5001", False),
    ],
)
def test_only_a_node_on_this_machine_names_our_paths(address: str, here: bool) -> None:
    assert is_here(address) is here


def test_the_volume_counts_where_the_node_is_here(tmp_path: Path) -> None:
    stat = RepoStat(0, 2**62, None, str(tmp_path))

    async def bounded(room: NodeRoom, up: set[str]) -> None:
        while room.free_bytes is None:
            await trio.testing.wait_all_tasks_blocked()
        assert 0 < room.free_bytes <= shutil.disk_usage(tmp_path).total

    watching(SayingNode(stat), bounded)

    async def unbounded(room: NodeRoom, up: set[str]) -> None:
        await trio.testing.wait_all_tasks_blocked()
        assert room.free_bytes == 2**62

    watching(SayingNode(stat, "http://192.0.2.7:5001"), unbounded)

    async def elsewhere(room: NodeRoom, up: set[str]) -> None:
        while room.free_bytes is None:
            await trio.testing.wait_all_tasks_blocked()
        assert room.free_bytes == 2**62

    watching(SayingNode(RepoStat(0, 2**62, None, str(tmp_path / "in a container"))), elsewhere)


def test_it_is_asked_now_and_then_while_it_is_up_and_unknown_while_it_is_not() -> None:
    node = SayingNode(RepoStat(300, 1_000, None))

    async def test(room: NodeRoom, up: set[str]) -> None:
        await trio.sleep(1)
        assert (room.free_bytes, node.asked) == (700, 1)
        node.answer = RepoStat(400, 1_000, None)
        await trio.sleep(NODE_ROOM_INTERVAL_S)
        assert (room.free_bytes, node.asked) == (600, 2)
        up.clear()
        await trio.sleep(10 * NODE_ROOM_INTERVAL_S)
        assert (room.free_bytes, node.asked) == (None, 2), "a node that is down is not bothered"
        up.add("up")
        await trio.sleep(NODE_ROOM_LOOK_INTERVAL_S)
        assert room.free_bytes == 600

    watching(node, test)


@pytest.mark.parametrize("failure", [NodeDown("gone"), NodeRefused("no such command")])
def test_a_node_that_does_not_say_is_asked_again(failure: Exception) -> None:
    node = SayingNode(failure)

    async def test(room: NodeRoom, up: set[str]) -> None:
        await trio.sleep(1)
        assert room.free_bytes is None and not room.has_looked
        node.answer = RepoStat(1, 3, None)
        await trio.sleep(NODE_ROOM_LOOK_INTERVAL_S)
        assert room.free_bytes == 2 and room.has_looked

    watching(node, test)
