"""Against a real HTTP server in a thread, which answers what a test tells it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pincrew.errors import NodeDown, NodeRefused
from pincrew.node_address import NodeAddress, parse_address
from pincrew.node_calls import NodeCalls

Serve = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def answering(serve: Serve) -> Iterator[NodeCalls]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            self.close_connection = True
            serve(self)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    try:
        yield NodeCalls(parse_address(f"127.0.0.1:{server.server_port}"), "Bearer x")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def saying(status: int, *lines: object, whole: bool = True) -> Serve:
    def serve(request: BaseHTTPRequestHandler) -> None:
        begin(request, status)
        for line in lines:
            text = line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n"
            chunk(request, text)
        if whole:
            request.wfile.write(b"0\r\n\r\n")

    return serve


def begin(request: BaseHTTPRequestHandler, status: int = 200) -> None:
    request.send_response(status)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()


def chunk(request: BaseHTTPRequestHandler, data: bytes) -> None:
    request.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
    request.wfile.flush()


def body(request: BaseHTTPRequestHandler) -> bytes:
    content = b""
    while size := int(request.rfile.readline() or b"0", 16):
        content += request.rfile.read(size)
        request.rfile.readline()
    return content


def test_objects_and_lists() -> None:
    asked: list[tuple[str, str | None]] = []

    def serve(request: BaseHTTPRequestHandler) -> None:
        asked.append((request.path, request.headers["Authorization"]))
        saying(200, {"A": 1}, b'{"B"', b": 2}\n\n")(request)

    with answering(serve) as node:
        assert list(node.lines("pin/ls", [("arg", "a b")])) == [{"A": 1}, {"B": 2}]
        assert node.object("id") == {"B": 2}
    assert asked[0] == ("/api/v0/pin/ls?arg=a+b", "Bearer x")


@pytest.mark.parametrize(
    ("serve", "words"),
    [
        (saying(500, {"Message": "not pinned", "Code": 0, "Type": "error"}), "not pinned"),
        (saying(403, b"Forbidden\n"), "403 Forbidden"),
        (saying(200, {"A": 1}, {"Message": "went wrong", "Code": 0, "Type": "error"}), "went wrong"),
        (saying(200, b"<html>"), "not JSON"),
        (saying(200, b"[1]\n"), "not an object"),
    ],
)
def test_refusals_are_the_nodes_own_words(serve: Serve, words: str) -> None:
    with answering(serve) as node, pytest.raises(NodeRefused, match=words):
        node.object("id")


def test_an_answer_that_breaks_off_is_no_whole_one() -> None:
    with answering(saying(200, {"A": 1}, whole=False)) as node, pytest.raises(NodeDown):
        node.object("id")
    with answering(saying(200, b"half", whole=False)) as node, pytest.raises(NodeDown):
        list(node.cat("cid"))


def test_nobody_there(tmp_path: Path) -> None:
    for address in (parse_address("127.0.0.1:1"), NodeAddress("http://localhost", str(tmp_path / "none.sock"))):
        with pytest.raises(NodeDown, match="does not answer"):
            NodeCalls(address).object("id")
