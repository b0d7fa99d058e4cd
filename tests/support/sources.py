"""A web server on loopback that serves config documents, or misbehaves in every way that we could think of."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio
import trio.testing

Answer = Callable[[trio.SocketStream, str], Awaitable[None]]


def run(test: Callable[[], Awaitable[None]], idle_s: float = 0.02) -> None:
    """Run a test on a clock that jumps ahead whenever nothing happens: time-outs take no time."""
    trio.run(test, clock=trio.testing.MockClock(autojump_threshold=idle_s))


class WebServer:
    """Answers every request by ``answer``; remembers the heads of the requests."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[str] = []
        self.url = ""

    async def _serve(self, stream: trio.SocketStream) -> None:
        head = b""
        try:
            while b"\r\n\r\n" not in head:
                chunk = await stream.receive_some()
                if not chunk:
                    return
                head += chunk
            self.requests.append(head.decode())
            await self.answer(stream, head.decode())
            await stream.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client had enough of us, which is what most of these tests want
        finally:
            await trio.aclose_forcefully(stream)


@asynccontextmanager
async def web_server(answer: Answer) -> AsyncIterator[WebServer]:
    """Serve on a free port of loopback until the block is left."""
    server = WebServer(answer)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(lambda task_status: _listen(server, task_status))
        server.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        yield server
        nursery.cancel_scope.cancel()


async def _listen(server: WebServer, task_status: trio.TaskStatus[list[trio.SocketListener]]) -> None:
    await trio.serve_tcp(server._serve, 0, host="127.0.0.1", task_status=task_status)


def body(raw: bytes, *headers: str, status: str = "200 OK") -> Answer:
    """Answer with these bytes and a right Content-Length."""

    async def answer(stream: trio.SocketStream, head: str) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(raw)}", *headers]
        await stream.send_all("\r\n".join(lines).encode() + b"\r\n\r\n" + raw)

    return answer


def document_with_etag(raw: bytes, etag: str) -> Answer:
    """Answer 304 to whoever names the etag already."""

    async def answer(stream: trio.SocketStream, head: str) -> None:
        if f"if-none-match: {etag}" in head.lower():
            await body(b"", status="304 Not Modified")(stream, head)
        else:
            await body(raw, f"ETag: {etag}")(stream, head)

    return answer


def redirect(to: str, status: str = "302 Found") -> Answer:
    """Send the client on."""
    return body(b"", f"Location: {to}", status=status)


def endless(length: str = "Transfer-Encoding: chunked") -> Answer:
    """Send 10 MB, in chunks without a length or under a length that lies."""

    async def answer(stream: trio.SocketStream, head: str) -> None:
        await stream.send_all(f"HTTP/1.1 200 OK\r\n{length}\r\n\r\n".encode())
        for _ in range(160):
            await stream.send_all(b"10000\r\n" + b"#" * 65536 + b"\r\n" if "chunked" in length else b"#" * 65536)

    return answer


def silence() -> Answer:
    """Take the request and never answer."""

    async def answer(stream: trio.SocketStream, head: str) -> None:
        await trio.sleep_forever()

    return answer


def drip(raw: bytes, pause_s: float = 1.0) -> Answer:
    """Send a byte now and then, so that no time-out between two bytes ever fires."""

    async def answer(stream: trio.SocketStream, head: str) -> None:
        await stream.send_all(f"HTTP/1.1 200 OK\r\nContent-Length: {len(raw)}\r\n\r\n".encode())
        for byte in raw:
            await stream.send_all(bytes([byte]))
            await trio.sleep(pause_s)

    return answer


def bomb() -> Answer:
    """Send 100 kB that unpack to 100 MB."""
    return body(gzip.compress(bytes(100_000_000), 9), "Content-Encoding: gzip")


def cut_short(raw: bytes) -> Answer:
    """Promise more bytes than come."""

    async def answer(stream: trio.SocketStream, head: str) -> None:
        await stream.send_all(f"HTTP/1.1 200 OK\r\nContent-Length: {len(raw) + 100}\r\n\r\n".encode() + raw)

    return answer


def not_http() -> Answer:
    """Speak another protocol."""

    async def answer(stream: trio.SocketStream, head: str) -> None:
        await stream.send_all(b"SSH-2.0-OpenSSH_9.6\r\n" * 10)

    return answer
