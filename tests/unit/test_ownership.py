from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path

import pytest
import trio
import trio.testing

from pincrew.errors import NodeDown, NodeRefused
from pincrew.holdings import pin_name
from pincrew.limits import GIVEN_UP_SECOND_LOOK_S, NODE_PINS_FRESH_S
from pincrew.node_client import Absent, NodePin, OnProgress
from pincrew.ownership import LetGo, Ownership, Rest, Taken
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


def test_a_pin_that_completes_a_moment_after_it_was_stopped_stays_claimed(tmp_path: Path) -> None:
    async def main() -> None:
        node = SlowNode()
        async with ownership_at(tmp_path / "h.db") as ownership, trio.open_nursery() as nursery:
            await ownership.take(node, "n", A, CID, PinMode.RECURSIVE)  # type: ignore[arg-type]

            async def complete() -> None:
                await trio.sleep(GIVEN_UP_SECOND_LOOK_S / 2)
                node.pins[CID] = NodePin(CID, PinMode.RECURSIVE, pin_name(A))

            nursery.start_soon(complete)
            assert not await ownership.forget_unpinned(node, "n", A, CID)  # type: ignore[arg-type]
            assert ownership.holdings.held(A, [CID]) == {CID}
            assert await ownership.let_go(node, "n", A, CID) is LetGo.UNPINNED  # type: ignore[arg-type]

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


# ---- one listing instead of a question for each --------------------------------------------------------------------
CIDS = [b"\x01\x55cid %d" % number for number in range(4)]


class ListingNode(SlowNode):
    """Says of many CIDs at once which it has no pin of. ``while_listing`` is what happens before the answer arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[bytes] = []
        self.while_listing: Callable[[], Awaitable[object]] = trio.lowlevel.checkpoint
        self.is_same = True
        self.has_too_many = self.fails = False

    async def pin_of(self, cid: bytes) -> NodePin | None:
        self.asked.append(cid)
        return await super().pin_of(cid)

    async def absent(self, cids: Collection[bytes]) -> Absent | None:
        left = frozenset(cids) - self.pins.keys()
        await self.while_listing()
        if self.fails:
            raise NodeRefused("the list ends here")
        return None if self.has_too_many else Absent(left, lambda: self.is_same)


def with_listing(
    tmp_path: Path, test: Callable[[ListingNode, Ownership, trio.testing.MockClock], Awaitable[None]]
) -> None:
    clock = trio.testing.MockClock()

    async def main() -> None:
        async with ownership_at(tmp_path / "h.db") as ownership:
            await test(ListingNode(), ownership, clock)

    trio.run(main, clock=clock)


async def take(ownership: Ownership, node: SlowNode, cid: bytes, cluster: bytes = A, node_id: str = "n") -> Taken:
    return await ownership.take(node, node_id, cluster, cid, PinMode.RECURSIVE)  # type: ignore[arg-type]


async def look_ahead(ownership: Ownership, node: SlowNode, cids: Sequence[bytes] = CIDS) -> None:
    await ownership.look_ahead(node, "n", A, cids)  # type: ignore[arg-type]


def test_what_has_no_pin_is_not_asked_again_and_whose_a_pin_is_always(tmp_path: Path) -> None:
    async def test(node: ListingNode, ownership: Ownership, _: trio.testing.MockClock) -> None:
        node.pins[CIDS[1]] = NodePin(CIDS[1], PinMode.RECURSIVE, "holiday")
        node.pins[CIDS[2]] = NodePin(CIDS[2], PinMode.RECURSIVE, pin_name(A))  # holdings.db was lost
        await look_ahead(ownership, node)
        taken = [await take(ownership, node, cid) for cid in CIDS]
        assert node.asked == CIDS[1:3]
        assert taken == [
            Taken(False, False, False),
            Taken(True, True, True),
            Taken(True, True, False),
            Taken(False, False, False),
        ]
        # An answer serves once.
        node.pins[CIDS[0]] = NodePin(CIDS[0], PinMode.RECURSIVE, "mine")
        assert (await take(ownership, node, CIDS[0])).is_users

    with_listing(tmp_path, test)


@pytest.mark.parametrize("reason", ["old", "node", "connection", "cluster", "many", "fails", "down", "again", "one"])
def test_what_cannot_be_believed_is_asked_of_each(tmp_path: Path, reason: str) -> None:
    async def test(node: ListingNode, ownership: Ownership, clock: trio.testing.MockClock) -> None:
        node.has_too_many, node.fails = reason == "many", reason == "fails"
        if reason == "down":
            node.while_listing = _lost
        await look_ahead(ownership, node)
        node.pins[CIDS[0]] = NodePin(CIDS[0], PinMode.RECURSIVE, "mine")
        node.is_same = reason != "connection"
        if reason == "old":
            clock.jump(NODE_PINS_FRESH_S)
        if reason == "again":  # another slice, on which the listing fails, holds it as well
            node.fails = True
            await look_ahead(ownership, node)
        if reason == "one":
            await look_ahead(ownership, node, CIDS[:1])
        cluster, node_id = B if reason == "cluster" else A, "another" if reason == "node" else "n"
        assert (await take(ownership, node, CIDS[0], cluster, node_id)).is_users
        assert node.asked == CIDS[:1]

    with_listing(tmp_path, test)


async def _lost() -> None:
    raise NodeDown


@pytest.mark.parametrize("is_while_listing", [True, False])
def test_what_another_cluster_did_after_the_listing_is_seen(tmp_path: Path, is_while_listing: bool) -> None:
    async def test(node: ListingNode, ownership: Ownership, _: trio.testing.MockClock) -> None:
        async def other_cluster_finds_the_users() -> None:
            node.pins[CIDS[0]] = NodePin(CIDS[0], PinMode.RECURSIVE, "mine")
            assert (await take(ownership, node, CIDS[0], B)).is_users

        if is_while_listing:
            node.while_listing = other_cluster_finds_the_users
        await look_ahead(ownership, node)
        if not is_while_listing:
            await other_cluster_finds_the_users()
        assert (await take(ownership, node, CIDS[0])).is_users
        for cluster in (A, B):
            assert await ownership.let_go(node, "n", cluster, CIDS[0]) is LetGo.KEPT  # type: ignore[arg-type]

    with_listing(tmp_path, test)
