"""Looks at every block that a node stores of a DAG, and compares it with its hash. Nothing is fetched for that.

The memory is bounded whatever the DAG: blocks with links are remembered, up to VERIFY_BRANCHES_MAX of them, so that
none is walked twice; leaves are not, so that one which several blocks link to is read for each.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import trio

from pincrew.errors import BlockCorrupt, Malformed, PincrewError
from pincrew.limits import (
    VERIFY_BAD_BLOCKS_MAX,
    VERIFY_BRANCHES_MAX,
    VERIFY_HASH_IN_LOOP_BYTES_MAX,
    VERIFY_READS_AT_ONCE,
)
from pincrew.node.frontier import Frontier
from pincrew.node.links import links_of
from pincrew.node.multihash import RAW, codec_of, inlined, matches, multihash_of

# Gives a block as it is stored, None where it is not.
Read = Callable[[bytes], Awaitable[bytes | None]]


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at one DAG came to. What is below a bad block was not looked at, nor what is beyond the bounds:
    ``is_whole`` says whether all was."""

    blocks: int
    size: int
    damaged: tuple[bytes, ...]
    missing: tuple[bytes, ...]
    is_whole: bool

    @property
    def bad(self) -> tuple[bytes, ...]:
        """All that is not there as it should be."""
        return (*self.damaged, *self.missing)


class DagCheck:
    """One look at the DAG below ``root`` (at its first block alone, unless ``is_recursive``)."""

    def __init__(self, root: bytes, read: Read, *, is_recursive: bool = True, bytes_per_s: float | None = None) -> None:
        """``bytes_per_s`` bounds how fast is read, None: not."""
        self._frontier = Frontier(root)
        self._read = read
        self._is_recursive = is_recursive
        self._bytes_per_s = bytes_per_s
        self._branches: set[int] = set()
        self._blocks = self._bytes = 0
        self._damaged: dict[bytes, None] = {}
        self._missing: dict[bytes, None] = {}
        self._is_cut = False

    async def run(self) -> Found:
        """Return once all was looked at. Raises what reading raises."""
        started = trio.current_time()
        while self._frontier and len(self._damaged) + len(self._missing) < VERIFY_BAD_BLOCKS_MAX:
            if (forgotten := self._frontier.forgotten) is not None:
                self._frontier.remind(await self._links_again(forgotten))
            cids = [cid for cid in self._frontier.take(VERIFY_READS_AT_ONCE) if self._is_new(cid)]
            for cid, data in await self._read_all(list(dict.fromkeys(cids))):
                await self._take(cid, data)
            if self._bytes_per_s is not None:
                await trio.sleep_until(started + self._bytes / self._bytes_per_s)
        bad = bool(self._damaged or self._missing)
        is_whole = not (self._is_cut or bad or self._frontier)
        return Found(self._blocks, self._bytes, tuple(self._damaged), tuple(self._missing), is_whole)

    def _is_new(self, cid: bytes) -> bool:
        if codec_of(cid) == RAW:
            return True
        mark = hash(cid)
        if mark in self._branches:
            return False
        if len(self._branches) >= VERIFY_BRANCHES_MAX:
            self._is_cut = True
            return False
        self._branches.add(mark)
        return True

    async def _read_all(self, cids: Sequence[bytes]) -> list[tuple[bytes, bytes | None]]:
        """Read some blocks side by side; return them in their order."""
        found: dict[bytes, bytes | None] = {}
        failures: list[PincrewError] = []

        async def read(cid: bytes) -> None:
            data = inlined(multihash_of(cid))
            try:
                found[cid] = await self._read(cid) if data is None else data
            except PincrewError as error:
                failures.append(error)

        if len(cids) == 1:
            await read(cids[0])
        else:
            async with trio.open_nursery() as nursery:
                for cid in cids:
                    nursery.start_soon(read, cid)
        if failures:
            raise failures[0]  # out here, so that it is not wrapped in the nursery's exception group
        return [(cid, found[cid]) for cid in cids]

    async def _take(self, cid: bytes, data: bytes | None) -> None:
        if data is None:
            self._missing[cid] = None
            return
        self._blocks += 1
        self._bytes += len(data)
        if not await is_sound(cid, data):
            self._damaged[cid] = None
        elif self._is_recursive:
            self._frontier.push(cid, _links(cid, data))

    async def _links_again(self, cid: bytes) -> Sequence[bytes]:
        data = await self._read(cid)
        if data is None or not await is_sound(cid, data):
            raise BlockCorrupt("A block was damaged while it was being looked at", next_step="Verify the pin again")
        return _links(cid, data)


async def is_sound(cid: bytes, data: bytes) -> bool:
    """Say whether ``data`` is the block that ``cid`` names."""
    multihash = multihash_of(cid)
    if len(data) <= VERIFY_HASH_IN_LOOP_BYTES_MAX:
        return matches(multihash, data)
    return await trio.to_thread.run_sync(matches, multihash, data)


def _links(cid: bytes, data: bytes) -> list[bytes]:
    """Return what a block links to, each once; none for one that is just as its hash says and still no DAG's."""
    try:
        return list(dict.fromkeys(links_of(cid, data)))
    except Malformed:
        return []
