"""Adding files and folders: a stream of entries becomes blocks, with the same CIDs as Kubo's `add`.

Entries come depth first, as a multipart request has them: what is in a folder comes in one run, before or without a
line of the folder's own. So only the folders that are open hold entries in memory (under 500 bytes each), and a folder
is written once its run has ended. A folder that comes again later is refused.

Files are cut and hashed in batches in a thread, blocks handed on in batches, and the next batch is read and hashed
while the last one is being stored. Up to three batches of ADD_BATCH_BYTES are in memory. What was ``report``ed of a
file may not be stored yet; what is at the top (``root``) is, when it is reported.

Kubo says the lines of folders only at the very end; here each comes when its folder ends. The roots come last in both.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from pincrew.cid import cid_text
from pincrew.errors import Conflict, Misuse
from pincrew.limits import (
    ADD_BATCH_BLOCKS,
    ADD_BATCH_BYTES,
    ADD_BATCH_PIECES,
    ADD_DEPTH_MAX,
    ADD_PROGRESS_BYTES,
    HASHED_IN_LOOP_BYTES_MAX,
    LINKS_IN_LOOP_MAX,
)
from pincrew.node import dag_pb, hamt, layout, unixfs
from pincrew.node.chunking import Chunker, Chunking, FixedSize
from pincrew.node.dag_pb import Link
from pincrew.node.layout import BalancedLayout, Block, FileLayout, Form
from pincrew.node.multihash import HASH_NAMES, SHA2_256_NAME, cid_of
from pincrew.node.segments import name_bytes, name_text, segments_of
from pincrew.node.trickle import TrickleLayout
from pincrew.node.unixfs import Data, Kind

# Kubo's threshold (its estimate "links"): the bytes of names and CIDs that one node may link to.
FOLDER_LINK_BYTES_MAX = 256 * 1024
_SHARDS_PER_SLICE = 256


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file. One at the top may have an empty path: it is then named by its CID."""

    path: str
    pieces: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class FolderEntry:
    """A folder; one that holds something need not come as an entry of its own."""

    path: str


@dataclass(frozen=True, slots=True)
class SymlinkEntry:
    """A symbolic link."""

    path: str
    target: str


Entry = FileEntry | FolderEntry | SymlinkEntry


@dataclass(frozen=True, slots=True)
class AddOptions:
    """How to add.

    ``raw_leaves`` None: as is usual for the CID version. ``wrap`` puts a folder around all. ``trickle`` lays files out
    with their first bytes right below their roots. ``hash_name`` is one of HASH_NAMES; CIDv0 has only sha2-256.
    """

    cid_version: int = 0
    raw_leaves: bool | None = None
    chunking: Chunking = field(default_factory=FixedSize)
    wrap: bool = False
    trickle: bool = False
    hash_name: str = SHA2_256_NAME

    def __post_init__(self) -> None:
        if self.cid_version not in (0, 1):
            raise Misuse(f"There is no CID version {self.cid_version}")
        if self.hash_name not in HASH_NAMES:
            raise Misuse(
                f"unrecognized hash function: {self.hash_name[:40]!r}", next_step=f"There are: {', '.join(HASH_NAMES)}"
            )
        if self.cid_version == 0 and self.hash_name != SHA2_256_NAME:
            raise Misuse(f"CIDv0 only supports {SHA2_256_NAME}", next_step="Ask for CID version 1")

    @property
    def form(self) -> Form:
        """How blocks are written."""
        raw_leaves = self.cid_version == 1 if self.raw_leaves is None else self.raw_leaves
        return Form(self.cid_version, raw_leaves, self.hash_name)


@dataclass(frozen=True, slots=True)
class Added:
    """Something that was added: its path, its CID, the size of all its blocks; ``root`` if it stood at the top."""

    name: str
    cid: bytes
    size: int
    root: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """So many bytes of the file ``name`` have been read."""

    name: str
    bytes_read: int


PutMany = Callable[[list[Block]], Awaitable[None]]
Report = Callable[[Added | Progress], Awaitable[None]]


async def add(
    entries: AsyncIterator[Entry], options: AddOptions, put_many: PutMany, report: Report
) -> tuple[Added, ...]:
    """Add ``entries``; return what stood at the top, in its order, once every block is stored.

    Blocks are stored by ``put_many``, one call at a time, children before parents. Raises Misuse for entries that make
    no tree, and whatever ``put_many``, ``report`` and the entries' pieces raise.
    """
    roots: list[Added] = []
    async with _outlet(put_many) as outlet:
        adding = _Adding(options, outlet, report, roots)
        async for entry in entries:
            await adding.take(entry)
        await adding.finish()
    if not roots:
        raise Misuse("There is nothing to add")
    return tuple(roots)


@dataclass(slots=True)
class _Folder:
    """A folder whose run goes on: its path, and name -> (CID, size) of what it holds so far."""

    path: tuple[bytes, ...]
    entries: dict[bytes, tuple[bytes, int]] = field(default_factory=dict)


class _Adding:
    def __init__(self, options: AddOptions, outlet: _Outlet, report: Report, roots: list[Added]) -> None:
        self._options = options
        self._form = options.form
        self._outlet = outlet
        self._report = report
        self._roots = roots
        # From the top down. With `wrap` the first is the folder around all, else there is none at the top.
        self._open: list[_Folder] = [_Folder(())] if options.wrap else []

    async def take(self, entry: Entry) -> None:
        path = segments_of(entry.path)
        if isinstance(entry, FolderEntry):
            if not path:
                raise Misuse("A folder comes without a name")
            await self._enter(path)
            return
        await self._enter(path[:-1])
        if path:
            self._check_free(path)
        if isinstance(entry, SymlinkEntry):
            block, link = layout.symlink(self._form, name_bytes(entry.target))
            await self._outlet.put([block])
        else:
            link = await self._add_file(_text(path), entry.pieces)
        await self._place(path or (cid_text(link.cid).encode(),), link)

    async def finish(self) -> None:
        await self._leave(0)

    async def _enter(self, path: tuple[bytes, ...]) -> None:
        """Make ``path`` the folder that entries go into: end the folders outside of it, begin those that are new."""
        if len(path) > ADD_DEPTH_MAX:
            raise Misuse(f"Folders lie in each other {len(path)} deep; the most is {ADD_DEPTH_MAX}")
        if self._open:
            shared = 0
            for name, here in zip(path, self._open[-1].path, strict=False):
                if name != here:
                    break
                shared += 1
            await self._leave(shared + self._options.wrap)
        depth = len(self._open[-1].path) if self._open else 0
        for length in range(depth + 1, len(path) + 1):
            self._check_free(path[:length])
            self._open.append(_Folder(path[:length]))

    async def _leave(self, kept: int) -> None:
        while len(self._open) > kept:
            folder = self._open.pop()
            await self._place(folder.path, await self._write_folder(folder))

    def _check_free(self, path: tuple[bytes, ...]) -> None:
        if self._open and path[-1] in self._open[-1].entries:
            raise Conflict(
                f"{_text(path)!r} comes twice", next_step="Send what is in a folder in one run, each name once"
            )

    async def _place(self, path: tuple[bytes, ...], link: Link) -> None:
        """Put what is complete into the folder that is open, or among the roots."""
        root = not self._open
        if root:
            await self._outlet.flush()
        else:
            self._open[-1].entries[path[-1]] = (link.cid, link.size)
        added = Added(_text(path), link.cid, link.size, root)
        if root:
            self._roots.append(added)
        await self._report(added)

    async def _add_file(self, name: str, pieces: AsyncIterator[bytes]) -> Link:
        file = TrickleLayout(self._form) if self._options.trickle else BalancedLayout(self._form)
        chunker = self._options.chunking.chunker()
        batch_bytes = min(ADD_BATCH_BYTES, ADD_BATCH_BLOCKS * self._options.chunking.bytes_min)
        waiting: deque[bytes] = deque()
        waiting_bytes = read = reported = 0
        async for piece in pieces:
            read += len(piece)
            waiting_bytes += len(piece)
            waiting.append(piece)
            if waiting_bytes >= batch_bytes or len(waiting) >= ADD_BATCH_PIECES:
                await self._outlet.put(await _hash(file, chunker, waiting))
                waiting_bytes = 0
            if read - reported >= ADD_PROGRESS_BYTES:
                reported = read
                await self._report(Progress(name, read))
        await self._outlet.put(await _hash(file, chunker, waiting, complete=True))
        await self._report(Progress(name, read))
        blocks, part = file.finish()
        await self._outlet.put(blocks)
        return Link(part.cid, b"", part.size)

    async def _write_folder(self, folder: _Folder) -> Link:
        links = [Link(cid, name, size) for name, (cid, size) in folder.entries.items()]
        if sum(len(name) + len(cid) for cid, name, _ in links) > FOLDER_LINK_BYTES_MAX:
            return await self._write_shards(links)
        if len(links) > LINKS_IN_LOOP_MAX:
            block = await trio.to_thread.run_sync(_folder_block, links)
        else:
            block = _folder_block(links)
        cid = cid_of(self._form.node_prefix, block)
        await self._outlet.put([(cid, block)])
        return Link(cid, b"", len(block) + sum(link.size for link in links))

    async def _write_shards(self, links: list[Link]) -> Link:
        shards = await trio.to_thread.run_sync(hamt.build, links, self._form.node_prefix)
        root: Link | None = None
        while some := await trio.to_thread.run_sync(_next_slice, shards):
            root = some[-1][0]
            await self._outlet.put([(link.cid, block) for link, block in some])
        assert root is not None
        return root


class _Outlet:
    """Hands blocks on in batches, one batch at a time, beside what makes the next."""

    def __init__(self, put_many: PutMany, nursery: trio.Nursery) -> None:
        self._put_many = put_many
        self._nursery = nursery
        self._turn = trio.Semaphore(1)
        self._batch: list[Block] = []
        self._batch_bytes = 0
        self.failure: Exception | None = None

    async def put(self, blocks: Sequence[Block]) -> None:
        """Hand on; returns when there is room for more."""
        size = sum(len(data) for _, data in blocks)
        if self._batch and self._batch_bytes + size > ADD_BATCH_BYTES:
            await self._send()
        self._batch += blocks
        self._batch_bytes += size
        if self._batch_bytes >= ADD_BATCH_BYTES or len(self._batch) >= ADD_BATCH_BLOCKS:
            await self._send()

    async def flush(self) -> None:
        """Return when everything is stored."""
        if self._batch:
            await self._send()
        async with self._turn:
            pass

    async def _send(self) -> None:
        await self._turn.acquire()
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        self._nursery.start_soon(self._store, batch)

    async def _store(self, batch: list[Block]) -> None:
        try:
            await self._put_many(batch)
        # Whatever it is (no room, a damaged store): it ends the adding, and is raised there as itself.
        except Exception as error:
            self.failure = error
            self._nursery.cancel_scope.cancel()
        else:
            self._turn.release()


@asynccontextmanager
async def _outlet(put_many: PutMany) -> AsyncIterator[_Outlet]:
    """An outlet for the time of the block; it is flushed at the block's end."""
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        outlet = _Outlet(put_many, nursery)
        try:
            yield outlet
            await outlet.flush()
        # Raised below: through the nursery it would arrive inside an exception group.
        except Exception as error:
            failure = error
            nursery.cancel_scope.cancel()
    if (failure := failure or outlet.failure) is not None:
        raise failure


async def _hash(file: FileLayout, chunker: Chunker, pieces: deque[bytes], *, complete: bool = False) -> list[Block]:
    """Take the next pieces of a file away from ``pieces``; return the blocks that are complete with them."""
    if chunker.waiting_bytes + sum(map(len, pieces)) <= HASHED_IN_LOOP_BYTES_MAX:
        return _hash_now(file, chunker, pieces, complete)
    return await trio.to_thread.run_sync(_hash_now, file, chunker, pieces, complete)


def _hash_now(file: FileLayout, chunker: Chunker, pieces: deque[bytes], complete: bool) -> list[Block]:
    blocks: list[Block] = []
    # Each piece goes once its bytes are in chunks: they would be in memory twice.
    while pieces:
        blocks += file.add(chunker.feed(pieces.popleft()))
    if complete:
        blocks += file.add(chunker.rest())
    return blocks


def _folder_block(links: list[Link]) -> bytes:
    return dag_pb.encode(links, unixfs.encode(Data(Kind.DIRECTORY)))


def _next_slice(shards: Iterator[tuple[Link, bytes]]) -> list[tuple[Link, bytes]]:
    return list(itertools.islice(shards, _SHARDS_PER_SLICE))


def _text(path: tuple[bytes, ...]) -> str:
    return name_text(b"/".join(path))
