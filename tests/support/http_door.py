"""An ASGI application of ours as it is served in earnest: hypercorn, a unix socket, and a client at the other end."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import trio

from pincrew.doors import serve_socket
from pincrew.node.gateway import build_gateway
from pincrew.node.rpc import build_rpc
from support.memory_node import MemoryNode

BOUNDARY = "0123456789abcdef"
MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@contextlib.asynccontextmanager
async def served(app: Any, path: Path, host: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
    """Serve ``app`` on the socket ``path``; yields a client of it."""
    stopping = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve_socket, app, path, stopping))
        transport = httpx.AsyncHTTPTransport(uds=str(path))
        headers = {"User-Agent": "test"}
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}", headers=headers) as client:
            yield client
        stopping.set()
        nursery.cancel_scope.cancel()


def files(*parts: tuple[str, str, bytes]) -> bytes:
    """Return a multipart body of (file name as it stands there, content type, content)."""
    out = b""
    for name, kind, content in parts:
        out += (
            (
                f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
                f"Content-Type: {kind}\r\n\r\n"
            ).encode()
            + content
            + b"\r\n"
        )
    return out + f"--{BOUNDARY}--\r\n".encode()


class Rpc:
    """The RPC of a node in memory, and what a test asks of it."""

    def __init__(self, node: MemoryNode, client: httpx.AsyncClient) -> None:
        self.node = node
        self.client = client

    async def post(self, command: str, body: bytes = b"") -> httpx.Response:
        headers = MULTIPART if body else {}
        return await self.client.post(f"/api/v0/{command}", content=body, headers=headers, timeout=20)

    async def lines(self, command: str, body: bytes = b"") -> list[dict[str, Any]]:
        """Return the objects of an answer that is no failure."""
        answer = await self.post(command, body)
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    async def one(self, command: str, body: bytes = b"") -> dict[str, Any]:
        [line] = await self.lines(command, body)
        return line

    async def refusal(self, command: str, body: bytes = b"") -> str:
        """Return the sentence with which a command is refused."""
        answer = await self.post(command, body)
        assert answer.status_code == 500, answer.text
        said = answer.json()
        assert (said["Code"], said["Type"]) == (0, "error")
        return str(said["Message"])

    async def add(self, *parts: tuple[str, str, bytes]) -> str:
        """Add files with CIDv1 and no pin; return the last CID."""
        return str((await self.lines("add?cid-version=1&pin=false", files(*parts)))[-1]["Hash"])


def with_rpc(test: Callable[[Rpc], Awaitable[None]]) -> None:
    """Run a test against the RPC."""

    async def main() -> None:
        node = MemoryNode()
        with tempfile.TemporaryDirectory() as folder:
            async with served(build_rpc(node), Path(folder) / "s") as client:
                await test(Rpc(node, client))

    trio.run(main)


def with_gateway(test: Callable[[Rpc, httpx.AsyncClient], Awaitable[None]]) -> None:
    """Run a test against the gateway, with the RPC of the same node."""

    async def main() -> None:
        node = MemoryNode()
        with tempfile.TemporaryDirectory() as folder:
            async with (
                served(build_rpc(node), Path(folder) / "s") as rpc,
                served(build_gateway(node), Path(folder) / "g") as gateway,
            ):
                await test(Rpc(node, rpc), gateway)

    trio.run(main)
