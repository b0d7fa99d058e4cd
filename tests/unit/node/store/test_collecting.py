"""Collections against those who work meanwhile: at every step of one, and at random; and what a collection gives back.

The rules K1 to K4 are those of keeping.py.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pincrew.errors import BlockCorrupt, Conflict
from pincrew.node.links import links_of
from pincrew.node.multihash import DAG_PB, RAW, cid_from, cid_of, varint
from pincrew.node.store import BlockStore, Collected, Collection, Phase, Pin, collecting
from support.dags import Dag, add, leaf, node, tree, walk

KEPT = tree("kept")
GARBAGE = [leaf(f"garbage {number}") for number in range(6)]
SHARED = leaf("shared")
NEW = node(tree("new", 1), node(SHARED, tree("deep", 1)), says="new root")


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a collection have as many steps as it has blocks."""
    for name, value in {"BLOCKS": 1, "ROWS": 2, "PAGES": 1}.items():
        monkeypatch.setattr(collecting, f"STORE_SLICE_{name}", value)


def collect(store: BlockStore) -> Collected:
    collection = store.collection(links_of)
    try:
        while (state := collection.step()).phase is not Phase.DONE:
            pass
    finally:
        collection.end()
    return state


def whole(store: BlockStore, dag: Dag) -> bool:
    return store.has_many(list(dag.multihashes)).keys() == dag.multihashes


def test_what_pins_do_not_reach_goes_and_the_file_shrinks(store: BlockStore) -> None:
    store.put_many(KEPT.leaves_first())
    store.pins.complete([Pin(KEPT.root)])
    small = store.files_bytes()
    store.put_many([leaf(number, 100_000).block for number in range(50)])
    assert store.files_bytes() > small + 5_000_000
    state = collect(store)
    assert state == Collected(Phase.DONE, len(KEPT.multihashes), 50, 5_000_000)
    assert store.multihashes() == sorted(KEPT.multihashes)
    assert store.files_bytes() < small + 100_000 and store.room().free_inside == 0


def test_direct_pins_keep_their_block_alone(store: BlockStore) -> None:
    dag = node(leaf("below"))
    store.put_many(dag.leaves_first())
    store.pins.complete([Pin(dag.root, recursive=False)])
    collect(store)
    assert store.multihashes() == [dag.block[0]]


def test_what_is_here_of_a_pin_that_is_being_fetched_stays(store: BlockStore) -> None:
    missing = node(leaf("unreachable"))
    dag = node(missing, SHARED)
    store.put_many([dag.block, SHARED.block, *missing.children[0].leaves_first()])
    store.pins.begin(Pin(dag.root), 0)
    collect(store)
    assert store.multihashes() == sorted([dag.block[0], SHARED.block[0]]) and store.lost() == []


def test_a_block_is_followed_in_each_way_in_which_it_is_linked_to(store: BlockStore) -> None:
    """One block, pinned as raw bytes and as the node that it also is."""
    dag = node(SHARED)
    store.put_many(dag.leaves_first())
    store.pins.complete([Pin(cid_from(RAW, dag.block[0]))])
    store.pins.complete([Pin(dag.root)])
    collect(store)
    assert whole(store, dag)


def test_links_inside_of_an_identity_cid_are_followed(store: BlockStore) -> None:
    inline = node(SHARED)
    root = cid_from(DAG_PB, b"\x00" + varint(len(inline.data)) + inline.data)
    store.put_many([SHARED.block, GARBAGE[0].block])
    store.pins.complete([Pin(root)])
    collect(store)
    assert store.multihashes() == [SHARED.block[0]]


def test_cids_that_hold_one_another_hundreds_deep(store: BlockStore) -> None:
    """No walk lets such a pin be made; a store may have it all the same."""
    data = b"\x81\xd8\x2a" + _cbor_bytes(b"\x00" + SHARED.root)
    for _ in range(1_500):
        data = b"\x81\xd8\x2a" + _cbor_bytes(b"\x00\x01\x71\x00" + varint(len(data)) + data)
    root = cid_of(b"\x01\x71\x12\x20", data)
    store.put_many([(root[2:], data), SHARED.block, GARBAGE[0].block])
    store.pins.complete([Pin(root)])
    assert collect(store).removed == 1
    assert store.multihashes() == sorted([root[2:], SHARED.block[0]]) and store.lost() == []


def _cbor_bytes(data: bytes) -> bytes:
    return (b"\x58" + bytes([len(data)]) if len(data) < 256 else b"\x59" + len(data).to_bytes(2)) + data


def test_a_pin_of_bytes_that_are_no_node_keeps_them(store: BlockStore) -> None:
    block = leaf("no dag-pb").block
    store.put_many([block])
    store.pins.complete([Pin(cid_from(DAG_PB, block[0]))])
    collect(store)
    assert store.count() == 1


def test_a_deep_chain_and_a_wide_node(store: BlockStore) -> None:
    chain = leaf("end")
    for number in range(1_500):
        chain = Dag(*_over(chain, number))
        store.put_many([chain.block])
    wide = [leaf(f"wide {number}") for number in range(500)]
    top = node(*wide)
    store.put_many(top.leaves_first())
    store.put_many([leaf("end").block])
    store.pins.complete([Pin(top.root), Pin(chain.root)])
    assert collect(store).removed == 0


def _over(below: Dag, number: int) -> tuple[bytes, bytes]:
    above = node(below, says=str(number))
    return above.root, above.data


def test_one_at_a_time_and_again_after_it_was_given_up(store: BlockStore) -> None:
    store.put_many([GARBAGE[0].block])
    collection = store.collection(links_of)
    collection.step()
    with pytest.raises(Conflict):
        store.collection(links_of)
    collection.end()
    assert collect(store).removed == 1


Begun = Callable[[BlockStore, Collection], Iterator[None]]


def pins_garbage(store: BlockStore, collection: Collection) -> Iterator[None]:
    yield from walk(store, NEW, set())


def adds_over_garbage(store: BlockStore, collection: Collection) -> Iterator[None]:
    yield from add(store, NEW)


def fetches_the_node_above_old_leaves(store: BlockStore, collection: Collection) -> Iterator[None]:
    store.delete_many([NEW.block[0], NEW.children[1].block[0]])
    counted: set[bytes] = set()
    for _ in walk(store, NEW, counted):
        assert store.has_many(list(counted)).keys() == counted
        yield


def unpins_and_pins_again(store: BlockStore, collection: Collection) -> Iterator[None]:
    store.pins.remove(KEPT.root)
    yield
    yield from walk(store, NEW, set())
    yield from walk(store, KEPT, set())


@pytest.mark.slow
@pytest.mark.parametrize("meanwhile", [0, 1, 3], ids=lambda steps: f"{steps} steps of the collection between two")
@pytest.mark.parametrize(
    "work", [pins_garbage, adds_over_garbage, fetches_the_node_above_old_leaves, unpins_and_pins_again]
)
def test_work_begins_at_every_step_of_a_collection(tmp_path: Path, work: Begun, meanwhile: int) -> None:
    """All that ``NEW`` needs is garbage when the collection begins; it is pinned and whole when it ends (K1 to K4)."""
    first, ended = 0, False
    while not ended:
        folder = tmp_path / str(first)
        folder.mkdir()
        store = BlockStore(folder / "blocks.db")
        store.put_many([*KEPT.leaves_first(), *NEW.leaves_first(), *(block.block for block in GARBAGE)])
        store.pins.complete([Pin(KEPT.root)])
        collection = store.collection(links_of)
        steps = iter(lambda: collection.step().phase, Phase.DONE)  # noqa: B023  # used up before the next round
        ended = sum(1 for _, _ in zip(range(first), steps, strict=False)) < first
        for _ in work(store, collection):
            assert whole(store, KEPT) or store.pins.of(KEPT.root) is None
            for _ in range(meanwhile):
                next(steps, None)
        for _ in steps:
            pass
        collection.end()
        assert whole(store, KEPT) and whole(store, NEW) and store.lost() == []
        collect(store)
        assert store.multihashes() == sorted(KEPT.multihashes | NEW.multihashes)
        store.close()
        first += 1


@pytest.mark.slow
def test_what_is_here_of_a_pin_that_is_begun_at_any_step_stays(tmp_path: Path) -> None:
    """It was unpinned, and is pinned again while it is swept away; nobody walks through it yet (K3)."""
    saved: set[int] = set()
    for first in range(40):
        folder = tmp_path / str(first)
        folder.mkdir()
        store = BlockStore(folder / "blocks.db")
        store.put_many([*NEW.leaves_first(), *(block.block for block in GARBAGE)])
        collection = store.collection(links_of)
        for _ in range(first):
            collection.step()
        root_is_here = bool(store.has_many([NEW.block[0]]))
        store.pins.begin(Pin(NEW.root), 0)
        reachable = _reachable(store, NEW)
        while collection.step().phase is not Phase.DONE:
            pass
        collection.end()
        assert store.has_many(list(reachable)).keys() == reachable
        assert bool(reachable) is root_is_here
        saved.add(len(reachable))
        store.close()
    assert 0 in saved and len(NEW.multihashes) in saved and len(saved) > 2, "it was begun early, midway and late"


def _reachable(store: BlockStore, dag: Dag) -> set[bytes]:
    if not store.has_many([dag.block[0]]):
        return set()
    return {dag.block[0]}.union(*(_reachable(store, child) for child in dag.children))


@pytest.mark.slow
@pytest.mark.parametrize("begun", range(9))
def test_a_collection_begins_at_every_step_of_an_add(store: BlockStore, begun: int) -> None:
    """Leaves that were put, or found present, before the collection began, and no pin reaches them yet (K1, K2)."""
    store.put_many([SHARED.block])
    steps = add(store, NEW)
    for _, _ in zip(range(begun + 1), steps, strict=False):
        pass
    collect(store)
    for _ in steps:
        pass
    assert whole(store, NEW)


def test_a_lease_that_is_closed_keeps_nothing(store: BlockStore) -> None:
    with store.lease() as lease:
        store.put_many([SHARED.block, GARBAGE[0].block], lease=lease)
        store.present([SHARED.block[0]], lease)
        assert collect(store).removed == 0
    assert collect(store).removed == 2


def test_a_lease_keeps_what_was_counted_on_and_nothing_else_that_came_since(store: BlockStore) -> None:
    """A pin that takes days does not keep the garbage of all others (K2)."""
    with store.lease() as lease:
        store.put_many([SHARED.block, *(block.block for block in GARBAGE)])
        store.present([SHARED.block[0]], lease)
        store.put_many([NEW.block], lease=lease)
        assert collect(store).removed == len(GARBAGE)
        assert store.multihashes() == sorted([SHARED.block[0], NEW.block[0]])


def test_a_pin_that_is_begun_again_does_not_hide_what_it_misses(store: BlockStore) -> None:
    """Whether it is begun before its page of the pins was read, or later (K3)."""
    below = leaf("below")
    inner = node(below)
    root = node(inner, says="root")
    store.put_many([root.block, below.block])
    store.pins.complete([Pin(root.root)])
    for steps in range(4):
        collection = store.collection(links_of)
        with pytest.raises(BlockCorrupt, match="Nothing was removed"):
            for step in range(100):
                if step == steps:
                    store.pins.begin(Pin(root.root), 0)
                collection.step()
        collection.end()
        assert store.lost() == [inner.block[0]] and store.count() == 2


def test_what_is_put_during_a_collection_survives_it_without_a_lease(store: BlockStore) -> None:
    store.put_many([SHARED.block, GARBAGE[0].block])
    collection = store.collection(links_of)
    store.put_many([SHARED.block, GARBAGE[1].block])
    while collection.step().phase is not Phase.DONE:
        pass
    collection.end()
    assert store.multihashes() == sorted([SHARED.block[0], GARBAGE[1].block[0]])


class World:
    """Walks, adds, unpins and collections that take turns by chance; what must hold is checked after each turn."""

    def __init__(self, store: BlockStore, chance: random.Random) -> None:
        self.store = store
        self.chance = chance
        leaves = [leaf(number) for number in range(12)]
        inner = [node(*chance.sample(leaves, chance.randint(1, 4)), says=f"inner {number}") for number in range(8)]
        self.dags = [node(*chance.sample(inner + leaves, 4), says=f"root {number}") for number in range(5)]
        self.loose = leaves
        self.working: list[tuple[Iterator[None], set[bytes]]] = []
        self.collection: Collection | None = None

    def turn(self) -> None:
        what = self.chance.random()
        dag = self.chance.choice(self.dags)
        if what < 0.08 and len(self.working) < 3:
            self.working.append((add(self.store, dag), set()))
        elif what < 0.16 and len(self.working) < 3:
            counted: set[bytes] = set()
            self.working.append((walk(self.store, dag, counted), counted))
        elif what < 0.24:
            self.store.pins.remove(dag.root)
        elif what < 0.27 and self.working:
            self._stop(self.chance.randrange(len(self.working)))
        elif what < 0.32:
            self.store.put_many([self.chance.choice(self.loose).block])
        elif what < 0.65 and self.working:
            number = self.chance.randrange(len(self.working))
            if next(self.working[number][0], self) is self:
                self._stop(number)
        else:
            self._collect()

    def _stop(self, number: int) -> None:
        steps, _ = self.working.pop(number)
        steps.close()  # type: ignore[attr-defined]  # they are generators

    def _collect(self) -> None:
        if self.collection is None:
            self.collection = self.store.collection(links_of)
        elif self.collection.step().phase is Phase.DONE:
            self.collection.end()
            self.collection = None

    def check(self) -> None:
        pinned = {pin.cid for pin in self.store.pins.page()}
        for dag in self.dags:
            assert dag.root not in pinned or whole(self.store, dag), "a pinned block is gone"
        for _, counted in self.working:
            assert self.store.has_many(list(counted)).keys() == counted, "a block that a walk counts on is gone"

    def settle(self) -> None:
        while self.working:
            self._stop(0)
        if self.collection is not None:
            self.collection.end()
        for pin in self.store.pins.fetching():
            self.store.pins.abandon(pin.cid)
        collect(self.store)
        pinned = {pin.cid for pin in self.store.pins.page()}
        wanted: set[bytes] = set().union(*(dag.multihashes for dag in self.dags if dag.root in pinned))
        assert self.store.multihashes() == sorted(wanted), "garbage was left, or more than that was taken"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [*range(12), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(12, 200))])
def test_any_order_of_turns(store: BlockStore, seed: int) -> None:
    world = World(store, random.Random(seed))
    for _ in range(400):
        world.turn()
        world.check()
    world.settle()
