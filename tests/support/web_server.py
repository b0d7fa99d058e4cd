"""An HTTP server for tests that does exactly what a script says, byte for byte: it may lie, stall and cut short."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

import trio

_HEAD_BYTES_MAX = 16 * 1024


@dataclass
class Exchange:
    """One request, and the way to answer it."""

    path: str
    headers: dict[str, str]
    stream: trio.SocketStream

    async def answer(self, status: int, content_type: str = "text/plain", body: bytes = b"", **headers: str) -> None:
        """Answer whole."""
        await self.begin(status, content_type, length=len(body), **headers)
        await self.stream.send_all(body)

    async def begin(self, status: int, content_type: str, *, length: int | None = None, **headers: str) -> None:
        """Send the head: of a body of ``length`` bytes, or of a chunked one."""
        told = {"Content-Type": content_type, "Connection": "close"}
        told |= {"Transfer-Encoding": "chunked"} if length is None else {"Content-Length": str(length)}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in told.items())]
        await self.stream.send_all("\r\n".join([*lines, "", ""]).encode())

    async def chunk(self, data: bytes) -> None:
        """Send a piece of a chunked body; an empty one ends it."""
        await self.stream.send_all(f"{len(data):x}\r\n".encode() + data + b"\r\n")


Script = Callable[[Exchange], Awaitable[None]]


@dataclass
class WebServer:
    """Where it is, and what it was asked so far."""

    url: str
    asked: list[Exchange] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        return [exchange.path for exchange in self.asked]


@asynccontextmanager
async def web_server(script: Script) -> AsyncIterator[WebServer]:
    """Serve ``script`` on loopback; every connection is for one request and ends with it."""
    server = WebServer("")

    async def serve(stream: trio.SocketStream) -> None:
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _HEAD_BYTES_MAX:
            data = await stream.receive_some()
            if not data:
                return
            head += data
        first, *rest = head.decode().partition("\r\n\r\n")[0].split("\r\n")
        pairs = (line.partition(":") for line in rest)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        exchange = Exchange(first.split()[1], headers, stream)
        server.asked.append(exchange)
        with suppress(trio.BrokenResourceError):  # The client left early, as some tests want it to.
            await script(exchange)

    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        server.url = f"http://127.0.0.1:{port}"
        try:
            yield server
        except Exception as error:
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        # Raised out here, so that it is not wrapped in the nursery's exception group.
        raise failure
