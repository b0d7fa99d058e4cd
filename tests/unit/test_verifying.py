"""Pins are re-read in turn, unasked at a pace that lasts, and what is damaged is mended or remembered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock, trio_test

from pincrew.bookkeeper import Bookkeeper, Work
from pincrew.errors import NodeDown, NotFound
from pincrew.limits import VERIFY_RETRY_S, VERIFY_WEEK_S
from pincrew.node_client import NodeIdentity
from pincrew.room import Room
from pincrew.selection import Selection
from pincrew.store.checks import Damage
from pincrew.tracker import DAMAGED, Progress, StatusUpdate
from pincrew.values import Pin, PinMode, PinState
from pincrew.verifying import Verdict, Verifying
from pincrew.workplace import Workplace
from support.block_node import BlockNode
from support.dags import Dag, tree
from support.memory_book import MemoryBook
from support.memory_checks import MemoryChecks
from support.pinner_bench import CLUSTER, START_MS, ownership_at

NODE_ID = "12D3KooWMemory"


class Watch:
    """The node is up; what is said to be lost is remembered."""

    def __init__(self) -> None:
        self.lost_for: list[str] = []

    async def up(self) -> NodeIdentity:
        return NodeIdentity(NODE_ID, (), "kubo/0.43.1")

    def lost(self, error: NodeDown) -> None:
        self.lost_for.append(error.what)


@dataclass
class Scene:
    node: BlockNode
    book: MemoryBook
    checks: MemoryChecks
    keeper: Bookkeeper
    place: Workplace
    dags: list[Dag]
    clock: list[int]
    events: list[str] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)

    def verifying(self) -> Verifying:
        return Verifying(
            self.place, self.checks, self.damaged.append, hold=lambda _cid: nullcontext(), start_delay_s=10.0
        )

    async def verify(self, verifying: Verifying, dag: Dag) -> Verdict:
        [verdict] = [verdict async for verdict in verifying.these([dag.root])]
        return verdict


@asynccontextmanager
async def scene(tmp_path: Path, count: int = 1) -> AsyncIterator[Scene]:
    node, book, clock, events = BlockNode(), MemoryBook(), [1_000_000], list[str]()
    dags = [tree(f"pin {number}", depth=1, width=3) for number in range(count)]

    def told(kind: str, _fields: dict[str, Any]) -> None:
        events.append(kind)

    async with ownership_at(tmp_path / "holdings.db") as ownership, trio.open_nursery() as nursery:
        keeper = Bookkeeper(
            book, Room(), now_ms=lambda: clock[0], on_event=told, on_written=lambda _queued, _leaving: None
        )
        watch = cast(Any, Watch())
        place = Workplace(
            CLUSTER, keeper, cast(Any, node), watch, ownership, lambda: clock[0], told, Selection(), Room()
        )
        for dag in dags:
            for one in (dag, *dag.children):
                node.stored[one.root] = node.elsewhere[one.root] = one.data
            book.put(Pin(dag.root, name=f"pin {len(book.rows)}"))
            book.settle([StatusUpdate(dag.root, PinState.PINNED)], None)
            await ownership.take(cast(Any, node), NODE_ID, CLUSTER, dag.root, PinMode.RECURSIVE)
            await node.pin(dag.root, PinMode.RECURSIVE, f"pincrew:{CLUSTER.hex()}", (), lambda _blocks, _bytes: None)
        nursery.start_soon(keeper.run)
        yield Scene(node, book, MemoryChecks(book), keeper, place, dags, clock, events)
        nursery.cancel_scope.cancel()


@trio_test
async def test_a_sound_pin_is_marked(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        verdict = await at.verify(at.verifying(), at.dags[0])
        assert (verdict.result, verdict.blocks, verdict.checked_ms) == ("sound", 4, 1_000_000)
        assert at.checks.checked == {at.dags[0].root: 1_000_000} and at.events == []


@trio_test
async def test_damage_is_told_mended_and_told_again(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        dag = at.dags[0]
        at.node.stored[dag.children[0].root] = b"rotten"
        del at.node.stored[dag.children[1].root]
        verdict = await at.verify(at.verifying(), dag)
        assert (verdict.result, verdict.damaged, verdict.missing) == ("repaired", 1, 1)
        assert at.events == ["damage_found", "repaired"] and at.damaged == [0, 1, 0]
        assert not at.node.kept_aside and not at.keeper.busy
        assert at.book.state(dag.root) is PinState.PINNED


@trio_test
async def test_what_could_not_be_pinned_again_is_the_pinners_and_stays_aside(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        dag, verifying = at.dags[0], at.verifying()
        bad = dag.children[0]
        at.node.stored[bad.root] = b"rotten"
        del at.node.elsewhere[bad.root]
        assert (await at.verify(verifying, dag)).result == "damaged"
        row = at.book.rows[dag.root].status
        assert (row.state, row.cause) == (PinState.QUEUED, DAMAGED)
        assert verifying.aside == [dag.root] and at.node.kept_aside == {dag.root}
        assert (await at.verify(verifying, dag)).result == "absent", "it is the pinner's now"
        # A daemon that is started meanwhile knows it from the journal; the pinner pins it.
        at.node.stored[bad.root] = bad.data
        at.book.settle([StatusUpdate(dag.root, PinState.PINNED)], None)
        verifying = at.verifying()
        assert verifying.aside == [dag.root] and at.damaged[-1] == 1
        assert (await at.verify(verifying, dag)).result == "sound"
        assert at.events[-1] == "repaired" and at.damaged[-1] == 0 and not at.node.kept_aside


@trio_test
async def test_damage_of_what_is_not_kept_any_more_is_forgotten(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        at.checks.kept.damaged = {b"\x01\x55\x00\x00": Damage(1, 1), at.dags[0].root: Damage(1, 1, is_aside=True)}
        at.node.kept_aside = {at.dags[0].root}
        at.book.settle([StatusUpdate(at.dags[0].root, PinState.SKIPPED)], None)
        verifying = at.verifying()
        assert (await at.verify(verifying, at.dags[0])).text == "it is not pinned here (skipped)"
        assert not at.node.kept_aside and list(at.checks.kept.damaged) == [b"\x01\x55\x00\x00"]


@trio_test
async def test_what_another_task_works_on_is_left_alone(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        root = at.dags[0].root
        at.keeper.begin(Work(root, None, Progress(PinState.PINNED), 0))
        verdict = await at.verify(at.verifying(), at.dags[0])
        assert (verdict.result, verdict.text) == ("absent", "it is just being worked on")


@trio_test
async def test_a_cid_that_is_not_listed_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        with pytest.raises(NotFound):
            _ = [verdict async for verdict in at.verifying().these([at.dags[0].root, b"\x01\x55\x00\x00"])]
        assert not at.checks.checked


@trio_test
async def test_all_are_all_and_samples_take_turns(tmp_path: Path) -> None:
    async with scene(tmp_path, count=30) as at:
        verifying = at.verifying()
        assert len({verdict.cid async for verdict in verifying.all()}) == 30
        first = [verdict.cid async for verdict in verifying.sample()]
        second = [verdict.cid async for verdict in at.verifying().sample()]
        assert len(set(first)) == len(set(second)) == 20
        assert len(set(first + second)) == 30, "the second goes on where the first ended, in another life too"


def unasked(tmp_path: Path, count: int, test: Callable[[Scene], Awaitable[None]]) -> None:
    async def main() -> None:
        async with scene(tmp_path, count) as at, trio.open_nursery() as nursery:
            started = trio.current_time()
            at.place = Workplace(
                CLUSTER,
                at.keeper,
                at.place.node,
                at.place.watch,
                at.place.ownership,
                lambda: START_MS + int(1_000 * (trio.current_time() - started)),
                at.place.on_event,
                at.place.selection,
                at.place.room,
            )
            await nursery.start(at.verifying().run)
            await test(at)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0.001))


async def until(condition: Callable[[], bool], step_s: float) -> None:
    """Let time pass, in steps, until something is so. (The clock runs on while a thread works: no time is exact.)"""
    for _ in range(2_000):
        if condition():
            return
        await trio.sleep(step_s)
    raise AssertionError("it never came to that")


def test_unasked_one_in_a_hundred_is_read_a_week(tmp_path: Path) -> None:
    async def test(at: Scene) -> None:
        await until(lambda: len(at.checks.checked) == 3, VERIFY_WEEK_S / 8)
        times = sorted(at.checks.checked.values())
        gaps = [(later - sooner) / 1_000 for sooner, later in pairwise(times)]
        # The clock goes on by a step while a thread works, so that one of them may be noted late.
        assert all(gap >= 0.75 * VERIFY_WEEK_S for gap in gaps), "of three pins one a week, each in its turn"

    unasked(tmp_path, 3, test)


def test_what_could_not_be_mended_is_tried_again(tmp_path: Path) -> None:
    async def test(at: Scene) -> None:
        dag = at.dags[0]
        bad = dag.children[0]
        del at.node.stored[bad.root], at.node.elsewhere[bad.root]
        await until(lambda: at.damaged[-1] == 1, 60.0)
        assert at.book.state(dag.root) is PinState.PINNED
        at.node.elsewhere[bad.root] = bad.data
        await until(lambda: at.damaged[-1] == 0, VERIFY_RETRY_S / 4)
        assert at.events == ["damage_found", "repaired"]

    unasked(tmp_path, 1, test)


def test_a_node_that_goes_down_is_told_to_the_watch_and_waited_for(tmp_path: Path) -> None:
    async def test(at: Scene) -> None:
        async def down(_cid: bytes) -> bytes | None:
            raise NodeDown("gone")

        at.node.stored_block = down  # type: ignore[method-assign]
        await until(lambda: cast(Any, at.place.watch).lost_for == ["gone"], 60.0)
        assert at.events == []

    unasked(tmp_path, 1, test)
