"""Folders to add, made from a seed, and the same entries as a multipart body and as what `importing.add` takes."""

from __future__ import annotations

import random
import urllib.parse
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pincrew.node.importing import Added, AddOptions, Entry, FileEntry, FolderEntry, Progress, SymlinkEntry, add
from pincrew.node.layout import Block
from pincrew.node.multihash import multihash_of

_NAMES = ("a", "b.txt", "c.tar.gz", ".hidden", "..three", "Ünïcode", "文件", "🙂", "with space", "100%", "a+b", "-dash")
_TYPES = {
    FileEntry: "application/octet-stream",
    FolderEntry: "application/x-directory",
    SymlinkEntry: "application/symlink",
}


@dataclass(frozen=True)
class Item:
    """An entry of a tree: its path, what it is, and a file's content or a symbolic link's target."""

    path: str
    kind: type[Entry]
    content: bytes = b""


def random_tree(chance: random.Random, top: str = "top", sizes: Sequence[int] = (0, 1, 300, 4_000)) -> list[Item]:
    """Return a tree, depth first; some folders come without a line of their own, some are empty."""
    items = [Item(top, FolderEntry)]
    _fill(chance, top, 0, sizes, items)
    return items


def _fill(chance: random.Random, path: str, depth: int, sizes: Sequence[int], items: list[Item]) -> None:
    for name in chance.sample(_NAMES, chance.randrange(len(_NAMES) if depth < 3 else 3)):
        below = f"{path}/{name}"
        what = chance.random()
        if what < 0.3 and depth < 4:
            before = len(items)
            _fill(chance, below, depth + 1, sizes, items)
            if len(items) == before or chance.random() < 0.7:
                items.insert(before, Item(below, FolderEntry))
        elif what < 0.4:
            items.append(Item(below, SymlinkEntry, chance.choice(["../x", "ziel/ü", "/etc/hosts"]).encode()))
        else:
            items.append(Item(below, FileEntry, chance.randbytes(chance.choice(sizes))))


def body_of(items: Iterable[Item], boundary: str) -> Iterator[bytes]:
    """Yield the body that a client of Kubo's `add` sends."""
    for item in items:
        name = urllib.parse.quote(item.path, safe="")
        yield (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            f"Content-Type: {_TYPES[item.kind]}\r\n\r\n"
        ).encode()
        yield item.content
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


class Blocks:
    """Blocks in memory, as adding stores and reading gets them; counts what is got."""

    def __init__(self) -> None:
        self.by_multihash: dict[bytes, bytes] = {}
        self.batches: list[int] = []
        self.got: list[bytes] = []

    async def put_many(self, blocks: list[Block]) -> None:
        self.batches.append(len(blocks))
        for cid, data in blocks:
            self.by_multihash[multihash_of(cid)] = data

    async def get(self, cid: bytes) -> bytes:
        self.got.append(cid)
        return self.by_multihash[multihash_of(cid)]


@dataclass(frozen=True)
class Outcome:
    """What adding returned, and all that it reported."""

    roots: tuple[Added, ...]
    lines: list[Added]
    progress: list[Progress]


async def add_items(items: Iterable[Item], options: AddOptions, blocks: Blocks, *, piece_bytes: int = 1_000) -> Outcome:
    """Add ``items`` into ``blocks``, their content in pieces of that size."""
    lines: list[Added] = []
    progress: list[Progress] = []

    async def report(event: Added | Progress) -> None:
        if isinstance(event, Added):
            lines.append(event)
        else:
            progress.append(event)

    return Outcome(await add(_entries(items, piece_bytes), options, blocks.put_many, report), lines, progress)


async def _entries(items: Iterable[Item], piece_bytes: int) -> AsyncIterator[Entry]:
    for item in items:
        if item.kind is FileEntry:
            yield FileEntry(item.path, _pieces(item.content, piece_bytes))
        elif item.kind is FolderEntry:
            yield FolderEntry(item.path)
        else:
            yield SymlinkEntry(item.path, item.content.decode())


async def _pieces(content: bytes, piece_bytes: int) -> AsyncIterator[bytes]:
    for at in range(0, len(content), piece_bytes):
        yield content[at : at + piece_bytes]
