"""Bases: making one, recomputing it, joining from it, and what the API, memory and disk say to that.

A curator and a follower that has the log, then a newcomer; all on the same cores. There is no IPFS node.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.machine import Machine, machines
from tests.bench.pinset import pins
from tests.bench.scale import Sampler

Note = Callable[[str, float, str, str, bool, str], None]
_NAME = "bench"


def measure(folder: Path, count: int, note: Note) -> None:
    """Run it all."""
    curator, follower, newcomer = (Machine(folder / name) for name in ("curator", "follower", "newcomer"))
    with machines(curator, follower, newcomer):
        curator.create(_NAME)
        document = folder / "crew.toml"
        curator.run("publish", "-c", _NAME, "-o", str(document))
        curator.client.write_pins(_NAME, pins(0, count))
        follower.start()
        follower.follow(document)
        follower.until(_NAME, lambda: follower.total(_NAME) == count)
        _make(curator, follower, count, note)
        _join(newcomer, document, count, note)
        size = sum(path.stat().st_size for path in curator.home.glob("clusters/*/state.db*")) / count
        note("disk of a curator", size, "bytes/pin", "-", True, f"{count:,} pins, log and rows")


def _make(curator: Machine, follower: Machine, count: int, note: Note) -> None:
    before = curator.client.base(_NAME).n
    with Sampler(curator) as sampler:
        begun = time.monotonic()
        made = curator.client.make_base(_NAME)
        seconds = time.monotonic() - begun
    assert made.n == before + 1 and made.pins == count
    note("a keeper makes a base", seconds, "s", "-", True, f"{count:,} pins")
    ms = sampler.at(0.99)
    note("API answers during that, p99", ms, "ms", "< 50 ms", ms < 50, f"{len(sampler.seconds)} answers")
    with Sampler(follower) as sampler:
        follower.until(_NAME, lambda: follower.client.base(_NAME).n == made.n)
        seconds = time.monotonic() - begun - seconds
    note("a follower recomputes it", seconds, "s", "-", True, f"{count:,} pins")
    ms = sampler.at(0.99)
    note("API answers during that, p99", ms, "ms", "< 50 ms", ms < 50, f"{len(sampler.seconds)} answers")


def _join(newcomer: Machine, document: Path, count: int, note: Note) -> None:
    newcomer.start()
    with Sampler(newcomer) as sampler:
        begun = time.monotonic()
        newcomer.follow(document)
        newcomer.until(_NAME, lambda: newcomer.total(_NAME) == count)
        seconds = time.monotonic() - begun
    budget = 20 * count / 1_000_000
    note("fresh follower from a base", seconds, "s", "<= 20 s at 1M", seconds <= budget, f"{count:,} pins")
    ms, mb = sampler.at(0.99), sampler.peak_mb
    note("API answers during that, p99", ms, "ms", "< 50 ms", ms < 50, f"{len(sampler.seconds)} answers")
    note("API answers during that, worst", sampler.at(1.0), "ms", "-", True, "")
    note("daemon RSS during that, highest", mb, "MB", "<= 300 MB", mb <= 300, f"{count:,} pins")
