"""One cluster at work in the daemon: member, applier, neighbours, announcer, pinner, in one nursery.

The parts are put together here and nowhere else. What a follower or a curator has beyond this stands in
``pincrew.follow`` and ``pincrew.trusted``; a follower is this peer with nothing that could write.

Order: the store answers the API before anything else is up; libp2p is imported when the network starts, because that
alone takes most of a second.
"""

from __future__ import annotations

import importlib
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import trio

from pincrew import limits
from pincrew.announcement import Announcement
from pincrew.announcer import Announcer
from pincrew.applier import Applier
from pincrew.bases import Turned
from pincrew.bell import Bell
from pincrew.cid import cid_text
from pincrew.crew_watch import CrewWatch
from pincrew.diary import Diary
from pincrew.errors import StoreFault
from pincrew.flow import Flow
from pincrew.health import ReasonCode, ReasonText
from pincrew.keys import SigningKey, peer_id, public_of
from pincrew.lifetime import Lifetime
from pincrew.member import Member
from pincrew.moving import Moving
from pincrew.node_address import NodeKind
from pincrew.node_client import Node
from pincrew.node_room import NodeRoom
from pincrew.node_watch import NodeState
from pincrew.ownership import Ownership
from pincrew.pause import Pause
from pincrew.pausing import KeepPause, Pausing
from pincrew.pinner import Hold, Pinner, PinnerRules
from pincrew.removals import RemovalsRules
from pincrew.requests import Answer, Request, decode_answer, encode_request
from pincrew.room import Room
from pincrew.selection import Selection
from pincrew.self_report import SelfReport, Settled
from pincrew.store.acquaintances import Acquaintance, Acquaintances
from pincrew.store.checks import Checks
from pincrew.store.database import Database
from pincrew.store.events import Events
from pincrew.store.lifetime import LifetimeStore
from pincrew.store.listing import Listing
from pincrew.store.part_rows import PartRows
from pincrew.store.rows import Rows
from pincrew.store.staging import Staged
from pincrew.store.statuses import Statuses
from pincrew.store_size import StoreSize
from pincrew.succession import Succession
from pincrew.sync import Sync
from pincrew.trust import TrustChain, differences
from pincrew.verifying import Verifying
from pincrew.windows import Applied
from pincrew.wire import encode_sealed

if TYPE_CHECKING:
    from pincrew.network import Network

_REMEMBER_INTERVAL_S = 60.0
_CLOSE_TIMEOUT_S = 3.0
# Pubsub is for news; a backlog of more than this travels on sync streams alone.
_PUBLISHED_ENVELOPES_MAX = 8


@dataclass(frozen=True, slots=True)
class PeerOptions:
    """What the user and the config document say of one cluster at this peer.

    ``addresses`` are multiaddrs with a peer id, from the config document. ``secret`` is a closed cluster's key.
    """

    name: str
    peer_name: str = ""
    listen: tuple[str, ...] = ()
    announce: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    secret: bytes | None = None
    listed: bool = True
    tags: tuple[tuple[str, str], ...] = ()
    mdns: bool = True
    gossip: bool = True
    neighbours_max: int = limits.NEIGHBOURS_MAX
    pins_in_flight: int = limits.PINS_IN_FLIGHT_DEFAULT
    no_progress_timeout_s: float = limits.PIN_NO_PROGRESS_TIMEOUT_S
    node_kind: NodeKind = NodeKind.KUBO
    removals: RemovalsRules = field(default_factory=RemovalsRules)
    limit: int | None = None
    keep_free_percent: int = 0
    pause: Pause | None = None
    writes: bool = False  # it is a curator's: while trust names it, removals are its own and hold it up nowhere
    staged: Staged = field(default_factory=dict[bytes, bytes])


def now_ms() -> int:
    """The wall clock in Unix milliseconds."""
    return time.time_ns() // 1_000_000


class Peer:
    """This daemon's peer in one cluster. ``run`` until cancelled; everything else is for the same event loop."""

    def __init__(
        self,
        database: Database,
        chain: TrustChain,
        key: SigningKey,
        node: Node,
        ownership: Ownership,
        options: PeerOptions,
        *,
        old_nodes: Sequence[Node] = (),
        forget_old_nodes: Callable[[], None] = lambda: None,
        keep_pause: KeepPause = lambda _pause: None,
    ) -> None:
        """``old_nodes`` are those that the cluster moves away from; the other blocks, and notes that it has."""
        self.options = options
        self.database = database
        self.key = key
        self.id = peer_id(key.public)
        self.reasons: dict[ReasonCode, ReasonText] = {}
        self.node = node
        self.old_nodes = old_nodes
        self.member = Member(
            database, chain, now_ms=now_ms, now=trio.current_time, staged=options.staged, author=key.public
        )
        shard_bits = chain.genesis.shard_bits
        self.statuses = Statuses(database, shard_bits)
        self.listing = Listing(database, shard_bits)
        self.diary = Diary(Events(database), now_ms)
        self.acquaintances = Acquaintances(database)
        self.sync = Sync(self.member, chain.cluster_id, random.Random())
        self.applier = Applier(self.member.replica, self._applied)
        self.succession = Succession(self.member, self.applier, key, self._turned)
        self.pinner = Pinner(
            book=self.statuses,
            node=node,
            ownership=ownership,
            cluster=chain.cluster_id,
            own_peer_id=self.id,
            now_ms=now_ms,
            luck=random.Random(),
            on_event=self._happened,
            rules=PinnerRules(options.pins_in_flight, options.no_progress_timeout_s, self._removals_rules()),
            # A curator's peer has neither rules nor bounds: it keeps its whole list.
            selection=Selection(),
            room=Room(options.limit, options.keep_free_percent),
        )
        self.pausing = Pausing(self.pinner, now_ms, self.diary.happened, options.pause, keep_pause)
        self.verifying = Verifying(
            self.pinner.place,
            Checks(database, shard_bits),
            self._damaged,
            hold=self.pinner.mending,
            is_paused=lambda: self.is_paused,
        )
        self._moving = Moving(
            old_nodes,
            node=node,
            up=self.pinner.node_up,
            ownership=ownership,
            cluster=chain.cluster_id,
            statuses=self.statuses,
            on_event=self.diary.happened,
            forget=forget_old_nodes,
        )
        own_node = node if options.node_kind is NodeKind.EMBEDDED else None
        self.lifetime = Lifetime(LifetimeStore(database), now_ms, own_node)
        self.flow = Flow(lambda: self.pinner.summary().arrivals, own_node)
        self.store_size = StoreSize(database)
        self.node_room = NodeRoom(
            node,
            node_is_up=lambda: self.pinner.summary().node.state is NodeState.UP,
            on_volume=(lambda _volume: None) if options.writes else self.pinner.measured,
        )
        self.self_report = SelfReport(
            options.peer_name,
            pinner=self.pinner,
            listing=self.listing,
            statuses=self.statuses,
            addresses=lambda: self.network.addresses if self.network is not None else (),
            free_bytes=lambda: self.node_room.free_bytes,
            settled=lambda: self.settled(),
            connected=lambda: [one.peer for one in self.network.connections()] if self.network is not None else (),
            tags=options.tags,
            repins=lambda: self.repins,
        )
        self.repins = False
        self.settled: Callable[[], Settled | None] = lambda: None
        self.part_rows = PartRows(database)
        self._named: frozenset[bytes] = frozenset()
        self.crew_watch = CrewWatch(
            self.part_rows,
            self.member.heard,
            is_listening=lambda: self.network is not None and bool(self.network.connections()),
            vouched=lambda: self.member.chain.curators | self._named,
        )
        self.announcer = Announcer(
            self.member,
            key,
            name=options.peer_name,
            listed=options.listed,
            now_ms=now_ms,
            own=self.self_report.own,
            announce=self._announce,
            seek=self._seek,
            connect_nodes=self.pinner.connect_nodes,
        )
        self.network: Network | None = None
        self.leaving = False
        self.month_ends_ms: int | None = None  # nothing more may pass before
        self.failure: str | None = None
        self.is_running = False
        self.curator_seen_ms: int | None = max(
            (one.seen_ms for one in self.acquaintances.all() if one.role == "curator"), default=None
        )
        self._had_curator = False
        self.member.on_trust = self._trust_moved
        self._trust_bell = Bell()
        self.on_trust: Callable[[], None] = lambda: None
        self.on_turned: Callable[[Turned], None] = lambda turned: None
        self._to_publish, self._published = trio.open_memory_channel[bytes](_PUBLISHED_ENVELOPES_MAX)

    # ---- life -------------------------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled. Started means: connected to the network's sockets and accepting work.

        Raises PortInUse where an address is taken.
        """
        # Importing libp2p takes most of a second: in a thread, so that the API answers meanwhile.
        await trio.to_thread.run_sync(importlib.import_module, "pincrew.neighbourhood")
        from pincrew.neighbourhood import Neighbourhood
        from pincrew.network import Network, NetworkConfig

        self.neighbourhood = Neighbourhood(
            self.member,
            self.sync,
            wake=self._received,
            answer=self.self_report.answer,
            on_neighbours=self._neighbours_changed,
            on_announcements=self.announcer.changed,
            on_handshake_failed=self._handshake_failed,
            take_blocks=self.node.import_car if self.options.writes else None,
            room=self._room_for_blocks,
        )
        config = NetworkConfig(
            key=self.key,
            cluster=self.member.chain.cluster_id,
            listen=self.options.listen or ("/ip4/0.0.0.0/tcp/0",),
            announce=self.options.announce,
            secret=self.options.secret,
            mdns=self.options.mdns,
            gossip=self.options.gossip,
            neighbours_max=self.options.neighbours_max,
        )
        self.network = self.neighbourhood.reports = Network(config, self.neighbourhood)
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.diary.run)
                await nursery.start(self.network.run)
                await nursery.start(self.applier.run)
                await nursery.start(self.succession.run)
                await nursery.start(self.pinner.run)
                await nursery.start(self.pausing.run)
                await nursery.start(self.node_room.run)
                await nursery.start(self.crew_watch.run)
                await nursery.start(self.lifetime.run)
                await nursery.start(self.flow.run)
                await nursery.start(self.store_size.run)
                await nursery.start(self.verifying.run)
                await nursery.start(self.announcer.run)
                nursery.start_soon(self._moving.run)
                nursery.start_soon(self._publish)
                nursery.start_soon(self._tell_trust)
                nursery.start_soon(self._tick)
                nursery.start_soon(self._remember)
                self._seek_everybody()
                self.is_running = True
                task_status.started()
        finally:
            self.is_running = False

    async def close(self) -> None:
        """Let go of the nodes' connections and of the state; the last thing that is done with a peer."""
        with trio.CancelScope(shield=True, deadline=trio.current_time() + _CLOSE_TIMEOUT_S):
            for node in (self.node, *self.old_nodes):
                await node.aclose()
        self.database.close()

    async def _tick(self) -> None:
        """Let sync say what time alone makes it say."""
        while True:
            self.neighbourhood.carry_out(self.sync.evaluate(trio.current_time()))
            await trio.sleep(max(0.05, min(1.0, self.sync.next_due() - trio.current_time())))

    async def _remember(self) -> None:
        """Keep whom we met, for the next start."""
        while True:
            await trio.sleep(_REMEMBER_INTERVAL_S)
            with suppress(StoreFault):  # of a disk without room others tell; whom we meet is noted the next time
                await trio.to_thread.run_sync(self.acquaintances.remember, self._met())

    def _met(self) -> list[Acquaintance]:
        assert self.network is not None
        met = []
        for connection in self.network.connections():
            heard = self.heard_of(connection.peer)
            addresses = heard.addresses if heard is not None else ()
            is_curator = self.is_curator(connection.peer)
            met.append(
                Acquaintance(connection.peer, tuple(addresses), "curator" if is_curator else "follower", now_ms())
            )
        return met

    # ---- whom to talk to --------------------------------------------------------------------------------------

    def seek(self, addresses: Sequence[str]) -> None:
        """Look for the peers at these multiaddrs (with their peer ids), which the published document names."""
        by_peer: dict[str, list[str]] = {}
        for address in addresses:
            base, _, peer = address.rpartition("/p2p/")
            if base and peer:
                by_peer.setdefault(peer, []).append(base)
        self._named = frozenset(public_of(peer) for peer in by_peer)
        for peer, bases in by_peer.items():
            self._seek(peer, bases, self.is_curator(peer))

    def _seek_everybody(self) -> None:
        self.seek(self.options.addresses)
        for one in self.acquaintances.all():
            self._seek(one.peer, one.addresses, one.role == "curator")

    def _seek(self, peer: str, addresses: Sequence[str], priority: bool) -> None:
        if peer != self.id and self.network is not None and addresses:
            self.network.seek(peer, [address.partition("/p2p/")[0] for address in addresses], priority=priority)

    def is_curator(self, peer: str) -> bool:
        """Whether a peer id is a curator's under the trust record in force."""
        return self.member.chain.is_curator(public_of(peer))

    def heard_of(self, peer: str) -> Announcement | None:
        """Return the newest announcement of a peer, expired or not."""
        heard = self.member.heard.of(public_of(peer))
        return None if heard is None else heard.announcement

    # ---- what happens -----------------------------------------------------------------------------------------

    def _happened(self, kind: str, fields: dict[str, Any]) -> None:
        """Something happened to a pin."""
        self.lifetime.heard(kind, fields)
        self.diary.happened(kind, fields)

    def _damaged(self, pins: int) -> None:
        """So many pins have blocks that are bad and could not be fetched again yet."""
        if not pins:
            self.reasons.pop(ReasonCode.DAMAGED, None)
            return
        some = "1 pin has" if pins == 1 else f"{pins:,} pins have"
        text = f"{some} damaged or missing blocks, which are being fetched again (pincrew events)"
        self.note(ReasonCode.DAMAGED, text)

    def _received(self) -> None:
        self.applier.wake()
        self.succession.wake()

    def _turned(self, turned: Turned) -> None:
        """A base came into force here, or was refused."""
        if turned.base is None:
            return
        fields: dict[str, object] = {"base": turned.base.n, "pins": turned.base.pins}
        if turned.fault is not None:
            self.diary.happened("base_refused", {**fields, "reason": turned.fault})
            signer = peer_id(turned.base.signer)
            self.note(
                ReasonCode.BASE_REFUSED,
                f"Base {turned.base.n} by {signer} is not what its log makes of it ({turned.fault}). The list stays as"
                " it is; ask the owners of the cluster",
            )
            return
        self.reasons.pop(ReasonCode.BASE_REFUSED, None)
        self.diary.happened("base_adopted", {**fields, "shards_taken": turned.taken, "sessions_cut": turned.void})
        self.neighbourhood.carry_out(self.sync.changed(trio.current_time()))
        self.pinner.changed()
        self.applier.wake()
        self.on_turned(turned)

    def _applied(self, applied: Applied) -> None:
        self.succession.applied()
        self.neighbourhood.carry_out(self.sync.changed(trio.current_time()))
        if applied.changed:
            self.pinner.changed()
            self.diary.happened("list_changed", {"rows": applied.changed, "envelopes": applied.envelopes})
        for session, reason in applied.stopped:
            author = peer_id(session.author)
            text = f"A session of curator {author} was stopped: {reason}. What it wrote before stays"
            self.note(ReasonCode.SESSION_STOPPED, text)
            self.diary.happened("session_stopped", {"curator": author, "reason": reason})
        for lost in applied.lost:
            self.diary.happened("write_lost", {"cid": cid_text(lost.cid), "to": peer_id(lost.winner.author)})

    def written(self, sealed: Sequence[tuple[bytes, bytes]]) -> None:
        """Tell everybody of own envelopes (body, signature) that have become durable."""
        self.succession.applied()
        self.neighbourhood.carry_out(self.sync.changed(trio.current_time()))
        self.pinner.changed()
        waiting = self._to_publish.statistics().current_buffer_used + len(sealed)
        if self.options.gossip and waiting <= _PUBLISHED_ENVELOPES_MAX:
            for body, signature in sealed:
                self._to_publish.send_nowait(encode_sealed(body, signature))

    async def _publish(self) -> None:
        """Hand own envelopes to pubsub, one after the other; sync streams carry what it does not take."""
        assert self.network is not None
        async for message in self._published:
            with trio.move_on_after(limits.REQUEST_TIMEOUT_S):
                await self.network.publish(message)

    def _announce(self, sealed: bytes) -> None:
        self.neighbourhood.carry_out(self.sync.announced(sealed, trio.current_time()))

    def _neighbours_changed(self) -> None:
        assert self.network is not None
        has_curator = any(self.is_curator(connection.peer) for connection in self.network.connections())
        if has_curator or self._had_curator:  # one that has just gone was seen until now
            self.curator_seen_ms = now_ms()
        self._had_curator = has_curator
        self.reasons.pop(ReasonCode.HANDSHAKE_FAILED, None)
        self.announcer.changed()

    def _handshake_failed(self, address: str, peer: str | None, reason: str) -> None:
        if self.network is not None and self.network.connections():
            return
        who = peer or address or "a peer"
        if ReasonCode.HANDSHAKE_FAILED not in self.reasons:
            self.diary.happened("handshake_failed", {"peer": peer, "address": address, "reason": reason})
        self.note(ReasonCode.HANDSHAKE_FAILED, f"{who}: {reason}")

    def _removals_rules(self) -> RemovalsRules:
        rules = self.options.removals
        return replace(rules, obey=rules.obey or (self.options.writes and self.is_curator(self.id)))

    def _trust_moved(self, before: TrustChain) -> None:
        """The trust chain moved on, whoever brought the records: a command, a config document or a neighbour."""
        chain = self.member.chain
        self.pinner.set_removals_rules(self._removals_rules())
        if chain.conflict is not None and before.conflict is None:
            self.diary.happened("trust_conflict", {"record": chain.conflict.n})
        if chain.head.n > before.head.n:
            changes = "; ".join(differences(before, chain))
            self.diary.happened("trust_changed", {"record": chain.head.n, "changes": changes})
        self.on_trust()
        self._trust_bell.ring()

    async def _tell_trust(self) -> None:
        """Tell neighbours when trust moved, and look again at what waited for it.

        In a task of its own, because what moved it may be sync itself, in the middle of a frame.
        """
        while True:
            await self._trust_bell.wait()
            self.neighbourhood.carry_out(self.sync.changed(trio.current_time()))
            self._received()
            self.announcer.changed()

    def note(self, code: ReasonCode, text: str) -> None:
        """Show a reason in the status until it is dropped; its time is that of its first appearance."""
        since = self.reasons[code].since_ms if code in self.reasons else now_ms()
        self.reasons[code] = ReasonText(code, text, since)

    def end_month(self, until_ms: int, text: str) -> None:
        """Fetch nothing new until then: nothing more may pass over the line this month. Again is harmless."""
        self.month_ends_ms = until_ms
        self.note(ReasonCode.MONTHLY_CAP, text)
        self.pinner.hold(Hold.MONTH)

    def begin_month(self) -> None:
        """Something may pass again. Harmless where it could all the time."""
        self.month_ends_ms = None
        self.reasons.pop(ReasonCode.MONTHLY_CAP, None)
        self.pinner.go_on(Hold.MONTH)

    def _room_for_blocks(self) -> int | None:
        """Return how much others may put into the node; a Kubo goes on beyond its own limit, as where it pins."""
        if self.options.node_kind is NodeKind.EMBEDDED:
            return self.node_room.free_bytes
        return None if self.node_room.volume is None else self.node_room.volume.free

    @property
    def is_paused(self) -> bool:
        """Whether nothing new is fetched, by its user's word or because no more may pass this month."""
        return self.pausing.pause is not None or self.month_ends_ms is not None

    @property
    def paused_until_ms(self) -> int | None:
        """Until when it is paused; None: until somebody resumes it, or it is not."""
        pause = self.pausing.pause
        if pause is None or self.month_ends_ms is None:
            return self.month_ends_ms if pause is None else pause.until_ms
        return None if pause.until_ms is None else max(pause.until_ms, self.month_ends_ms)

    def last_change_ms(self) -> int | None:
        """Return when the list last changed here, also in an earlier life."""
        return Rows(self.database).progress()[1]

    def clock_ms(self) -> int:
        """The wall clock in Unix milliseconds."""
        return now_ms()

    async def ask(self, peer: str, request: Request) -> Answer:
        """Ask another peer. Raises PincrewError."""
        assert self.network is not None
        return decode_answer(await self.network.request(peer, encode_request(request)))
