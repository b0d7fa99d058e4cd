"""Framed streams: a varint length, then the frame. The only way that anything but pubsub leaves or enters.

py-libp2p's streams have no deadlines, read in arbitrary pieces and die when a write meets a full window for five
seconds. Here every wait ends (limits.py names each), a frame's length is judged before any of it is read, frames of
concurrent senders do not mix, and a writer waits for room in the reader's window instead of running into it.
"""

from __future__ import annotations

from typing import Any

import trio
from libp2p.io.exceptions import IOException
from libp2p.stream_muxer.exceptions import MuxedStreamError

from pincrew import limits
from pincrew.errors import Malformed, WorldFault

_PIECE_BYTES = 64 * 1024 - 12  # one yamux frame
_LENGTH_BYTES_MAX = 5
_POLL_S = 0.02


class StreamClosed(WorldFault):
    """The other peer hung up, or does not answer any more."""

    code = "stream_closed"


def length_prefix(length: int) -> bytes:
    """Return ``length`` as an unsigned varint."""
    encoded = bytearray()
    while length >= 0x80:
        encoded.append(length & 0x7F | 0x80)
        length >>= 7
    encoded.append(length)
    return bytes(encoded)


def read_length(data: bytes | bytearray) -> tuple[int, int] | None:
    """Return (length of the frame, bytes of its prefix), or None while the prefix is incomplete.

    Raises Malformed for a prefix that is too long or names a frame above ``FRAME_BYTES_MAX``.
    """
    length = 0
    for index, byte in enumerate(data[:_LENGTH_BYTES_MAX]):
        length |= (byte & 0x7F) << (7 * index)
        if not byte & 0x80:
            if length > limits.FRAME_BYTES_MAX:
                raise Malformed(f"A frame of {length} bytes was announced; the most is {limits.FRAME_BYTES_MAX}")
            return length, index + 1
    if len(data) >= _LENGTH_BYTES_MAX:
        raise Malformed("The length of a frame is not a varint")
    return None


class FrameStream:
    """One stream with one peer. Any number of tasks may send; one may receive."""

    def __init__(self, peer: str, stream: Any) -> None:
        self.peer = peer
        self._stream = stream
        self._received = bytearray()
        self._sending = trio.Lock()

    async def send(self, frame: bytes) -> None:
        """Send ``frame`` whole.

        Raises StreamClosed when the stream is gone, when the reader takes nothing for ``SEND_STALL_TIMEOUT_S`` or not
        all within ``FRAME_TIMEOUT_S``; the stream is reset then.
        """
        assert len(frame) <= limits.FRAME_BYTES_MAX, "the caller pages"
        data = memoryview(length_prefix(len(frame)) + frame)
        async with self._sending:
            try:
                with trio.fail_after(limits.FRAME_TIMEOUT_S):
                    for start in range(0, len(data), _PIECE_BYTES):
                        piece = bytes(data[start : start + _PIECE_BYTES])
                        await self._wait_for_room(len(piece))
                        await self._stream.write(piece)
            except (trio.TooSlowError, IOException, MuxedStreamError, OSError, trio.BrokenResourceError) as error:
                await self.reset()
                slow = isinstance(error, trio.TooSlowError)
                raise StreamClosed("The other peer reads too slowly" if slow else "", where=self.peer) from error
            # Cancelled halfway, a frame is torn: nobody can use the stream any more. The cancellation goes on up.
            except BaseException:
                await self.reset()
                raise

    async def receive(self, *, idle_s: float | None = None) -> bytes:
        """Return the next frame.

        Raises StreamClosed at the end, when nothing comes for ``idle_s`` (STREAM_IDLE_TIMEOUT_S) or a frame that has
        begun is not whole within ``FRAME_TIMEOUT_S``; Malformed, before reading it, for a frame that is too long. The
        stream is reset in all of these cases.
        """
        try:
            with trio.fail_after(limits.STREAM_IDLE_TIMEOUT_S if idle_s is None else idle_s):
                if not self._received:
                    await self._read_more()
            with trio.fail_after(limits.FRAME_TIMEOUT_S):
                while (prefix := read_length(self._received)) is None:
                    await self._read_more()
                length, size = prefix
                while len(self._received) < size + length:
                    await self._read_more()
        except Malformed:
            await self.reset()
            raise
        except (trio.TooSlowError, IOException, MuxedStreamError, OSError, EOFError, ValueError) as error:
            await self.reset()
            raise StreamClosed(where=self.peer) from error
        frame = bytes(self._received[size : size + length])
        del self._received[: size + length]
        return frame

    async def close(self) -> None:
        """Say that nothing more will be sent; what was sent still arrives. Never raises for a broken stream."""
        with trio.move_on_after(limits.CLOSE_TIMEOUT_S, shield=True):
            try:
                await self._stream.close()
            # The connection under a stream is often gone before it and raises according to how; it is closed anyway.
            except Exception:
                return

    async def reset(self) -> None:
        """Drop the stream at once in both directions. Never raises."""
        with trio.move_on_after(limits.CLOSE_TIMEOUT_S, shield=True):
            try:
                await self._stream.reset()
            # The connection is gone, as in close(): so is the stream.
            except Exception:
                return

    async def _read_more(self) -> None:
        data = await self._stream.read(_PIECE_BYTES)
        if not data:
            raise EOFError
        self._received += data

    async def _wait_for_room(self, size: int) -> None:
        """Wait until the reader's window takes ``size`` bytes: yamux kills a stream that writes beyond it for 5 s."""
        muxed = self._stream.muxed_stream
        if getattr(muxed, "send_window", size) >= size:
            return
        with trio.fail_after(limits.SEND_STALL_TIMEOUT_S):
            while muxed.send_window < size and not muxed.closed:  # noqa: ASYNC110 (yamux has no event for it)
                await trio.sleep(_POLL_S)
