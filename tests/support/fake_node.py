"""A fake Kubo: a real HTTP server that speaks the RPC and does what a test tells it.

``FakeKubo`` holds blocks, pins and the orders; ``served`` puts it on a TCP port or a socket file. Answers have Kubo's
shape, trailers included, so both the client and the pinner meet on the wire what they would meet.
"""

from __future__ import annotations

import json
import re
import threading
import urllib.parse
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import h11
import trio

from pincrew.cid import cid_text, parse_cid


@dataclass
class Orders:
    """What to do about one CID when it is to be pinned."""

    blocks: int = 1
    bytes: int = 1_000
    stall_after: int | None = None  # blocks; then nothing more
    error_after: int | None = None  # blocks; then the trailer
    refuse: str | None = None  # at once, as HTTP 500
    end_early: bool = False  # an answer without its last line
    gate: trio.Event | None = None  # before the last block
    block_delay_s: float = 0.0
    senders: tuple[str, ...] | None = None  # said with each block, as pincrew's own node does


@dataclass
class FakeKubo:
    """The node's state. ``requests`` records (command, arguments) as they came."""

    peer_id: str = "12D3KooWFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFake"
    agent: str = "kubo/0.43.1"
    authorization: str | None = None
    pins: dict[bytes, tuple[str, str]] = field(default_factory=dict)  # cid -> (mode, name)
    blocks: dict[bytes, bytes] = field(default_factory=dict)
    orders: dict[bytes, Orders] = field(default_factory=dict)
    silent: bool = False  # accepts connections and never answers
    counts_bytes: bool = True
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    connected: list[str] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)  # where they lead, beside those of single blocks
    sent: int = 0
    unpin_gate: trio.Event | None = None
    pinning: int = 0
    pinning_max: int = 0
    port: int | None = None
    changed: trio.Event = field(default_factory=trio.Event)

    def _note(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return once something that the node was asked makes ``condition`` true."""
        with trio.fail_after(10):
            while not condition():
                await self.changed.wait()

    def asked(self, command: str) -> int:
        """Return how often a command came."""
        return sum(one == command for one, _ in self.requests)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def served(self, socket_path: Path | None = None) -> AsyncIterator[FakeKubo]:
        """Listen until the block ends; a second time, at the port of the first."""
        if socket_path is None:
            listeners = await trio.open_tcp_listeners(self.port or 0, host="127.0.0.1")
            self.port = listeners[0].socket.getsockname()[1]
        else:
            socket = trio.socket.socket(trio.socket.AF_UNIX)
            await socket.bind(str(socket_path))
            socket.listen()
            listeners = [trio.SocketListener(socket)]
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, self._serve, listeners)
            try:
                yield self
            finally:
                nursery.cancel_scope.cancel()

    async def _serve(self, stream: trio.abc.Stream) -> None:
        exchange = _Exchange(stream)
        try:
            async with stream:
                while await exchange.receive():
                    if self.silent:
                        await trio.sleep_forever()
                    await self._answer(exchange)
                    if not exchange.next():
                        return
        except (trio.BrokenResourceError, h11.ProtocolError):
            return

    async def _answer(self, exchange: _Exchange) -> None:
        path, _, query = exchange.target.partition("?")
        command = path.removeprefix("/api/v0/")
        arguments = dict(urllib.parse.parse_qsl(query))
        self.requests.append((command, arguments))
        self._note()
        if self.authorization and exchange.authorization != self.authorization:
            await exchange.send(403, b"Kubo RPC Access Denied: Please provide a valid authorization token")
            return
        handler = getattr(self, "_" + command.replace("/", "_").replace("-", "_"), None)
        if not path.startswith("/api/v0/") or handler is None:
            await exchange.send(404, b"404 page not found\n")
            return
        await handler(exchange, arguments)
        self._note()

    async def _id(self, exchange: _Exchange, _arguments: dict[str, str]) -> None:
        address = f"/ip4/127.0.0.1/tcp/4001/p2p/{self.peer_id}"
        await exchange.lines([{"ID": self.peer_id, "Addresses": [address], "AgentVersion": self.agent}])

    async def _pin_ls(self, exchange: _Exchange, arguments: dict[str, str]) -> None:
        mode = arguments["type"]
        chosen = {parse_cid(arguments["arg"])} if "arg" in arguments else set(self.pins)
        found = [
            {"Cid": cid_text(cid), "Type": mode, **({"Name": name} if name and arguments["names"] == "true" else {})}
            for cid, (held, name) in self.pins.items()
            if cid in chosen and held == mode
        ]
        if "arg" in arguments and not found:
            await exchange.error(f"path '{arguments['arg']}' is not pinned")
        else:
            await exchange.lines(found)

    async def _pin_rm(self, exchange: _Exchange, arguments: dict[str, str]) -> None:
        if self.unpin_gate is not None:
            await self.unpin_gate.wait()
        if self.pins.pop(parse_cid(arguments["arg"]), None) is None:
            await exchange.error("not pinned or pinned indirectly")
        else:
            await exchange.lines([{"Pins": [arguments["arg"]]}])

    async def _pin_add(self, exchange: _Exchange, arguments: dict[str, str]) -> None:
        cid = parse_cid(arguments["arg"])
        orders = self.orders.get(cid, Orders())
        mode = "recursive" if arguments["recursive"] == "true" else "direct"
        if orders.refuse:
            await exchange.error(orders.refuse)
            return
        if mode == "direct" and self.pins.get(cid, ("",))[0] == "recursive":
            await exchange.error(f"pin: {arguments['arg']} already pinned recursively")
            return
        self.pinning += 1
        self.pinning_max = max(self.pinning_max, self.pinning)
        try:
            await self._fetch(exchange, arguments, cid, orders, mode)
        finally:
            self.pinning -= 1
            self._note()

    async def _fetch(
        self, exchange: _Exchange, arguments: dict[str, str], cid: bytes, orders: Orders, mode: str
    ) -> None:
        await exchange.begin(200)
        await exchange.line({})
        for block in range(1, orders.blocks + 1):
            if orders.stall_after is not None and block > orders.stall_after:
                await exchange.until_gone()
                return
            if orders.error_after is not None and block > orders.error_after:
                await exchange.end("write /blocks/x: no space left on device")
                return
            await trio.sleep(orders.block_delay_s)
            is_last = block == orders.blocks
            if is_last and orders.gate is not None and not await exchange.waits_for(orders.gate):
                return
            progress: dict[str, object] = {"Progress": block}
            if orders.senders is not None:
                progress["Peers"] = orders.senders
            if self.counts_bytes:
                progress["Bytes"] = orders.bytes * block // orders.blocks
            await exchange.line(progress)
            self._note()
        if not orders.end_early:
            self.pins[cid] = (mode, arguments.get("name", ""))
            await exchange.line({"Pins": [arguments["arg"]]})
        await exchange.end()

    async def _swarm_connect(self, exchange: _Exchange, arguments: dict[str, str]) -> None:
        self.connected.append(arguments["arg"])
        await exchange.lines([{"Strings": ["connect success"]}])

    async def _swarm_peers(self, exchange: _Exchange, _arguments: dict[str, str]) -> None:
        await exchange.lines([{"Peers": [{"Peer": one.rpartition("/")[2]} for one in self.connected] or None}])

    async def _repo_stat(self, exchange: _Exchange, _arguments: dict[str, str]) -> None:
        size = sum(map(len, self.blocks.values()))
        await exchange.lines([{"RepoSize": size, "StorageMax": 10**10, "NumObjects": len(self.blocks)}])

    async def _repo_gc(self, exchange: _Exchange, _arguments: dict[str, str]) -> None:
        gone = [cid for cid in self.blocks if cid not in self.pins]
        for cid in gone:
            del self.blocks[cid]
        await exchange.lines([{"Key": {"/": cid_text(cid)}} for cid in gone])

    async def _resolve(self, exchange: _Exchange, arguments: dict[str, str]) -> None:
        path = arguments["arg"]
        root, _, below = path.removeprefix("/ipfs/").partition("/")
        if path in self.paths:
            await exchange.lines([{"Path": self.paths[path]}])
        elif below or not path.startswith("/ipfs/"):
            await exchange.error(f'no link named "{below}" under {root}')
        else:
            await exchange.lines([{"Path": f"/ipfs/{root}"}])

    async def _stats_bw(self, exchange: _Exchange, _arguments: dict[str, str]) -> None:
        await exchange.lines([{"TotalIn": 7_000, "TotalOut": self.sent, "RateIn": 0.0, "RateOut": 0.0}])

    async def _block_get(self, exchange: _Exchange, arguments: dict[str, str]) -> None:
        cid = parse_cid(arguments["arg"])
        block = self.blocks.get(cid, b"block" if cid in self.pins else None)
        if block is None:
            await exchange.until_gone()
        else:
            await exchange.send(200, block)

    async def _cat(self, exchange: _Exchange, arguments: dict[str, str]) -> None:
        await self._block_get(exchange, arguments)

    async def _add(self, exchange: _Exchange, _arguments: dict[str, str]) -> None:
        """Files of one raw block each."""
        import hashlib

        boundary = re.search(rb"--[0-9a-f]{32}", exchange.body)
        assert boundary is not None
        lines = []
        for part in exchange.body.split(boundary[0])[1:-1]:
            head, _, content = part.partition(b"\r\n\r\n")
            content = content[:-2]
            cid = bytes.fromhex("01551220") + hashlib.sha256(content).digest()
            self.blocks[cid] = content
            name = re.search(rb'filename="([^"]*)"', head)
            assert name is not None
            text = urllib.parse.unquote(name[1].decode())
            lines.append({"Name": text, "Hash": cid_text(cid), "Size": str(len(content))})
        await exchange.lines(lines)


@contextmanager
def fake_kubo_in_thread(peer_id: str) -> Iterator[FakeKubo]:
    """Serve a node for processes, beside a test that runs in no loop."""
    kubo, started, ended = FakeKubo(peer_id=peer_id), threading.Event(), trio.Event()
    tokens: list[trio.lowlevel.TrioToken] = []

    async def main() -> None:
        async with kubo.served():
            tokens.append(trio.lowlevel.current_trio_token())
            started.set()
            await ended.wait()

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    try:
        assert started.wait(10)
        yield kubo
    finally:
        tokens[0].run_sync_soon(ended.set)
        thread.join()


class _Exchange:
    """One connection's requests, one after another, and the answers as Kubo writes them."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._connection = h11.Connection(h11.SERVER)
        self.target = ""
        self.authorization: str | None = None
        self.body = b""

    async def receive(self) -> bool:
        self.body = b""
        while True:
            event = self._connection.next_event()
            if event is h11.NEED_DATA:
                self._connection.receive_data(await self._stream.receive_some())
            elif isinstance(event, h11.Request):
                self.target = event.target.decode()
                assert event.method == b"POST"
                headers = dict(event.headers)
                self.authorization = headers[b"authorization"].decode() if b"authorization" in headers else None
            elif isinstance(event, h11.Data):
                self.body += bytes(event.data)
            else:
                return isinstance(event, h11.EndOfMessage)

    def next(self) -> bool:
        if self._connection.our_state is not h11.DONE or self._connection.their_state is not h11.DONE:
            return False
        self._connection.start_next_cycle()
        return True

    async def until_gone(self) -> None:
        """Wait for the client to hang up, in order or in the middle of what it was told."""
        with suppress(trio.BrokenResourceError):
            while await self._stream.receive_some():
                pass

    async def waits_for(self, gate: trio.Event) -> bool:
        """Wait for the gate; False if the client hung up before."""
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                await self.until_gone()
                nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            await gate.wait()
            nursery.cancel_scope.cancel()
        return gate.is_set()

    async def begin(self, status: int) -> None:
        headers = [
            ("Content-Type", "application/json"),
            ("Trailer", "X-Stream-Error"),
            ("Transfer-Encoding", "chunked"),
        ]
        await self._send(h11.Response(status_code=status, headers=headers))

    async def line(self, value: dict[str, object]) -> None:
        await self._send(h11.Data(data=json.dumps(value).encode() + b"\n"))

    async def end(self, error: str | None = None) -> None:
        await self._send(h11.EndOfMessage(headers=[("X-Stream-Error", error)] if error else []))

    async def lines(self, values: list[dict[str, object]]) -> None:
        await self.begin(200)
        for value in values:
            await self.line(value)
        await self.end()

    async def error(self, message: str) -> None:
        await self.send(500, json.dumps({"Message": message, "Code": 0, "Type": "error"}).encode())

    async def send(self, status: int, body: bytes) -> None:
        await self.begin(status)
        if body:
            await self._send(h11.Data(data=body))
        await self.end()

    async def _send(self, event: h11.Event) -> None:
        data = self._connection.send(event)
        if data:
            await self._stream.send_all(data)
