"""Blocks from and to other nodes: does what ``wants`` and ``ledger`` decide, over libp2p streams and with the store.

`conversations` say and hear it. Blocks that are wanted go through the store and from there to the sessions. A peer that
sends faster than the store takes is not read any further.
"""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Protocol

import trio

from pincrew import limits
from pincrew.errors import PincrewError
from pincrew.node.bitswap.conversations import Conversations, Host
from pincrew.node.bitswap.ledger import Ledger
from pincrew.node.bitswap.message import Block, Message, Want
from pincrew.node.bitswap.orders import Disconnect, Drop, Load, Look, Order, SeekProviders, Send, Tell
from pincrew.node.bitswap.searches import Searches
from pincrew.node.bitswap.session import SentBy, Session
from pincrew.node.bitswap.wants import Arrival, Wants
from pincrew.node.multihash import cid_of, multihash_of
from pincrew.node.throttle import Throttle

log = logging.getLogger(__name__)


class Store(Protocol):
    """Where blocks are kept, by multihash."""

    async def has_many(self, multihashes: Sequence[bytes]) -> Mapping[bytes, int]:
        """Return the sizes of those that are there."""
        ...

    async def get_many(self, multihashes: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Return those that are there and undamaged."""
        ...

    async def put_many(self, blocks: Sequence[tuple[bytes, bytes]], *, verified: bool = False) -> None:
        """Keep blocks; ``verified`` says that they were compared with their multihashes just now. Raises NoRoom."""
        ...


@dataclass(slots=True)
class Counts:
    """What has passed since the start."""

    blocks_received: int = 0
    data_received: int = 0
    duplicate_blocks_received: int = 0
    duplicate_data_received: int = 0
    messages_received: int = 0
    blocks_sent: int = 0
    data_sent: int = 0


class Exchange:
    """Bitswap with everybody who is connected.

    ``seek`` finds and connects providers of a CID. Whoever owns the host calls ``peer_connected`` and
    ``peer_disconnected``; whoever puts blocks into the store by another way calls ``have_now``.
    """

    def __init__(
        self,
        host: Host,
        store: Store,
        seek: Callable[[bytes, bool], Awaitable[None]],
        *,
        up: Throttle | None = None,
        down: Throttle | None = None,
    ) -> None:
        self.counts = Counts()
        self._conversations = Conversations(host, self, up or Throttle(), down or Throttle())
        self._store = store
        self._searches = Searches(seek)
        self._wants = Wants()
        self._ledger = Ledger()
        self._sessions: dict[int, Session] = {}
        self._numbers = count(1)
        self._nursery: trio.Nursery | None = None
        self._looking: list[bytes] = []
        self._look_due = trio.Event()
        self._storing: list[tuple[bytes, bytes]] = []
        self._storing_bytes = 0
        self._store_due = trio.Event()
        self._store_room = trio.Event()
        self._alarm = trio.Event()
        self._alarm_at = math.inf
        self._silent_until: float | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Speak Bitswap until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                await nursery.start(self._conversations.run)
                nursery.start_soon(self._keep_time)
                nursery.start_soon(self._keep_looking)
                nursery.start_soon(self._keep_storing)
                task_status.started()
                await trio.sleep_forever()
            finally:
                self._nursery = None

    # ---- for those who want blocks -------------------------------------------------------------------------------
    @asynccontextmanager
    async def session(
        self, providers: Iterable[str] = (), *, wants_all: bool = False, sent_by: SentBy = lambda _peer: None
    ) -> AsyncIterator[Session]:
        """Open a session; ``providers`` are peers that probably have its blocks. Its wants end with it.

        ``wants_all``: whatever is below a block will be wanted too. ``sent_by`` hears who sends its blocks.
        """
        session = Session(next(self._numbers), self, wants_all=wants_all, sent_by=sent_by)
        self._sessions[session.number] = session
        self._wants.opened(session.number, providers)
        try:
            yield session
        finally:
            del self._sessions[session.number]
            self._wants.closed(session.number)
            self._searches.end(session, self._wants.is_wanted)
            self._decide()

    async def fetch(self, cid: bytes, providers: Iterable[str] = ()) -> bytes:
        """Return one block, wherever it is."""
        async with self.session(providers) as session:
            session.want([cid])
            return (await session.receive())[1]

    def want(self, session: Session, cids: Sequence[bytes]) -> None:
        """Take in a session's wants; the store is asked before anybody else."""
        new = self._wants.wanted(session.number, cids)
        if new:
            self._looking += new
            self._look_due.set()

    def unwant(self, session: Session, cids: Sequence[bytes]) -> None:
        """Forget a session's wants."""
        self._wants.unwanted(session.number, cids)
        self._searches.end(session, self._wants.is_wanted, cids)
        self._decide()

    def taken(self, session: Session, size: int) -> None:
        """Note that a session's owner took blocks of ``size`` bytes."""
        self._wants.taken(session.number, size)
        if self._wants.may_go_on(session.number):
            self._decide()

    def handed(self, session: Session, size: int) -> None:
        """Note that a session got a block from here, which it will take."""
        self._wants.handed(session.number, size)

    async def read(self, session: Session, cids: Sequence[bytes]) -> None:
        """Give a session blocks that are in the store; those that no longer are, or damaged, are wanted again."""
        blocks = await self._store.get_many([multihash_of(cid) for cid in cids])
        gone = []
        for cid in cids:
            data = blocks.get(multihash_of(cid))
            if data is None:
                gone.append(cid)
            else:
                self.handed(session, len(data))
                session.deliver(cid, data)
        if gone:
            self.want(session, gone)

    def have_now(self, multihash: bytes, size: int) -> None:
        """Learn that a block came into the store by another way: here it may be wanted, and elsewhere too."""
        if self._wants.have_now(multihash):
            self._point_out(multihash, size)
        self._ledger.came(multihash, size)
        self._decide()

    def be_silent(self, seconds: float) -> None:
        """Serve nobody for so long, as if nothing were here; who waits is served afterwards. 0: serve again."""
        self._silent_until = trio.current_time() + seconds
        self._alarm.set()
        self._decide()

    # ---- what can be asked ---------------------------------------------------------------------------------------
    def wantlist(self) -> list[bytes]:
        """Return the CIDs that we want and nobody has sent yet."""
        return self._wants.wantlist()

    def wantlist_of(self, peer: str) -> list[bytes]:
        """Return the CIDs that a peer wants of us."""
        return self._ledger.wantlist_of(peer)

    @property
    def held_bytes(self) -> int:
        """How much of messages is in memory: of unfinished ones, and of those being dealt with."""
        return self._conversations.held_bytes

    @property
    def partners(self) -> list[str]:
        """The connected peers that speak Bitswap."""
        return self._wants.peers

    # ---- connections ---------------------------------------------------------------------------------------------
    def peer_connected(self, peer: str) -> None:
        """Speak with a peer from now on."""
        self._conversations.begin(peer)

    def peer_disconnected(self, peer: str) -> None:
        """Forget a peer with which there is no connection any more."""
        self._conversations.end(peer)

    # ---- what conversations ask and tell --------------------------------------------------------------------------
    def introduced(self, peer: str, *, knows_have: bool, again: bool) -> None:
        """Learn that a peer can be told something; ``again``: what it was told before may be lost."""
        if again:
            self._wants.must_repeat(peer, trio.current_time())
        else:
            self._wants.peer_came(peer, trio.current_time(), knows_have=knows_have)
        self._decide()

    def left(self, peer: str) -> None:
        """Forget a peer with which there is no connection any more."""
        self._wants.peer_went(peer)
        self._ledger.gone(peer)
        self._decide()

    def take_outbox(self, peer: str) -> tuple[list[Want], bool]:
        """Return what a peer shall be told of our wants, and whether that is the full list."""
        return self._wants.take_outbox(peer, trio.current_time())

    def sent(self, reply: int, blocks: int, size: int) -> None:
        """Learn that a reply is with its peer."""
        self.counts.blocks_sent += blocks
        self.counts.data_sent += size
        self._ledger.sent(reply)
        self._decide()

    def unsent(self, reply: int) -> None:
        """Learn that a reply was lost with its stream."""
        self._ledger.unsent(reply)

    async def room(self) -> None:
        """Return when the store has taken enough of what came for more to be read."""
        while self._storing_bytes > limits.BITSWAP_STORING_BYTES_MAX:
            await self._store_room.wait()

    async def heard(self, peer: str, message: Message) -> None:
        """Take in what a peer said."""
        self.counts.messages_received += 1
        # They count from now on: whoever is heard beside this waits, too.
        came_bytes = sum(len(block.data) for block in message.blocks)
        self._storing_bytes += came_bytes
        try:
            multihashes = await _hashed(message.blocks) if message.blocks else []
        except BaseException:  # a prefix that describes no CID, or the stream's end: they are stored no more
            self._stored(came_bytes)
            raise
        now = trio.current_time()
        if message.wants or message.full:
            self._ledger.received(peer, message.wants, message.full, now)
        self._wants.has(peer, message.haves, now)
        self._wants.lacks(peer, message.dont_haves, now)
        for multihash, block in zip(multihashes, message.blocks, strict=True):
            size = len(block.data)
            self.counts.blocks_received += 1
            self.counts.data_received += size
            if self._wants.arrived(peer, multihash, size, now) is Arrival.WANTED:
                if size > limits.BLOCK_BYTES_MAX:
                    for number, cid in self._wants.stored(multihash, 0):
                        self._sessions[number].refuse(cid, size)
                    continue
                for number in self._wants.who_waits(multihash):
                    self._sessions[number].sent_by(peer)
                self._storing.append((multihash, block.data))
                came_bytes -= size
                self._store_due.set()
            else:
                self.counts.duplicate_blocks_received += 1
                self.counts.duplicate_data_received += size
        self._stored(came_bytes)
        self._decide()

    # ---- the store -----------------------------------------------------------------------------------------------
    async def _keep_storing(self) -> None:
        """Put blocks that came into the store, as many at a time as there are, and hand them to their sessions."""
        while True:
            await self._store_due.wait()
            self._store_due = trio.Event()
            # In a call of its own, so that what it held is not kept until the next blocks come.
            await self._store_some()

    async def _store_some(self) -> None:
        blocks, self._storing = self._storing, []
        try:
            await self._store.put_many(blocks, verified=True)
        except PincrewError as error:
            # Full or broken: those who wait for these blocks must hear it. Others may still be served.
            log.warning("blocks could not be stored: %s", error.sentence)
            for multihash, _ in blocks:
                for number, _ in self._wants.stored(multihash, 0):
                    self._sessions[number].fail(error)
        else:
            for multihash, data in blocks:
                for number, cid in self._wants.stored(multihash, len(data)):
                    self._sessions[number].deliver(cid, data)
                self._ledger.came(multihash, len(data))
        self._stored(sum(len(data) for _, data in blocks))
        self._decide()

    def _stored(self, size: int) -> None:
        """Make room for what comes next: so much of what came is stored, or not needed."""
        self._storing_bytes -= size
        self._store_room.set()
        self._store_room = trio.Event()

    async def _keep_looking(self) -> None:
        """Ask the store for what sessions want."""
        while True:
            await self._look_due.wait()
            self._look_due = trio.Event()
            multihashes, self._looking = self._looking, []
            try:
                sizes = await self._store.has_many(multihashes)
            except PincrewError as error:
                log.warning("the store could not be asked: %s", error.sentence)
                for multihash in multihashes:
                    for number, _ in self._wants.stored(multihash, 0):
                        self._sessions[number].fail(error)
                continue
            for multihash, size in sizes.items():
                self._point_out(multihash, size)
            self._wants.absent(multihash for multihash in multihashes if multihash not in sizes)
            self._decide()

    def _point_out(self, multihash: bytes, size: int) -> None:
        for number, cid in self._wants.stored(multihash, 0):
            self._sessions[number].point_out(cid, size)

    async def _look(self, order: Look) -> None:
        sizes: Mapping[bytes, int] = {}
        if self._silent_until is None:
            try:
                sizes = await self._store.has_many(order.multihashes)
            except PincrewError as error:
                log.warning("the store could not be asked: %s", error.sentence)
        self._ledger.looked(order.multihashes, sizes)
        self._decide()

    async def _load(self, order: Load) -> None:
        blocks: Mapping[bytes, bytes] = {}
        if self._silent_until is None:
            try:
                blocks = await self._store.get_many(order.multihashes)
            except PincrewError as error:
                log.warning("blocks could not be read: %s", error.sentence)
        self._ledger.loaded(order.reply, blocks)
        self._decide()

    # ---- deciding ------------------------------------------------------------------------------------------------
    def _decide(self) -> None:
        """Do what wants and ledger say now."""
        if self._nursery is None:
            return
        now = trio.current_time()
        if self._silent_until is not None and now >= self._silent_until:
            self._silent_until = None
            self._ledger.look_again()
        for order in (*self._wants.evaluate(now), *self._ledger.evaluate(now)):
            self._carry_out(order, self._nursery)
        if self._deadline() < self._alarm_at:
            self._alarm.set()

    def _carry_out(self, order: Order, nursery: trio.Nursery) -> None:
        match order:
            case Tell(peer):
                self._conversations.wake(peer)
            case SeekProviders(number, cid):
                self._searches.begin(cid, self._sessions[number], nursery)
            case Look():
                nursery.start_soon(self._look, order)
            case Load():
                nursery.start_soon(self._load, order)
            case Send(peer, reply, message):
                self._conversations.reply(peer, reply, message)
            case Drop(peer):
                log.info("a peer reads too slowly while others wait", extra={"peer": peer})
                self._conversations.begin_anew(peer)
            case Disconnect(peer, reason):
                self._conversations.disconnect(peer, reason)

    def _deadline(self) -> float:
        held_up = trio.current_time() + limits.BITSWAP_SEND_PATIENCE_S / 2 if self._ledger.held_up else math.inf
        silent_until = math.inf if self._silent_until is None else self._silent_until
        return min(self._wants.deadline(), held_up, silent_until)

    async def _keep_time(self) -> None:
        while True:
            self._alarm = trio.Event()
            self._alarm_at = self._deadline()
            with trio.move_on_at(self._alarm_at):
                await self._alarm.wait()
                continue
            self._decide()


async def _hashed(blocks: Sequence[Block]) -> list[bytes]:
    """Return the multihashes of blocks. Raises Malformed for a prefix that describes no CID."""
    if sum(len(block.data) for block in blocks) < limits.BITSWAP_HASH_IN_THREAD_BYTES_MIN:
        return _hash(blocks)
    return await trio.to_thread.run_sync(_hash, blocks)


def _hash(blocks: Sequence[Block]) -> list[bytes]:
    return [multihash_of(cid_of(block.prefix, block.data)) for block in blocks]
