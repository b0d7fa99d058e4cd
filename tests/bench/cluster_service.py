"""An ``ipfs-cluster-service`` of the benchmark: its own folder, ports of its own, ended by its process id.

Its IPFS node is a stand-in that answers and never finishes a pin, which is the least work a node can be to it.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import trio

from pincrew.addresses import free_port
from pincrew.api.shapes import PinRequest

_START_TIMEOUT_S = 60.0
_CONNECTIONS = 16
_SECRET = "01" * 32
_NODE_ID = "12D3KooWGRUTB7hXeHFMdkyGmy1kVrQjxhcwxhkuTCfYyQQLaxj9"


class _SilentNode(BaseHTTPRequestHandler):
    """Kubo's RPC as far as ipfs-cluster asks at rest; ``pin/add`` is never done."""

    protocol_version = "HTTP/1.1"
    ended = threading.Event()

    def do_POST(self) -> None:
        command = self.path.removeprefix("/api/v0/").split("?")[0]
        if command == "pin/add":
            self.ended.wait()
        answers: dict[str, object] = {
            "id": {"ID": _NODE_ID, "Addresses": []},
            "version": {"Version": "0.43.1"},
            "pin/ls": {"Keys": {}},
            "repo/stat": {"RepoSize": 0, "StorageMax": 10**12},
            "swarm/peers": {"Peers": []},
        }
        is_pinned_asked = command == "pin/ls" and "arg=" in self.path
        if is_pinned_asked:
            answers[command] = {"Message": "path is not pinned", "Code": 0, "Type": "error"}
        is_empty_list = command == "pin/ls" and "stream=true" in self.path and not is_pinned_asked
        body = b"" if is_empty_list else json.dumps(answers.get(command, {})).encode()
        self.send_response(500 if is_pinned_asked else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: a peer that ends hangs up on pins under way."""


@contextlib.contextmanager
def silent_node() -> Iterator[int]:
    """Run the stand-in; yield its port."""
    server = _Server(("127.0.0.1", 0), _SilentNode)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        _SilentNode.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


class ClusterService:
    """One peer in CRDT mode on pebble. ``batch``: operations per delta, 0 for a delta each."""

    def __init__(self, program: Path, folder: Path, *, node_port: int, batch: int) -> None:
        self._program = program
        self._folder = folder
        self.api_port, self.p2p_port = free_port(), free_port()
        tcp = "/ip4/127.0.0.1/tcp/"
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "CLUSTER_SECRET": _SECRET,
            "CLUSTER_LISTENMULTIADDRESS": f"{tcp}{self.p2p_port}",
            "CLUSTER_MDNSINTERVAL": "0s",
            "CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS": f"{tcp}{self.api_port}",
            "CLUSTER_IPFSPROXY_LISTENMULTIADDRESS": f"{tcp}{free_port()}",
            "CLUSTER_IPFSPROXY_NODEMULTIADDRESS": f"{tcp}{node_port}",
            "CLUSTER_PINSVCAPI_HTTPLISTENMULTIADDRESS": f"{tcp}{free_port()}",
            "CLUSTER_IPFSHTTP_NODEMULTIADDRESS": f"{tcp}{node_port}",
            "CLUSTER_IPFSHTTP_PINTIMEOUT": "24h",
            "CLUSTER_CRDT_TRUSTEDPEERS": "*",
            # Until then a newcomer knows of nothing; the default is a minute.
            "CLUSTER_CRDT_REBROADCASTINTERVAL": "10s",
        }
        if batch:
            self._environment |= {
                "CLUSTER_CRDT_BATCHING_MAXBATCHSIZE": str(batch),
                "CLUSTER_CRDT_BATCHING_MAXBATCHAGE": "1s",
                "CLUSTER_CRDT_BATCHING_MAXQUEUESIZE": "1000000",
            }
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self._run("init", "--consensus", "crdt", "--datastore", "pebble")

    def _command(self, *arguments: str) -> list[str]:
        return [str(self._program), "--config", str(self._folder / "config"), *arguments]

    def _run(self, *arguments: str) -> None:
        subprocess.run(self._command(*arguments), env=self._environment, check=True, capture_output=True)

    def start(self, *bootstrap: str) -> float:
        """Start it; return the seconds until its API answered."""
        begun = time.monotonic()
        options = ["--bootstrap", ",".join(bootstrap)] if bootstrap else []
        with (self._folder / "service.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command("--loglevel", "error", "daemon", *options), env=self._environment, stdout=log, stderr=log
            )
        while True:
            try:
                self._get("/id")
                return time.monotonic() - begun
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() - begun > _START_TIMEOUT_S:
                    log_end = (self._folder / "service.log").read_text(errors="replace")[-2_000:]
                    raise RuntimeError(f"ipfs-cluster-service does not answer: {log_end}") from error
                time.sleep(0.005)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _get(self, path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.api_port, timeout=120)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    @property
    def address(self) -> str:
        """Where other peers dial it."""
        return f"/ip4/127.0.0.1/tcp/{self.p2p_port}/p2p/{json.loads(self._get('/id'))['id']}"

    def total(self) -> int:
        """How many pins its list has: it is listed, for there is no count."""
        return self._get("/allocations").count(b"\n")

    def write_pins(self, pins: Iterable[PinRequest], timeout_s: float) -> int:
        """Add pins, some at once, for as long as there is time; return how many were accepted."""
        return trio.run(post, self.api_port, iter(pins), _CONNECTIONS, timeout_s)

    @property
    def rss_mb(self) -> float:
        """Resident memory now, in MB."""
        assert self._process is not None
        text = Path(f"/proc/{self._process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS")) / 1024

    @property
    def disk_mb(self) -> float:
        """What its folder takes, in MB."""
        files = (self._folder / "config").rglob("*")
        return sum(path.stat().st_size for path in files if path.is_file()) / 1e6


async def post(port: int, pins: Iterator[PinRequest], clients: int, timeout_s: float) -> int:
    """Add pins by requests of one each, from several clients, while there is time; return how many were accepted."""
    accepted = [0] * clients

    async def write_some(at: int) -> None:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            for pin in pins:
                await stream.send_all(_request(pin))
                await _answer(stream)
                accepted[at] += 1

    with trio.move_on_after(timeout_s):
        async with trio.open_nursery() as nursery:
            for at in range(clients):
                nursery.start_soon(write_some, at)
    return sum(accepted)


def _request(pin: PinRequest) -> bytes:
    metadata = "".join(f"&meta-{key}={quote(value)}" for key, value in (pin.metadata or {}).items())
    query = f"name={quote(pin.name or '')}{metadata}"
    return f"POST /pins/{pin.cid}?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n".encode()


async def _answer(stream: trio.SocketStream) -> None:
    """Read one answer to its end. Raises RuntimeError if the pin was refused."""
    data = b""
    while b"\r\n\r\n" not in data:
        some = await stream.receive_some()
        if not some:
            raise RuntimeError(f"the connection ended: {data!r}")
        data += some
    head, _, body = data.partition(b"\r\n\r\n")
    (size,) = (int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-length:"))
    while len(body) < size:
        body += await stream.receive_some()
    if b" 200 " not in head.splitlines()[0]:
        raise RuntimeError(f"{head!r} {body!r}")
