"""Connections to a node's RPC, and answers as Kubo gives them.

A failure in the middle of an answer comes as the trailer `X-Stream-Error` behind its last chunk. HTTP libraries drop
trailers, so a connection here remembers its last bytes and the end of an answer is looked at. It is built on httpcore,
which httpx stands on: httpx has no way to those bytes.
"""

from __future__ import annotations

import contextlib
import json
import re
import ssl
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from typing import Any

import httpcore
import trio

from pincrew.errors import NodeDown, NodeRefused
from pincrew.limits import NODE_CONNECTIONS_MAX, NODE_LINE_BYTES_MAX, NODE_TRAILER_BYTES_MAX
from pincrew.node_address import NodeAddress


class Answer:
    """The body of one answer, with the failure that may follow it."""

    def __init__(self, response: httpcore.Response, address: str) -> None:
        self._response = response
        self._address = address

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the body; raise NodeRefused where the node says after it that it failed."""
        stream = self._response.extensions.get("network_stream")
        assert isinstance(stream, TailStream)
        body = self._response.aiter_stream()
        has_ended = False
        try:
            async for chunk in body:
                yield chunk
            has_ended = True
        except GeneratorExit:
            raise
        except BaseException:
            has_ended = True  # it failed inside, which ended everything in there
            raise
        finally:
            if not has_ended:
                # httpcore nests generators and closes only the outermost: left half-read, they are found by the
                # garbage collector, much later. A read that fails ends them all now.
                with stream.failing(), contextlib.suppress(httpcore.ReadError):
                    async for _ in body:
                        pass
        trailing = stream.stream_error()
        if trailing is not None:
            raise said(trailing, self._address)

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
        status, words = self._response.status, " ".join(body.decode(errors="replace").split())[:200]
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


STREAM_ERROR = re.compile(rb"\r\n0\r\n(?:[^\r\n]+\r\n)*?X-Stream-Error: *([^\r\n]*)\r\n(?:[^\r\n]+\r\n)*\r\n\Z", re.I)


class TailStream(httpcore.AsyncNetworkStream):
    """A connection that remembers its last bytes: the trailers of a chunked answer are there when its body ends."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._tail = b""
        self._is_failing = False

    @contextlib.contextmanager
    def failing(self) -> Iterator[None]:
        """Make every read inside the block fail; a connection that was read to its end stays good."""
        self._is_failing = True
        try:
            yield
        finally:
            self._is_failing = False

    def stream_error(self) -> str | None:
        """Return the `X-Stream-Error` trailer of the answer that just ended."""
        # Anchored at the end and starting at the last chunk, so that no body can pass for a trailer.
        found = STREAM_ERROR.search(self._tail)
        return found[1].decode(errors="replace") if found else None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._is_failing:
            raise httpcore.ReadError("given up")
        data = await self._stream.read(max_bytes, timeout)
        self._tail = (self._tail + data[-NODE_TRAILER_BYTES_MAX:])[-NODE_TRAILER_BYTES_MAX:]
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        return TailStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class TailBackend(httpcore.AsyncNetworkBackend):
    """Opens connections that remember their last bytes."""

    def __init__(self) -> None:
        self._backend = httpcore.TrioBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        stream = await self._backend.connect_tcp(host, port, timeout, local_address, socket_options)
        return TailStream(stream)

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        return TailStream(await self._backend.connect_unix_socket(path, timeout, socket_options))

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)


def open_pool(address: NodeAddress) -> httpcore.AsyncConnectionPool:
    """Return the connections to one node; none is opened yet."""
    return httpcore.AsyncConnectionPool(
        max_connections=NODE_CONNECTIONS_MAX,
        max_keepalive_connections=NODE_CONNECTIONS_MAX,
        keepalive_expiry=30.0,
        uds=address.unix_path,
        network_backend=TailBackend(),
    )


def down(address: str, error: Exception) -> NodeDown:
    """Put a failed connection in words."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return NodeDown(
        f"The IPFS node does not answer: {reason}"[:300],
        where=address,
        means="What is pinned stays on its disk; pinning goes on when it is back",
        next_step="Start it (`ipfs daemon`), or see `pincrew doctor`",
    )


def said(sentence: str, address: str) -> NodeRefused:
    """Put what the node says about a failure in words: its own."""
    return NodeRefused(" ".join(sentence.split())[:2_000] or "an error without words", where=address)
