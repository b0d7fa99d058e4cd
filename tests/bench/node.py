"""The embedded node beside Kubo: throughput both ways, small blocks, adding, memory, and what resting costs.

Real processes on loopback. Kubo does not flush its files (flatfs ``sync`` off), so that both are measured at what they
do and not at what the disk does. Every row stands beside Kubo to Kubo, measured in the same round with content of the
same shape; the middle of ROUNDS is told.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from pincrew.kubo_process import KuboProcess, find_kubo
from pincrew.limits import CHUNK_BYTES_MAX

Note = Callable[[str, float, str, str, bool, str], None]

ROUNDS = 3
_MB = 1_000_000
_LARGE_BYTES = 100 * 1024 * 1024
_GIB = 1024**3
_SMALL_BLOCK_BYTES = 256
_SMALL_BLOCKS = 10_000
_MANY_BLOCKS = 200_000
_PIECE_BYTES = 1024 * 1024
_LARGE_CHUNK_SOURCES = 4
_IDLE_S = 30.0
_TIMEOUT_S = 900.0
_START_TIMEOUT_S = 30.0
_RSS_MB_MAX = 150.0


class Node:
    """What both kinds of node are to the benchmark: a process and the RPC that they share."""

    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self.pid = pid

    def ask(self, call: str, body: Iterator[bytes] | None = None, **headers: str) -> list[dict[str, Any]]:
        """Make a call; return the lines of its answer."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=_TIMEOUT_S)
        try:
            connection.request("POST", f"/api/v0/{call}", body, headers, encode_chunked=body is not None)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{call}: {text.decode(errors='replace')}")
        lines = [json.loads(line) for line in text.splitlines() if line.strip()]
        if lines and lines[-1].get("Type") == "error":
            raise RuntimeError(f"{call}: {lines[-1]}")
        return lines

    def add(self, size: int, chunk_bytes: int) -> tuple[str, float]:
        """Add ``size`` random bytes; return the CID, and the seconds that it took."""
        return self.add_form(_multipart(size), chunk_bytes)

    def add_form(self, form: Iterator[bytes], chunk_bytes: int) -> tuple[str, float]:
        """Add the file of a form; return the CID, and the seconds that it took."""
        query = urlencode({"cid-version": 1, "chunker": f"size-{chunk_bytes}", "pin": "true"})
        headers = {"Content-Type": "multipart/form-data; boundary=bench", "Transfer-Encoding": "chunked"}
        begun = time.monotonic()
        lines = self.ask(f"add?{query}", form, **headers)
        return str(lines[-1]["Hash"]), time.monotonic() - begun

    def pin(self, cid: str) -> float:
        """Pin a CID; return the seconds that it took."""
        begun = time.monotonic()
        lines = self.ask(f"pin/add?{urlencode({'arg': cid, 'progress': 'true'})}")
        assert lines[-1].get("Pins") == [cid], lines
        return time.monotonic() - begun

    def connect(self, other: Node) -> None:
        """Connect to another node over TCP."""
        addresses = [a for a in other.ask("id")[0]["Addresses"] if a.startswith("/ip4/127.0.0.1/tcp/")]
        self.ask(f"swarm/connect?{urlencode({'arg': addresses[0]})}")

    @property
    def cpu_s(self) -> float:
        """CPU that the process has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def rss_mb(self) -> float:
        """Resident memory now, in MB."""
        return self._status("VmRSS")

    @property
    def peak_mb(self) -> float:
        """Highest resident memory so far, in MB."""
        return self._status("VmHWM")

    def _status(self, name: str) -> float:
        text = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(name)) * 1024 / _MB


class Kubo(Node):
    """A Kubo whose files are not flushed."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._process = KuboProcess(program, folder)
        self._process.start()
        # The first start makes the repository; how it flushes can be said only after that.
        self._process.stop()
        path = folder / "config"
        config = json.loads(path.read_text())
        for mount in config["Datastore"]["Spec"]["mounts"]:
            child = mount.get("child", mount)
            if child["type"] == "flatfs":
                child["sync"] = False
        path.write_text(json.dumps(config))
        self._process.start()
        assert self._process.process is not None
        super().__init__(self._process.url, self._process.process.pid)

    def stop(self) -> None:
        """End it."""
        self._process.stop()


class Embedded(Node):
    """Our node. ``profile``: a file for the figures of cProfile."""

    def __init__(self, home: Path, profile: Path | None = None) -> None:
        (home / "node").mkdir(parents=True)
        (home / "node" / "node.toml").write_text(
            'listen = ["/ip4/127.0.0.1/tcp/0"]\nrouters = []\nbootstrap = []\ngateways = []\ngateway_listen = ""\n'
        )
        keep = ("PATH", "HOME", "LANG", "TMPDIR")
        environment = {key: os.environ[key] for key in keep if key in os.environ} | {"PINCREW_HOME": str(home)}
        if profile is not None:
            environment["PINCREW_BENCH_PROFILE"] = str(profile)
        with (home / "node.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.node_process"],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        ready = self._process.stdout.readline().decode()
        if not ready.startswith("ready"):
            raise RuntimeError((home / "node.log").read_text())
        url = next(word for word in ready.split() if word.startswith("tcp=")).removeprefix("tcp=")
        super().__init__(url, self._process.pid)

    def stop(self) -> None:
        """End it."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_START_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def measure(folder: Path, _: int, note: Note) -> None:
    """Run it all; without Kubo there is nothing to stand beside."""
    program = find_kubo(os.environ)
    if program is None:
        print("skipped: no Kubo: run packaging/dev/get-kubo.sh", flush=True)
        return
    with ExitStack() as stack:
        kubos = [Kubo(program, folder / f"kubo{number}") for number in range(2)]
        nodes = [Embedded(folder / f"node{number}") for number in range(2)]
        for each in (*kubos, *nodes):
            stack.callback(each.stop)
        _transfers(kubos, nodes, note)
        _resting(nodes[0], note)
        _adding(kubos[0], folder, note)
    _many_small(folder, note)
    _large_chunks(folder, note)


def _transfers(kubos: list[Kubo], nodes: list[Embedded], note: Note) -> None:
    source, target = kubos
    first, second = nodes
    for node, other in ((source, target), (source, first), (first, second)):
        node.connect(other)
    ways: dict[str, tuple[Node, Node]] = {
        "Kubo to Kubo": (source, target),
        "Kubo to embedded": (source, first),
        "embedded to Kubo": (first, source),
        "embedded to embedded": (first, second),
    }
    taken = _rounds(ways, _LARGE_BYTES, 256 * 1024)
    beside = _LARGE_BYTES / _MB / taken["Kubo to Kubo"]
    for way, budget in (("Kubo to embedded", 40), ("embedded to Kubo", 30), ("embedded to embedded", 40)):
        speed = _LARGE_BYTES / _MB / taken[way]
        condition = f"100 MiB; Kubo to Kubo {beside:.0f} MB/s: {speed / beside:.2f}x"
        note(way, speed, "MB/s", f">= {budget} MB/s", speed >= budget, condition)
    note("peak RSS, 100 MiB in and out", first.peak_mb, "MB", "<= 150 MB", first.peak_mb <= _RSS_MB_MAX, _peaks(kubos))
    taken = _rounds(ways, _SMALL_BLOCKS * _SMALL_BLOCK_BYTES, _SMALL_BLOCK_BYTES)
    beside = _SMALL_BLOCKS / taken["Kubo to Kubo"]
    for way, least in (("Kubo to embedded", 2_500.0), ("embedded to embedded", 2_500.0), ("embedded to Kubo", beside)):
        speed = _SMALL_BLOCKS / taken[way]
        condition = f"10,000 blocks of 256 B; Kubo to Kubo {beside:,.0f}/s: {speed / beside:.2f}x"
        note(f"{way}, small blocks", speed, "blocks/s", f">= {least:,.0f}/s", speed >= least, condition)


def _rounds(ways: dict[str, tuple[Node, Node]], size: int, chunk_bytes: int) -> dict[str, float]:
    """Return the middle of the seconds that each way took, every time with content that is new to both."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, (source, target) in ways.items():
            cid, _ = source.add(size, chunk_bytes)
            seconds[way].append(target.pin(cid))
    return {way: statistics.median(taken) for way, taken in seconds.items()}


def _resting(node: Embedded, note: Note) -> None:
    before = node.cpu_s
    time.sleep(_IDLE_S)  # resting is what is measured
    share = 100 * (node.cpu_s - before) / _IDLE_S
    note("CPU at rest", share, "%", "< 1 %", share < 1.0, f"{len(node.ask('swarm/peers')[0]['Peers'])} peers, 30 s")


def _adding(kubo: Kubo, folder: Path, note: Note) -> None:
    node = Embedded(folder / "adding")
    try:
        speeds = {}
        for name, each in (("kubo", kubo), ("node", node)):
            _, seconds = each.add(_GIB, 256 * 1024)
            speeds[name] = _GIB / _MB / seconds
        condition = f"1 GiB; Kubo {speeds['kubo']:.0f} MB/s: {speeds['node'] / speeds['kubo']:.2f}x"
        note("add", speeds["node"], "MB/s", ">= 100 MB/s", speeds["node"] >= 100, condition)
        note("peak RSS, add", node.peak_mb, "MB", "<= 150 MB", node.peak_mb <= _RSS_MB_MAX, "1 GiB")
    finally:
        node.stop()


def _many_small(folder: Path, note: Note) -> None:
    """A DAG of many small blocks, made by one node and pinned by another."""
    with ExitStack() as stack:
        source, target = Embedded(folder / "many-source"), Embedded(folder / "many-target")
        stack.callback(source.stop)
        stack.callback(target.stop)
        source.connect(target)
        rested = target.rss_mb
        cid, _ = source.add(_MANY_BLOCKS * _SMALL_BLOCK_BYTES, _SMALL_BLOCK_BYTES)
        seconds = target.pin(cid)
        condition = f"200,000 blocks of 256 B, {_MANY_BLOCKS / seconds:,.0f}/s; at rest {rested:.0f} MB"
        note("peak RSS, many blocks in", target.peak_mb, "MB", "<= 150 MB", target.peak_mb <= _RSS_MB_MAX, condition)
        note("peak RSS, many blocks out", source.peak_mb, "MB", "<= 150 MB", source.peak_mb <= _RSS_MB_MAX, "the same")


def _large_chunks(folder: Path, note: Note) -> None:
    """A file of the largest chunks: added by several nodes, which one node then fetches it from."""
    with ExitStack() as stack:
        sources = [Embedded(folder / f"large-source{number}") for number in range(_LARGE_CHUNK_SOURCES)]
        target = Embedded(folder / "large-target")
        for each in (*sources, target):
            stack.callback(each.stop)
        size = 2 * _LARGE_BYTES
        piece = os.urandom(_PIECE_BYTES)
        cids = [source.add_form(_form(_stamped(piece, size)), CHUNK_BYTES_MAX)[0] for source in sources]
        assert len(set(cids)) == 1
        added = max(source.peak_mb for source in sources)
        for source in sources:
            source.connect(target)
        seconds = target.pin(cids[0])
        condition = f"200 MiB in chunks of 2 MiB, {_LARGE_CHUNK_SOURCES} sources, {size / _MB / seconds:.0f} MB/s"
        for what, peak in (
            ("peak RSS, large blocks added", added),
            ("peak RSS, large blocks out", max(source.peak_mb for source in sources)),
            ("peak RSS, large blocks in", target.peak_mb),
        ):
            note(what, peak, "MB", "<= 150 MB", peak <= _RSS_MB_MAX, condition)


def _peaks(kubos: list[Kubo]) -> str:
    return "Kubo: " + ", ".join(f"{each.peak_mb:.0f} MB" for each in kubos)


def _multipart(size: int) -> Iterator[bytes]:
    """Return a form with one file of random bytes."""
    if size < 2 * _LARGE_BYTES:
        return _form(os.urandom(min(_PIECE_BYTES, size - start)) for start in range(0, size, _PIECE_BYTES))
    return _form(_stamped(os.urandom(_PIECE_BYTES), size))


def _stamped(piece: bytes, size: int) -> Iterator[bytes]:
    """Yield ``piece`` again and again, every time as another one, by its number: random bytes are dear."""
    for number in range(size // _PIECE_BYTES):
        # Every chunk of a piece begins with its number.
        stamp = number.to_bytes(8, "big")
        yield b"".join(stamp + piece[at + 8 : at + 64 * 1024] for at in range(0, _PIECE_BYTES, 64 * 1024))


def _form(content: Iterator[bytes]) -> Iterator[bytes]:
    yield b'--bench\r\nContent-Disposition: form-data; name="file"; filename="bench"\r\n\r\n'
    yield from content
    yield b"\r\n--bench--\r\n"
