"""Ingest, applying, joining, restart, memory, listing and the API's patience, at 0 and at a million pins.

One curator and one follower at first; both ends share the machine. There is no IPFS node: what is measured is the list.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pincrew.errors import PincrewError
from tests.bench.machine import Machine, machines
from tests.bench.pinset import pins

Note = Callable[[str, float, str, str, bool, str], None]
_NAME = "bench"
_STEP = 100_000


class Sampler:
    """Asks a daemon for its status again and again, and keeps how long each answer took.

    Of the daemon and not of the cluster: the client waits for a cluster that is just starting, which is no slow answer.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._ended = threading.Event()
        self.seconds: list[float] = []
        self.peak_mb = 0.0
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.05):
            begun = time.monotonic()
            try:
                self._machine.client.status()
            except PincrewError:
                continue
            self.seconds.append(time.monotonic() - begun)
            self.peak_mb = max(self.peak_mb, self._machine.rss_mb)

    def at(self, share: float) -> float:
        """The time within which this share of all answers came, in ms."""
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure(folder: Path, count: int, note: Note) -> None:
    """Run it all."""
    curator, follower, newcomer = (Machine(folder / name) for name in ("curator", "follower", "newcomer"))
    step = min(_STEP, count)
    with machines(curator, follower, newcomer):
        curator.create(_NAME)
        document = folder / "crew.toml"
        curator.run("publish", "-c", _NAME, "-o", str(document))
        _ingest(curator, 0, step, "into 0 pins", note)
        follower.start()
        follower.follow(document)
        follower.until(_NAME, lambda: follower.total(_NAME) == step)
        have = _catch_up(curator, follower, step, step, note)
        if count > have:
            begun = time.monotonic()
            curator.client.write_pins(_NAME, pins(have, count - have))
            rate = (count - have) / (time.monotonic() - begun)
            note("ingest, a follower applying meanwhile", rate, "pins/s", "-", True, f"{have:,} to {count:,} pins")
            have = count
            follower.until(_NAME, lambda: follower.total(_NAME) == have)
        have = _catch_up(curator, follower, have, step, note)
        mb = follower.rss_mb
        note("daemon RSS, following", mb, "MB", "<= 300 MB", mb <= 300, f"{have:,} pins, {step:,} of them just applied")
        _join(newcomer, document, have, note)
        _lists(newcomer, have, note)
        for machine, who in ((newcomer, "follower"), (curator, "curator")):
            machine.stop()
            seconds = machine.start()
            note(f"restart of a {who} to an answering API", seconds, "s", "< 2 s", seconds < 2, f"{have:,} pins")
        curator.until(_NAME, lambda: curator.total(_NAME) == have)
        mb = curator.rss_mb
        note("daemon RSS, curator after restart", mb, "MB", "-", True, f"{have:,} pins")


def _ingest(curator: Machine, first: int, count: int, condition: str, note: Note) -> None:
    begun = time.monotonic()
    written = curator.client.write_pins(_NAME, pins(first, count))
    rate = count / (time.monotonic() - begun)
    assert written.added == count
    note("ingest at a curator", rate, "pins/s", ">= 10,000 pins/s", rate >= 10_000, f"NDJSON, durable, {condition}")


def _catch_up(curator: Machine, follower: Machine, have: int, step: int, note: Note) -> int:
    """Ingest with the follower away, then let it catch up; return how many pins there are now."""
    follower.stop()
    _ingest(curator, have, step, f"into {have:,} pins", note)
    follower.start()
    follower.until(_NAME, lambda: follower.client.summary(_NAME).peers.connected == 1)
    begun, already = time.monotonic(), follower.total(_NAME) - have
    follower.until(_NAME, lambda: follower.total(_NAME) == have + step)
    rate = (step - already) / (time.monotonic() - begun)
    condition = f"catching up {step:,} on {have:,} pins, the curator serves"
    note("a follower applying", rate, "pins/s", ">= 10,000 pins/s", rate >= 10_000, condition)
    return have + step


def _join(newcomer: Machine, document: Path, count: int, note: Note) -> None:
    newcomer.start()
    with Sampler(newcomer) as sampler:
        begun = time.monotonic()
        newcomer.follow(document)
        newcomer.until(_NAME, lambda: newcomer.total(_NAME) == count)
        seconds = time.monotonic() - begun
    note("fresh follower from the log", seconds, "s", "<= 90 s", seconds <= 90 * count / 1_000_000, f"{count:,} pins")
    ms = sampler.at(0.99)
    note("API answers during that, p99", ms, "ms", "< 50 ms", ms < 50, f"{len(sampler.seconds)} answers")
    note("API answers during that, worst", sampler.at(1.0), "ms", "-", True, "")
    note(
        "daemon RSS during that, highest", sampler.peak_mb, "MB", "<= 300 MB", sampler.peak_mb <= 300, f"{count:,} pins"
    )


def _lists(machine: Machine, count: int, note: Note) -> None:
    """Pages of 256 over the socket, median of seven each, warm."""
    queries: dict[str, tuple[list[tuple[str, str | int]], int]] = {
        "no filter, first": ([], 0),
        "no filter, middle": ([], count // 2),
        "no filter, last": ([], count - 256),
        "by name, last": ([("sort", "name")], count - 256),
        "name prefix": ([("name", "archive/0500"), ("sort", "name")], 0),
        "state, middle": ([("state", "queued")], count // 2),
        "state, last": ([("state", "queued")], count - 256),
        "two states, middle": ([("state", "queued,error")], count // 2),
    }
    for what, (query, offset) in queries.items():
        times = []
        for _ in range(8):
            begun = time.monotonic()
            rows = list(machine.client.pins(_NAME, query, limit=256, offset=offset))
            times.append(time.monotonic() - begun)
            assert rows
        ms = 1000 * statistics.median(times[1:])
        note(f"page of 256: {what}", ms, "ms", "< 30 ms", ms < 30, f"{count:,} pins")
    for sort in ("added", "name", "size", "state"):
        query = [("sort", sort)]
        (middle,) = machine.client.pin_page(_NAME, query, limit=1, offset=count // 2).rows
        times = []
        for _ in range(8):
            begun = time.monotonic()
            assert machine.client.locate(_NAME, query, cid=middle.cid) == count // 2
            times.append(time.monotonic() - begun)
        ms = 1000 * statistics.median(times[1:])
        note(f"where the middle pin stands, by {sort}", ms, "ms", "< 30 ms", ms < 30, f"{count:,} pins")
    for what, word in {
        "oldest pins": "item-0000",
        "all pins": "archive",
        "one pin": f"{count - 1:08d}",
        "none": "nix",
    }.items():
        begun = time.monotonic()
        list(machine.client.pins(_NAME, [("find", word)], limit=256))
        ms = 1000 * (time.monotonic() - begun)
        note(f"first page of a search by words: {what}", ms, "ms", "< 500 ms", ms < 500, f"{count:,} pins, cold")
