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
from pincrew.multipart import FILE, Part
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


def test_files_are_sent_while_the_answer_is_read() -> None:
    """More lines than any buffer holds: one side that only sends and one that only answers would wait for ever."""
    many = 20_000

    def serve(request: BaseHTTPRequestHandler) -> None:
        begin(request)
        line = json.dumps({"Name": "x" * 100, "Hash": "y"}).encode() + b"\n"
        for _ in range(many):
            chunk(request, line)
        received.append(len(body(request)))
        request.wfile.write(b"0\r\n\r\n")

    received: list[int] = []
    parts: list[Part] = [("root", FILE, (b"z" * 100_000 for _ in range(200)))]
    with answering(serve) as node:
        assert sum(1 for _ in node.add(parts, {"pin": "false"})) == many
    assert received[0] > 20_000_000


def test_a_file_that_cannot_be_read_is_told_and_the_body_has_no_end() -> None:
    ended: list[bool] = []

    def serve(request: BaseHTTPRequestHandler) -> None:
        try:
            body(request)
        except (ValueError, OSError):
            pass
        else:
            ended.append(True)

    def content() -> Iterator[bytes]:
        yield b"some"
        raise PermissionError(13, "Permission denied", "secret.txt")

    with answering(serve) as node, pytest.raises(PermissionError):
        list(node.add([("root", FILE, content())], {}))


@pytest.mark.slow
def test_a_file_may_take_longer_to_send_than_a_node_may_be_silent() -> None:
    """Each piece comes within the time, all of them together far beyond it."""
    never = threading.Event()

    def content() -> Iterator[bytes]:
        for _ in range(10):
            never.wait(0.15)
            yield b"x"

    def serve(request: BaseHTTPRequestHandler) -> None:
        body(request)
        never.wait(0.15)  # the node's own work, which begins with the end of the body
        saying(200, {"Hash": "y"})(request)

    with answering(serve) as node:
        lines = node.add([("root", FILE, content())], {}, silence_s=0.8, source_silence_s=30)
        assert list(lines) == [{"Hash": "y"}]


@pytest.mark.slow
def test_a_pipe_may_be_silent_for_longer_than_the_node_but_not_for_ever() -> None:
    hung_up = threading.Event()

    def content(pause_s: float) -> Iterator[bytes]:
        yield b"x"
        hung_up.wait(pause_s)
        yield b"y"

    def serve(request: BaseHTTPRequestHandler) -> None:
        is_whole = body(request).endswith(b"--\r\n")
        hung_up.set()
        if is_whole:
            saying(200, {"Hash": "y"})(request)

    with answering(serve) as node:
        assert list(node.add([("root", FILE, content(0.9))], {}, silence_s=0.5, source_silence_s=30))
        hung_up.clear()
        with pytest.raises(TimeoutError, match="nothing came for too long"):
            list(node.add([("root", FILE, content(30))], {}, silence_s=0.5, source_silence_s=0.3))


@pytest.mark.slow
@pytest.mark.parametrize("is_taken", [True, False])
def test_a_node_that_takes_and_says_nothing_is_given_up(is_taken: bool) -> None:
    """Behind the end of the body, and in the middle of one that no buffer holds."""
    over = threading.Event()

    def serve(request: BaseHTTPRequestHandler) -> None:
        if is_taken:
            body(request)
        over.wait(30)

    parts: list[Part] = [("root", FILE, (b"z" * 100_000 for _ in range(1 if is_taken else 500)))]
    with answering(serve) as node:
        try:
            with pytest.raises(NodeDown, match="nothing came for too long"):
                list(node.add(parts, {}, silence_s=0.3, source_silence_s=30))
        finally:
            over.set()


def test_a_node_that_refuses_early_is_heard() -> None:
    def serve(request: BaseHTTPRequestHandler) -> None:
        saying(500, {"Message": "no room", "Code": 0, "Type": "error"})(request)

    with answering(serve) as node, pytest.raises(NodeRefused, match="no room"):
        list(node.add([("root", FILE, (b"z" * 1_000 for _ in range(10)))], {}))
