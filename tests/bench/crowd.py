"""A crowd: one curator and 200 followers, real hosts over real sockets, 20 to a process; all share the cores.

A follower spends 10 to 15 ms on each add. So that 200 of them on two cores are not still busy with the one before, a
pin is added every 8 s; with as many as fit, every second.

PINCREW_CROWD=40 python -m tests.bench --rows crowd       another number of followers
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from support.crowd import Crowd
from tests.bench.machine import Machine, machines
from tests.bench.pinset import pins

Note = Callable[[str, float, str, str, bool, str], None]
_NAME = "bench"
_FOLLOWERS = int(os.environ.get("PINCREW_CROWD", "200"))
_PINS = 1_000
_ADDS = 30
_GAP_S = 1.0 if _FOLLOWERS <= 40 else 8.0
_QUIET_S = 60.0
_TIMEOUT_S = 600.0


def measure(folder: Path, _: int, note: Note) -> None:
    """Everybody joins; pins are added one by one; the curator is killed and comes back."""
    curator = Machine(folder / "curator")
    with machines(curator):
        curator.create(_NAME)
        document = folder / "crew.toml"
        curator.run("publish", "-c", _NAME, "-o", str(document))
        curator.client.write_pins(_NAME, pins(0, _PINS))
        begun = time.monotonic()
        with Crowd(folder / "crowd", str(document), _FOLLOWERS) as crowd:
            watch = partial(_watch, curator, crowd, note)
            watch("joining", lambda: _join(crowd, begun, note))
            watch("at rest", lambda: time.sleep(_QUIET_S))
            neighbours = crowd.neighbours()
            middle = statistics.median(neighbours)
            note("neighbours of a follower, middle", middle, "", "-", True, f"{min(neighbours)} to {max(neighbours)}")
            watch("adding", lambda: _add(curator, crowd, note))
            _heal(curator, crowd, note)
            mb = curator.peak_mb
            note("RSS of the curator at most, after its restart", mb, "MB", "< 300 MB", mb < 300, _condition())


def _condition() -> str:
    return f"{_FOLLOWERS} followers"


def _join(crowd: Crowd, begun: float, note: Note) -> None:
    seconds = crowd.until(_PINS, _TIMEOUT_S) - begun
    note(
        "all have the whole list", seconds, "s", "-", True, f"{_condition()}, {_PINS:,} pins, processes started at once"
    )


def _add(curator: Machine, crowd: Crowd, note: Note) -> None:
    waits: list[float] = []
    for number in range(_PINS, _PINS + _ADDS):
        time.sleep(_GAP_S)
        written = time.monotonic()
        curator.client.write_pins(_NAME, pins(number, 1))
        waits.append(written)
    crowd.until(_PINS + _ADDS, _TIMEOUT_S)
    seconds = sorted(at - written for number, written in enumerate(waits, _PINS + 1) for at in crowd.seen(number))
    assert len(seconds) == _ADDS * _FOLLOWERS
    p50, p99 = 1000 * seconds[len(seconds) // 2], 1000 * seconds[int(0.99 * len(seconds))]
    condition = f"{_condition()}, one add every {_GAP_S:g} s, {len(seconds)} sightings"
    note("add -> seen, p50", p50, "ms", "-", True, condition)
    note("add -> seen, p99", p99, "ms", "< 2,000 ms", p99 < 2_000, condition)
    note("add -> seen, the last", 1000 * seconds[-1], "ms", "-", True, condition)


def _heal(curator: Machine, crowd: Crowd, note: Note) -> None:
    """A pin that is added after a kill and a restart reaches everybody."""
    killed = time.monotonic()
    curator.kill()
    curator.start()
    curator.until(_NAME, lambda: bool(curator.client.ready(_NAME).p2p))
    curator.client.write_pins(_NAME, pins(_PINS + _ADDS, 1))
    written = time.monotonic()
    healed = crowd.until(_PINS + _ADDS + 1, _TIMEOUT_S)
    condition = f"{_condition()}, {written - killed:.1f} s until the pin was added"
    note("kill of the curator -> all have a new pin", healed - killed, "s", "<= 60 s", healed - killed <= 60, condition)
    curator.until(_NAME, lambda: curator.client.summary(_NAME).peers.connected >= _FOLLOWERS, _TIMEOUT_S)
    note("all are its neighbours again", time.monotonic() - killed, "s", "-", True, condition)


def _watch(curator: Machine, crowd: Crowd, note: Note, what: str, work: Callable[[], None]) -> None:
    """Do something, and say what it cost meanwhile."""
    before, crowd_before, begun = curator.cpu_s, crowd.cpu_s, time.monotonic()
    work()
    seconds = time.monotonic() - begun
    share = 100 * (curator.cpu_s - before) / seconds
    note(f"CPU of the curator, {what}", share, "% of a core", "-", True, _condition())
    share = 100 * (crowd.cpu_s - crowd_before) / seconds / _FOLLOWERS
    note(f"CPU of a follower, {what}", share, "% of a core", "-", True, _condition())
    connected = curator.client.summary(_NAME).peers.connected
    note(f"neighbours of the curator, {what}", connected, "", "-", True, _condition())
    mb = curator.peak_mb
    note(f"RSS of the curator at most, {what}", mb, "MB", "< 300 MB", mb < 300, _condition())
