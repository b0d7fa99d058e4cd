"""ipfs-cluster's REST API, ours beside ``ipfs-cluster-service``: pins a second, and reading a long list.

Both have the same IPFS node, a stand-in that answers and never finishes a pin; what is measured is the peer. Requests
go over connections that stay open, from one client and from 32; theirs is measured with batching and without.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import trio

from pincrew.addresses import free_port
from pincrew.api.shapes import PinRequest
from support.ipfs_cluster import find_ipfs_cluster
from tests.bench.cluster_service import ClusterService, post, silent_node
from tests.bench.machine import Machine, machines
from tests.bench.pinset import pins

Note = Callable[[str, float, str, str, bool, str], None]
_NAME = "bench"
_CLIENTS = (1, 32)
_POSTS_S = 5.0
_LISTED = 100_000
_BATCH = 1_000
_PATIENCE_S = 300.0
_LISTS = ("/allocations", "/pins?local=true")


def measure(folder: Path, count: int, note: Note) -> None:
    """Run it all, with ``count`` pins in the long list, or 100,000 where that is more."""
    listed = min(count, _LISTED)
    with silent_node() as node_port:
        ours = _ours(folder / "ours", node_port, listed)
        _note_all("ours", ours, note)
        program = find_ipfs_cluster()
        if program is None:
            note("ipfs-cluster-service", 0, "-", "-", False, "not built: packaging/dev/get-cluster.sh")
            return
        for batch in (_BATCH, 0):
            how = f"in batches of {batch:,}" if batch else "without batching"
            theirs = _theirs(program, folder / f"theirs-{batch}", node_port, listed if batch else 0, batch)
            _note_all(f"ipfs-cluster-service {how}", theirs, note)
            for what in theirs:
                better = -1 if what == "RSS" else 1
                ratio = (ours[what] / theirs[what]) ** better
                note(f"{what}: ours, times better", ratio, "x", "1", ratio >= 1, how)


def _ours(folder: Path, node_port: int, listed: int) -> dict[str, float]:
    curator, port = Machine(folder, f"http://127.0.0.1:{node_port}"), free_port()
    with machines(curator):
        curator.create(_NAME)
        curator.stop()
        settings = curator.home / "clusters" / _NAME / "cluster.toml"
        settings.write_text(settings.read_text() + f'rest = "127.0.0.1:{port}"\n')
        curator.start()
        _until_it_answers(port)
        found = {_posts(clients): _post_rate(port, clients) for clients in _CLIENTS}
        curator.client.write_pins(_NAME, pins(10_000_000, listed))
        found |= _reading(port)
        return found | {"RSS": curator.rss_mb}


def _theirs(program: Path, folder: Path, node_port: int, listed: int, batch: int) -> dict[str, float]:
    service = ClusterService(program, folder, node_port=node_port, batch=batch)
    try:
        service.start()
        found = {_posts(clients): _post_rate(service.api_port, clients) for clients in _CLIENTS}
        if listed:
            accepted = service.total() + service.write_pins(pins(10_000_000, listed), _PATIENCE_S)
            deadline = time.monotonic() + _PATIENCE_S
            while service.total() < accepted and time.monotonic() < deadline:
                time.sleep(1)
            found |= _reading(service.api_port)
            found["RSS"] = service.rss_mb
        return found
    finally:
        service.stop()


def _posts(clients: int) -> str:
    return f"pins of one request each, {clients} client{'s' if clients > 1 else ''}"


def _post_rate(port: int, clients: int) -> float:
    """Return how many pins a second are durable, asked for one by one by each client."""
    source: Iterator[PinRequest] = iter(pins(clients * 1_000_000, 1_000_000))
    begun = time.monotonic()
    accepted = trio.run(post, port, source, clients, _POSTS_S)
    return accepted / (time.monotonic() - begun)


def _reading(port: int) -> dict[str, float]:
    found = {}
    for path in _LISTS:
        begun = time.monotonic()
        items = get(port, path).count(b"\n")
        found[f"GET {path}"] = items / (time.monotonic() - begun)
    return found


def get(port: int, path: str) -> bytes:
    """Ask the API of a peer here."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


def _until_it_answers(port: int) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            get(port, "/id")
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _note_all(who: str, found: dict[str, float], note: Note) -> None:
    for what, value in found.items():
        unit = "MB" if what == "RSS" else "items/s" if what.startswith("GET") else "pins/s"
        note(f"{who}: {what}", value, unit, "-", True, "one run on one machine")
