"""Three peers with a real Kubo each, ours beside ``ipfs-cluster-service``: from a request to all three being pinned.

Both sides use the same Kubos, one after the other, with content of their own. Adding is measured to the end of the
answer, when the blocks are on three nodes and the pin is on the list.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pincrew.addresses import free_port
from pincrew.errors import PincrewError
from pincrew.kubo_process import KuboProcess, find_kubo
from support.ipfs_cluster import find_ipfs_cluster
from tests.bench.cluster_service import ClusterService
from tests.bench.machine import Machine, machines

Note = Callable[[str, float, str, str, bool, str], None]
_NAME = "bench"
_PEERS = 3
_PINS = 20
_ADDED_BYTES = 200_000_000
_PIECE_BYTES = 1_000_000
_PATIENCE_S = 120.0


def measure(folder: Path, _: int, note: Note) -> None:
    """Run it; without Kubo there is nothing to measure."""
    kubo = find_kubo(os.environ)
    if kubo is None:
        print("skipped: no Kubo: run packaging/dev/get-kubo.sh", flush=True)
        return
    nodes = [KuboProcess(kubo, folder / f"ipfs{number}") for number in range(_PEERS)]
    try:
        for node in nodes:
            node.start()
        _connect(nodes)
        ours = _ours(folder / "ours", nodes)
        _note_all("ours", ours, note)
        program = find_ipfs_cluster()
        if program is None:
            note("ipfs-cluster-service", 0, "-", "-", False, "not built: packaging/dev/get-cluster.sh")
            return
        theirs = _theirs(program, folder / "theirs", nodes)
        _note_all("ipfs-cluster-service", theirs, note)
        for what in theirs:
            ratio = theirs[what] / ours[what]
            note(f"{what}: ours, times faster", ratio, "x", "1", ratio >= 1, "three Kubos")
    finally:
        for node in nodes:
            node.stop()


def _ours(folder: Path, nodes: list[KuboProcess]) -> dict[str, float]:
    curators = [Machine(folder / f"c{number}", node.url) for number, node in enumerate(nodes)]
    ports = [free_port() for _ in nodes]
    with machines(*curators):
        first, *others = curators
        first.create(_NAME)
        document = folder / "crew.toml"
        first.run("publish", "-c", _NAME, "-o", str(document))
        for other in others:
            other.start()
            other.follow(document)
            first.run("trust", "add", "-c", _NAME, other.client.ready(_NAME).peer)
        for number, (curator, port) in enumerate(zip(curators, ports, strict=True)):
            curator.until(_NAME, lambda curator=curator: curator.client.trust(_NAME).record == len(others))
            curator.stop()
            settings = curator.home / "clusters" / _NAME / "cluster.toml"
            role = "" if number == 0 else 'role = "curator"\n'
            kept = [line for line in settings.read_text().splitlines() if role == "" or not line.startswith("role")]
            settings.write_text("\n".join(kept) + f'\n{role}rest = "127.0.0.1:{port}"\n')
            curator.start()
        _until(lambda: _added_by(ports[0], b"warm") == _PEERS)
        return _measured(ports[0], nodes[0])


def _theirs(program: Path, folder: Path, nodes: list[KuboProcess]) -> dict[str, float]:
    services = [
        ClusterService(program, folder / f"s{number}", node_port=int(node.url.rpartition(":")[2]), batch=0)
        for number, node in enumerate(nodes)
    ]
    try:
        services[0].start()
        for service in services[1:]:
            service.start(services[0].address)
        _until(lambda: _lines(services[0].api_port, "GET", "/peers") == _PEERS)
        return _measured(services[0].api_port, nodes[0])
    finally:
        for service in services:
            service.stop()


def _measured(port: int, node: KuboProcess) -> dict[str, float]:
    delays = []
    for _ in range(_PINS):
        cid = _add_to_node(node, os.urandom(1_000))
        begun = time.monotonic()
        _ask(port, "POST", f"/pins/{cid}")
        _until(lambda cid=cid: _pinned(port, cid) == _PEERS)
        delays.append(time.monotonic() - begun)
    begun = time.monotonic()
    _add(port, (os.urandom(_PIECE_BYTES) for _ in range(_ADDED_BYTES // _PIECE_BYTES)))
    return {
        "a request to pinned by three, median": statistics.median(delays),
        "200 MB added to three nodes": time.monotonic() - begun,
    }


def _connect(nodes: list[KuboProcess]) -> None:
    for node in nodes[1:]:
        peer = json.loads(_rpc(nodes[0], "id"))
        _rpc(node, f"swarm/connect?arg={peer['Addresses'][0]}")


def _rpc(node: KuboProcess, command: str, content: bytes = b"", content_type: str = "") -> bytes:
    port = int(node.url.rpartition(":")[2])
    return _ask(port, "POST", f"/api/v0/{command}", content, content_type)


def _add_to_node(node: KuboProcess, content: bytes) -> str:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    answer = _rpc(
        node, "add?cid-version=1&pin=false", head + content + b"\r\n--x--\r\n", "multipart/form-data; boundary=x"
    )
    return str(json.loads(answer)["Hash"])


def _pinned(port: int, cid: str) -> int:
    peers = json.loads(_ask(port, "GET", f"/pins/{cid}"))["peer_map"]
    return sum(one["status"] == "pinned" for one in peers.values())


def _added_by(port: int, content: bytes) -> int:
    try:
        answer = _add(port, iter([content]))
    except OSError:
        return 0
    return len(json.loads(answer.splitlines()[-1]).get("allocations", ()))


def _add(port: int, pieces: Iterator[bytes]) -> bytes:
    def body() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        yield from pieces
        yield b"\r\n--x--\r\n"

    return _ask(port, "POST", "/add?cid-version=1", body(), "multipart/form-data; boundary=x")


def _lines(port: int, method: str, path: str) -> int:
    return _ask(port, method, path).count(b"\n")


def _ask(port: int, method: str, path: str, content: bytes | Iterator[bytes] = b"", content_type: str = "") -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)
    try:
        headers = {"Content-Type": content_type} if content_type else {}
        connection.request(method, path, content, headers, encode_chunked=True)
        return connection.getresponse().read()
    finally:
        connection.close()


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            if condition():
                return
        except (OSError, PincrewError, KeyError, ValueError):
            pass
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.01)


def _note_all(who: str, found: dict[str, float], note: Note) -> None:
    for what, value in found.items():
        note(f"{who}: {what}", value, "s", "-", True, "three Kubos on one machine")
