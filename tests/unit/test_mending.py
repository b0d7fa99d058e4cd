"""What is bad is fetched again, and nothing that somebody else pins is unpinned for that."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from trio.testing import trio_test

from pincrew.errors import NodeDown, NodeRefused
from pincrew.mending import BUSY, NO_FILE, NOWHERE, SHARED, Mending
from pincrew.node_client import NodePin
from pincrew.values import Pin, PinMode
from support.block_node import BlockNode
from support.dags import Dag, tree
from support.pinner_bench import CLUSTER, ownership_at

NODE_ID = "12D3KooWMemory"
RECURSIVE = PinMode.RECURSIVE


class Scene:
    """A pinned DAG in the node, which others have too."""

    def __init__(self, node: BlockNode, mending: Mending, dag: Dag) -> None:
        self.node = node
        self.mending = mending
        self.dag = dag
        self.asides = 0

    async def _note(self, is_aside: bool) -> None:
        assert ("unpin", self.dag.root) not in self.node.calls, "it is noted before anything is unpinned"
        self.asides += 1 if is_aside else -1

    async def mend(self, *bad: bytes) -> tuple[str, bool]:
        return await self.mending.mend(Pin(self.dag.root), NODE_ID, bad, self._note)


@asynccontextmanager
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    dag = tree("a", depth=2, width=3)
    node = BlockNode()

    def fill(one: Dag) -> None:
        node.stored[one.root] = node.elsewhere[one.root] = one.data
        for child in one.children:
            fill(child)

    fill(dag)
    async with ownership_at(tmp_path / "holdings.db") as ownership:
        await ownership.take(node, NODE_ID, CLUSTER, dag.root, RECURSIVE)  # type: ignore[arg-type]
        await node.pin(dag.root, RECURSIVE, f"pincrew:{CLUSTER.hex()}", (), lambda _blocks, _bytes: None)
        node.calls.clear()

        @contextmanager
        def hold(cid: bytes) -> Iterator[None]:
            node.calls.append(("hold", cid))
            yield
            node.calls.append(("go on", cid))

        yield Scene(node, Mending(node, ownership, CLUSTER, hold), dag)  # type: ignore[arg-type]


@trio_test
async def test_a_missing_block_is_asked_for_and_nothing_is_unpinned(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        bad = at.dag.children[0].root
        del at.node.stored[bad]
        assert await at.mend(bad) == ("", True)
        assert bad in at.node.stored and at.node.calls == [] and not at.asides


@trio_test
async def test_a_damaged_block_is_replaced_with_the_rest_set_aside(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        bad, root = at.dag.children[0].root, at.dag.root
        at.node.stored[bad] = b"rotten"
        assert await at.mend(bad) == ("", True)
        assert at.node.stored[bad] == at.dag.children[0].data
        held = [("hold", root), ("unpin", root), ("remove", bad), ("go on", root)]
        assert at.node.calls == [("aside", root), *held, ("pin", root)]
        assert at.asides == 1 and root in at.node.pinned


@trio_test
async def test_nothing_is_set_aside_of_what_cannot_be_reached(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.node.stored[at.dag.root] = b"rotten"
        assert await at.mend(at.dag.root) == ("", True)
        assert not at.asides and not at.node.kept_aside


@trio_test
async def test_what_nobody_has_stays_unpinned_and_aside(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        bad = at.dag.children[0].root
        at.node.stored[bad] = b"rotten"
        del at.node.elsewhere[bad]
        assert await at.mend(bad) == (NOWHERE, False)
        assert at.node.kept_aside == {at.dag.root}


@trio_test
async def test_what_is_missing_and_nobody_has_leaves_the_pin_alone(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        bad = at.dag.children[0].root
        del at.node.stored[bad], at.node.elsewhere[bad]
        assert await at.mend(bad) == (NOWHERE, True)
        assert at.node.calls == []


@pytest.mark.parametrize("name", ["mine", ""])
@trio_test
async def test_the_users_own_pin_is_left_alone(tmp_path: Path, name: str) -> None:
    async with scene(tmp_path) as at:
        bad, root = at.dag.children[0].root, at.dag.root
        at.node.pinned[root] = NodePin(root, RECURSIVE, name)
        at.node.stored[bad] = b"rotten"
        assert await at.mend(bad) == (SHARED, True)
        assert at.node.calls == []


@trio_test
async def test_a_block_that_another_pin_needs_brings_the_pin_back_at_once(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        bad, root = at.dag.children[0].root, at.dag.root
        at.node.stored[bad] = b"rotten"
        at.node.needed[bad] = "pinned via bafy"
        assert await at.mend(bad) == (SHARED, True)
        assert at.node.calls[-1] == ("pin", root) and root in at.node.pinned


@trio_test
async def test_what_cannot_be_set_aside_is_not_unpinned(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        bad = at.dag.children[0].root
        at.node.stored[bad] = b"rotten"
        at.node.takes_aside = False
        assert await at.mend(bad) == (NO_FILE, True)
        assert at.node.calls == [] and not at.asides


@trio_test
async def test_a_node_that_removes_nothing_now_leaves_the_pin_to_be_fetched_anew(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        bad, root = at.dag.children[0].root, at.dag.root
        at.node.stored[bad] = b"rotten"
        at.node.is_busy = True
        assert await at.mend(bad) == (BUSY, False)
        assert root not in at.node.pinned and at.node.kept_aside == {root}


@pytest.mark.parametrize("failure", [NodeDown("It is away"), NodeRefused("It is not read now")])
@pytest.mark.parametrize("is_needed", [True, False])
@trio_test
async def test_a_node_that_fails_once_it_is_unpinned_leaves_the_pin_to_be_fetched_anew(
    tmp_path: Path, failure: NodeDown | NodeRefused, is_needed: bool
) -> None:
    async with scene(tmp_path) as at:
        bad = at.dag.children[0].root
        at.node.stored[bad] = b"rotten"
        at.node.failure_unpinned = failure
        if is_needed:
            at.node.needed[bad] = "pinned by another"
        trouble, is_pinned = await at.mend(bad)
        assert not is_pinned and trouble in (BUSY, SHARED)
