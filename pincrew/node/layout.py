"""From chunks to the blocks of a file, in Kubo's balanced layout.

Leaves hold the chunks. A node links to up to 174 children of the level below it, all of them full but the last one on
each level; one chunk alone is a file without a node above it. A `FileLayout` keeps only the links of the nodes that
are not full yet, one list a level, so that a file of any size takes little memory.

It is used from one thread at a time; what hashes many bytes (`add`) may be called in a thread of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pincrew.node import dag_pb, unixfs
from pincrew.node.dag_pb import Link
from pincrew.node.multihash import cid_of
from pincrew.node.unixfs import Data, Kind

LINKS_PER_NODE = 174  # Kubo's default: 8 KiB by a rough size of a link
_NODE_PREFIXES = (b"\x00\x70\x12\x20", b"\x01\x70\x12\x20")
_RAW_START = b"\x01\x55\x12\x20"

Block = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Form:
    """How blocks are written: the CID version of nodes, and whether a leaf is its chunk alone or framed by dag-pb."""

    cid_version: int
    raw_leaves: bool

    @property
    def node_prefix(self) -> bytes:
        """What comes before the digest in the CID of a node."""
        return _NODE_PREFIXES[self.cid_version]


class Part(NamedTuple):
    """A file, or a part of one: its CID, the size of all its blocks, and how many bytes of content it has."""

    cid: bytes
    size: int
    content_bytes: int


class FileLayout:
    """One file in the making: ``add`` its chunks in their order, then ``finish``."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._levels: list[list[Part]] = [[]]

    def add(self, chunks: Sequence[bytes]) -> list[Block]:
        """Take the next chunks; return the blocks that are complete with them, children before parents."""
        blocks: list[Block] = []
        for chunk in chunks:
            leaf = self._raw_leaf(chunk, blocks) if self._form.raw_leaves else self._framed_leaf(chunk, blocks)
            self._put(0, leaf, blocks)
        return blocks

    def finish(self) -> tuple[list[Block], Part]:
        """Return the remaining blocks and the file. A file without chunks is one empty leaf."""
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
        parts = self._levels[level]
        self._levels[level] = []
        sizes = tuple(part.content_bytes for part in parts)
        content_bytes = sum(sizes)
        block = dag_pb.encode(
            [Link(part.cid, b"", part.size) for part in parts],
            unixfs.encode(Data(Kind.FILE, file_size=content_bytes, block_sizes=sizes)),
        )
        cid = cid_of(self._form.node_prefix, block)
        blocks.append((cid, block))
        self._put(level + 1, Part(cid, len(block) + sum(part.size for part in parts), content_bytes), blocks)

    def _raw_leaf(self, chunk: bytes, blocks: list[Block]) -> Part:
        cid = _RAW_START + hashlib.sha256(chunk).digest()
        blocks.append((cid, chunk))
        return Part(cid, len(chunk), len(chunk))

    def _framed_leaf(self, chunk: bytes, blocks: list[Block]) -> Part:
        # A chunk without bytes is an absent field, as in Kubo.
        block = dag_pb.encode([], unixfs.encode(Data(Kind.FILE, chunk or None, len(chunk))))
        cid = cid_of(self._form.node_prefix, block)
        blocks.append((cid, block))
        return Part(cid, len(block), len(chunk))


def symlink(form: Form, target: bytes) -> tuple[Block, Link]:
    """Return the block of a symbolic link, and a link to it."""
    block = dag_pb.encode([], unixfs.encode(Data(Kind.SYMLINK, target)))
    cid = cid_of(form.node_prefix, block)
    return (cid, block), Link(cid, b"", len(block))
