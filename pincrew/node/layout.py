"""From chunks to the blocks of a file, in Kubo's balanced layout; `node.trickle` has its other one.

Leaves hold the chunks. A node links to up to 174 children of the level below it, all of them full but the last one on
each level; one chunk alone is a file without a node above it. A `BalancedLayout` keeps only the links of the nodes that
are not full yet, one list a level, so that a file of any size takes little memory.

It is used from one thread at a time; what hashes many bytes (`add`) may be called in a thread of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pincrew.node import dag_pb, unixfs
from pincrew.node.dag_pb import Link
from pincrew.node.multihash import DAG_PB, RAW, SHA2_256_NAME, cid_of, prefix_for
from pincrew.node.unixfs import Data, Kind

LINKS_PER_NODE = 174  # Kubo's default: 8 KiB by a rough size of a link

Block = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Form:
    """How blocks are written.

    The CID version of nodes, whether a leaf is its chunk alone or framed by dag-pb, and the hash function by its name.
    """

    cid_version: int
    raw_leaves: bool
    hash_name: str = SHA2_256_NAME

    @property
    def node_prefix(self) -> bytes:
        """What comes before the digest in the CID of a node."""
        return prefix_for(self.cid_version, DAG_PB, self.hash_name)

    @property
    def raw_prefix(self) -> bytes:
        """What comes before the digest in the CID of a leaf that is its chunk alone."""
        return prefix_for(1, RAW, self.hash_name)


class Part(NamedTuple):
    """A file, or a part of one: its CID, the size of all its blocks, and how many bytes of content it has."""

    cid: bytes
    size: int
    content_bytes: int


class FileLayout(Protocol):
    """One file in the making: ``add`` its chunks in their order, then ``finish``."""

    def add(self, chunks: Sequence[bytes]) -> list[Block]:
        """Take the next chunks; return the blocks that are complete with them, children before parents."""

    def finish(self) -> tuple[list[Block], Part]:
        """Return the remaining blocks and the file."""


class PartWriter:
    """Writes the leaves and nodes of one file, whatever its layout; a framed leaf says that it is ``framed_kind``."""

    def __init__(self, form: Form, framed_kind: Kind) -> None:
        self._raw_leaves = form.raw_leaves
        self._raw_prefix = form.raw_prefix
        self._node_prefix = form.node_prefix
        self._framed_kind = framed_kind

    def leaf(self, chunk: bytes, blocks: list[Block]) -> Part:
        """Return the leaf of a chunk; its block is put behind ``blocks``."""
        if self._raw_leaves:
            block, cid = chunk, cid_of(self._raw_prefix, chunk)
        else:
            # A chunk without bytes is an absent field, as in Kubo.
            block = dag_pb.encode([], unixfs.encode(Data(self._framed_kind, chunk or None, len(chunk))))
            cid = cid_of(self._node_prefix, block)
        blocks.append((cid, block))
        return Part(cid, len(block), len(chunk))

    def node(self, parts: Sequence[Part], blocks: list[Block]) -> Part:
        """Return the node above ``parts``; its block is put behind ``blocks``."""
        sizes = tuple(part.content_bytes for part in parts)
        content_bytes = sum(sizes)
        block = dag_pb.encode(
            [Link(part.cid, b"", part.size) for part in parts],
            unixfs.encode(Data(Kind.FILE, file_size=content_bytes, block_sizes=sizes)),
        )
        cid = cid_of(self._node_prefix, block)
        blocks.append((cid, block))
        return Part(cid, len(block) + sum(part.size for part in parts), content_bytes)


class BalancedLayout:
    """A file whose leaves are all equally deep. One without chunks is one empty leaf."""

    def __init__(self, form: Form) -> None:
        self._writer = PartWriter(form, Kind.FILE)
        self._levels: list[list[Part]] = [[]]

    def add(self, chunks: Sequence[bytes]) -> list[Block]:
        """Take the next chunks; return the blocks that are complete with them, children before parents."""
        blocks: list[Block] = []
        for chunk in chunks:
            self._put(0, self._writer.leaf(chunk, blocks), blocks)
        return blocks

    def finish(self) -> tuple[list[Block], Part]:
        """Return the remaining blocks and the file."""
        blocks = [] if any(self._levels) else self.add([b""])
        for level, parts in enumerate(self._levels):
            if level == len(self._levels) - 1 and len(parts) == 1:
                break
            if parts:
                self._close(level, blocks)
        return blocks, self._levels[-1][0]

    def _put(self, level: int, part: Part, blocks: list[Block]) -> None:
        if level == len(self._levels):
            self._levels.append([])
        self._levels[level].append(part)
        if len(self._levels[level]) == LINKS_PER_NODE:
            self._close(level, blocks)

    def _close(self, level: int, blocks: list[Block]) -> None:
        """Put a node above what is gathered at ``level``."""
        parts, self._levels[level] = self._levels[level], []
        self._put(level + 1, self._writer.node(parts, blocks), blocks)


def symlink(form: Form, target: bytes) -> tuple[Block, Link]:
    """Return the block of a symbolic link, and a link to it."""
    block = dag_pb.encode([], unixfs.encode(Data(Kind.SYMLINK, target)))
    cid = cid_of(form.node_prefix, block)
    return (cid, block), Link(cid, b"", len(block))
