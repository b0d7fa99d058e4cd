"""Connections to a node's RPC, and answers as Kubo gives them.

HTTP/1.1 is spoken by h11 on trio's streams, with nothing between: a pin costs two small requests, and a general client
spends more on each than Kubo does. It also shows the trailers. Kubo reports a failure in the middle of an answer in
the trailer `X-Stream-Error`, behind the last chunk, where HTTP libraries drop it.

Every wait has an end, and whatever goes wrong on the way becomes NodeDown here. A connection is used again only after
its answer was read to the end; in every other case it is closed.
"""

from __future__ import annotations

import json
import os
import ssl
import urllib.parse
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar, TypeVarTuple

import h11
import trio

from pincrew.errors import NodeDown, NodeRefused
from pincrew.limits import (
    NODE_CONNECT_TIMEOUT_S,
    NODE_CONNECTION_IDLE_S_MAX,
    NODE_CONNECTIONS_MAX,
    NODE_HEADERS_BYTES_MAX,
    NODE_LINE_BYTES_MAX,
)
from pincrew.node_address import NodeAddress

_RECEIVE_BYTES_MAX = 64 * 1024
Headers = Sequence[tuple[bytes, bytes]]
Args = TypeVarTuple("Args")
T = TypeVar("T")


class Connections:
    """The connections to one node, at most NODE_CONNECTIONS_MAX; those that wait for work are kept a while."""

    def __init__(self, address: NodeAddress) -> None:
        self._address = address
        parts = urllib.parse.urlsplit(address.url)
        self._is_tls, self._host, self._port = parts.scheme == "https", parts.hostname or "", parts.port or 80
        self._path = parts.path
        self._headers = [(b"Host", parts.netloc.encode()), (b"User-Agent", b"pincrew")]
        self._tls: ssl.SSLContext | None = None
        self._slots = trio.Semaphore(NODE_CONNECTIONS_MAX)
        self._idle: list[_Connection] = []
        self._busy: set[_Connection] = set()

    def close(self) -> None:
        """Close all of them; an answer that is still being read becomes NodeDown."""
        for connection in (*self._idle, *self._busy):
            connection.close()
        self._idle.clear()

    @asynccontextmanager
    async def post(
        self, target: str, headers: Headers, content: AsyncIterator[bytes] | None, *, silence_s: float | None
    ) -> AsyncIterator[Answer]:
        """Send one request and give its answer, whatever its status. No two bytes are ``silence_s`` apart.

        None is for a caller with a deadline over the whole: a scope for every read costs as much as the read.
        """
        try:
            await _within(silence_s, self._slots.acquire)
        except trio.TooSlowError:
            raise down(str(self._address), "every connection to it is busy") from None
        try:
            connection = self._kept() or await self._open()
            self._busy.add(connection)
            try:
                await connection.send(f"{self._path}{target}", [*self._headers, *headers], content, silence_s)
                yield Answer(connection, await connection.status(), str(self._address))
            finally:
                self._busy.remove(connection)
                if connection.is_free_again():
                    self._idle.append(connection)
                else:
                    connection.close()
        finally:
            self._slots.release()

    def _kept(self) -> _Connection | None:
        """Return the connection used last: the fewer there are in turn, the sooner the others may go."""
        chosen = None
        while self._idle and chosen is None:
            chosen = self._idle.pop()
            if not chosen.is_usable():
                chosen.close()
                chosen = None
        while self._idle and self._idle[0].is_old():
            self._idle.pop(0).close()
        return chosen

    async def _open(self) -> _Connection:
        try:
            with trio.fail_after(NODE_CONNECT_TIMEOUT_S):
                if self._address.unix_path:
                    transport = await trio.open_unix_socket(self._address.unix_path)
                else:
                    transport = await trio.open_tcp_stream(self._host, self._port)
                stream: trio.abc.Stream = transport
                if self._is_tls:
                    if self._tls is None:
                        self._tls = await trio.to_thread.run_sync(ssl.create_default_context)
                    secured = trio.SSLStream(transport, self._tls, server_hostname=self._host, https_compatible=True)
                    await secured.do_handshake()
                    stream = secured
        except trio.TooSlowError:
            raise down(str(self._address), f"no connection within {NODE_CONNECT_TIMEOUT_S:.0f} s") from None
        except (OSError, trio.BrokenResourceError) as error:
            raise down(str(self._address), _why(error)) from error
        return _Connection(stream, transport.socket, str(self._address))


class _Connection:
    """One connection, and how far its request and its answer are."""

    def __init__(self, stream: trio.abc.Stream, socket: trio.socket.SocketType, address: str) -> None:
        self._stream = stream
        self._socket = socket
        self._address = address
        self._machine = h11.Connection(h11.CLIENT, max_incomplete_event_size=NODE_HEADERS_BYTES_MAX)
        self._silence_s: float | None = None
        self._idle_since = 0.0

    def close(self) -> None:
        """Close it at once, without a word to the other side."""
        self._socket.close()

    def is_free_again(self) -> bool:
        """Say whether the answer was read to its end and another request may follow."""
        if self._machine.our_state is not h11.DONE or self._machine.their_state is not h11.DONE:
            return False
        self._machine.start_next_cycle()
        self._idle_since = trio.current_time()
        return True

    def is_usable(self) -> bool:
        """Say whether an idle connection may be used."""
        return not self.is_old() and self.is_open()

    def is_old(self) -> bool:
        """Say whether an idle connection has waited for too long."""
        return trio.current_time() >= self._idle_since + NODE_CONNECTION_IDLE_S_MAX

    def is_open(self) -> bool:
        """Say whether neither side closed it. What can be read from an idle one is the node's goodbye."""
        if self._socket.fileno() < 0:
            return False
        return self._machine.our_state is not h11.IDLE or not self._socket.is_readable()

    async def send(
        self, target: str, headers: Headers, content: AsyncIterator[bytes] | None, silence_s: float | None
    ) -> None:
        """Send a request. A node that hangs up before all was sent may have said why: that is for ``status``."""
        self._silence_s = silence_s
        length = (b"Content-Length", b"0") if content is None else (b"Transfer-Encoding", b"chunked")
        request = self._bytes(h11.Request(method="POST", target=target, headers=[*headers, length]))
        try:
            if content is not None:
                await self._send_all(request)
                async for chunk in content:
                    await self._send_all(self._bytes(h11.Data(data=chunk)))
                request = b""
            await self._send_all(request + self._bytes(h11.EndOfMessage()))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return

    async def status(self) -> int:
        """Return the status of the answer once its headers are here."""
        while True:
            event = await self._next_event()
            if isinstance(event, h11.Response):
                return event.status_code

    async def body(self) -> AsyncGenerator[bytes, None]:
        """Yield the body; raise NodeRefused where the node says after it that it failed."""
        while True:
            event = await self._next_event()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                for name, value in event.headers:
                    if name == b"x-stream-error":
                        raise said(value.decode(errors="replace"), self._address)
                return

    def _bytes(self, event: h11.Event) -> bytes:
        return self._machine.send(event) or b""

    async def _send_all(self, data: bytes) -> None:
        try:
            await _within(self._silence_s, self._stream.send_all, data)
        except trio.TooSlowError:
            raise down(self._address, f"it took no byte for {self._silence_s:.0f} s") from None

    async def _next_event(self) -> h11.Event:
        try:
            while (event := self._machine.next_event()) is h11.NEED_DATA:
                data = await _within(self._silence_s, self._stream.receive_some, _RECEIVE_BYTES_MAX)
                if not data and self._machine.their_state is h11.SEND_RESPONSE:
                    raise down(self._address, "it hung up without an answer")
                self._machine.receive_data(bytes(data))
        except trio.TooSlowError:
            raise down(self._address, f"no byte for {self._silence_s:.0f} s") from None
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise down(self._address, "it hung up") from error
        except h11.RemoteProtocolError as error:
            raise down(self._address, str(error)) from error
        assert isinstance(event, h11.Event)
        return event


class Answer:
    """One answer: its status, and the body with the failure that may follow it."""

    def __init__(self, connection: _Connection, status: int, address: str) -> None:
        self.status = status
        self._connection = connection
        self._address = address

    def is_same_node(self) -> bool:
        """Say whether its connection is still open: so long no other node has taken the place of the one it is from.

        Ask it of an answer that was read to the end. One that lasts until the connection closes is never believed.
        """
        return self._connection.is_open()

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the body; raise NodeRefused where the node says after it that it failed."""
        return self._connection.body()

    async def lines(self, line_bytes_max: int = NODE_LINE_BYTES_MAX) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the body's JSON objects, one a line; an object that reports a failure raises it."""
        rest = b""
        async with aclosing(self.chunks()) as chunks:
            async for chunk in chunks:
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    if line.strip():
                        yield self._object(line)
                if len(rest) > line_bytes_max:
                    raise NodeRefused("the node answered with an endless line", where=self._address)
        if rest.strip():
            yield self._object(rest)

    async def whole(self, bytes_max: int) -> bytes:
        """Return the whole body, if it is not bigger than that."""
        out = bytearray()
        async with aclosing(self.chunks()) as chunks:
            async for chunk in chunks:
                out += chunk
                if len(out) > bytes_max:
                    raise NodeRefused(f"the answer is larger than {bytes_max} bytes", where=self._address)
        return bytes(out)

    async def refusal(self) -> NodeRefused:
        """Return what an answer that is not 200 says."""
        try:
            body = await self.whole(NODE_LINE_BYTES_MAX)
        except NodeRefused as refusal:
            return refusal
        try:
            return said(str(json.loads(body)["Message"]), self._address)
        except (ValueError, KeyError, TypeError):
            pass  # Not Kubo's JSON: a gateway, a proxy, or Kubo's own plain 403.
        status, words = self.status, " ".join(body.decode(errors="replace").split())[:200]
        if status in (401, 403):
            return NodeRefused(
                f"access denied ({status}) {words}".rstrip(),
                where=self._address,
                next_step="Give its credentials as PINCREW_IPFS_AUTH=basic:USER:PASSWORD or bearer:TOKEN",
            )
        return NodeRefused(
            f"no IPFS RPC answers there ({status})",
            where=self._address,
            next_step="Give the address of the RPC (usually port 5001), not that of the gateway",
        )

    def _object(self, line: bytes) -> dict[str, Any]:
        try:
            value = json.loads(line)
        except ValueError as error:
            raise NodeRefused("the node's answer is not JSON", where=self._address) from error
        if not isinstance(value, dict):
            raise NodeRefused("the node's answer is not an object", where=self._address)
        if value.get("Type") == "error" or ("Message" in value and "Code" in value):
            raise said(str(value.get("Message", "")), self._address)
        if value.get("Err"):
            raise said(str(value["Err"]), self._address)
        return value


async def _within(seconds: float | None, call: Callable[[*Args], Awaitable[T]], *args: *Args) -> T:
    """Await ``call``. Raises TooSlowError; None is without a bound."""
    if seconds is None:
        return await call(*args)
    with trio.fail_after(seconds):
        return await call(*args)


def _why(error: BaseException) -> str:
    """Say what went wrong with a connection; of attempts at several addresses of a host, the first."""
    error = error.__cause__ or error
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)


def down(address: str, reason: str) -> NodeDown:
    """Put a failed connection in words."""
    return NodeDown(
        f"The IPFS node does not answer: {' '.join(reason.split())}"[:300],
        where=address,
        means="What is pinned stays on its disk; pinning goes on when it is back",
        next_step="Start it (`ipfs daemon`), or see `pincrew doctor`",
    )


def said(sentence: str, address: str) -> NodeRefused:
    """Put what the node says about a failure in words: its own."""
    return NodeRefused(" ".join(sentence.split())[:2_000] or "an error without words", where=address)
