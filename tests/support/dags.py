"""Small DAGs of dag-pb nodes and raw leaves, as what is walked, added and collected."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from pincrew.node import dag_pb
from pincrew.node.dag_pb import Link
from pincrew.node.links import links_of
from pincrew.node.multihash import cid_of, multihash_of
from pincrew.node.store import Block, BlockStore, Pin, PinRemoved

NODE, LEAF = b"\x01\x70\x12\x20", b"\x01\x55\x12\x20"


@dataclass(frozen=True, eq=False)
class Dag:
    """A root and all that is below it."""

    root: bytes
    data: bytes
    children: tuple[Dag, ...] = ()

    @property
    def block(self) -> Block:
        return multihash_of(self.root), self.data

    def leaves_first(self) -> list[Block]:
        """Return every block once, each behind those that it links to."""
        found: dict[bytes, bytes] = {}
        for child in self.children:
            found.update(child.leaves_first())
        found[multihash_of(self.root)] = self.data
        return list(found.items())

    @property
    def multihashes(self) -> set[bytes]:
        return {multihash for multihash, _ in self.leaves_first()}


def leaf(content: object, size: int = 0) -> Dag:
    """Return a raw block that says ``content``, filled up to ``size`` bytes."""
    data = str(content).encode().ljust(size, b".")
    return Dag(cid_of(LEAF, data), data)


def node(*children: Dag, says: str = "") -> Dag:
    """Return a dag-pb node that links to ``children``."""
    data = dag_pb.encode([Link(child.root, b"", len(child.data)) for child in children], says.encode() or None)
    return Dag(cid_of(NODE, data), data, children)


def tree(name: str, depth: int = 2, width: int = 2, size: int = 0) -> Dag:
    """Return a tree of ``width ** depth`` leaves of its own, of at least ``size`` bytes each."""
    if not depth:
        return leaf(name, size)
    return node(*(tree(f"{name}.{number}", depth - 1, width, size) for number in range(width)), says=name)


def add(store: BlockStore, dag: Dag) -> Iterator[None]:
    """Add a DAG leaf first and pin it at the end, as an importer does; something else may happen at each yield."""
    with store.lease() as lease:
        yield
        for block in dag.leaves_first():
            store.put_many([block], lease=lease)
            yield
        store.pins.complete([Pin(dag.root)])
        yield


def walk(store: BlockStore, dag: Dag, counted: set[bytes]) -> Iterator[None]:
    """Fetch a DAG from the root down and pin it, as a pin does; ``counted`` is what it has been told is here.

    What is missing comes from the network, which is ``dag`` itself.
    """
    network = dict(dag.leaves_first())
    with store.lease() as lease:
        store.pins.begin(Pin(dag.root), 0)
        yield
        wanted, seen = [dag.root], {dag.root}
        while wanted:
            cid = wanted.pop(0)
            multihash = multihash_of(cid)
            while not store.present([multihash], lease):
                yield
                store.put_many([(multihash, network[multihash])])  # an exchange has no lease
                yield
            counted.add(multihash)
            yield
            data = store.get(multihash)
            assert data is not None, "what was counted on has gone"
            new = [link for link in links_of(cid, data) if link not in seen]
            wanted += new
            seen.update(new)
        with suppress(PinRemoved):  # another walk completed it, and it was unpinned
            store.pins.complete([], fetched=[Pin(dag.root)])
        counted.clear()
        yield
