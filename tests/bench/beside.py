"""The list's work beside ``ipfs-cluster-service``: ingest, catching up, memory, restart, disk, at several sizes.

CRDT mode on pebble, with and without batching, as far as it gets in ten minutes each; ours at the same sizes and at the
size of the whole run, for the shape of growth. Ours is asked through the API in one stream, theirs in requests of one
pin each, which is what their API has; either is counted from the first pin asked to the last one listed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from support.ipfs_cluster import find_ipfs_cluster
from tests.bench.cluster_service import ClusterService, silent_node
from tests.bench.machine import Machine, machines
from tests.bench.pinset import pins

Note = Callable[[str, float, str, str, bool, str], None]
_NAME = "bench"
_SIZES = (10_000, 100_000)
_BATCH = 1_000
_PATIENCE_S = 600.0


def measure(folder: Path, count: int, note: Note) -> None:
    """Run it all; ``count`` is the largest size of ours."""
    program = find_ipfs_cluster()
    for size in _SIZES:
        if size > count:
            continue
        ours = _ours(folder / f"ours-{size}", size, note)
        if program is None:
            note("ipfs-cluster-service", 0, "-", "-", False, "not built: packaging/dev/get-cluster.sh")
            continue
        for batch in (_BATCH, 0):
            theirs = _theirs(program, folder / f"theirs-{size}-{batch}", size, batch, note)
            how = f"{size:,} pins, {f'in batches of {batch}' if batch else 'without batching'}"
            for what, better in (("ingest", 1), ("catching up", 1), ("RSS", -1), ("restart", -1), ("disk", -1)):
                if what in theirs:
                    ratio = (ours[what] / theirs[what]) ** better
                    note(f"{what}: ours, times better", ratio, "x", "-", True, how)
    if count not in _SIZES:
        _ours(folder / f"ours-{count}", count, note)


def _ours(folder: Path, size: int, note: Note) -> dict[str, float]:
    curator, follower = Machine(folder / "curator"), Machine(folder / "follower")
    found: dict[str, float] = {}
    with machines(curator, follower):
        curator.create(_NAME)
        document = folder / "crew.toml"
        curator.run("publish", "-c", _NAME, "-o", str(document))
        begun = time.monotonic()
        curator.client.write_pins(_NAME, pins(0, size))
        found["ingest"] = size / (time.monotonic() - begun)
        follower.start()
        begun = time.monotonic()
        follower.follow(document)
        follower.until(_NAME, lambda: follower.total(_NAME) == size)
        found["catching up"] = size / (time.monotonic() - begun)
        found["RSS"] = curator.rss_mb
        curator.stop()
        found["disk"] = sum(path.stat().st_size for path in curator.home.rglob("*") if path.is_file()) / 1e6
        found["restart"] = curator.start()
    _note_all("ours", found, f"{size:,} pins", note)
    return found


def _theirs(program: Path, folder: Path, size: int, batch: int, note: Note) -> dict[str, float]:
    found: dict[str, float] = {}
    condition = f"{size:,} pins, {f'in batches of {batch:,}' if batch else 'without batching'}"
    with silent_node() as port:
        first = ClusterService(program, folder / "first", node_port=port, batch=batch)
        second = ClusterService(program, folder / "second", node_port=port, batch=batch)
        try:
            first.start()
            begun = time.monotonic()
            accepted = first.write_pins(pins(0, size), _PATIENCE_S)
            listed = _until(first, accepted, begun + _PATIENCE_S)
            found["ingest"] = listed / (time.monotonic() - begun)
            second.start(first.address)
            begun = time.monotonic()
            got = _until(second, listed, begun + _PATIENCE_S)
            found["catching up"] = got / (time.monotonic() - begun)
            if got < size:
                condition += f"; {listed:,} listed and {got:,} there after {_PATIENCE_S:.0f} s each"
            found["RSS"] = first.rss_mb
            first.stop()
            found["disk"] = first.disk_mb
            found["restart"] = first.start()
        finally:
            first.stop()
            second.stop()
    _note_all("ipfs-cluster-service", found, condition, note)
    return found


def _until(service: ClusterService, count: int, deadline: float) -> int:
    """Wait for a list to be whole; return what there is of it at the end. Looking costs it little: a tenth at most."""
    while True:
        begun = time.monotonic()
        total = service.total()
        if total >= count or time.monotonic() > deadline:
            return total
        time.sleep(max(0.1, 10 * (time.monotonic() - begun)))


def _note_all(who: str, found: dict[str, float], condition: str, note: Note) -> None:
    units = {"ingest": "pins/s", "catching up": "pins/s", "RSS": "MB", "restart": "s", "disk": "MB"}
    for what, value in found.items():
        note(f"{who}: {what}", value, units[what], "-", True, condition)
