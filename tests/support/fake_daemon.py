"""A daemon's API without a daemon: real HTTP on a real unix socket, in a thread, with answers that a test chooses.

Every request is kept. An answer is a value (sent as JSON), a list of values (sent as JSON Lines), an error, or a
function of the request that returns one of those. ConnectionResetError hangs up instead of answering.
"""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from pincrew.errors import NotFound, PincrewError

PREFIX = "/api/v1"


@dataclass
class Request:
    """What a client sent."""

    method: str
    path: str
    query: dict[str, list[str]]
    body: bytes

    @property
    def lines(self) -> list[Any]:
        """The body as JSON Lines."""
        return [msgspec.json.decode(line) for line in self.body.splitlines() if line.strip()]

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return msgspec.json.decode(self.body)


@dataclass
class FakeDaemon:
    """The answers by method and path (without `/api/v1`), and what was asked."""

    answers: dict[tuple[str, str], Any] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    """Sent with every list."""
    cut_after: int | None = None
    """Break the connection after so many bytes of a list."""

    def on(self, method: str, path: str, answer: Any) -> None:
        """Choose the answer to a request."""
        self.answers[method, path] = answer

    def asked(self, method: str, path: str) -> list[Request]:
        """Return the requests of a route."""
        return [one for one in self.requests if (one.method, one.path) == (method, path)]

    def answer(self, request: Request) -> Any:
        """Return the answer to a request."""
        found = self.answers.get((request.method, request.path), NotFound(f"no fake answer for {request.path}"))
        if callable(found):
            try:
                return found(request)
            except PincrewError as error:
                return error
        return found


@contextmanager
def running_fake(socket: Path, fake: FakeDaemon | None = None) -> Iterator[FakeDaemon]:
    """Serve on ``socket`` for the length of the block."""
    fake = fake or FakeDaemon()
    socket.parent.mkdir(parents=True, exist_ok=True)
    server = _Server(str(socket), _handler(fake))
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        socket.unlink(missing_ok=True)


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 100  # as the daemon's own
    block_on_close = False


def _handler(fake: FakeDaemon) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def address_string(self) -> str:
            return "test"

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            request = Request(self.command or "", parts.path.removeprefix(PREFIX), parse_qs(parts.query), self._body())
            fake.requests.append(request)
            answer = fake.answer(request)
            self.close_connection = True
            if isinstance(answer, ConnectionResetError):
                return  # It heard the request and hangs up.
            if isinstance(answer, PincrewError):
                fields = {key: getattr(answer, key) for key in ("code", "what", "where", "means", "next_step")}
                self._send(answer.http_status, msgspec.json.encode({"error": fields}))
            elif isinstance(answer, list):
                self._stream(answer)
            elif isinstance(answer, bytes):
                self._send(200, answer)
            else:
                self._send(200, msgspec.json.encode(answer))

        do_GET = do_POST = do_DELETE = _serve  # noqa: N815 - http.server wants these names

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _stream(self, values: list[Any]) -> None:
            body = b"".join(msgspec.json.encode(value) + b"\n" for value in values)
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            for name, value in fake.headers.items():
                self.send_header(name, value)
            self.end_headers()
            is_cut = fake.cut_after is not None
            for start in range(0, len(body[: fake.cut_after]), 100):
                chunk = body[: fake.cut_after][start : start + 100]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            if not is_cut:
                self.wfile.write(b"0\r\n\r\n")

    return Handler
