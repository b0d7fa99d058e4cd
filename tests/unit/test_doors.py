"""The HTTP doors: they open, and they close whoever is in between."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from pincrew.doors import serve_socket, serve_tcp

DEADLINE_S = 20.0


async def endless(_scope: Any, _receive: Any, send: Any) -> None:
    """Answer for as long as anybody takes it."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})


async def hello(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello", "more_body": False})


@pytest.mark.slow
def test_a_client_that_stops_reading_does_not_keep_a_door_open(tmp_path: Path) -> None:
    async def main() -> None:
        stopping = trio.Event()
        with trio.fail_after(DEADLINE_S):
            async with trio.open_nursery() as nursery:
                await nursery.start(partial(serve_socket, endless, tmp_path / "door", stopping))
                async with await trio.open_unix_socket(str(tmp_path / "door")) as client:
                    await client.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                    assert await client.receive_some(100)  # it has begun; from here on nobody reads
                    stopping.set()
                    while (tmp_path / "door").exists():  # noqa: ASYNC110 (a file tells nobody that it is gone)
                        await trio.sleep(0.01)

    trio.run(main)


def test_a_tcp_door_says_where_it_is() -> None:
    async def main() -> None:
        stopping = trio.Event()
        with trio.fail_after(DEADLINE_S):
            async with trio.open_nursery() as nursery:
                url = await nursery.start(partial(serve_tcp, hello, "127.0.0.1:0", "nobody", stopping))
                host, _, port = url.removeprefix("http://").partition(":")
                async with await trio.open_tcp_stream(host, int(port)) as client:
                    await client.send_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    answer = b"".join([piece async for piece in client])
                assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"hello\r\n0\r\n\r\n")
                stopping.set()

    trio.run(main)
