"""What the block store promises of a disk and a process: killed at any moment, it holds what it said it holds."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pincrew.node.links import links_of
from pincrew.node.store import BlockStore, Phase
from support.dags import Dag, node, tree

# Adds, walks, unpins and collections at once, each in its thread, for ever. It tells what was pinned once that is
# certain, and what is unpinned before that begins.
BUSY = """
import os, random, sys, threading
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from contract.test_block_store import dag_of
from pincrew.node.links import links_of
from pincrew.node.store import BlockStore, Phase, collecting
from support.dags import add, walk

seed = int(sys.argv[2])
store = BlockStore(Path(sys.argv[1]), limit_bytes=1_000_000_000)
collecting.STORE_SLICE_BLOCKS, collecting.STORE_SLICE_PAGES = 5, 20

def tell(word, number):
    os.write(1, f"{word} {number}\\n".encode())

def work(kind):
    chance = random.Random(f"{seed} {kind}")
    pinned = []
    while True:
        number = chance.randrange(0, 10_000, 2) + (kind == "walk")  # so that nobody unpins what the other one pins
        dag = dag_of(number)
        for _ in walk(store, dag, set()) if kind == "walk" else add(store, dag):
            pass
        tell("pinned", number)
        pinned.append(number)
        if chance.random() < 0.6:
            number = pinned.pop(chance.randrange(len(pinned)))
            tell("unpinning", number)
            store.pins.remove(dag_of(number).root)

def collect():
    while True:
        collection = store.collection(links_of)
        while collection.step().phase is not Phase.DONE:
            pass
        collection.end()
        tell("collected", 0)

for kind in ("add", "walk"):
    threading.Thread(target=work, args=(kind,)).start()
collect()
"""


def dag_of(number: int) -> Dag:
    """Return a DAG of 13 blocks, some of them large; neighbours share a part."""
    return node(tree(f"shared {number // 5}", 1, 3, 2_000), tree(f"own {number}", 2, 2, number % 40 * 1_000))


def whole(store: BlockStore, dag: Dag) -> bool:
    return store.has_many(list(dag.multihashes)).keys() == dag.multihashes


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 7))])
def test_kill_9_at_any_moment(tmp_path: Path, seed: int) -> None:
    """Round after round on the same file: what was acknowledged is whole, and nothing is damaged."""
    path = tmp_path / "blocks.db"
    chance = random.Random(seed)
    tests = str(Path(__file__).parents[1])
    certain: set[int] = set()
    roots = {dag_of(number).root: number for number in range(10_000)}
    for round_number in range(8):
        command = [sys.executable, "-P", "-c", BUSY, str(path), str(seed * 100 + round_number), tests]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            lines = [child.stdout.readline() for _ in range(chance.randrange(2, 60))]
            os.kill(child.pid, signal.SIGKILL)
            lines += child.stdout.readlines()
        for line in lines:
            word, number = line.split()
            if word == "pinned":
                certain.add(int(number))
            elif word == "unpinning":
                certain.discard(int(number))
        look_through(path, certain, roots)


def look_through(path: Path, certain: set[int], roots: dict[bytes, int]) -> None:
    store = BlockStore(path)
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    raw.close()
    last = 0
    while (found := store.verify(last)).last is not None:
        assert found.damaged == ()
        last = found.last
    pinned = {roots[pin.cid] for pin in store.pins.page(limit=100_000)}
    assert certain <= pinned, "a pin that was acknowledged is gone"
    certain |= pinned
    assert all(whole(store, dag_of(number)) for number in pinned), "a pin has a hole"
    for pin in store.pins.fetching():
        store.pins.abandon(pin.cid)
    collection = store.collection(links_of)
    while collection.step().phase is not Phase.DONE:
        pass
    collection.end()
    wanted: set[bytes] = set().union(*(dag_of(number).multihashes for number in pinned))
    assert store.multihashes(limit=1_000_000) == sorted(wanted) and store.lost() == []
    store.close()
