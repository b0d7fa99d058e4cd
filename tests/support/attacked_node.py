"""An embedded node under attack: in this process, to look into it, or in one of its own, to measure its memory."""

from __future__ import annotations

import hashlib
import os
import select
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from random import Random

import httpx
import trio

from pincrew.keys import SigningKey
from pincrew.node.multihash import cid_from
from pincrew.node.node import EmbeddedNode
from pincrew.node.store import BlockStore
from pincrew.settings import NodeSettings

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 30.0
_RUN = """
import os, sys
from pathlib import Path
from pincrew.node.process import run_node
from pincrew.paths import Home
run_node(Home(Path(sys.argv[1])), os.environ, log_level="info", rpc="127.0.0.1:0")
"""


@asynccontextmanager
async def running_node(
    folder: Path, number: int = 1, *, storage_limit: int | None = None, connections: int = 64
) -> AsyncIterator[EmbeddedNode]:
    """A node over the store in ``folder``, listening on loopback; ended with the block."""
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240 (once, for a test)
    path = folder / "blocks.db"
    settings = NodeSettings(listen=(LOOPBACK,), storage_limit=storage_limit, connections=connections)
    store = BlockStore(path, limit_bytes=storage_limit)
    try:
        node = EmbeddedNode(store, path, SigningKey.from_seed(Random(number).randbytes(32)), settings)
        async with trio.open_nursery() as nursery:
            await nursery.start(node.run)
            yield node
            nursery.cancel_scope.cancel()
    finally:
        store.close()


def raw_block(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the CID, the multihash and the data of a raw block."""
    multihash = b"\x12\x20" + hashlib.sha256(data).digest()
    return cid_from(0x55, multihash), multihash, data


async def hold(node: EmbeddedNode, *datas: bytes) -> list[bytes]:
    """Put raw blocks into a node's store; return their CIDs."""
    blocks = [raw_block(data) for data in datas]
    with node.lease() as lease:
        for _, multihash, data in blocks:
            await node.put_many([(multihash, data)], lease=lease)
    return [cid for cid, _, _ in blocks]


class NodeProcess:
    """A node in a process of its own, which answers its RPC on a TCP address."""

    def __init__(self, home: Path, process: subprocess.Popen[str], url: str, gateway: str) -> None:
        self.home = home
        self.process = process
        self.url = url
        self.gateway = gateway

    @property
    def blocks(self) -> Path:
        return self.home / "node" / "blocks.db"

    @property
    def log(self) -> str:
        return (self.home / "log").read_text(errors="replace")

    @property
    def address(self) -> str:
        """Where it listens, with its peer id."""
        answer = self.ask("id").json()
        return str(next(each for each in answer["Addresses"] if each.startswith("/ip4/127.0.0.1/")))

    @property
    def peak_bytes(self) -> int:
        """The most memory that it ever had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024

    def ask(
        self, command: str, *, timeout_s: float = 60.0, data: bytes | None = None, **options: str
    ) -> httpx.Response:
        """Call a command of its RPC, with ``data`` as a file."""
        files = None if data is None else {"file": ("file", data)}
        return httpx.post(f"{self.url}/api/v0/{command}", params=options, files=files, timeout=timeout_s)


@contextmanager
def node_process(home: Path, settings: str = "", within: tuple[str, ...] = ()) -> Iterator[NodeProcess]:
    """A node of ``home``; ended with the block. ``within`` is a command that enters another place to run it in."""
    seen = home if not within else Path(f"/proc/{within[2]}/root{home}")
    (seen / "node").mkdir(parents=True, exist_ok=True, mode=0o700)
    settings_file = seen / "node" / "node.toml"
    if not settings_file.exists():
        settings_file.write_text(f'listen = ["{LOOPBACK}"]\n{settings}')
    with (seen / "log").open("a") as log:
        process = subprocess.Popen(
            [*within, sys.executable, "-P", "-c", _RUN, str(home)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONWARNINGS": "default"},
        )
    try:
        assert process.stdout is not None
        ready = select.select([process.stdout], [], [], START_TIMEOUT_S)[0] and process.stdout.readline()
        assert ready and ready.startswith("ready"), (seen / "log").read_text()
        told = dict(word.split("=", 1) for word in ready.split()[2:])
        yield NodeProcess(seen, process, told["tcp"].rstrip("/"), told["gateway"].rstrip("/"))
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()
