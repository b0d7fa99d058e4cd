"""From chunks to the blocks of a file, in Kubo's trickle layout, whose first bytes are found right below its root.

A node links to up to 174 leaves first, then to nodes of its own kind: four that have leaves alone, four that also have
four of these, and so on, each four deeper by one. A node that is bounded to a depth is full when nodes of that depth
would come next, the root never. So there is always a root, also above one leaf and above none. A `TrickleLayout` keeps
the links of the nodes that are not full yet: one on each level, and a file of a terabyte has eight.

It is used like a `BalancedLayout`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from pincrew.node.layout import LINKS_PER_NODE, Block, Form, Part, PartWriter
from pincrew.node.unixfs import Kind

NODES_OF_ONE_DEPTH = 4


@dataclass(slots=True)
class _Node:
    """A node that is not full: the depth that it is bounded to, and what it links to so far."""

    depth_max: float
    parts: list[Part] = field(default_factory=list)

    @property
    def next_depth(self) -> int:
        """The depth of the node that comes next; 0 while leaves do."""
        return max(0, (len(self.parts) - LINKS_PER_NODE) // NODES_OF_ONE_DEPTH + 1)


class TrickleLayout:
    """A file whose leaves are the deeper the later they come."""

    def __init__(self, form: Form) -> None:
        self._writer = PartWriter(form, Kind.RAW)
        self._open = [_Node(math.inf)]  # from the root down, each the last one below that before it

    def add(self, chunks: Sequence[bytes]) -> list[Block]:
        """Take the next chunks; return the blocks that are complete with them, children before parents."""
        blocks: list[Block] = []
        for chunk in chunks:
            node = self._with_room(blocks)
            node.parts.append(self._writer.leaf(chunk, blocks))
        return blocks

    def finish(self) -> tuple[list[Block], Part]:
        """Return the remaining blocks and the file."""
        blocks: list[Block] = []
        while len(self._open) > 1:
            self._close(blocks)
        return blocks, self._writer.node(self._open[0].parts, blocks)

    def _with_room(self, blocks: list[Block]) -> _Node:
        """Return the node that the next leaf goes to. Nodes are closed late: a full one may be the file's last."""
        while depth := self._open[-1].next_depth:
            if depth < self._open[-1].depth_max:
                self._open.append(_Node(depth))
            else:
                self._close(blocks)
        return self._open[-1]

    def _close(self, blocks: list[Block]) -> None:
        node = self._open.pop()
        self._open[-1].parts.append(self._writer.node(node.parts, blocks))
