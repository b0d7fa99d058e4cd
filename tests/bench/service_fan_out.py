"""How long it takes to ask ten peers how far they are, ours beside ``ipfs-cluster-service``: one pin, and all."""

from __future__ import annotations

import contextlib
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from pincrew.addresses import free_port
from pincrew.errors import PincrewError
from support.ipfs_cluster import find_ipfs_cluster
from tests.bench.cluster_service import ClusterService, silent_node
from tests.bench.machine import Machine, machines
from tests.bench.pinset import pins
from tests.bench.service import get

Note = Callable[[str, float, str, str, bool, str], None]
_NAME = "bench"
_PEERS = 10
_PINS = 2_000
_ASKED = 50
_PATIENCE_S = 180.0


def measure(folder: Path, _: int, note: Note) -> None:
    """Run it all."""
    condition = f"{_PEERS} peers, {_PINS:,} pins"
    with silent_node() as node_port:
        ours = _ours(folder / "ours", node_port)
        program = find_ipfs_cluster()
        theirs = _theirs(program, folder / "theirs", node_port) if program is not None else {}
    for who, found in (("ours", ours), ("ipfs-cluster-service", theirs)):
        for what, value in found.items():
            note(f"{who}: {what}", value, "s", "-", True, condition)
    for what in theirs:
        ratio = theirs[what] / ours[what]
        note(f"{what}: ours, times faster", ratio, "x", "1", ratio >= 1, condition)


def _ours(folder: Path, node_port: int) -> dict[str, float]:
    node, port = f"http://127.0.0.1:{node_port}", free_port()
    curator = Machine(folder / "curator", node)
    followers = [Machine(folder / f"follower{number}", node) for number in range(_PEERS - 1)]
    with machines(curator, *followers):
        curator.create(_NAME)
        curator.stop()
        settings = curator.home / "clusters" / _NAME / "cluster.toml"
        settings.write_text(settings.read_text() + f'rest = "127.0.0.1:{port}"\n')
        curator.start()
        document = folder / "crew.toml"
        curator.until(_NAME, lambda: bool(curator.client.ready(_NAME).p2p))
        curator.run("publish", "-c", _NAME, "-o", str(document))
        for follower in followers:
            follower.start()
            follower.follow(document)
        curator.client.write_pins(_NAME, pins(0, _PINS))
        for follower in followers:
            follower.until(_NAME, lambda follower=follower: follower.total(_NAME) == _PINS)
        return _asked(port)


def _theirs(program: Path, folder: Path, node_port: int) -> dict[str, float]:
    services = [
        ClusterService(program, folder / f"s{number}", node_port=node_port, batch=1_000) for number in range(_PEERS)
    ]
    try:
        services[0].start()
        for service in services[1:]:
            service.start(services[0].address)
        services[0].write_pins(pins(0, _PINS), _PATIENCE_S)
        _until(lambda: all(service.total() == _PINS for service in services))
        return _asked(services[0].api_port)
    finally:
        for service in services:
            service.stop()


def _asked(port: int) -> dict[str, float]:
    cid = next(iter(pins(7, 1))).cid
    _until(lambda: len(json.loads(get(port, f"/pins/{cid}"))["peer_map"]) == _PEERS)
    single = []
    for _ in range(_ASKED):
        begun = time.monotonic()
        get(port, f"/pins/{cid}")
        single.append(time.monotonic() - begun)
    begun = time.monotonic()
    items = get(port, "/pins").count(b"\n")
    whole = time.monotonic() - begun
    assert items == _PINS, items
    return {"status of one pin at all peers, median": statistics.median(single), "status of all pins at all": whole}


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        with contextlib.suppress(OSError, PincrewError, KeyError, ValueError):
            if condition():
                return
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.1)
