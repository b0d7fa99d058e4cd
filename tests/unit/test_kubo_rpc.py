"""What needs no node; the RPC itself is in tests/contract/test_node.py."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import pytest
import trio

from pincrew.errors import NodeDown
from pincrew.kubo_rpc import KuboRpc, _has_names
from pincrew.node_address import parse_address

SILENCE_S = 0.05


@pytest.mark.parametrize(
    ("agent", "names"),
    [
        ("kubo/0.43.1", True),
        ("kubo/0.27.0/abc", True),
        ("kubo/0.26.9", False),
        ("go-ipfs/0.12", False),
        ("pincrew-node/1", True),
        ("kubo/1.0", True),
    ],
)
def test_which_nodes_keep_names(agent: str, names: bool) -> None:
    assert _has_names(agent) is names


def with_node(
    serve: Callable[[trio.SocketStream], Awaitable[None]], test: Callable[[KuboRpc], Awaitable[None]]
) -> None:
    """Run ``test`` with the RPC of a node that treats every connection as ``serve`` says."""

    async def main() -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        address = parse_address(f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}")
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                await nursery.start(trio.serve_listeners, serve, listeners)
                async with KuboRpc(address, silence_timeout_s=SILENCE_S) as node:
                    await test(node)
                nursery.cancel_scope.cancel()

    trio.run(main)


def test_a_node_that_takes_no_blocks_is_given_up() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async def endless() -> AsyncGenerator[bytes, None]:
        while True:
            yield bytes(1 << 20)

    async def test(node: KuboRpc) -> None:
        async with aclosing(endless()) as pieces:
            with pytest.raises(NodeDown, match="it took no byte"):
                await node.import_car(pieces)

    with_node(serve, test)


def test_a_node_may_look_for_garbage_in_silence() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await trio.sleep(3 * SILENCE_S)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async def test(node: KuboRpc) -> None:
        async with aclosing(node.collect()) as collected:
            assert [one async for one in collected] == []

    with_node(serve, test)
