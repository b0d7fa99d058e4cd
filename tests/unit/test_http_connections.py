"""Trailers on a real door, as the bytes of HTTP/1.1 and HTTP/1.0 have them, and connections that go on afterwards."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import h11
import pytest
import trio
import trio.testing

from pincrew.doors import serve_socket, serve_tcp
from pincrew.errors import NodeDown
from pincrew.rest.server import build_rest_app
from support.rest_door import FollowingDoor, WritingDoor
from support.shape_examples import CID

DEADLINE_S = 20.0
LIST = b"GET /allocations HTTP/1.1\r\nHost: x\r\n\r\n"
ONE = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"


class Caller:
    """A connection, and what came over it."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._protocol = h11.Connection(h11.CLIENT)

    async def ask(self, method: str, path: str) -> tuple[h11.Response, bytes, list[Any]]:
        """Ask in the connection as it stands; return head, body and trailers."""
        sent = self._protocol.send(h11.Request(method=method, target=path, headers=[("Host", "x")]))
        await self.stream.send_all((sent or b"") + (self._protocol.send(h11.EndOfMessage()) or b""))
        head, body = None, b""
        while True:
            event = self._protocol.next_event()
            if event is h11.NEED_DATA:
                self._protocol.receive_data(await self.stream.receive_some())
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            else:
                assert head is not None and isinstance(event, h11.EndOfMessage)
                self._protocol.start_next_cycle()
                return head, body, list(event.headers)

    async def raw(self, *requests: bytes) -> bytes:
        """Send bytes, as far as they are taken, and return all that comes until the door closes."""
        received = b""
        async with trio.open_nursery() as nursery:

            async def send() -> None:
                with suppress(trio.BrokenResourceError):
                    for request in requests:
                        await self.stream.send_all(request)

            nursery.start_soon(send)
            with suppress(trio.BrokenResourceError):  # it closed without hearing us out
                async for piece in self.stream:
                    received += piece
        return received


def with_door(folder: Path, door: FollowingDoor, test: Callable[[Caller], Awaitable[None]]) -> None:
    """Run a test on a connection to the API at a real socket."""

    async def main() -> None:
        path = folder / "door"
        with trio.fail_after(DEADLINE_S):
            async with trio.open_nursery() as nursery:
                stopping = trio.Event()
                await nursery.start(partial(serve_socket, build_rest_app(door), path, stopping))
                async with await trio.open_unix_socket(str(path)) as stream:
                    await test(Caller(stream))
                stopping.set()

    trio.run(main)


def test_the_trailer_is_there_empty_or_not_and_the_connection_goes_on(tmp_path: Path) -> None:
    door = FollowingDoor()

    async def test(caller: Caller) -> None:
        head, body, trailers = await caller.ask("GET", "/allocations")
        headers = dict(head.headers)
        assert (head.status_code, body.count(b"\n"), trailers) == (200, 2, [(b"x-stream-error", b"")])
        assert headers[b"trailer"] == b"X-Stream-Error" and headers[b"transfer-encoding"] == b"chunked"
        door.late = NodeDown("It is gone", next_step="Start it")
        head, body, trailers = await caller.ask("GET", "/pins")
        assert (head.status_code, body.count(b"\n")) == (200, 1)
        assert trailers == [(b"x-stream-error", b"It is gone. Start it.")]
        door.late, door.pins = None, []
        head, body, trailers = await caller.ask("GET", "/allocations")
        assert (head.status_code, body, trailers) == (204, b"", [])
        head, body, trailers = await caller.ask("GET", "/version")
        assert (head.status_code, trailers) == (200, []) and body.startswith(b'{"version"')

    with_door(tmp_path, door, test)


@pytest.mark.parametrize("late", [None, NodeDown("It is gone")])
def test_http_1_0_gets_the_list_and_the_end_of_the_connection(tmp_path: Path, late: Exception | None) -> None:
    door = FollowingDoor()
    door.late = late

    async def test(caller: Caller) -> None:
        answer = await caller.raw(b"GET /allocations HTTP/1.0\r\nHost: x\r\n\r\n")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200") and b"chunked" not in head.lower()
        assert body.count(b"\n") == (1 if late else 2) and body.endswith(b"}\n")

    with_door(tmp_path, door, test)


def test_who_hangs_up_ends_an_endless_list(tmp_path: Path) -> None:
    ended = trio.Event()

    class Endless(FollowingDoor):
        async def _for_ever(self) -> AsyncGenerator[Sequence[Any], None]:
            try:
                while True:
                    yield [self.id()]
            finally:
                ended.set()

        def peers(self) -> AsyncGenerator[Sequence[Any], None]:
            return self._for_ever()

    async def test(caller: Caller) -> None:
        await caller.stream.send_all(b"GET /peers HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await caller.stream.receive_some()).startswith(b"HTTP/1.1 200")
        await caller.stream.aclose()
        await ended.wait()

    with_door(tmp_path, Endless(), test)


def test_head_of_a_list_is_refused_and_the_connection_goes_on(tmp_path: Path) -> None:
    async def test(caller: Caller) -> None:
        assert (await caller.ask("HEAD", "/allocations"))[0].status_code == 405
        assert (await caller.ask("GET", "/allocations"))[2] == [(b"x-stream-error", b"")]

    with_door(tmp_path, FollowingDoor(), test)


def test_requests_that_are_sent_at_once_are_answered_one_after_another(tmp_path: Path) -> None:
    async def test(caller: Caller) -> None:
        last = ONE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        answer = await caller.raw(LIST + LIST + last)
        assert answer.count(b"HTTP/1.1 200") == 3 and answer.count(b"x-stream-error: \r\n") == 2

    with_door(tmp_path, FollowingDoor(), test)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /id HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Long: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (b"GET /pins?cids=" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /id HTTP/1.1\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"POST /peers HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_ends(
    tmp_path: Path, request_bytes: bytes, status: int
) -> None:
    async def test(caller: Caller) -> None:
        assert (await caller.raw(request_bytes)).startswith(f"HTTP/1.1 {status}".encode())

    with_door(tmp_path, FollowingDoor(), test)


@pytest.mark.parametrize(("target", "status"), [("/peers", 413), (f"/pins/{CID}", 413), ("/nothing", 404)])
def test_a_large_body_that_nobody_asked_for_keeps_no_answer_from_coming(
    tmp_path: Path, target: str, status: int
) -> None:
    body = bytes(3_000_000)

    async def test(caller: Caller) -> None:
        head = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        answer = await caller.raw(head, body)
        assert answer.startswith(f"HTTP/1.1 {status}".encode())

    with_door(tmp_path, WritingDoor(), test)


def test_a_body_of_more_pieces_than_wait_for_who_reads_none_ends_with_its_answer(tmp_path: Path) -> None:
    """The pieces fill the channel to an application that answers and reads none of them."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await trio.testing.wait_all_tasks_blocked()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"hello", "more_body": False})

    async def main() -> None:
        with trio.fail_after(DEADLINE_S):
            async with trio.open_nursery() as nursery:
                stopping = trio.Event()
                await nursery.start(partial(serve_socket, app, tmp_path / "door", stopping))
                async with await trio.open_unix_socket(str(tmp_path / "door")) as stream:
                    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    answer = await Caller(stream).raw(head + b"1\r\nx\r\n" * 1_000)
                assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"hello")
                stopping.set()

    trio.run(main)


def test_what_trailers_are_sent_are_the_application_s(tmp_path: Path) -> None:
    """Other applications of ours say none, or several."""
    said: Sequence[tuple[bytes, bytes]] = [(b"a", b"1"), (b"b", b"2")]

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        has_trailers = scope["path"] == "/with"
        await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": has_trailers})
        await send({"type": "http.response.body", "body": b"hello", "more_body": False})
        if has_trailers:
            await send({"type": "http.response.trailers", "headers": said})

    async def main() -> None:
        with trio.fail_after(DEADLINE_S):
            async with trio.open_nursery() as nursery:
                stopping = trio.Event()
                await nursery.start(partial(serve_socket, app, tmp_path / "door", stopping))
                async with await trio.open_unix_socket(str(tmp_path / "door")) as stream:
                    caller = Caller(stream)
                    for path, trailers in (("/with", list(said)), ("/without", []), ("/with", list(said))):
                        head, body, found = await caller.ask("GET", path)
                        assert (head.status_code, body, found) == (200, b"hello", trailers)
                    head, body, found = await caller.ask("HEAD", "/with")
                    assert (head.status_code, body, found) == (200, b"", [])
                stopping.set()

    trio.run(main)


def test_who_takes_nothing_of_an_answer_loses_the_connection_where_they_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pincrew.limits.HTTP_SEND_STALL_S", 0.4)

    async def main() -> None:
        ended = trio.Event()

        async def pour(scope: Any, receive: Any, send: Any) -> None:
            """Send without end, until the client is gone."""

            async def listen() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                nursery.cancel_scope.cancel()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(listen)
                await send({"type": "http.response.start", "status": 200, "headers": []})
                while True:
                    await send({"type": "http.response.body", "body": bytes(1_000_000), "more_body": True})
            ended.set()

        async with trio.open_nursery() as nursery:
            url = await nursery.start(
                partial(serve_tcp, pour, "127.0.0.1:0", "--rest", trio.Event(), connections_max=1)
            )
            port = int(url.rstrip("/").rpartition(":")[2])
            with trio.fail_after(DEADLINE_S):
                async with await trio.open_tcp_stream("127.0.0.1", port) as silent:
                    await silent.send_all(ONE)
                    await ended.wait()
                    while not await _is_served(port):  # noqa: ASYNC110 (as soon as the connection is given up, there is room again)
                        await trio.sleep(0.01)
            nursery.cancel_scope.cancel()

    async def _is_served(port: int) -> bool:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            with suppress(trio.BrokenResourceError):
                await stream.send_all(ONE)
                return (await stream.receive_some()).startswith(b"HTTP/1.1 200")
        return False

    trio.run(main)
