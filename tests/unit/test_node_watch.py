"""On a clock of its own: no sockets and no threads here."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

import trio
import trio.testing

from pincrew.bell import Bell
from pincrew.errors import NodeDown, NodeRefused, NodeStarting
from pincrew.node_client import NodeIdentity
from pincrew.node_watch import NodeState, NodeView, NodeWatch

ME = NodeIdentity("12D3KooWMe", (), "kubo/0.43.1")


class ScriptedNode:
    """Answers ``id`` with what stands in ``answer``; counts."""

    address = "http://127.0.0.1:1"

    def __init__(self, answer: NodeIdentity | Exception) -> None:
        self.answer = answer
        self.asked_at: list[float] = []
        self.connected: list[str] = []
        self.routes = False
        self.connecting = self.connecting_max = 0

    async def id(self) -> NodeIdentity:
        self.asked_at.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def connect(self, multiaddr: str) -> None:
        self.connecting += 1
        self.connecting_max = max(self.connecting, self.connecting_max)
        await trio.sleep(1)
        self.connecting -= 1
        self.connected.append(multiaddr)
        if not self.routes:
            raise NodeRefused("failure: no route")


def watching(
    node: ScriptedNode, test: Callable[[NodeWatch, list[tuple[NodeState, NodeState]]], Awaitable[None]]
) -> None:
    async def main() -> None:
        seen: list[tuple[NodeState, NodeState]] = []

        def on_change(before: NodeView, now: NodeView) -> None:
            seen.append((before.state, now.state))

        watch = NodeWatch(
            node,  # type: ignore[arg-type]
            now_ms=lambda: int(trio.current_time() * 1_000),
            luck=random.Random(1),
            on_change=on_change,
        )
        async with trio.open_nursery() as nursery:
            assert watch.view.state is NodeState.STARTING
            await nursery.start(watch.run)
            await test(watch, seen)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_absent_then_there_then_gone_then_back() -> None:
    async def test(watch: NodeWatch, seen: list[Any]) -> None:
        await trio.sleep(60)
        assert seen == [(NodeState.STARTING, NodeState.DOWN)]
        assert watch.view.trouble == "gone"
        node.answer = ME
        assert await watch.up() == ME
        assert watch.view.trouble is None
        node.answer = NodeDown("gone")
        watch.lost(NodeDown("reset"))
        watch.lost(NodeDown("reset"))
        assert watch.view.state is NodeState.DOWN and watch.view.trouble == "reset"
        assert watch.view.identity == ME  # the last one seen
        await trio.sleep(5)
        node.answer = ME
        await watch.up()
        assert seen[1:] == [
            (NodeState.DOWN, NodeState.UP),
            (NodeState.UP, NodeState.DOWN),
            (NodeState.DOWN, NodeState.DOWN),  # for other words
            (NodeState.DOWN, NodeState.UP),
        ]

    node = ScriptedNode(NodeDown("gone"))
    watching(node, test)


def test_one_that_is_just_starting_is_asked_again_soon() -> None:
    async def test(watch: NodeWatch, seen: list[Any]) -> None:
        await trio.sleep(2)
        assert seen == [(NodeState.STARTING, NodeState.STARTING)], "with words"
        assert len(node.asked_at) >= 8
        node.answer = ME
        assert await watch.up() == ME
        node.answer = NodeStarting("starting")
        watch.lost(NodeDown("reset"))
        await trio.sleep(2)
        assert [now for _, now in seen[1:]] == [NodeState.UP, NodeState.DOWN, NodeState.STARTING]

    node = ScriptedNode(NodeStarting("starting"))
    watching(node, test)


def test_it_asks_ever_more_seldom_and_at_once_when_told() -> None:
    async def test(watch: NodeWatch, seen: list[Any]) -> None:
        await trio.sleep(600)
        gaps = [b - a for a, b in zip(node.asked_at, node.asked_at[1:], strict=False)]
        assert 0.375 <= gaps[0] <= 0.5
        assert all(22.5 <= gap <= 30 for gap in gaps[8:])
        assert len(gaps) < 40
        count = len(node.asked_at)
        watch.look_now()
        await trio.sleep(0.1)
        assert len(node.asked_at) == count + 1

    node = ScriptedNode(NodeDown("gone"))
    watching(node, test)


def test_a_node_that_answers_and_yet_fails_is_not_asked_in_a_tight_loop() -> None:
    async def test(watch: NodeWatch, seen: list[Any]) -> None:
        with trio.move_on_after(10):
            while True:
                await watch.up()
                watch.lost(NodeDown("reset"))
        assert len(node.asked_at) < 40

    node = ScriptedNode(ME)
    watching(node, test)


def test_another_node_at_the_same_address_is_told() -> None:
    async def test(watch: NodeWatch, seen: list[Any]) -> None:
        await watch.up()
        node.answer = NodeIdentity("12D3KooWAnother", (), "kubo/0.43.1")
        await trio.sleep(11)
        assert seen[-1] == (NodeState.UP, NodeState.UP)
        assert (await watch.up()).peer_id == "12D3KooWAnother"

    node = ScriptedNode(ME)
    watching(node, test)


def test_nodes_are_connected_a_few_at_a_time_and_refusals_are_nothing() -> None:
    async def test(watch: NodeWatch, seen: list[Any]) -> None:
        watch.connect_nodes([f"/a/{n % 60}" for n in range(120)])
        await trio.sleep(60)
        assert set(node.connected) == {f"/a/{n}" for n in range(50)}
        assert node.connecting_max == 4
        assert len(node.connected) > 50, "who was out of reach is tried again"

    node = ScriptedNode(ME)
    watching(node, test)


def test_a_connection_that_failed_once_is_made_the_next_time() -> None:
    async def test(watch: NodeWatch, seen: list[Any]) -> None:
        watch.connect_nodes(["/a"])
        await trio.sleep(2)
        node.routes = True
        await trio.sleep(10)
        tries = len(node.connected)
        await trio.sleep(200)
        assert 2 <= tries <= 4 and len(node.connected) == tries, "once it worked there is peace for a while"
        await trio.sleep(200)
        assert len(node.connected) == tries + 1

    node = ScriptedNode(ME)
    watching(node, test)


def test_a_bell_rung_before_is_heard_once() -> None:
    async def main() -> None:
        bell = Bell()
        bell.ring()
        bell.ring()
        assert await bell.wait(0)
        assert not await bell.wait(5)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
