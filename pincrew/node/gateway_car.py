"""CARs as the gateway sends them: the blocks that a path leads through, then those of what it leads to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from pincrew.node.car import header_of, section_of
from pincrew.node.gateway_request import CarScope
from pincrew.node.multihash import DAG_PB, RAW, codec_of
from pincrew.node.preorder import preorder
from pincrew.node.read_ahead import Get
from pincrew.node.reading import cat, ls, status
from pincrew.node.unixfs import Kind

Write = Callable[[bytes], Awaitable[None]]


async def write_car(get: Get, root: bytes, scope: CarScope, way: Iterable[tuple[bytes, bytes]], write: Write) -> None:
    """Write the CAR of ``root``; ``way`` are the blocks that lead to it. Each block comes once."""
    car = _Car(get, write)
    first = await get(root)
    await write(header_of([root]))
    for cid, block in way:
        await car.put(cid, block)
    if scope.scope == "all":
        async with preorder(get, root) as blocks:
            async for cid, block in blocks:
                await car.put(cid, block)
        return
    await car.put(root, first)
    if scope.scope == "entity" and codec_of(root) in (DAG_PB, RAW):
        await _put_entity(car, root, scope)


async def _put_entity(car: _Car, root: bytes, scope: CarScope) -> None:
    """Write what a file's bytes, or a folder's entries, are read from."""
    what = await status(car.get, root)
    if what.kind is Kind.FILE:
        begin, end = _between(scope, what.content_bytes)
        async with cat(car.get, root, begin, max(0, end - begin)) as pieces:
            async for _ in pieces:
                await car.put_read()
    elif what.kind in (Kind.DIRECTORY, Kind.HAMT_SHARD):
        async with ls(car.get, root, types=False) as batches:
            async for _ in batches:
                await car.put_read()
    await car.put_read()


def _between(scope: CarScope, size: int) -> tuple[int, int]:
    """Return the range of bytes as (begin, end)."""
    if scope.span is None:
        return 0, size
    first, last = scope.span
    begin = first if first >= 0 else max(0, size + first)
    end = size if last is None else (last if last >= 0 else size + last) + 1
    return min(begin, size), min(max(0, end), size)


class _Car:
    """Writes sections, and knows which it has written. What is read through `get` waits for `put_read`."""

    def __init__(self, get: Get, write: Write) -> None:
        self._get = get
        self._write = write
        self._written: set[bytes] = set()
        self._read: list[tuple[bytes, bytes]] = []

    async def get(self, cid: bytes) -> bytes:
        """Return a block, which belongs into the CAR."""
        block = await self._get(cid)
        self._read.append((cid, block))
        return block

    async def put_read(self) -> None:
        """Write what was read since the last time."""
        read, self._read = self._read, []
        for cid, block in read:
            await self.put(cid, block)

    async def put(self, cid: bytes, block: bytes) -> None:
        """Write a block, unless it was written before."""
        if cid not in self._written:
            self._written.add(cid)
            await self._write(section_of(cid, block))
