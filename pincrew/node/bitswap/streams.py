"""Bitswap's messages on libp2p streams: a varint length, then the message.

A stream that somebody opened to us may rest for as long as its connection lives: Kubo sends its later wants on the
first one that it opened. Only a message that has begun must get on. What has been received of unfinished messages is
bounded for each peer and for all together, however many streams they open.
"""

from __future__ import annotations

from typing import Any

import trio
from libp2p.io.exceptions import IOException
from libp2p.network.stream.exceptions import StreamEOF
from libp2p.stream_muxer.exceptions import MuxedStreamError

from pincrew import limits
from pincrew.errors import Malformed
from pincrew.network.streams import StreamClosed, length_prefix

# go-yamux (5.1.0, `sendWindowUpdate`) gives back too little each time that it doubles a window: its writer is not told
# of what was read since the last update, which is half of the window and up to one frame more. The halves add up to
# 128 KiB less than what it takes to stop the writer for good; the frames must not make up for that. There are six
# doublings, and this is less than a sixth of 128 KiB. For the same reason a writer must use any window, however small.
_PIECE_BYTES = 20 * 1024
_READ_BYTES = 256 * 1024
_PREFIX_BYTES_MAX = 4
_POLL_S_MIN = 0.0005
_POLL_S_MAX = 0.02
_BROKEN = (IOException, MuxedStreamError, OSError, trio.BrokenResourceError, trio.ClosedResourceError)


class Allowance:
    """How much of messages is held in memory: of those that are being received, and of those being dealt with.

    A peer that holds half of what it may begins no further message until it holds less, so that whoever sends faster
    than its messages can be dealt with is merely slowed down. Where all together hold half of what they may, each has
    one message at a time. Where they hold too much, a message of the peer that holds the most is given up: nobody can
    keep others from speaking.
    """

    def __init__(self) -> None:
        self.total = 0
        self._peers: dict[str, dict[MessageStream, int]] = {}
        self._less = trio.Event()

    async def begin(self, peer: str) -> None:
        """Wait until ``peer`` may begin a message."""
        while (held := self._held(peer)) and (
            held > limits.BITSWAP_RECEIVING_BYTES_PER_PEER_MAX // 2
            or self.total > limits.BITSWAP_RECEIVING_BYTES_MAX // 2
        ):
            await self._less.wait()

    def hold(self, stream: MessageStream, size: int) -> bool:
        """Note that ``stream`` holds ``size`` bytes now; False when that is more than its peer may hold."""
        streams = self._peers.setdefault(stream.peer, {})
        before = streams.pop(stream, 0)
        self.total += size - before
        if size:
            streams[stream] = size
        elif not streams:
            del self._peers[stream.peer]
        if size <= before:
            self._less.set()
            self._less = trio.Event()
            return True
        if self.total > limits.BITSWAP_RECEIVING_BYTES_MAX:
            greediest = max(self._peers, key=self._held)
            unfinished = next((each for each in self._peers[greediest] if each.is_receiving), None)
            if unfinished is not None:
                unfinished.give_up()
        return self._held(stream.peer) <= limits.BITSWAP_RECEIVING_BYTES_PER_PEER_MAX

    def _held(self, peer: str) -> int:
        return sum(self._peers.get(peer, {}).values())


class MessageStream:
    """One stream with one peer. One task may send, one may receive."""

    def __init__(self, peer: str, stream: Any, allowance: Allowance) -> None:
        self.peer = peer
        self._stream = stream
        self._allowance = allowance
        self._received = bytearray()
        self._receiving: trio.CancelScope | None = None

    @property
    def is_receiving(self) -> bool:
        """Whether a message has begun and is not whole."""
        return self._receiving is not None

    def give_up(self) -> None:
        """Let the message that is being received fail."""
        if self._receiving is not None:
            self._receiving.cancel()
            self._receiving = None
            self.let_go()

    def let_go(self) -> None:
        """Count what was received as dealt with."""
        self._allowance.hold(self, 0)

    async def send(self, message: bytes) -> None:
        """Send a message whole.

        Raises StreamClosed when the stream is gone or its reader takes nothing for ``BITSWAP_SEND_STALL_S``. After
        that, and when it is cancelled, the stream must be reset: a message may be torn.
        """
        prefix = length_prefix(len(message))
        try:
            sent = -len(prefix)  # of the message; it is not copied to put its length in front
            while sent < len(message):
                with trio.fail_after(limits.BITSWAP_SEND_STALL_S):
                    end = sent + min(await self._room(), _PIECE_BYTES)
                    piece = message[max(0, sent) : max(0, end)]
                    if sent < 0:
                        piece = prefix[sent : end if end < 0 else None] + piece
                    await self._stream.write(piece)
                sent += len(piece)
        except trio.TooSlowError as error:
            raise StreamClosed("The other node reads too slowly", where=self.peer) from error
        except _BROKEN as error:
            raise StreamClosed(where=self.peer) from error

    async def receive(self) -> bytes | None:
        """Return the next message; None when the other side will send no more.

        Raises StreamClosed when the stream broke, a message that has begun does not get on, or too much is unfinished;
        Malformed, before reading it, for a message that is too long. The stream must be reset then. What was returned
        counts as held until the next call, or `let_go`.
        """
        self.let_go()
        while (prefix := self._prefix()) is None:
            if not await self._read():
                return None
        length, start = prefix
        end = start + length
        await self._allowance.begin(self.peer)
        try:
            with trio.fail_after(limits.BITSWAP_MESSAGE_TIMEOUT_S) as self._receiving:
                while self._hold() and len(self._received) < end:
                    if not await self._read():
                        raise StreamClosed("A message was cut short", where=self.peer)
        except trio.TooSlowError as error:
            raise StreamClosed("A message took too long", where=self.peer) from error
        finally:
            self._receiving = None
        with memoryview(self._received) as view:
            message = bytes(view[start:end])
        del self._received[:end]
        return message

    def _hold(self) -> bool:
        if not self._allowance.hold(self, len(self._received)):
            raise StreamClosed("Too many messages were begun at once", where=self.peer)
        return True

    async def close(self) -> None:
        """Say that nothing more will be sent; what was sent still arrives. Never raises for a broken stream."""
        self.let_go()
        with trio.move_on_after(limits.CLOSE_TIMEOUT_S):
            try:
                await self._stream.close()
            # The connection under a stream is often gone before it; either way the stream is closed.
            except Exception:
                return

    async def reset(self) -> None:
        """Drop the stream at once in both directions. Never raises."""
        self.let_go()
        with trio.move_on_after(limits.CLOSE_TIMEOUT_S, shield=True):
            try:
                await self._stream.reset()
            # As in close().
            except Exception:
                return

    def _prefix(self) -> tuple[int, int] | None:
        """Return (bytes of the message, bytes of its length), or None while the length is not here."""
        length = 0
        for index, byte in enumerate(self._received[:_PREFIX_BYTES_MAX]):
            length |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                if length > limits.BITSWAP_MESSAGE_BYTES_MAX:
                    raise Malformed(f"A Bitswap message of {length} bytes was announced", where=self.peer)
                return length, index + 1
        if len(self._received) >= _PREFIX_BYTES_MAX:
            raise Malformed("The length of a Bitswap message is no varint, or too long", where=self.peer)
        return None

    async def _read(self) -> bool:
        try:
            data = await self._stream.read(_READ_BYTES)
        except StreamEOF:
            return False
        except _BROKEN as error:
            raise StreamClosed(where=self.peer) from error
        self._received += data
        return bool(data)

    async def _room(self) -> int:
        """Wait until the reader's window is open and return it (py-libp2p would wait for 5 s and give up)."""
        muxed = self._stream.muxed_stream
        pause = _POLL_S_MIN
        while muxed.send_window <= 0 and not muxed.closed:
            # yamux has no event for it.
            await trio.sleep(pause)
            pause = min(2 * pause, _POLL_S_MAX)
        return max(int(muxed.send_window), 1)
