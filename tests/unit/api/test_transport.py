"""HTTP on a unix socket when the other side misbehaves."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pincrew.api import transport
from pincrew.errors import DaemonLost, WorldFault


@contextmanager
def saying(path: Path, words: bytes, *, is_staying: bool = False) -> Iterator[None]:
    """A server that says the same to whoever connects."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(1)
    release = threading.Event()

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(words)
            if is_staying:
                release.wait(10)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        release.set()
        thread.join(10)
        server.close()


def test_something_that_is_not_http(tmp_path: Path) -> None:
    with saying(tmp_path / "s", b"SSH-2.0-hello\r\n"), pytest.raises(WorldFault):
        transport.send(tmp_path / "s", "GET", "/", timeout_s=5)


def test_silence_ends_in_time(tmp_path: Path) -> None:
    with saying(tmp_path / "s", b"", is_staying=True), pytest.raises(WorldFault, match="in time"):
        transport.send(tmp_path / "s", "GET", "/", timeout_s=0.05)


def test_a_body_shorter_than_announced(tmp_path: Path) -> None:
    with saying(tmp_path / "s", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort\n"):
        answer = transport.send(tmp_path / "s", "GET", "/", timeout_s=5)
        with pytest.raises(WorldFault, match="broke"):
            list(answer.lines())


def test_a_line_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LINE_BYTES_MAX", 10)
    with saying(tmp_path / "s", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 100):
        answer = transport.send(tmp_path / "s", "GET", "/", timeout_s=5)
        with pytest.raises(WorldFault, match="absurdly long"):
            list(answer.lines())


def test_of_the_events_that_wait_only_the_newest_is_told(tmp_path: Path) -> None:
    """Each comes in a chunk of its own, as the daemon sends them."""
    events = [b"data: %d\n\n" % number for number in range(2_000)]
    body = b"".join(b"%x\r\n%s\r\n" % (len(event), event) for event in events)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with saying(tmp_path / "s", head + body, is_staying=True):
        answer = transport.send(tmp_path / "s", "GET", "/", timeout_s=0.2)
        told = answer.newest_events()
        assert next(told) == b"1999"
        with pytest.raises(WorldFault, match="in time"):
            next(told)


def test_an_event_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "ANSWER_BYTES_MAX", 10)
    with saying(tmp_path / "s", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 100):
        answer = transport.send(tmp_path / "s", "GET", "/", timeout_s=5)
        with pytest.raises(WorldFault, match="absurdly long"):
            list(answer.newest_events())


def test_blank_lines_keep_a_stream_alive_and_are_left_out(tmp_path: Path) -> None:
    with saying(tmp_path / "s", b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n\n1\n\n\n2\n"):
        answer = transport.send(tmp_path / "s", "GET", "/", timeout_s=5)
        assert list(answer.lines()) == [b"1", b"2"]


def test_hanging_up_ends_a_wait_in_another_thread_and_nothing_is_asked_after_it(tmp_path: Path) -> None:
    hang_up = transport.HangUp()
    with saying(tmp_path / "s", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", is_staying=True):
        answer = transport.send(tmp_path / "s", "GET", "/", timeout_s=10, hang_up=hang_up)
        later = threading.Timer(0.05, hang_up)
        later.start()
        with pytest.raises(DaemonLost):
            answer.body()
        later.join()
    hang_up()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "other"))
        server.listen(1)
        with pytest.raises(DaemonLost):
            transport.send(tmp_path / "other", "GET", "/", timeout_s=10, hang_up=hang_up)
        connected, _ = server.accept()
        with connected:
            assert connected.recv(100) == b""
