"""A curator's peer: a peer with a writer, and the making of config documents."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import trio
from pincrew.trusted.author import Author, WriteRequest
from pincrew.trusted.caretaker import AllocationRules
from pincrew.trusted.pin_requests import Allocation, WantedPin, allocated, wanted_pin
from pincrew.trusted.publishing import Published, publish, published
from pincrew.trusted.repinner import Repinner
from pincrew.trusted.rest_writing import WritingRestDesk
from pincrew.trusted.shard_pins import check_whole, taken_along
from pincrew.trusted.writer import Writer

from pincrew.addresses import with_peer
from pincrew.allocation import Allocator
from pincrew.api import shapes
from pincrew.assembly import assemble
from pincrew.bell import Bell
from pincrew.cluster import Cluster
from pincrew.config_document import ConfigDocument
from pincrew.errors import Misuse, PincrewError
from pincrew.health import ReasonCode, ReasonText
from pincrew.limits import CONFIG_FOLLOWERS_PUBLISHED_MAX
from pincrew.node.multihash import cid_of
from pincrew.nodes import Nodes
from pincrew.ownership import Ownership
from pincrew.paths import ClusterPaths
from pincrew.peer import Peer, now_ms
from pincrew.record import decode_record
from pincrew.settings import ClusterSettings, Settings, checked_replication
from pincrew.store.watched_rows import WatchedRow, WatchedRows
from pincrew.values import Pin, PinState, PinType

_CHECKED_PER_SLICE = 500
_RAW = b"\x01\x55\x12\x20"
_PART = b"-pin"  # in the types of all pins of content in shards, and in few other records
NONCE_BYTES = 16


class Curator(Cluster):
    """A cluster that this daemon may write."""

    role = "curator"
    asks_others = True

    def __init__(self, peer: Peer, paths: ClusterPaths, api_address: str, rules: AllocationRules) -> None:
        super().__init__(peer, paths, api_address)
        self._rules = rules
        self.latest: ConfigDocument | None = None
        author = Author(peer.member.replica, peer.key, now_ms=now_ms, nonce=lambda: os.urandom(NONCE_BYTES))
        self._trust_bell = Bell()
        peer.on_trust = self._trust_bell.ring
        self._writer = Writer(
            author, peer.applier, peer.member.bases.store, lambda written: peer.written(written.sealed)
        )
        peer.on_turned = lambda turned: self._writer.turned()
        self._rows = WatchedRows(peer.database, peer.member.replica.shard_bits)
        self.repinner = Repinner(peer, rules, self._writer.write)
        alerts = self.repinner.alerts.newest_first
        self.rest = WritingRestDesk(peer, self.statuses, self.write, self.put, self.allocate, alerts)
        self._has_written_shards = False
        self._shards_turn = trio.Lock()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.peer.run)
            await nursery.start(self._writer.run)
            await nursery.start(self.repinner.run)
            nursery.start_soon(self._publish_trust)
            task_status.started()

    async def _publish_trust(self) -> None:
        """Where the config document is offered from here, make a new one as soon as trust has moved."""
        while True:
            await self._trust_bell.wait()
            self._writer.turned()
            if self.published_at is not None:
                try:
                    await self.current_document()
                except PincrewError as error:  # the last document stays good; above all: this peer was revoked
                    self.peer.diary.happened("not_published", {"name": error.sentence})

    def own_reasons(self) -> list[ReasonText]:
        """An owner key on an online machine is a risk worth a reminder."""
        if not self.paths.owner.exists():
            return []
        text = (
            f"The owner key is still on this machine ({self.paths.owner}). Move it to a safe place:"
            " who has it, has the cluster; without it nobody can name another curator"
        )
        return [ReasonText(ReasonCode.OWNER_KEY_HERE, text)]

    async def write(self, requests: Sequence[shapes.PinRequest]) -> tuple[int, int, list[str]]:
        """Make pins and removals durable; return added, removed, and the CIDs whose removal found nothing.

        Raises Misuse before anything is written when one of them is not valid or there are too few peers to keep it,
        NotAllowed where this peer was revoked.
        """
        async with self._turn(is_for_shards=any(one.type == PinType.META.value for one in requests)):
            return await self._write(requests)

    async def put(self, request: shapes.PinRequest) -> Pin:
        """Make one pin durable, and return it. Raises as ``write``."""
        async with self._turn():
            [[wanted]] = [some async for some in self._wanted([request])]
            if wanted.pin is None:
                raise Misuse(f"{request.cid} is to be removed, not pinned")
            await self._writer.write([wanted.request()])
        return wanted.pin

    @asynccontextmanager
    async def _turn(self, *, is_for_shards: bool = False) -> AsyncIterator[None]:
        """What is content in shards must not change between a look at it and the write that follows."""
        self._has_written_shards |= is_for_shards
        # A list without such content is spared this, and a look at each new pin.
        if self._may_have_shards():
            async with self._shards_turn:
                yield
        else:
            yield

    def _may_have_shards(self) -> bool:
        return self._has_written_shards or self.repinner.may_have_shards()

    async def _write(self, requests: Sequence[shapes.PinRequest]) -> tuple[int, int, list[str]]:
        wanted: list[WriteRequest] = []
        taking: list[WantedPin] = []
        async for some in self._wanted(requests):
            wanted += [one.request() for one in some]
            taking += [one for one in some if one.takes_along]
        along = await trio.to_thread.run_sync(self._taken_along, taking) if taking else []
        absent = await self._writer.write([*wanted, *along])
        removed = sum(request.record is None and request.cid not in absent for request in wanted)
        missing = [
            request.cid
            for request, one in zip(requests, wanted, strict=True)
            if one.record is None and one.cid in absent
        ]
        return sum(one.record is not None for one in wanted), removed, missing

    async def _wanted(self, requests: Sequence[shapes.PinRequest]) -> AsyncIterator[list[WantedPin]]:
        """Yield what is wanted, in slices, checked and with peers chosen."""
        self.trust.check_curator()
        at, replication = now_ms(), (self._rules.replication_min, self._rules.replication_max)
        allocator: Allocator | None = None
        for start in range(0, len(requests), _CHECKED_PER_SLICE):
            pins = [wanted_pin(one, at, replication) for one in requests[start : start + _CHECKED_PER_SLICE]]
            if self._may_have_shards():
                await trio.to_thread.run_sync(self._check_whole, pins)
            if any(one.is_to_be_allocated for one in pins):
                allocator = allocator or self.repinner.allocator()
                pins = await trio.to_thread.run_sync(self._allocated, pins, allocator)
            yield pins
            await trio.lowlevel.checkpoint()

    def allocate(self, minimum: int, maximum: int, preferred: Sequence[str], size: int | None = None) -> Allocation:
        """Return who is to keep what is being added and has no CID yet. 0 is what is usual here.

        Nobody is chosen who has no room for ``size`` bytes, where those are known.
        Raises Misuse and Conflict.
        """
        minimum, maximum = minimum or self._rules.replication_min, maximum or self._rules.replication_max
        checked_replication(minimum, maximum)
        drawn = cid_of(_RAW, os.urandom(NONCE_BYTES))  # in its place: chances are all that CIDs are for here
        found = self.repinner.allocator().allocate(drawn, minimum, maximum, preferred=preferred, size=size)
        return Allocation(minimum, maximum, found)

    def _check_whole(self, pins: Sequence[WantedPin]) -> None:
        rows = self._part_rows([one.cid for one in pins])
        check_whole(pins, {cid: decode_record(cid, row.record) for cid, row in rows.items()}.get)

    def _taken_along(self, taking: Sequence[WantedPin]) -> list[WriteRequest]:
        """Return the removals of parts of content that goes, or is added anew. Raises Conflict."""
        asked = frozenset(one.cid for one in taking)
        known = self._part_rows([one.cid for one in taking])
        seen: dict[bytes, WatchedRow] = {}

        def find(cid: bytes) -> Pin | None:
            rows = known if cid in asked else self._part_rows([cid])
            if (row := rows.get(cid)) is None:
                return None
            seen[cid] = row
            return decode_record(cid, row.record)

        # Each only as it was looked at: another curator may have put something else in its place.
        return [WriteRequest(cid, None, seen[cid].put) for cid in taken_along(taking, find)]

    def _part_rows(self, cids: Sequence[bytes]) -> dict[bytes, WatchedRow]:
        """Return the rows of those pins that are of content in shards, as far as a glance tells."""
        return {row.cid: row for row in self._rows.of(cids) if _PART in row.record}

    def _allocated(self, wanted: Sequence[WantedPin], allocator: Allocator) -> list[WantedPin]:
        rows = self._rows.of([one.cid for one in wanted if one.is_to_be_allocated])
        return allocated(wanted, allocator, {row.cid: decode_record(row.cid, row.record).allocations for row in rows})

    async def publish(self, *, force_secret: bool, silent_after_days: int | None = None) -> Published:
        """Make a new revision of the config document: this peer, then connected ones that are listed."""
        made = await trio.to_thread.run_sync(self._publish, force_secret, silent_after_days)
        self.latest = made.document
        return made

    async def publish_document(self, *, force_secret: bool, silent_after_days: int | None) -> shapes.Published:
        """As ``publish``, in the API's shape."""
        made = await self.publish(force_secret=force_secret, silent_after_days=silent_after_days)
        return shapes.Published(made.document.raw.decode(), made.document.sha256, made.document.revision)

    async def current_document(self) -> ConfigDocument:
        """Return the document published last if it still says where to find us, else a new revision."""
        last = await trio.to_thread.run_sync(published, self.paths)
        own = self.peer.network.addresses if self.peer.network is not None else ()
        stale = (
            last.revision == 0
            or not set(own) <= set(last.peers)
            or last.trust.records != self.peer.member.chain.records
        )
        if stale or len(self._listed_peers()) > _others(last, self.peer.id):
            return (await self.publish(force_secret=False)).document
        self.latest = last
        return last

    def _publish(self, force_secret: bool, silent_after_days: int | None) -> Published:
        network = self.peer.network
        counts, sizes = self.peer.statuses.counts(), self.peer.statuses.sizes()
        held = [state for state in counts if state is not PinState.UNPINNING]
        return publish(
            self.paths,
            addresses=network.addresses if network is not None else (),
            now_s=now_ms() // 1000,
            others=self._listed_peers(),
            chain=self.peer.member.chain,
            pins_hint=sum(counts[state] for state in held),
            bytes_hint=sum(sizes[state][0] for state in held) or None,
            sized_hint=sum(sizes[state][1] for state in held),
            silent_after_days=silent_after_days,
            is_secret_forced=force_secret,
        )

    def _listed_peers(self) -> list[list[str]]:
        """Return the addresses of connected peers that let themselves be listed: curators, longest connected first."""
        network = self.peer.network
        connections = network.connections() if network is not None else []
        listed = []
        for connection in sorted(connections, key=lambda one: not self.peer.is_curator(one.peer)):
            heard = self.peer.heard_of(connection.peer)
            if heard is not None and heard.listed:
                listed.append([with_peer(address, connection.peer) for address in heard.addresses])
        return listed[:CONFIG_FOLLOWERS_PUBLISHED_MAX]


def _others(document: ConfigDocument, peer: str) -> int:
    return len({address.rpartition("/p2p/")[2] for address in document.peers} - {peer})


def open_curator(
    paths: ClusterPaths,
    local: ClusterSettings,
    settings: Settings,
    ownership: Ownership,
    nodes: Nodes,
    api_address: str,
) -> Curator:
    """Return the curator whose cluster is in ``paths``. Blocks; raises StoreFault or Misuse in words."""
    document = published(paths)
    peer = assemble(paths, local, settings, document, ownership, nodes, writes=True)
    rules = AllocationRules(
        by=local.allocate_by,
        with_followers=local.allocate_followers,
        repin_after_s=local.repin_after,
        replication_min=local.replication_min,
        replication_max=local.replication_max,
    )
    return Curator(peer, paths, api_address, rules)
