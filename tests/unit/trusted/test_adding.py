"""Blocks on their way to several destinations: the pace, who fails, and what a CAR must be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import trio
from pincrew.trusted.adding import Blocks, NotStored, add_car, add_files, delivering

from pincrew import limits
from pincrew.errors import Misuse, NodeDown
from pincrew.node.answering import Gone
from pincrew.node.car import CarReader, header_of, section_of
from pincrew.node.importing import AddOptions, Entry, FileEntry
from pincrew.node.multihash import cid_of

RAW = b"\x01\x55\x12\x20"
Test = Callable[[], Awaitable[None]]


class Nodes:
    """Nodes that take CARs; ``failing`` ones stop after so many pieces."""

    def __init__(self, **failing: int) -> None:
        self.failing = failing
        self.cars: dict[str, bytes] = {}
        self.ended: list[str] = []
        self.gate: dict[str, trio.Event] = {}

    async def send(self, peer: str, pieces: AsyncIterator[bytes]) -> None:
        count = 0
        async for piece in pieces:
            if peer in self.gate:
                await self.gate[peer].wait()
            if self.failing.get(peer) == count:
                raise NodeDown(f"{peer} is down")
            count += 1
            self.cars[peer] = self.cars.get(peer, b"") + piece
        self.ended.append(peer)

    def blocks(self, peer: str) -> dict[bytes, bytes]:
        reader = CarReader()
        found = dict(reader.feed(self.cars[peer]))
        reader.finish()
        return found


async def files(*contents: bytes) -> AsyncIterator[Entry]:
    for number, content in enumerate(contents):
        yield FileEntry(f"f{number}", pieces(content))


async def pieces(*some: bytes) -> AsyncIterator[bytes]:
    for one in some:
        await trio.lowlevel.checkpoint()
        yield one


async def silent(_: Any) -> None:
    """Nobody listens."""


def in_trio(test: Test) -> None:
    async def bounded() -> None:
        with trio.fail_after(20):
            await test()

    trio.run(bounded)


def test_every_destination_gets_every_block() -> None:
    async def test() -> None:
        nodes = Nodes()
        async with delivering(["a", "b"], nodes.send) as blocks:
            roots = await add_files(files(b"one", b"x" * 600_000), AddOptions(cid_version=1), blocks, silent)
        assert [root.name for root in roots] == ["f0", "f1"]
        assert nodes.blocks("a") == nodes.blocks("b")
        assert {root.cid for root in roots} <= nodes.blocks("a").keys()
        assert sorted(nodes.ended) == ["a", "b"] and blocks.failed() == {}

    in_trio(test)


@pytest.mark.parametrize("after", [0, 1])
def test_one_that_fails_is_left_behind_and_named(after: int) -> None:
    async def test() -> None:
        nodes = Nodes(b=after)
        async with delivering(["a", "b"], nodes.send) as blocks:
            roots = await add_files(files(b"one"), AddOptions(), blocks, silent)
        assert roots[0].cid in nodes.blocks("a")
        assert blocks.failed() == {"b": "b is down."}

    in_trio(test)


def test_where_all_fail_nothing_counts_as_added() -> None:
    async def test() -> None:
        nodes = Nodes(a=1, b=0)
        with pytest.raises(NotStored, match="failed to put block on all destinations") as caught:
            async with delivering(["a", "b"], nodes.send) as blocks:
                await add_files(files(b"one"), AddOptions(), blocks, silent)
        assert "a is down" in caught.value.sentence and "b is down" in caught.value.sentence

    in_trio(test)


def test_the_slowest_sets_the_pace() -> None:
    """What waits for it is bounded: whoever adds waits, too."""

    async def test() -> None:
        nodes = Nodes()
        nodes.gate["slow"] = trio.Event()
        put = 0
        async with delivering(["fast", "slow"], nodes.send) as blocks, trio.open_nursery() as nursery:

            async def add() -> None:
                nonlocal put
                for number in range(50):
                    data = b"%d" % number
                    await blocks.put_many([(cid_of(RAW, data), data)])
                    put += 1
                await blocks.finish()

            nursery.start_soon(add)
            await trio.testing.wait_all_tasks_blocked()
            assert put <= limits.DELIVERY_PIECES_WAITING_MAX + 1
            nodes.gate["slow"].set()
        assert put == 50 and len(nodes.blocks("slow")) == 51

    in_trio(test)


@pytest.mark.parametrize("kind", [Misuse, Gone])
def test_leaving_early_ends_the_deliveries_and_raises_what_happened(kind: type[Exception]) -> None:
    async def test() -> None:
        nodes = Nodes()
        with pytest.raises(kind, match="no tree"):
            async with delivering(["a"], nodes.send):
                raise kind("no tree")
        assert nodes.ended == []

    in_trio(test)


LEAF = b"a leaf"
LEAF_CID = cid_of(RAW, LEAF)
CAR = header_of([LEAF_CID]) + section_of(LEAF_CID, LEAF)


async def _add_car(nodes: Nodes, *some: bytes) -> Any:
    async with delivering(["a"], nodes.send) as blocks:
        return await add_car(pieces(*some), blocks)


def test_a_car_however_it_is_cut() -> None:
    for size in (1, 7, len(CAR)):
        nodes = Nodes()
        added = trio.run(partial(_add_car, nodes, *[CAR[at : at + size] for at in range(0, len(CAR), size)]))
        assert (added.root, added.size) == (LEAF_CID, len(LEAF))
        assert nodes.blocks("a")[LEAF_CID] == LEAF


@pytest.mark.parametrize(
    ("car", "why"),
    [
        (b"junk", "error reading the CAR"),
        (CAR[:-1], "error reading the CAR"),
        (header_of([LEAF_CID]) + section_of(LEAF_CID, b"another"), "does not match its CID"),
        (header_of([]) + section_of(LEAF_CID, LEAF), "this one has 0"),
        (header_of([LEAF_CID, LEAF_CID]), "this one has 2"),
        (b"", "error reading the CAR"),
    ],
)
def test_what_is_no_car_with_one_root_is_refused(car: bytes, why: str) -> None:
    with pytest.raises(Misuse, match=why):
        trio.run(_add_car, Nodes(), car)


def test_blocks_without_destinations_are_stored_nowhere() -> None:
    async def test() -> None:
        with pytest.raises(NotStored):
            await Blocks([]).begin()

    in_trio(test)
