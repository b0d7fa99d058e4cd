"""Reading what is in the DAG: paths, the bytes of files, the entries of folders.

Everything works over `get`, which returns verified blocks, so that what arrives is what its CID names. What it *says*
may still be false, as anybody can name anything: a reader believes no size that it can check. Every block of a file
must have the size that the block above it states; a file whose sizes disagree is Malformed at the place where they do,
and no byte is given out that stands at another offset than the sizes say. (Where a range begins in the middle, what is
before it is skipped by the sizes, as everywhere in IPFS.)

`cat` and `ls` are used as `async with cat(...) as pieces: async for piece in pieces`. They fetch ahead, at most
READ_AHEAD_BLOCKS blocks, and stop when the block is left.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import trio

from pincrew.cid import cid_text
from pincrew.errors import Malformed, Misuse
from pincrew.limits import CHUNK_BYTES_MAX, FILE_DEPTH_MAX, LISTED_BATCH
from pincrew.node import dag_pb, unixfs
from pincrew.node.dag_pb import Link
from pincrew.node.hamt import Shard, name_hash
from pincrew.node.inner_paths import absent, follow
from pincrew.node.multihash import DAG_CBOR, DAG_JSON, DAG_PB, RAW, codec_of
from pincrew.node.read_ahead import Get, ReadAhead, fetching
from pincrew.node.segments import name_text, segments_of
from pincrew.node.unixfs import Data, Kind

_FILES = (Kind.FILE, Kind.RAW)


# ---- paths ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Resolved:
    """Where a path leads: a block, and what is left of the path inside of it (empty but in dag-cbor and dag-json)."""

    cid: bytes
    rest: tuple[str, ...] = ()


async def resolve(get: Get, cid: bytes, path: str) -> Resolved:
    """Follow ``path`` from a block; symbolic links are not followed. Raises NotFound where it leads nowhere."""
    segments = segments_of(path)
    while segments:
        codec = codec_of(cid)
        if codec == DAG_PB:
            cid = await _child(get, cid, segments[0])
            segments = segments[1:]
        elif codec in (DAG_CBOR, DAG_JSON):
            used, link = follow(cid, await get(cid), segments)
            if link is None:
                return Resolved(cid, tuple(map(name_text, segments)))
            cid, segments = link, segments[used:]
        else:
            raise absent(cid, segments[0])
    return Resolved(cid)


async def _child(get: Get, cid: bytes, name: bytes) -> bytes:
    """Return what a dag-pb node has under a name: a folder's entry, or the link of what is not UnixFS."""
    links, data = dag_pb.decode(await get(cid))
    message = _message(data)
    if message is not None and message.kind is Kind.HAMT_SHARD:
        found = await _find(get, Shard(links, message), name)
    elif message is not None and message.kind in _FILES:
        found = None
    else:
        found = next((link for link in links if link.name == name), None)
    if found is None:
        raise absent(cid, name)
    return found.cid


async def _find(get: Get, shard: Shard, name: bytes) -> Link | None:
    """Look a name up through as many shards as lead to it."""
    hashed = name_hash(name)
    used = 0
    while (link := shard.child(hashed, used)) is not None:
        if link.name:
            return link if link.name == name else None
        used = shard.below(used)
        shard = _shard(await get(link.cid))
    return None


# ---- files ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Status:
    """What a block is: its kind, None if it is not UnixFS; a file's content in bytes; a symbolic link's target."""

    kind: Kind | None
    content_bytes: int = 0
    target: str = ""


async def status(get: Get, cid: bytes) -> Status:
    """Say what ``cid`` is, from its block alone."""
    codec = codec_of(cid)
    return status_of(cid, await get(cid)) if codec in (RAW, DAG_PB) else Status(None)


def status_of(cid: bytes, block: bytes) -> Status:
    """Say what a block is. Raises Malformed when it is not what its CID says."""
    codec = codec_of(cid)
    if codec == RAW:
        return Status(Kind.FILE, len(block))
    if codec != DAG_PB:
        return Status(None)
    links, data = dag_pb.decode(block)
    message = _message(data)
    if message is None:
        return Status(None)
    if message.kind in _FILES:
        return Status(Kind.FILE, _node_of(links, message).content_bytes)
    if message.kind is Kind.SYMLINK:
        return Status(Kind.SYMLINK, len(message.data or b""), name_text(message.data or b""))
    return Status(message.kind)


class _Node(NamedTuple):
    """A file, or a part of one: what it holds itself, or its children with the size of each."""

    content: bytes
    children: Sequence[tuple[bytes, int]]
    content_bytes: int


class _Part(NamedTuple):
    """A part of a file that is wanted: where it begins, the size that is stated of it, and how deep it is."""

    cid: bytes
    begin: int
    size: int | None
    depth: int


@trio.as_safe_channel
async def cat(get: Get, cid: bytes, offset: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of a file from ``offset``, at most ``length`` of them, in pieces of a block each.

    Raises Misuse when it is no file, Malformed when its sizes disagree, and what ``get`` raises.
    """
    if offset < 0 or (length is not None and length < 0):
        raise Misuse("A range of a file begins at 0 or later and has 0 bytes or more")
    end = None if length is None else offset + length
    async with fetching() as nursery:
        ahead = ReadAhead[_Part](get, nursery)
        ahead.put_first([(cid, 0, _Part(cid, 0, None, 0))])
        while (taken := await ahead.take()) is not None:
            part, block = taken
            node = _read(part, block)
            if node.content:
                stop = len(node.content) if end is None else end - part.begin
                if piece := node.content[max(0, offset - part.begin) : max(0, stop)]:
                    yield piece
            ahead.put_first(_within(part, node, offset, end))


def _within(part: _Part, node: _Node, offset: int, end: int | None) -> list[tuple[bytes, int, _Part]]:
    """Return the children of a node that have bytes of the range. What is said to be empty is nowhere in it."""
    if node.children and part.depth == FILE_DEPTH_MAX:
        raise Malformed(f"a file is more than {FILE_DEPTH_MAX} levels deep")
    wanted: list[tuple[bytes, int, _Part]] = []
    begin = part.begin
    for cid, size in node.children:
        if end is not None and begin >= end:
            break
        if size and begin + size > offset:
            wanted.append((cid, min(size, CHUNK_BYTES_MAX), _Part(cid, begin, size, part.depth + 1)))
        begin += size
    return wanted


def _read(part: _Part, block: bytes) -> _Node:
    """Read a block of a file, and check that it is as big as the one above it says."""
    codec = codec_of(part.cid)
    if codec == RAW:
        node = _Node(block, (), len(block))
    else:
        message = None
        if codec == DAG_PB:
            links, data = dag_pb.decode(block)
            message = _message(data)
        if message is None or message.kind not in _FILES:
            if part.size is None:
                raise Misuse(f"{cid_text(part.cid)} is not a file")
            raise Malformed("a part of a file is not a part of a file")
        node = _node_of(links, message)
    if part.size is not None and part.size != node.content_bytes:
        raise Malformed(f"a part of a file has {node.content_bytes} bytes, {part.size} were stated")
    return node


def _node_of(links: Sequence[Link], message: Data) -> _Node:
    content = message.data or b""
    if len(message.block_sizes) != len(links):
        raise Malformed("a file's node states another number of sizes than it has links")
    if links and content:
        # Readers do not agree about what comes first, or whether it counts: there is no right answer to give.
        raise Malformed("a file's node has bytes of its own beside links")
    content_bytes = sum(message.block_sizes) if links else len(content)
    if message.file_size is not None and message.file_size != content_bytes:
        raise Malformed(f"a file's node states {message.file_size} bytes, its parts have {content_bytes}")
    children = [(link.cid, size) for link, size in zip(links, message.block_sizes, strict=True)]
    return _Node(content, children, content_bytes)


# ---- folders --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Listed:
    """An entry of a folder. ``total_bytes`` counts all its blocks, as the folder states it.

    ``status`` is None where types were not asked for, unless the link alone says it.
    """

    name: str
    cid: bytes
    total_bytes: int
    status: Status | None


@trio.as_safe_channel
async def ls(get: Get, cid: bytes, *, types: bool = True) -> AsyncGenerator[list[Listed], None]:
    """Yield the entries of a folder in batches, in the order of its blocks; of anything else in dag-pb, its links.

    With ``types`` each entry's block is read, except those of raw leaves, of which the link says all. The chunks of a
    file are listed, too: they are links without names.
    """
    if codec_of(cid) != DAG_PB:
        return
    links, data = dag_pb.decode(await get(cid))
    message = _message(data)
    shard = Shard(links, message) if message is not None and message.kind is Kind.HAMT_SHARD else None
    async with fetching() as nursery:
        entries = ReadAhead[Link](get, nursery)
        shards = ReadAhead[int](get, nursery)
        used = 0
        seen: set[bytes] = set()
        while True:
            if shard is not None:
                # Asked of every shard, so that what is too deep to be looked up is not listed either.
                below = shard.below(used)
                further = [child.cid for child in shard.children if not child.name]
                # Names in different slots differ, so a shard in two places is nobody's: a few would list without end.
                expected = len(seen) + len(further)
                seen.update(further)
                if len(seen) != expected:
                    raise Malformed("a folder has the same shard in two places")
                shards.put_first([(cid, 0, below) for cid in further])
                links = [child for child in shard.children if child.name]
            for at in range(0, len(links), LISTED_BATCH):
                yield await _listed(entries, links[at : at + LISTED_BATCH], types)
            if (taken := await shards.take()) is None:
                break
            used, block = taken
            shard = _shard(block)


async def _listed(entries: ReadAhead[Link], links: Sequence[Link], types: bool) -> list[Listed]:
    """List ``links``, reading the blocks that it takes for their types."""
    known: dict[Link, Status] = {}
    if types:
        entries.put_first([(link.cid, 0, link) for link in links if codec_of(link.cid) == DAG_PB])
        while (taken := await entries.take()) is not None:
            known[taken[0]] = status_of(taken[0].cid, taken[1])
    unread = Status(None) if types else None
    return [
        Listed(name_text(link.name), link.cid, link.size, known.get(link) or _status_of_link(link) or unread)
        for link in links
    ]


def _status_of_link(link: Link) -> Status | None:
    return Status(Kind.FILE, link.size) if codec_of(link.cid) == RAW else None


def _shard(block: bytes) -> Shard:
    links, data = dag_pb.decode(block)
    message = _message(data)
    if message is None or message.kind is not Kind.HAMT_SHARD:
        raise Malformed("a part of a folder is not a part of a folder")
    return Shard(links, message)


def _message(data: bytes | None) -> Data | None:
    """Return what a node's data says as UnixFS, None if it is not UnixFS."""
    if data is None:
        return None
    try:
        return unixfs.decode(data)
    except Malformed:
        return None
