"""What is said to connected peers and heard from them: Bitswap's messages on libp2p streams.

With every connected peer one task *speaks*: it opens a stream of ours, which lives as long as the connection (it is
opened anew when it breaks), and sends on it both what we want and what the peer gets; Kubo reads answers only from
streams that we opened. Whatever streams the peer opens are *heard*: message by message, each when there is room for it.

``_speak`` is the one place where bytes leave and ``_hear`` the one where they come in: the throttles are there.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import trio

from pincrew import limits
from pincrew.errors import Malformed
from pincrew.network.contract import PeerUnreachable
from pincrew.network.streams import StreamClosed
from pincrew.node.bitswap.message import PROTOCOLS, Message, Want, decode, encode, knows_have
from pincrew.node.bitswap.streams import Allowance, MessageStream
from pincrew.node.throttle import Throttle

log = logging.getLogger(__name__)


class Host(Protocol):
    """What is needed of libp2p (``node.host.NodeHost``)."""

    def set_stream_handler(self, protocol: str, handler: Callable[[str, Any], Awaitable[None]]) -> None: ...
    async def new_stream(self, peer: str, protocols: Sequence[str]) -> tuple[str, Any]: ...
    async def disconnect(self, peer: str) -> None: ...
    def is_connected(self, peer: str) -> bool: ...


class Listener(Protocol):
    """Who knows what is to be said, and what to do about what is heard (``exchange.Exchange``)."""

    def introduced(self, peer: str, *, knows_have: bool, again: bool) -> None: ...
    def left(self, peer: str) -> None: ...
    def take_outbox(self, peer: str) -> tuple[list[Want], bool]: ...
    def sent(self, reply: int, blocks: int, size: int) -> None: ...
    def unsent(self, reply: int) -> None: ...
    async def room(self) -> None: ...
    async def heard(self, peer: str, message: Message) -> None: ...


class _Speaker:
    """What is to be sent to one peer."""

    def __init__(self) -> None:
        self.replies: deque[tuple[int, Message]] = deque()
        self.scope = trio.CancelScope()
        self.stream_scope = trio.CancelScope()
        self.work = trio.Event()

    def wake(self) -> None:
        self.work.set()


class Conversations:
    """Speaks with every peer that is connected, and hears what they say; `run` must be running."""

    def __init__(self, host: Host, listener: Listener, up: Throttle, down: Throttle) -> None:
        self._host = host
        self._listener = listener
        self._up = up
        self._down = down
        self._speakers: dict[str, _Speaker] = {}
        self._allowance = Allowance()
        self._nursery: trio.Nursery | None = None

    @property
    def held_bytes(self) -> int:
        """How much of messages is in memory."""
        return self._allowance.total

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Speak Bitswap until cancelled."""
        for protocol in PROTOCOLS:
            self._host.set_stream_handler(protocol, self._serve)
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                task_status.started()
                await trio.sleep_forever()
            finally:
                self._nursery = None

    # ---- peers ---------------------------------------------------------------------------------------------------
    def begin(self, peer: str) -> None:
        """Speak with a peer from now on."""
        if self._nursery is not None and peer not in self._speakers:
            speaker = self._speakers[peer] = _Speaker()
            self._nursery.start_soon(self._speak, peer, speaker)

    def end(self, peer: str) -> None:
        """Speak no more with a peer with which there is no connection any more."""
        speaker = self._speakers.pop(peer, None)
        if speaker is not None:
            speaker.scope.cancel()
        self._listener.left(peer)

    def wake(self, peer: str) -> None:
        """Tell a peer what lies in its outbox."""
        if peer in self._speakers:
            self._speakers[peer].wake()

    def reply(self, peer: str, number: int, message: Message) -> None:
        """Send a reply; the listener hears that it was ``sent`` or is ``unsent``."""
        if peer in self._speakers:
            self._speakers[peer].replies.append((number, message))
            self.wake(peer)

    def begin_anew(self, peer: str) -> None:
        """Reset our stream to a peer and open another."""
        if peer in self._speakers:
            self._speakers[peer].stream_scope.cancel()

    def disconnect(self, peer: str, reason: str) -> None:
        """End the connection with a peer that breaks the rules."""
        if self._nursery is not None:
            log.warning("peer disconnected: %s", reason, extra={"peer": peer})
            self._nursery.start_soon(self._host.disconnect, peer)

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
                    again, introduced = introduced == protocol, protocol
                    self._listener.introduced(peer, knows_have=knows_have(protocol), again=again)
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
                    wants, full = self._listener.take_outbox(peer)
                    if wants:
                        await self._say(stream, encode(Message(wants=wants, full=full), protocol))
                        continue
                    if not speaker.replies:
                        speaker.work = trio.Event()
                        await speaker.work.wait()
                        continue
                    unsent, message = speaker.replies.popleft()
                    blocks, size = len(message.blocks), sum(len(block.data) for block in message.blocks)
                    data = encode(message, protocol)
                    del message  # its blocks need not be held beside their encoded copies
                    await self._say(stream, data)
                    self._listener.sent(unsent, blocks, size)
                    unsent = None
        except* StreamClosed as group:
            log.info("a Bitswap stream broke: %s", group.exceptions[0], extra={"peer": peer})
        finally:
            await stream.reset()
            lost = [number for number, _ in speaker.replies]
            speaker.replies.clear()
            for number in [*lost, *([] if unsent is None else [unsent])]:
                self._listener.unsent(number)

    async def _say(self, stream: MessageStream, data: bytes) -> None:
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
        if self._host.is_connected(peer):
            self.begin(peer)  # should its connection have come before us
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

    async def _hear(self, peer: str, stream: MessageStream) -> None:
        try:
            while True:
                # Before a message is read, not after: Kubo sends each block on a stream of its own, dozens at a time.
                await self._listener.room()
                data = await stream.receive()
                if data is None:
                    return
                await self._down.take(len(data))
                message = decode(data)
                del data  # its blocks are copies
                await self._listener.heard(peer, message)
                del message  # the stream may rest for hours before its next one
                # Messages that lie in the buffer already must not keep all others waiting.
                await trio.lowlevel.checkpoint()
        finally:
            stream.let_go()

    def _blame(self, peer: str, error: Malformed) -> None:
        """Disconnect a peer that sends what is no message: to read it costs more than to make it up."""
        self.disconnect(peer, error.sentence)
