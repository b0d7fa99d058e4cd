"""A peer's REST API with answers that a test names: a real HTTP server, on TCP or on a unix socket, in a thread."""

from __future__ import annotations

import contextlib
import json
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote


@dataclass(frozen=True)
class Told:
    """An answer. ``lines`` are sent in chunks, with ``error`` in the trailer; ``breaks``: it ends before its end."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    lines: tuple[Any, ...] | None = None
    error: str = ""
    breaks: bool = False


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class RestPeer:
    """Answers what it was told to, in order; the last answer to a request again and again."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.asked: list[Asked] = []
        self._answers: dict[tuple[str, str], list[Told]] = {}
        self.takes: Callable[[BaseHTTPRequestHandler], bool] = lambda _: False  # answers in a way of its own

    def on(self, method: str, path: str, *answers: Any) -> None:
        """Answer a request with objects, or with `Told`."""
        told = [one if isinstance(one, Told) else Told(body=json.dumps(one).encode()) for one in answers]
        self._answers[method, path] = told

    def stream(self, method: str, path: str, *values: Any, error: str = "", breaks: bool = False) -> None:
        """Answer a request with a stream of objects."""
        self.on(method, path, Told(lines=values, error=error, breaks=breaks))

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Read a request and answer it."""
        path, _, query = handler.path.partition("?")
        if self.takes(handler):
            return
        body = read_body(handler)
        pairs = dict(parse_qsl(query, keep_blank_values=True))
        self.asked.append(Asked(handler.command, unquote(path), pairs, dict(handler.headers), body))
        left = self._answers.get((handler.command, unquote(path)))
        if left is None:
            told = Told(404, b'{"code":404,"message":"not found"}\n')
        else:
            told = left.pop(0) if len(left) > 1 else left[0]
        handler.send_response(told.status)
        for name, value in told.headers.items():
            handler.send_header(name, value)
        if told.lines is None:
            if told.status != 204:
                handler.send_header("Content-Length", str(len(told.body) + told.breaks))
            handler.end_headers()
            handler.wfile.write(told.body)
            return
        handler.send_header("Transfer-Encoding", "chunked")
        handler.send_header("Trailer", "X-Stream-Error")
        handler.end_headers()
        for value in told.lines:
            send_chunk(handler, json.dumps(value).encode() + b"\n")
        if not told.breaks:
            handler.wfile.write(f"0\r\nX-Stream-Error: {told.error}\r\n\r\n".encode())


def send_chunk(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    handler.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
    handler.wfile.flush()


def read_chunk(handler: BaseHTTPRequestHandler) -> bytes:
    """Return the next chunk of a body; nothing at its end, or where it breaks off."""
    size = int(handler.rfile.readline().strip() or b"0", 16)
    data = handler.rfile.read(size)
    handler.rfile.readline()
    return data


def read_body(handler: BaseHTTPRequestHandler) -> bytes:
    if handler.headers.get("Transfer-Encoding") != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length", "0")))
    return b"".join(iter(lambda: read_chunk(handler), b""))


@contextlib.contextmanager
def running_peer(path: Path | None = None, *, tls: ssl.SSLContext | None = None) -> Iterator[RestPeer]:
    """Run a peer: on a unix socket where ``path`` is given, else on a free port of this machine."""
    peer = RestPeer("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        do_GET = do_POST = do_DELETE = lambda self: peer.answer(self)  # noqa: N815 (these are the library's)

        def address_string(self) -> str:
            return "test"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer if path else socketserver.TCPServer):  # type: ignore[misc]
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Say nothing: clients that hang up are part of the tests."""

    if path is not None:
        path.unlink(missing_ok=True)  # what a run that was killed left; long paths of tests have short names in common
    with Server(str(path) if path else ("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        peer.host = f"/unix{path}" if path else f"/ip4/127.0.0.1/tcp/{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield peer
        finally:
            server.shutdown()
            thread.join()
            if path is not None:
                path.unlink(missing_ok=True)
