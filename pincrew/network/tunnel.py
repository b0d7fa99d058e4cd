"""Streams with peers for programs that know sockets alone: a thread has the host and carries the bytes.

Each connection is a pair of sockets: one end is the caller's, between the other end and the stream bytes go both ways.
"""

from __future__ import annotations

import queue
import socket
import threading

import trio

from pincrew.errors import PincrewError
from pincrew.network.byte_stream import ByteStream
from pincrew.network.visitor import NotSpoken, Visitor, visiting

_PIECE_BYTES = 64 * 1024


class Tunnel:
    """A host for the streams of a program; `close` it."""

    def __init__(self, secret: bytes | None) -> None:
        """``secret`` is the private network key of a closed cluster."""
        self._started: queue.SimpleQueue[trio.lowlevel.TrioToken | Exception] = queue.SimpleQueue()
        self._scope = trio.CancelScope()
        self._thread = threading.Thread(target=self._work, args=(secret,), name="libp2p", daemon=True)
        self._thread.start()
        started = self._started.get()
        if isinstance(started, Exception):
            raise started
        self._token = started

    def connect(self, address: str, peer: str, protocol: str, timeout_s: float) -> socket.socket:
        """Return a connection with what serves ``protocol`` at ``peer``.

        Raises OSError: ConnectionRefusedError where the peer is there and nothing serves that.
        """
        ours, theirs = socket.socketpair()
        try:
            trio.from_thread.run(self._open, theirs, address, peer, protocol, timeout_s, trio_token=self._token)
        except BaseException as error:  # whatever it is, the sockets must not outlive it
            ours.close()
            theirs.close()
            if isinstance(error, trio.TooSlowError):
                raise TimeoutError("it took too long") from error
            if isinstance(error, NotSpoken):
                raise ConnectionRefusedError(error.sentence) from error
            if isinstance(error, PincrewError):
                raise ConnectionError(error.sentence) from error
            raise
        return ours

    def close(self) -> None:
        """Hang up on everybody."""
        self._token.run_sync_soon(self._scope.cancel)
        self._thread.join()

    def _work(self, secret: bytes | None) -> None:
        try:
            trio.run(self._run, secret)
        # Whoever waits for the start is told what went wrong; behind that there is nobody whom it would reach.
        except Exception as error:
            self._started.put(error)

    async def _run(self, secret: bytes | None) -> None:
        with self._scope:
            async with visiting(secret) as self._visitor, trio.open_nursery() as self._nursery:
                self._started.put(trio.lowlevel.current_trio_token())
                await trio.sleep_forever()

    _visitor: Visitor
    _nursery: trio.Nursery

    async def _open(self, theirs: socket.socket, address: str, peer: str, protocol: str, timeout_s: float) -> None:
        with trio.fail_after(timeout_s):
            stream = await self._visitor.open(address, peer, protocol)
        self._nursery.start_soon(_carry, stream, trio.SocketStream(trio.socket.from_stdlib_socket(theirs)))


async def _carry(stream: ByteStream, end: trio.SocketStream) -> None:
    """Carry bytes both ways until the caller hangs up, or the stream breaks: then the caller's connection does too."""
    try:
        async with end, trio.open_nursery() as nursery:
            nursery.start_soon(_send, end, stream, nursery.cancel_scope)
            while data := await stream.receive_some():
                await end.send_all(data)
            await end.send_eof()
    except* (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    finally:
        await stream.reset()


async def _send(end: trio.SocketStream, stream: ByteStream, scope: trio.CancelScope) -> None:
    try:
        while data := await end.receive_some(_PIECE_BYTES):
            await stream.send_all(data)
    except trio.BrokenResourceError:
        return  # the other side takes no more; what it has to say, a refusal perhaps, is still read
    scope.cancel()
