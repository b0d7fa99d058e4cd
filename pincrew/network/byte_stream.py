"""A libp2p stream as trio has streams: bytes in order, each direction closed by itself. For what speaks HTTP on one."""

from __future__ import annotations

import math
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import trio
from libp2p.io.exceptions import IOException
from libp2p.stream_muxer.exceptions import MuxedStreamError

from pincrew import limits

_PIECE_BYTES = 64 * 1024 - 12  # one yamux frame
_POLL_S = 0.02
_BROKEN = (IOException, MuxedStreamError, OSError, ValueError)


class Ends:
    """What servers ask of a stream's socket: who is at the other end, and to cut it off without waiting."""

    def __init__(self, stream: ByteStream, remote: tuple[str, int] | None) -> None:
        self._stream = stream
        self._remote = remote or ("", 0)
        self.family = socket.AF_INET6 if ":" in self._remote[0] else socket.AF_INET

    def getpeername(self) -> tuple[str, int]:
        """Return where the connection under the stream comes from."""
        return self._remote

    def getsockname(self) -> tuple[str, int]:
        """Return nothing in particular: a stream is at no address."""
        return "", 0

    def close(self) -> None:
        """Let whoever reads or sends find the stream closed."""
        self._stream.cut()


class ByteStream(trio.abc.HalfCloseableStream):
    """One stream. One task may read and one may send."""

    def __init__(self, peer: str, stream: Any, *, stall_s: float = math.inf) -> None:
        """A reader that takes nothing for ``stall_s`` breaks it."""
        self.peer = peer
        self._stream = stream
        self._stall_s = stall_s
        self._is_cut = False
        self._waiting: set[trio.CancelScope] = set()
        self.socket = Ends(self, stream.get_remote_address())

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of it, however slowly the other side reads."""
        rest = memoryview(data)
        with self._until_cut():
            while rest:
                piece = bytes(rest[:_PIECE_BYTES])
                await self._wait_for_room(len(piece))
                await self._stream.write(piece)
                rest = rest[len(piece) :]

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until something can be sent."""
        with self._until_cut():
            await self._wait_for_room(1)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return what came; nothing at the end of what the other side sends."""
        data: bytes = b""
        with self._until_cut(), suppress(EOFError):
            data = await self._stream.read(min(max_bytes or _PIECE_BYTES, _PIECE_BYTES))
        return data

    async def send_eof(self) -> None:
        """Say that nothing more will be sent; what was sent still arrives."""
        with self._until_cut():
            await self._stream.close()

    async def aclose(self) -> None:
        """Say that nothing more will be sent, and read no more."""
        if not self._is_cut:
            self.cut()
            with trio.move_on_after(limits.CLOSE_TIMEOUT_S, shield=True):
                try:
                    await self._stream.close()
                # The connection under a stream is often gone before it and raises according to how; it is closed.
                except Exception:
                    return
        await trio.lowlevel.checkpoint()

    def cut(self) -> None:
        """Let whoever reads or sends find the stream closed."""
        self._is_cut = True
        for scope in self._waiting:
            scope.cancel()

    async def drain(self) -> None:
        """Throw away what still comes, until the other side has read all that was sent and hung up.

        A reset could overtake what was sent, or throw away what the other side has not read.
        """
        with trio.move_on_after(limits.REQUEST_TIMEOUT_S):
            try:
                while await self._stream.read(_PIECE_BYTES):
                    pass
            except (EOFError, *_BROKEN):
                return

    async def reset(self) -> None:
        """Drop the stream at once in both directions. Never raises."""
        self.cut()
        with trio.move_on_after(limits.CLOSE_TIMEOUT_S, shield=True):
            try:
                await self._stream.reset()
            # The connection is gone, as in aclose(): so is the stream.
            except Exception:
                return

    @contextmanager
    def _until_cut(self) -> Iterator[None]:
        """Raise what trio's streams raise, where the stream breaks or is closed meanwhile."""
        if self._is_cut:
            raise trio.ClosedResourceError
        with trio.CancelScope() as scope:
            self._waiting.add(scope)
            try:
                yield
            except _BROKEN as error:
                raise trio.BrokenResourceError from error
            finally:
                self._waiting.discard(scope)
        if scope.cancelled_caught:
            raise trio.ClosedResourceError

    async def _wait_for_room(self, size: int) -> None:
        """Wait until the reader's window takes ``size`` bytes: yamux kills a stream that writes beyond it for 5 s."""
        muxed = self._stream.muxed_stream
        with trio.move_on_after(self._stall_s) as stall:
            while getattr(muxed, "send_window", size) < size and not muxed.closed:  # noqa: ASYNC110 (yamux has no event)
                await trio.sleep(_POLL_S)
        if stall.cancelled_caught:
            raise trio.BrokenResourceError
