"""Every block of a DAG is looked at, in bounded memory, and what is bad is told."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, trio_test

from pincrew import dag_check
from pincrew.dag_check import DagCheck, Found, is_sound
from pincrew.errors import BlockCorrupt, NodeRefused
from pincrew.limits import VERIFY_HASH_IN_LOOP_BYTES_MAX
from pincrew.node.frontier import Frontier
from pincrew.node.multihash import multihash_of
from support.dags import Dag, leaf, node, tree


class Disk:
    """Blocks by multihash; ``read`` notes what is asked for."""

    def __init__(self, dag: Dag) -> None:
        self.blocks = dict(dag.leaves_first())
        self.asked: list[bytes] = []

    async def read(self, cid: bytes) -> bytes | None:
        self.asked.append(cid)
        return self.blocks.get(multihash_of(cid))


def look(dag: Dag, disk: Disk | None = None, *, is_recursive: bool = True) -> Found:
    return trio.run(DagCheck(dag.root, (disk or Disk(dag)).read, is_recursive=is_recursive).run)


def test_a_whole_dag_is_read_whole() -> None:
    dag = tree("a", depth=3, width=5, size=100)
    found = look(dag)
    assert (found.blocks, found.bad, found.is_whole) == (1 + 5 + 25 + 125, (), True)
    assert found.size == sum(len(data) for _, data in dag.leaves_first())


def test_a_direct_pin_is_its_first_block() -> None:
    assert look(tree("a"), is_recursive=False).blocks == 1


def test_damaged_and_missing_blocks_are_told_apart_and_nothing_below_them_is_read() -> None:
    dag = tree("a", depth=2, width=3)
    disk = Disk(dag)
    damaged, missing = dag.children[0], dag.children[1].children[2]
    disk.blocks[multihash_of(damaged.root)] = damaged.data + b"x"
    del disk.blocks[multihash_of(missing.root)]
    found = look(dag, disk)
    assert found.damaged == (damaged.root,) and found.missing == (missing.root,)
    assert found.bad == (damaged.root, missing.root) and not found.is_whole
    assert not {child.root for child in damaged.children} & set(disk.asked)


def test_a_block_that_many_link_to_is_walked_once() -> None:
    dag = leaf("bottom")
    disk = Disk(dag)
    for number in range(60):
        twins = [node(dag, says=f"{number} {side}") for side in ("left", "right")]
        dag = node(*twins)
        disk.blocks.update(one.block for one in (*twins, dag))
    assert look(dag, disk).is_whole
    assert len(disk.asked) <= 200, "2 to the power of 60 ways lead to the bottom"


def test_what_is_in_its_own_cid_is_not_asked_for() -> None:
    inline = bytes.fromhex("01550003") + b"abc"
    dag = Dag(inline, b"abc")
    disk = Disk(dag)
    assert look(dag, disk).is_whole and not disk.asked


def test_more_branches_than_are_remembered_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dag_check, "VERIFY_BRANCHES_MAX", 3)
    found = look(tree("a", depth=2, width=5))
    assert not found.is_whole and not found.bad and found.blocks < 31


def test_a_hopeless_pin_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dag_check, "VERIFY_BAD_BLOCKS_MAX", 8)
    dag = tree("a", depth=1, width=100)
    disk = Disk(dag)
    disk.blocks = {multihash_of(dag.root): dag.data}
    found = look(dag, disk)
    assert 8 <= len(found.missing) < 16 and not found.is_whole


def test_links_beyond_the_bound_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dag_check, "Frontier", lambda root: Frontier(root, links_held_max=4))
    dag = tree("a", depth=3, width=6)
    disk = Disk(dag)
    assert look(dag, disk).blocks == 1 + 6 + 36 + 216
    assert len(disk.asked) > 1 + 6 + 36 + 216


def test_a_block_that_goes_bad_meanwhile_ends_the_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dag_check, "Frontier", lambda root: Frontier(root, links_held_max=4))
    dag = tree("a", depth=3, width=6)
    disk = Disk(dag)

    async def once(cid: bytes) -> bytes | None:
        return disk.blocks.pop(multihash_of(cid), None)

    with pytest.raises(BlockCorrupt):
        trio.run(DagCheck(dag.root, once).run)


def test_what_reading_raises_comes_out_as_it_is() -> None:
    async def refuse(_cid: bytes) -> bytes | None:
        raise NodeRefused("no")

    with pytest.raises(NodeRefused, match="no"):
        trio.run(DagCheck(tree("a").root, refuse).run)


def test_it_reads_no_faster_than_it_may() -> None:
    dag = tree("a", depth=1, width=10, size=1_000)

    async def test() -> None:
        started = trio.current_time()
        found = await DagCheck(dag.root, Disk(dag).read, bytes_per_s=100.0).run()
        assert trio.current_time() - started >= found.size / 100.0

    trio.run(test, clock=MockClock(autojump_threshold=0))


@trio_test
async def test_small_and_large_blocks_are_compared() -> None:
    for size in (10, VERIFY_HASH_IN_LOOP_BYTES_MAX + 1):
        block = leaf("x", size)
        assert await is_sound(block.root, block.data)
        assert not await is_sound(block.root, block.data[:-1] + b"?")
