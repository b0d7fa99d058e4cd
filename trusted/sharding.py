"""Content too large for one node: its blocks are cut into shards as they are made, each for peers of its own.

A shard is a list of blocks (`node.shard_dag`) with these; the cluster DAG is the list of the shards. One shard is
under way at a time, and all of its destinations have it, or failed, before the next begins. Each is kept by a pin of
its own; these are put on the list together when all blocks are stored: what breaks off leaves no pins behind.

Lists have a nonce, so that no two of them are the same: each shard belongs to one content, and goes with it. A block
that comes again in another shard is in both.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import trio
from pincrew.trusted.adding import Blocks, Deliveries
from pincrew.trusted.pin_requests import Allocation

from pincrew import limits
from pincrew.errors import Misuse
from pincrew.node.layout import Block
from pincrew.node.multihash import IDENTITY, multihash_of
from pincrew.node.shard_dag import ShardDag, leaf_of, list_of


class Place(NamedTuple):
    """Who is to keep a shard, and to whose nodes its blocks go."""

    allocation: Allocation
    peers: Sequence[str]


class Shard(NamedTuple):
    """A shard that is stored. ``failed``: who did not take all of it, and why."""

    dag: ShardDag
    size: int
    place: Place
    failed: dict[str, str]


@dataclass(eq=False)
class _Open:
    """The shard that blocks go to now; ``links`` in the order in which they came."""

    place: Place
    blocks: Blocks
    links: dict[bytes, None] = field(default_factory=dict)
    size: int = 0


class Sharding:
    """Takes the blocks of one content (`adding.Sink`)."""

    def __init__(
        self,
        deliveries: Deliveries,
        size_max: int,
        nonce: bytes,
        place: Callable[[], Place],
        on_shard: Callable[[Shard], Awaitable[None]],
    ) -> None:
        """A shard has at most ``size_max`` bytes of blocks; ``place`` says where the next is to go.

        ``shards`` are those that are stored, without the blocks of their lists.
        """
        self.shards: list[Shard] = []
        self._deliveries = deliveries
        self._size_max = size_max
        self._nonce = nonce
        self._place = place
        self._on_shard = on_shard
        self._open: _Open | None = None

    async def put_many(self, blocks: Sequence[Block]) -> None:
        """Take blocks. Raises Misuse for one that is larger than a shard, NotStored, Conflict with too few peers."""
        waiting: list[Block] = []
        for cid, data in blocks:
            if multihash_of(cid)[0] == IDENTITY:
                continue  # the CID holds its data
            if len(data) > self._size_max:
                raise Misuse(
                    f"block doesn't fit in empty shard: it has {len(data)} bytes, and a shard {self._size_max}",
                    next_step="Ask for larger shards",
                )
            leaf, shard = leaf_of(cid), self._open
            if shard is not None and leaf in shard.links:
                continue
            if shard is not None and not self._has_room(shard, len(data)):
                if waiting:
                    await shard.blocks.put_many(waiting)
                waiting = []
                await self._end(shard)
                shard = None
            if shard is None:
                shard = self._open = await self._begin()
            shard.links[leaf] = None
            shard.size += len(data)
            waiting.append((cid, data))
        if waiting and self._open is not None:
            await self._open.blocks.put_many(waiting)

    async def finish(self) -> None:
        """Return when every shard is stored, and the list of them. Raises as ``put_many``."""
        if self._open is not None:
            await self._end(self._open)
        if not self.shards:
            raise Misuse("There is nothing to add: no block is left")

    def _has_room(self, shard: _Open, size: int) -> bool:
        return shard.size + size <= self._size_max and len(shard.links) < limits.SHARD_BLOCKS_MAX

    async def _begin(self) -> _Open:
        if len(self.shards) == limits.SHARDS_PER_ADD_MAX:
            raise Misuse(
                f"This makes more than {limits.SHARDS_PER_ADD_MAX:,} shards", next_step="Ask for larger shards"
            )
        place = self._place()
        return _Open(place, await self._deliveries.begin(place.peers))

    async def _end(self, shard: _Open) -> None:
        self._open = None
        # Of the smallest blocks 100,000 links: a tenth of a second, in which the API should answer.
        dag = await trio.to_thread.run_sync(list_of, tuple(shard.links), self._nonce)
        await shard.blocks.put_many(dag.blocks)
        await shard.blocks.finish()
        size = shard.size + sum(len(data) for _, data in dag.blocks)
        done = Shard(dag, size, shard.place, shard.blocks.failed())
        # Its blocks are stored: thousands of such lists would not fit into memory.
        self.shards.append(done._replace(dag=dag._replace(blocks=())))
        await self._on_shard(done)

    async def put_list(self, peers: Sequence[str]) -> bytes:
        """Store the list of the shards at ``peers``; return its CID. Raises NotStored."""
        [block] = list_of([shard.dag.root for shard in self.shards]).blocks
        blocks = await self._deliveries.begin(peers)
        await blocks.put_many([block])
        await blocks.finish()
        return block[0]
