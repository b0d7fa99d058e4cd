from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

from pincrew.errors import NodeDown
from pincrew.holdings import pin_name
from pincrew.node_client import NodePin, OnProgress
from pincrew.ownership import LetGo, Ownership, Rest
from pincrew.values import PinMode
from support.pinner_bench import ownership_at

A, B = b"a" * 32, b"b" * 32
CID = b"\x01\x55cid"


class SlowNode:
    """A node in memory that lets every other task run before it answers; ``down`` makes it refuse to answer."""

    def __init__(self) -> None:
        self.pins: dict[bytes, NodePin] = {}
        self.down = False

    async def _answer(self) -> None:
        await trio.testing.wait_all_tasks_blocked()
        if self.down:
            raise NodeDown

    async def pin_of(self, cid: bytes) -> NodePin | None:
        await self._answer()
        return self.pins.get(cid)

    async def pin(self, cid: bytes, mode: PinMode, name: str, _origins: tuple[str, ...], _progress: OnProgress) -> None:
        await self._answer()
        self.pins[cid] = NodePin(cid, mode, name)

    async def unpin(self, cid: bytes) -> None:
        await self._answer()
        self.pins.pop(cid, None)


async def take_and_pin(ownership: Ownership, node: SlowNode, cluster: bytes, cid: bytes = CID) -> None:
    taken = await ownership.take(node, "n", cluster, cid, PinMode.RECURSIVE)  # type: ignore[arg-type]
    if not taken.complete:
        await node.pin(cid, PinMode.RECURSIVE, pin_name(cluster), (), lambda *_: None)


def test_one_lets_go_while_another_takes_whoever_is_first(tmp_path: Path) -> None:
    async def main() -> None:
        for round_ in range(20):
            node = SlowNode()
            async with ownership_at(tmp_path / f"{round_}.db") as ownership:
                await take_and_pin(ownership, node, A)
                async with trio.open_nursery() as nursery:
                    for task in (ownership.let_go, None)[:: 1 if round_ % 2 else -1]:
                        if task is None:
                            nursery.start_soon(take_and_pin, ownership, node, B)
                        else:
                            nursery.start_soon(task, node, "n", A, CID)
                assert CID in node.pins
                assert ownership.holdings.held(B, [CID]) == {CID}
                assert ownership.holdings.held(A, [CID]) == set()
                assert ownership._turns == {}

    trio.run(main)


def test_leaving_while_the_node_is_down_goes_on_where_it_stopped(tmp_path: Path) -> None:
    async def main() -> None:
        node = SlowNode()
        cids = [b"\x01\x55%d" % n for n in range(5)]
        async with ownership_at(tmp_path / "h.db") as ownership:
            for cid in cids:
                await take_and_pin(ownership, node, A, cid)
            node.pins[cids[4]] = NodePin(cids[4], PinMode.RECURSIVE, "mine now")
            ownership.holdings.claim("another node", CID, A, was_pinned_before=False, name=None)
            seen: list[Rest] = []

            def stop_after_two(rest: Rest) -> None:
                seen.append(rest)
                node.down = len(seen) == 3

            with pytest.raises(NodeDown):
                await ownership.let_go_all(node, "n", A, stop_after_two)  # type: ignore[arg-type]
            node.down = False
            rest = await ownership.let_go_all(node, "n", A)  # type: ignore[arg-type]
            assert rest.elsewhere == 1 and rest.kept == 1
            assert seen[-1].unpinned + rest.unpinned == 4
            assert node.pins.keys() == {cids[4]}
            assert ownership.holdings.count(A) == 1  # on the other node

    trio.run(main)


def test_a_claim_given_up_is_dropped_unless_the_node_has_it(tmp_path: Path) -> None:
    async def main() -> None:
        node = SlowNode()
        async with ownership_at(tmp_path / "h.db") as ownership:
            await take_and_pin(ownership, node, A)
            assert not await ownership.forget_unpinned(node, "n", A, CID)  # type: ignore[arg-type]
            node.pins.clear()
            assert await ownership.forget_unpinned(node, "n", A, CID)  # type: ignore[arg-type]
            assert ownership.holdings.count(A) == 0
            assert await ownership.let_go(node, "n", A, CID) is LetGo.ABSENT  # type: ignore[arg-type]

    trio.run(main)
