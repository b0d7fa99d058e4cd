"""This peer among its neighbours: what arrives goes to the member and to sync; what they decide is sent.

The network's ``Handlers``. Each neighbour has an outbox: frames wait there in order, at most ``OUTBOX_FRAMES_MAX`` of
them; a neighbour that lets more pile up loses its stream and starts anew (sync tells again what was lost).
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

import trio

from pincrew import limits
from pincrew.errors import Malformed, NoRoom, NotAllowed, PeerFault
from pincrew.frames import Absent, AnnouncementsFrame, Blob, BlobWant, Page, Proof, decode_frame, encode_frame
from pincrew.gate import Screening
from pincrew.keys import public_of
from pincrew.manners import Manners
from pincrew.member import Member
from pincrew.network import FrameStream, StreamClosed, Verdict
from pincrew.policy import may
from pincrew.requests import Answer, Request, decode_request, encode_answer
from pincrew.sync import Blame, Effect, Send, Sync

_log = logging.getLogger("pincrew.neighbourhood")

_VERDICTS = {
    Screening.CHECK: Verdict.ACCEPT,
    Screening.HELD: Verdict.DUPLICATE,
    Screening.NEWER_TRUST: Verdict.DUPLICATE,
    Screening.NEWER_BASE: Verdict.DUPLICATE,
    Screening.STOPPED: Verdict.DUPLICATE,
    Screening.SETTLED: Verdict.DUPLICATE,
    Screening.OTHER_CLUSTER: Verdict.REJECT,
    Screening.UNTRUSTED: Verdict.REJECT,
}


class Reports(Protocol):
    """Where a neighbour's misconduct is counted."""

    def report(self, peer: str, *, rejected: int = 0, duplicates: int = 0) -> None: ...


class Neighbourhood:
    """Implements ``network.Handlers`` for one member of one cluster."""

    def __init__(
        self,
        member: Member,
        sync: Sync,
        *,
        wake: Callable[[], None],
        answer: Callable[[Request], Awaitable[Answer]],
        on_neighbours: Callable[[], None],
        on_announcements: Callable[[], None],
        on_handshake_failed: Callable[[str, str | None, str], None],
        take_blocks: Callable[[AsyncIterator[bytes]], Awaitable[None]] | None = None,
        room: Callable[[], int | None] = lambda: None,
    ) -> None:
        """``wake`` is called when something was received; ``answer`` answers a permitted request; ``take_blocks`` puts
        a CAR that another curator hands over into the node (None: nobody may do that here), whose ``room`` in bytes
        bounds it (None: not known)."""
        self._member = member
        self._sync = sync
        self._wake = wake
        self._answer = answer
        self._on_neighbours = on_neighbours
        self._on_announcements = on_announcements
        self._on_handshake_failed = on_handshake_failed
        self._take_blocks = take_blocks
        self._room = room
        self._outboxes: dict[str, trio.MemorySendChannel[bytes]] = {}
        self._scopes: dict[str, trio.CancelScope] = {}
        self.reports: Reports | None = None
        # One at a time: two threads would only take the interpreter from each other.
        self._preparing = trio.CapacityLimiter(1)

    # ---- network.Handlers -------------------------------------------------------------------------------------

    def validate(self, author: bytes, data: bytes) -> Verdict:
        """Only curators speak on pubsub, and only in envelopes of their own cluster.

        Who became one a moment ago may speak before the record that says so is here, and who was one until a moment
        ago before it heard so: neither they nor those who pass that on misbehave.
        """
        if not self._member.chain.is_curator(author):
            is_out_of_step = self._member.was_curator(author) or self._member.is_beyond_our_trust(data)
            return Verdict.DUPLICATE if is_out_of_step else Verdict.REJECT
        received = self._member.replica.receive(data)
        if received.fault is not None:
            return Verdict.REJECT
        return _VERDICTS[received.screening]

    def gossip_received(self, forwarder: str, author: bytes, data: bytes) -> None:
        """An accepted message is in the inbox already; whoever passed it on should have what comes before it."""
        received = self._member.replica.receive(data)
        if received.session is not None:
            self.carry_out(self._sync.hinted(forwarder, received.session, received.number, trio.current_time()))
        self._wake()

    async def serve_sync(self, peer: str, stream: FrameStream, dialled: bool) -> None:
        """Speak with a neighbour until its stream ends. A later stream of the same peer replaces an earlier one."""
        if (earlier := self._scopes.get(peer)) is not None:
            earlier.cancel()
        sender, receiver = trio.open_memory_channel[bytes](limits.OUTBOX_FRAMES_MAX)
        scope = trio.CancelScope()
        self._outboxes[peer], self._scopes[peer] = sender, scope
        try:
            with scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._send_all, stream, receiver, scope)
                    self.carry_out(self._sync.linked(peer, trio.current_time()))
                    await self._receive_all(peer, stream, scope)
        finally:
            if self._scopes.get(peer) is scope:
                del self._outboxes[peer], self._scopes[peer]
                self.carry_out(self._sync.unlinked(peer, trio.current_time()))

    async def serve_request(self, peer: str, request: bytes) -> bytes:
        """Answer what the policy lets this asker ask. Raises Malformed or NotAllowed."""
        asked = decode_request(request)
        if not may(asked.method, is_curator=self._member.chain.is_curator(public_of(peer))):
            raise NotAllowed(f"{asked.method} is for curators of the cluster")
        return encode_answer(await self._answer(asked))

    async def take_delivery(self, peer: str, pieces: AsyncIterator[bytes]) -> None:
        """Take the blocks that one curator adds for another to keep.

        Raises NotAllowed, also in the midst of it for one that is no curator any more, NoRoom, and what the node says.
        """
        if self._take_blocks is None:
            raise NotAllowed("This peer follows the cluster: what it keeps it fetches by itself")
        self._check_curator(peer)
        await self._take_blocks(self._bounded(peer, pieces))

    async def _bounded(self, peer: str, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        room, taken = self._room(), 0
        async for piece in pieces:
            self._check_curator(peer)
            taken += len(piece)
            if room is not None and taken > room:
                raise NoRoom(f"The node has room for {room:,} bytes more, and was handed more")
            yield piece

    def _check_curator(self, peer: str) -> None:
        if not self._member.chain.is_curator(public_of(peer)):
            raise NotAllowed("Only curators hand blocks to each other")

    def connected(self, peer: str, dialled: bool) -> None:
        """A neighbour came."""
        self._on_neighbours()

    def disconnected(self, peer: str) -> None:
        """A neighbour went."""
        self._on_neighbours()

    def handshake_failed(self, address: str, peer: str | None, reason: str) -> None:
        """Somebody answered who is no member."""
        self._on_handshake_failed(address, peer, reason)

    # ---- streams ----------------------------------------------------------------------------------------------

    async def _send_all(
        self, stream: FrameStream, frames: trio.MemoryReceiveChannel[bytes], scope: trio.CancelScope
    ) -> None:
        try:
            async for frame in frames:
                await stream.send(frame)
        except (StreamClosed, PeerFault):
            scope.cancel()

    async def _receive_all(self, peer: str, stream: FrameStream, scope: trio.CancelScope) -> None:
        manners = Manners()
        try:
            while True:
                frame = decode_frame(await stream.receive())
                is_awaited = isinstance(frame, Page | Absent) and self._sync.awaits(peer, frame.session)
                is_proof = isinstance(frame, Proof) and self._member.is_open(frame.session)
                if isinstance(frame, Page | Proof) and (is_awaited or is_proof):
                    # Reading a thousand operations takes milliseconds, in which the API should answer.
                    frame = await trio.to_thread.run_sync(self._member.read_ahead, frame)
                if isinstance(frame, BlobWant):
                    await trio.to_thread.run_sync(self._member.prepare_blob, frame.name, limiter=self._preparing)
                effects = self._sync.received(peer, frame, trio.current_time())
                self.carry_out(effects)
                needless = manners.weight(frame, _answer(effects, peer), is_awaited=is_awaited)
                if needless and self.reports is not None:
                    self.reports.report(peer, duplicates=needless)
                if isinstance(frame, AnnouncementsFrame):
                    self._on_announcements()
                self._wake()
                # Frames may be there without waiting; others want to run too.
                await trio.lowlevel.checkpoint()
        except Malformed as fault:
            self._blame(Blame(peer, fault.what, fatal=True))
        except StreamClosed:
            scope.cancel()

    def carry_out(self, effects: list[Effect]) -> None:
        """Send what sync says, and hold to account whom it blames."""
        for effect in effects:
            if isinstance(effect, Blame):
                self._blame(effect)
                continue
            outbox = self._outboxes.get(effect.peer)
            if outbox is None:
                continue
            try:
                outbox.send_nowait(encode_frame(effect.frame))
            except (trio.WouldBlock, trio.BrokenResourceError, trio.ClosedResourceError):
                self._drop(effect.peer)

    def _blame(self, blame: Blame) -> None:
        _log.warning("peer %s: %s", blame.peer, blame.reason)
        if self.reports is not None:
            self.reports.report(blame.peer, rejected=1)
        if blame.fatal:
            self._on_handshake_failed("", blame.peer, blame.reason)
            self._drop(blame.peer)

    def _drop(self, peer: str) -> None:
        scope = self._scopes.get(peer)
        if scope is not None:
            scope.cancel()


def _answer(effects: list[Effect], peer: str) -> Page | Blob | None:
    """Return the part of the list that a neighbour is sent, if any."""
    for effect in effects:
        if isinstance(effect, Send) and effect.peer == peer and isinstance(effect.frame, Page | Blob):
            return effect.frame
    return None
