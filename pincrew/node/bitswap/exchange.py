"""Blocks from and to other nodes: does what ``wants`` and ``ledger`` decide, over libp2p streams and with the store.

With every connected peer one task *speaks*: it opens a stream of ours, which lives as long as the connection (it is
opened anew when it breaks), and sends on it both what we want and what the peer gets; Kubo reads answers only from
streams that we opened. Whatever streams the peer opens are *heard*: a message is read, its blocks are hashed, and wants
and ledger learn of it. Blocks that are wanted go through the store and from there to the sessions. A peer that sends
faster than the store takes is not read any further.

``_speak`` is the one place where bytes leave and ``_hear`` the one where they come in: the throttles are there.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

import trio

from pincrew import limits
from pincrew.errors import Malformed, PincrewError
from pincrew.network.contract import PeerUnreachable
from pincrew.network.streams import StreamClosed
from pincrew.node.bitswap import ledger as serving
from pincrew.node.bitswap import wants as wanting
from pincrew.node.bitswap.ledger import Ledger
from pincrew.node.bitswap.message import PROTOCOLS, Block, Message, decode, encode, knows_have
from pincrew.node.bitswap.session import Session
from pincrew.node.bitswap.streams import Allowance, MessageStream
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


class Host(Protocol):
    """What is needed of libp2p (``node.host.NodeHost``)."""

    def set_stream_handler(self, protocol: str, handler: Callable[[str, Any], Awaitable[None]]) -> None: ...
    async def new_stream(self, peer: str, protocols: Sequence[str]) -> tuple[str, Any]: ...
    async def disconnect(self, peer: str) -> None: ...
    def is_connected(self, peer: str) -> bool: ...


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


class _Speaker:
    """What is to be sent to one peer."""

    def __init__(self) -> None:
        self.replies: deque[tuple[int, Message]] = deque()
        self.scope = trio.CancelScope()
        self.stream_scope = trio.CancelScope()
        self.work = trio.Event()

    def wake(self) -> None:
        self.work.set()


class _Seek:
    """A search for providers of a CID, which a session asked for."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.scope = trio.CancelScope()


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
        self._host = host
        self._store = store
        self._seek = seek
        self._up = up or Throttle()
        self._down = down or Throttle()
        self._wants = Wants()
        self._ledger = Ledger()
        self._speakers: dict[str, _Speaker] = {}
        self._sessions: dict[int, Session] = {}
        self._numbers = count(1)
        self._seeks: dict[bytes, _Seek] = {}
        self._allowance = Allowance()
        self._nursery: trio.Nursery | None = None
        self._looking: list[bytes] = []
        self._look_due = trio.Event()
        self._storing: list[tuple[bytes, bytes]] = []
        self._storing_bytes = 0
        self._store_due = trio.Event()
        self._store_room = trio.Event()
        self._alarm = trio.Event()
        self._alarm_at = math.inf

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Speak Bitswap until cancelled."""
        for protocol in PROTOCOLS:
            self._host.set_stream_handler(protocol, self._serve)
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                nursery.start_soon(self._keep_time)
                nursery.start_soon(self._keep_looking)
                nursery.start_soon(self._keep_storing)
                task_status.started()
                await trio.sleep_forever()
            finally:
                self._nursery = None

    # ---- for those who want blocks -------------------------------------------------------------------------------
    @asynccontextmanager
    async def session(self, providers: Iterable[str] = (), *, wants_all: bool = False) -> AsyncIterator[Session]:
        """Open a session; ``providers`` are peers that probably have its blocks. Its wants end with it.

        ``wants_all``: whatever is below a block will be wanted too.
        """
        session = Session(next(self._numbers), self, wants_all=wants_all)
        self._sessions[session.number] = session
        self._wants.opened(session.number, providers)
        try:
            yield session
        finally:
            del self._sessions[session.number]
            self._wants.closed(session.number)
            self._end_seeks()
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
        self._end_seeks(session, cids)
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

    # ---- what can be asked ---------------------------------------------------------------------------------------
    def wantlist(self) -> list[bytes]:
        """Return the CIDs that we want and nobody has sent yet."""
        return self._wants.wantlist()

    def wantlist_of(self, peer: str) -> list[bytes]:
        """Return the CIDs that a peer wants of us."""
        return self._ledger.wantlist_of(peer)

    @property
    def partners(self) -> list[str]:
        """The connected peers that speak Bitswap."""
        return self._wants.peers

    # ---- connections ---------------------------------------------------------------------------------------------
    def peer_connected(self, peer: str) -> None:
        """Speak with a peer from now on."""
        if self._nursery is not None and peer not in self._speakers:
            speaker = self._speakers[peer] = _Speaker()
            self._nursery.start_soon(self._speak, peer, speaker)

    def peer_disconnected(self, peer: str) -> None:
        """Forget a peer with which there is no connection any more."""
        speaker = self._speakers.pop(peer, None)
        if speaker is not None:
            speaker.scope.cancel()
        self._wants.peer_went(peer)
        self._ledger.gone(peer)
        self._decide()

    # ---- speaking ------------------------------------------------------------------------------------------------
    async def _speak(self, peer: str, speaker: _Speaker) -> None:
        """Keep a stream of ours to a peer and send what is to be sent."""
        pause = limits.BITSWAP_REOPEN_DELAY_S_MIN
        introduced: str | None = None
        with speaker.scope:
            while True:
                try:
                    protocol, raw = await self._host.new_stream(peer, PROTOCOLS)
                except PeerUnreachable as error:
                    log.debug("no Bitswap with a peer: %s", error.sentence, extra={"peer": peer})
                    pause = min(2 * pause, limits.BITSWAP_REOPEN_DELAY_S_MAX)
                else:
                    if introduced == protocol:
                        self._wants.must_repeat(peer, trio.current_time())
                    else:
                        self._wants.peer_came(peer, trio.current_time(), knows_have=knows_have(protocol))
                        introduced = protocol
                    self._decide()
                    began = trio.current_time()
                    await self._send_all(peer, speaker, protocol, MessageStream(peer, raw, self._allowance))
                    if trio.current_time() - began > limits.BITSWAP_REOPEN_DELAY_S_MAX:
                        pause = limits.BITSWAP_REOPEN_DELAY_S_MIN
                    else:
                        pause = min(2 * pause, limits.BITSWAP_REOPEN_DELAY_S_MAX)
                await trio.sleep(pause)

    async def _send_all(self, peer: str, speaker: _Speaker, protocol: str, stream: MessageStream) -> None:
        """Send until the stream breaks."""
        unsent: int | None = None
        try:
            async with trio.open_nursery() as nursery:
                speaker.stream_scope = nursery.cancel_scope
                nursery.start_soon(self._watch, peer, stream, nursery.cancel_scope)
                while True:
                    wants, full = self._wants.take_outbox(peer, trio.current_time())
                    if wants:
                        await self._say(stream, Message(wants=wants, full=full), protocol)
                        continue
                    if not speaker.replies:
                        speaker.work = trio.Event()
                        await speaker.work.wait()
                        continue
                    unsent, message = speaker.replies.popleft()
                    await self._say(stream, message, protocol)
                    self.counts.blocks_sent += len(message.blocks)
                    self.counts.data_sent += sum(len(block.data) for block in message.blocks)
                    self._ledger.sent(unsent)
                    unsent = None
                    self._decide()
        except* StreamClosed as group:
            log.info("a Bitswap stream broke: %s", group.exceptions[0], extra={"peer": peer})
        finally:
            await stream.reset()
            lost = [number for number, _ in speaker.replies]
            speaker.replies.clear()
            for number in [*lost, *([] if unsent is None else [unsent])]:
                self._ledger.unsent(number)

    async def _say(self, stream: MessageStream, message: Message, protocol: str) -> None:
        data = encode(message, protocol)
        await self._up.take(len(data))
        await stream.send(data)

    async def _watch(self, peer: str, stream: MessageStream, scope: trio.CancelScope) -> None:
        """Notice that our stream was reset. Some implementations answer on it, too; others close their end of it."""
        try:
            await self._hear(peer, stream)
        except StreamClosed as error:
            log.debug("our Bitswap stream ended: %s", error.sentence, extra={"peer": peer})
            scope.cancel()
        except Malformed as error:
            self._blame(peer, error)
            scope.cancel()

    # ---- hearing -------------------------------------------------------------------------------------------------
    async def _serve(self, peer: str, raw: Any) -> None:
        """Hear what a peer says on a stream that it opened."""
        stream = MessageStream(peer, raw, self._allowance)
        self.peer_heard(peer)
        try:
            await self._hear(peer, stream)
        except StreamClosed as error:
            log.debug("a Bitswap stream ended: %s", error.sentence, extra={"peer": peer})
            await stream.reset()
        except Malformed as error:
            self._blame(peer, error)
            await stream.reset()
        else:
            await stream.close()

    def peer_heard(self, peer: str) -> None:
        """Speak with a peer that speaks to us, should its connection have come before us."""
        if self._host.is_connected(peer):
            self.peer_connected(peer)

    async def _hear(self, peer: str, stream: MessageStream) -> None:
        try:
            while True:
                # Before a message is read, not after: Kubo sends each block on a stream of its own, dozens at a time.
                while self._storing_bytes > limits.BITSWAP_STORING_BYTES_MAX:
                    await self._store_room.wait()
                data = await stream.receive()
                if data is None:
                    return
                await self._down.take(len(data))
                await self._take_in(peer, decode(data))
                del data  # the stream may rest for hours before its next message
                # Messages that lie in the buffer already must not keep all others waiting.
                await trio.lowlevel.checkpoint()
        finally:
            stream.let_go()

    async def _take_in(self, peer: str, message: Message) -> None:
        self.counts.messages_received += 1
        multihashes = await _hashed(message.blocks) if message.blocks else []
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
                self._storing.append((multihash, block.data))
                self._storing_bytes += size
                self._store_due.set()
            else:
                self.counts.duplicate_blocks_received += 1
                self.counts.duplicate_data_received += size
        self._decide()

    # ---- the store -----------------------------------------------------------------------------------------------
    async def _keep_storing(self) -> None:
        """Put blocks that came into the store, as many at a time as there are, and hand them to their sessions."""
        while True:
            await self._store_due.wait()
            self._store_due = trio.Event()
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
            self._storing_bytes -= sum(len(data) for _, data in blocks)
            self._store_room.set()
            self._store_room = trio.Event()
            self._decide()

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

    async def _look(self, order: serving.Look) -> None:
        try:
            sizes = await self._store.has_many(order.multihashes)
        except PincrewError as error:
            log.warning("the store could not be asked: %s", error.sentence)
            sizes = {}
        self._ledger.looked(order.multihashes, sizes)
        self._decide()

    async def _load(self, order: serving.Load) -> None:
        try:
            blocks = await self._store.get_many(order.multihashes)
        except PincrewError as error:
            log.warning("blocks could not be read: %s", error.sentence)
            blocks = {}
        self._ledger.loaded(order.reply, blocks)
        self._decide()

    # ---- deciding ------------------------------------------------------------------------------------------------
    def _decide(self) -> None:
        """Do what wants and ledger say now."""
        if self._nursery is None:
            return
        now = trio.current_time()
        for command in self._wants.evaluate(now):
            match command:
                case wanting.Tell(peer):
                    self._wake(peer)
                case wanting.SeekProviders(number, cid):
                    if cid not in self._seeks:
                        self._seeks[cid] = _Seek(self._sessions[number])
                        self._nursery.start_soon(self._find, cid, self._seeks[cid])
                case wanting.Disconnect():
                    self._nursery.start_soon(self._disconnect, command)
        for order in self._ledger.evaluate(now):
            match order:
                case serving.Look():
                    self._nursery.start_soon(self._look, order)
                case serving.Load():
                    self._nursery.start_soon(self._load, order)
                case serving.Send(peer, reply, message):
                    if peer in self._speakers:
                        self._speakers[peer].replies.append((reply, message))
                        self._wake(peer)
                case serving.Drop(peer):
                    log.info("a peer reads too slowly while others wait", extra={"peer": peer})
                    if peer in self._speakers:
                        self._speakers[peer].stream_scope.cancel()
                case wanting.Disconnect():
                    self._nursery.start_soon(self._disconnect, order)
        if self._deadline() < self._alarm_at:
            self._alarm.set()

    def _wake(self, peer: str) -> None:
        if peer in self._speakers:
            self._speakers[peer].wake()

    async def _find(self, cid: bytes, seek: _Seek) -> None:
        try:
            with seek.scope:
                await self._seek(cid, seek.session.wants_all)
        except PincrewError as error:
            log.info("no provider was found: %s", error.sentence)
        finally:
            if self._seeks.get(cid) is seek:
                del self._seeks[cid]

    def _end_seeks(self, session: Session | None = None, unwanted: Sequence[bytes] = ()) -> None:
        """End those of sessions that are closed, or that no longer want the block, unless others wait for just that.

        A block that came ends none: a gateway's stream still brings what is below it, and peers that have it are found.
        """
        for cid, seek in list(self._seeks.items()):
            is_given_up = seek.session.number not in self._sessions or (seek.session is session and cid in unwanted)
            if is_given_up and (seek.session.wants_all or not self._wants.is_wanted(cid)):
                # Whoever still wants it asks for a search of his own.
                seek.scope.cancel()
                del self._seeks[cid]

    def _blame(self, peer: str, error: Malformed) -> None:
        """Disconnect a peer that sends what is no message: to read it costs more than to make it up."""
        if self._nursery is not None:
            self._nursery.start_soon(self._disconnect, wanting.Disconnect(peer, error.sentence))

    async def _disconnect(self, command: wanting.Disconnect) -> None:
        log.warning("peer disconnected: %s", command.reason, extra={"peer": command.peer})
        await self._host.disconnect(command.peer)

    def _deadline(self) -> float:
        held_up = trio.current_time() + limits.BITSWAP_SEND_PATIENCE_S / 2 if self._ledger.held_up else math.inf
        return min(self._wants.deadline(), held_up)

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
