"""What following costs over driving the node directly: 2,000 small pins from one Kubo to another, ten at a time."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pincrew.kubo_process import KuboProcess, find_kubo
from tests.bench.machine import Machine, machines

Note = Callable[[str, float, str, str, bool, str], None]
_NAME = "bench"
_PINS = 2_000
_BYTES = 2_000
_IN_FLIGHT = 10


def measure(folder: Path, _: int, note: Note) -> None:
    """Run it; without Kubo there is nothing to measure."""
    program = find_kubo(os.environ)
    if program is None:
        print("skipped: no Kubo: run packaging/dev/get-kubo.sh", flush=True)
        return
    nodes = [KuboProcess(program, folder / f"ipfs{number}") for number in range(3)]
    try:
        for node in nodes:
            node.start()
        source, direct, followed = nodes
        cids = _fill(source.url)
        for target in (direct, followed):
            address = _ask(source.url, "id")["Addresses"][0]
            _ask(target.url, f"swarm/connect?arg={address}")
        # One half before and one after: what else the machine does changes by the minute.
        direct_s = _drive(direct.url, cids[::2])
        through_s = _follow(folder, cids, source.url, followed.url)
        direct_s += _drive(direct.url, cids[1::2])
    finally:
        for node in nodes:
            node.stop()
    ratio = through_s / direct_s
    condition = f"{_PINS:,} pins of {_BYTES:,} bytes: {direct_s:.2f} s directly, {through_s:.2f} s through pincrew"
    note("overhead over driving the node", ratio, "x", "< 1.2x", ratio < 1.2, condition)


def _drive(url: str, cids: list[str]) -> float:
    """Seconds for pinning by hand."""
    with ThreadPoolExecutor(_IN_FLIGHT) as pool:
        begun = time.monotonic()
        list(pool.map(lambda cid: _ask(url, f"pin/add?arg={cid}"), cids))
        return time.monotonic() - begun


def _follow(folder: Path, cids: list[str], source: str, target: str) -> float:
    """Seconds from a follower's node becoming of use until everything is pinned there."""
    from pincrew.api.shapes import PinRequest

    curator, follower = Machine(folder / "curator", source), Machine(folder / "follower", target)
    with machines(curator, follower):
        curator.create(_NAME)
        curator.client.write_pins(_NAME, (PinRequest(cid=cid, name=f"small {cid[-8:]}") for cid in cids))
        curator.until(_NAME, lambda: curator.client.summary(_NAME).pins.pinned == _PINS)
        document = folder / "crew.toml"
        curator.run("publish", "-c", _NAME, "-o", str(document))
        follower.start()
        follower.follow(document)
        follower.until(_NAME, lambda: follower.total(_NAME) == _PINS)
        begun = time.monotonic()
        already = follower.client.summary(_NAME).pins.pinned
        follower.until(_NAME, lambda: follower.client.summary(_NAME).pins.pinned == _PINS, look_every_s=0.2)
        return (time.monotonic() - begun) * _PINS / max(1, _PINS - already)


def _fill(url: str) -> list[str]:
    """Add small random blocks to a node."""

    def add(_: int) -> str:
        boundary = "bench"
        body = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"\r\n\r\n'.encode()
            + os.urandom(_BYTES)
            + f"\r\n--{boundary}--\r\n".encode()
        )
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        request = urllib.request.Request(f"{url}/api/v0/add?cid-version=1&pin=false", body, headers, method="POST")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return str(json.loads(answer.read())["Hash"])

    with ThreadPoolExecutor(_IN_FLIGHT) as pool:
        return list(pool.map(add, range(_PINS)))


def _ask(url: str, call: str) -> dict[str, object]:
    request = urllib.request.Request(f"{url}/api/v0/{call}", method="POST")
    with urllib.request.urlopen(request, timeout=120) as answer:
        return dict(json.loads(answer.read() or b"{}"))
