"""The half of ipfs-cluster's REST API that writes (`rest.contract.WritingRestDoor`); only a curator's peer has it.

The order of what is checked is ipfs-cluster's (`Cluster.Pin`): an update first, then replication, expiry and mode.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

import msgspec
import trio
from pincrew.trusted.adding import Sink, add_car, add_files, deliveries, delivering
from pincrew.trusted.pin_requests import Allocation, wanted_pin
from pincrew.trusted.shard_pins import ShardWanted, requests_for
from pincrew.trusted.sharding import Place, Shard, Sharding

from pincrew import limits
from pincrew.alerts import Alert
from pincrew.api.lines import pin_object, time_text
from pincrew.api.shapes import PinObject, PinRequest
from pincrew.cid import cid_text, parse_cid
from pincrew.errors import Conflict, Misuse, NotFound
from pincrew.node.answering import printable
from pincrew.node.importing import Added, Entry, Progress
from pincrew.node_keeper import identity_once_started
from pincrew.peer import Peer, now_ms
from pincrew.pin_statuses import PinStatuses
from pincrew.rest import shapes
from pincrew.rest.add_options import AddWish
from pincrew.rest.contract import Emit
from pincrew.rest.pin_options import PinOptions
from pincrew.rest_desk import NOT_LISTED, RestDesk
from pincrew.values import Pin, PinMode, PinType

# Makes one pin durable, and returns it.
Put = Callable[[PinRequest], Awaitable[Pin]]
# Says who is to keep what is being added, by replication min and max (0: as is usual here), whom its user prefers, and
# how large it is, where that is known.
Allocate = Callable[[int, int, Sequence[str], int | None], Allocation]
# Makes requests durable; returns added, removed, and the CIDs whose removal found nothing.
Write = Callable[[Sequence[PinRequest]], Awaitable[tuple[int, int, list[str]]]]
# Hands blocks on; returns what they are, and the bytes of a CAR.
_Work = Callable[[Sink], Awaitable[tuple[Added, int]]]
_NONCE_BYTES = 16
_NO_CONTENT = parse_cid("bafkqaaa")


class WritingRestDesk(RestDesk):
    """Speaks for a cluster that this daemon may write."""

    def __init__(
        self,
        peer: Peer,
        statuses: PinStatuses,
        write: Write,
        put: Put,
        allocate: Allocate,
        alerts: Callable[[], Sequence[Alert]],
    ) -> None:
        super().__init__(peer, statuses, asks_others=True, alerts=alerts)
        self._write = write
        self._put = put
        self._allocate = allocate
        self._adds = trio.Semaphore(limits.ADDS_AT_ONCE_MAX)

    async def pin(self, cid: bytes, options: PinOptions) -> PinObject:
        """Put a pin on the list, or change it; return it as it stands there, durably. Raises Misuse or Conflict."""
        if options.update_of is not None and options.update_of != cid:
            request = await self._updated(cid, options)
        else:
            await self._check_mode(cid, options.mode)
            request = _request(cid, options)
        return pin_object(await self._put(request))

    async def unpin(self, cid: bytes) -> PinObject:
        """Take a pin off the list; return it as it was. Raises NotFound."""
        before = pin_object(await self.listed(cid))
        _, removed, _ = await self._write([PinRequest(cid=cid_text(cid), remove=True)])
        if not removed:
            raise NotFound(NOT_LISTED)
        return before

    async def _updated(self, cid: bytes, options: PinOptions) -> PinRequest:
        """Return a pin with the options of the one that it takes the place of; of the request only these count:"""
        assert options.update_of is not None
        listed = await self.listed(options.update_of)
        if listed.type is not PinType.DATA:
            raise Conflict(f"this pin type cannot be updated: it is a {listed.type.value}")
        old = pin_object(listed)
        request = msgspec.structs.replace(
            old.rewritten(), cid=cid_text(cid), timestamp=None, pin_update=cid_text(options.update_of)
        )
        if options.name:
            request = msgspec.structs.replace(request, name=options.name)
        if options.expire_ms is not None:
            request = msgspec.structs.replace(request, expire_at=time_text(options.expire_ms))
        return request

    async def _check_mode(self, cid: bytes, mode: PinMode) -> None:
        if mode is not PinMode.DIRECT:
            return
        try:
            before = await self.listed(cid)
        except NotFound:
            return
        if before.mode is PinMode.RECURSIVE:
            raise Conflict(
                "cannot repin a CID which is already pinned in recursive mode (new pin is pinned as direct)",
                next_step="Unpin it first",
            )

    async def add(self, entries: AsyncIterator[Entry], wish: AddWish, options: PinOptions, emit: Emit) -> None:
        """Add files and folders to the nodes of those who are to keep them, then pin what stands at the top."""

        roots_so_far = 0

        async def report(what: Added | Progress) -> None:
            nonlocal roots_so_far
            if isinstance(what, Progress):
                if wish.shows_progress:
                    await emit(shapes.AddedOutput(name=printable(what.name), cid=None, bytes=what.bytes_read))
            elif not what.root:
                await emit(_output(what))
            else:
                roots_so_far += 1
                if wish.in_shards and roots_so_far > 1:
                    raise Misuse("What is added in shards has one root", next_step="Put a folder around it")

        _check_options(options)
        if wish.in_shards:

            async def work(blocks: Sink) -> tuple[Added, int]:
                [root] = await add_files(entries, wish.options, blocks, report)
                return root, 0

            await self._add_in_shards(work, wish, options, emit)
            return
        async with self._adds:
            allocation = self._allocation(wish, options)
            keepers = self._destinations(wish, allocation.peers)
            async with delivering(keepers, self._deliver) as blocks:
                roots = await add_files(entries, wish.options, blocks, report)
        await self._pin_added(roots, wish, options, allocation)
        for root in roots:
            await emit(_output(root, keepers, blocks.failed()))

    async def add_car(self, car: AsyncIterator[bytes], wish: AddWish, options: PinOptions, emit: Emit) -> None:
        """Add what a CAR holds, whatever codecs its blocks are of, then pin its one root."""
        _check_options(options)
        if wish.in_shards:

            async def work(blocks: Sink) -> tuple[Added, int]:
                added = await add_car(car, blocks)
                return Added(options.name, added.root, added.size, root=True), added.size

            await self._add_in_shards(work, wish, options, emit)
            return
        async with self._adds:
            allocation = self._allocation(wish, options)
            keepers = self._destinations(wish, allocation.peers)
            async with delivering(keepers, self._deliver) as blocks:
                added = await add_car(car, blocks)
        root = Added(options.name, added.root, added.size, root=True)
        await self._pin_added([root], wish, options, allocation)
        await emit(msgspec.structs.replace(_output(root, keepers, blocks.failed()), bytes=added.size))

    async def _add_in_shards(self, work: _Work, wish: AddWish, options: PinOptions, emit: Emit) -> None:
        """Add what ``work`` hands on, each shard to the nodes of those who are to keep it, then pin it all."""

        async def on_shard(shard: Shard) -> None:
            name = f"shard-{len(sharding.shards) - 1}"
            added = Added("", shard.dag.root, shard.size, root=False)
            await emit(msgspec.structs.replace(_output(added, shard.place.peers, shard.failed), name=name))

        size_max = options.shard_size or limits.SHARD_BYTES_DEFAULT

        def place() -> Place:
            allocation = self._allocation(wish, options, size_max)
            return Place(allocation, self._destinations(wish, allocation.peers))

        async with self._adds, deliveries(self._deliver) as some:
            sharding = Sharding(some, size_max, os.urandom(_NONCE_BYTES), place, on_shard)
            root, car_bytes = await work(sharding)
            await self._check_is_no_pin(root.cid)
            cluster_dag = await sharding.put_list(self._destinations(wish, ()))
        done = sharding.shards
        wanted = [ShardWanted(one.dag.root, one.size, one.dag.depth, one.place.allocation) for one in done]
        await self._check_is_no_pin(root.cid)  # it may have been pinned while the list of shards went out
        await self._write(
            requests_for(_request(root.cid, replace(options, mode=PinMode.RECURSIVE)), cluster_dag, wanted)
        )
        name = "-".join(filter(None, (options.name, "clusterDAG")))
        size = sum(shard.size for shard in done)
        await emit(shapes.AddedOutput(name=name, cid=cid_text(cluster_dag), size=size))
        failed = {peer: why for shard in done for peer, why in shard.failed.items()}
        await emit(msgspec.structs.replace(_output(root, (), failed), bytes=car_bytes))

    async def _check_is_no_pin(self, cid: bytes) -> None:
        try:
            before = await self.listed(cid)
        except NotFound:
            return
        if before.type is not PinType.META:
            raise Conflict(f"{cid_text(cid)} is pinned without shards already", next_step="Unpin it first")

    def _allocation(self, wish: AddWish, options: PinOptions, size: int | None = None) -> Allocation:
        """Return who is to keep it. ``local`` content stays here, in place of whoever comes last."""
        preferred = options.user_allocations
        found = self._allocate(options.replication_min, options.replication_max, preferred, size)
        if wish.local and found.peers and not preferred and self.peer.id not in found.peers:
            return found._replace(peers=(*found.peers[:-1], self.peer.id))
        return found

    def _destinations(self, wish: AddWish, allocations: Sequence[str]) -> list[str]:
        """Return the peers to whose nodes the blocks go: curators that are here, of those who are to keep it."""
        here = [self.peer.id, *sorted(peer for peer in self._connected() if self.peer.is_curator(peer))]
        chosen = [peer for peer in here if peer in allocations] if allocations else here
        return [self.peer.id] if wish.local or not chosen else chosen

    async def _deliver(self, peer: str, pieces: AsyncIterator[bytes]) -> None:
        if peer == self.peer.id:
            await identity_once_started(self.peer.node)
            await self.peer.node.import_car(pieces)
        else:
            assert self.peer.network is not None
            await self.peer.network.hand_over(peer, pieces)

    async def _pin_added(
        self, roots: Sequence[Added], wish: AddWish, options: PinOptions, allocation: Allocation
    ) -> None:
        """Put what was added on the list: all of it, or nothing."""
        if not wish.pins:
            return
        chosen = replace(options, replication_min=allocation.minimum, replication_max=allocation.maximum)
        requests = []
        for root in roots:
            named = chosen if len(roots) == 1 else replace(chosen, name=options.name or printable(root.name))
            request = _request(root.cid, named)
            peers = list(allocation.peers) or None
            requests.append(msgspec.structs.replace(request, size=root.size, allocations=peers))
        await self._write(requests)


def _check_options(options: PinOptions) -> None:
    """Raise Misuse for what could not be written, before hours of adding and not after them."""
    wanted_pin(_request(_NO_CONTENT, options), now_ms()).request()


def _output(added: Added, keepers: Sequence[str] = (), failed: Mapping[str, str] | None = None) -> shapes.AddedOutput:
    return shapes.AddedOutput(
        name=printable(added.name),
        cid=cid_text(added.cid),
        size=added.size,
        allocations=[peer for peer in keepers if peer not in (failed or {})],
        failed=dict(failed or {}),
    )


def _request(cid: bytes, options: PinOptions) -> PinRequest:
    minimum, maximum = options.replication_min, options.replication_max
    if minimum < -1 or maximum < -1:
        raise Misuse(f"Replication from {minimum} to {maximum} makes no sense", next_step="-1 is every peer")
    return PinRequest(
        cid=cid_text(cid),
        name=options.name,
        mode=options.mode.value,
        replication_factor_min=minimum,
        replication_factor_max=maximum,
        metadata=dict(options.metadata) or None,
        origins=list(options.origins) or None,
        expire_at=time_text(options.expire_ms),
        user_allocations=list(options.user_allocations) or None,
    )
