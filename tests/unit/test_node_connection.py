"""Connections against the fake node's real server; what the RPC makes of them is in tests/contract/test_node.py."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import trio

from pincrew.errors import NodeDown, NodeRefused
from pincrew.node_address import parse_address
from pincrew.node_connection import Connections

ID = "/api/v0/id?"


def with_server(
    serve: Callable[[trio.SocketStream], Awaitable[None]], test: Callable[[Connections], Awaitable[None]]
) -> None:
    """Run ``test`` against a server that treats every connection as ``serve`` says."""

    async def main() -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, serve, listeners)
            connections = Connections(parse_address(f"http://127.0.0.1:{port}"))
            with trio.fail_after(20):
                await test(connections)
            connections.close()
            nursery.cancel_scope.cancel()

    trio.run(main)


async def read_request(stream: trio.SocketStream) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request:
        received = await stream.receive_some()
        if not received:
            return b""
        request += received
    return request


def saying(*answers: bytes, served: list[int]) -> Callable[[trio.SocketStream], Awaitable[None]]:
    """Serve each request of a connection with the next answer, then hang up. ``served`` gets 1 for each connection."""

    async def serve(stream: trio.SocketStream) -> None:
        served.append(1)
        for answer in answers:
            if await read_request(stream):
                await stream.send_all(answer)
        await stream.aclose()

    return serve


def body(content: bytes, trailer: bytes = b"") -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Stream-Error\r\n\r\n"
    return head + b"%x\r\n%s\r\n0\r\n%s\r\n" % (len(content), content, trailer)


async def ask(connections: Connections, content: AsyncIterator[bytes] | None = None) -> bytes:
    async with connections.post(ID, [], content, silence_s=5.0) as answer:
        return await answer.whole(1_000)


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (body(b"{}", b"X-Stream-Error: no space left\r\n"), "no space left"),
        (body(b"{}", b"x-stream-error: gone\r\nOther: x\r\n"), "gone"),
        (body(b"\r\n0\r\nX-Stream-Error: written in the body\r\n\r\n"), None),
        (body(b"{}", b"Other: X-Stream-Error: y\r\n"), None),
    ],
)
def test_only_a_true_trailer_is_one(answer: bytes, failure: str | None) -> None:
    async def test(connections: Connections) -> None:
        if failure is None:
            assert await ask(connections)
        else:
            with pytest.raises(NodeRefused, match=failure):
                await ask(connections)

    with_server(saying(answer, served=[]), test)


def test_a_connection_serves_again_and_one_that_was_hung_up_is_replaced() -> None:
    served: list[int] = []

    async def test(connections: Connections) -> None:
        for number in range(4):
            assert await ask(connections) == b"x"
            if number % 2:  # its second answer was its last: wait for the goodbye, which arrives on its own
                await trio.lowlevel.wait_readable(connections._idle[-1]._socket)
        assert len(served) == 2

    with_server(saying(body(b"x"), body(b"x"), served=served), test)


def test_an_answer_left_half_read_ends_its_connection() -> None:
    served: list[int] = []

    async def test(connections: Connections) -> None:
        async with connections.post(ID, [], None, silence_s=5.0) as answer:
            assert answer.status == 200
        assert await ask(connections) == b"x"
        assert len(served) == 2
        assert len(connections._idle) == 1 and not connections._busy

    with_server(saying(body(b"x"), body(b"x"), served=served), test)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "peer"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "illegal"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000, "too long"),
    ],
)
def test_what_is_no_answer_is_a_node_down(answer: bytes, reason: str) -> None:
    async def test(connections: Connections) -> None:
        with pytest.raises(NodeDown, match=reason):
            await ask(connections)
        assert not connections._idle

    with_server(saying(answer, served=[]), test)


def test_silence_has_an_end() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async def test(connections: Connections) -> None:
        with pytest.raises(NodeDown, match="no byte for"):
            async with connections.post(ID, [], None, silence_s=0.05):
                pass

    with_server(serve, test)


def test_a_node_that_refuses_an_upload_halfway_has_said_why() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        await stream.send_eof()
        while await stream.receive_some():
            pass

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 10_000

    async def test(connections: Connections) -> None:
        async with connections.post(ID, [], endless(), silence_s=5.0) as answer:
            assert answer.status == 403
            assert "access denied (403) no" in (await answer.refusal()).what

    with_server(serve, test)


def test_closing_ends_what_is_under_way() -> None:
    asked = trio.Event()

    async def serve(stream: trio.SocketStream) -> None:
        await read_request(stream)
        asked.set()
        await trio.sleep_forever()

    async def test(connections: Connections) -> None:
        async def give_up() -> None:
            await asked.wait()
            connections.close()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(give_up)
            with pytest.raises(NodeDown, match="hung up"):
                await ask(connections)

    with_server(serve, test)
