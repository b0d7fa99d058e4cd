"""From `pin add` at an idle curator to the row at four followers, one add per second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from pincrew.cid import cid_text
from tests.bench.machine import Machine, machines
from tests.bench.pinset import cid_of, pins

Note = Callable[[str, float, str, str, bool, str], None]
_NAME = "bench"
_ADDS = 40
_FOLLOWERS = 4


def measure(folder: Path, _: int, note: Note) -> None:
    """Run it."""
    curator = Machine(folder / "curator")
    followers = [Machine(folder / f"follower{number}") for number in range(_FOLLOWERS)]
    seen: list[float] = []
    written_at: dict[int, float] = {}
    with machines(curator, *followers):
        curator.create(_NAME)
        document = folder / "crew.toml"
        curator.run("publish", "-c", _NAME, "-o", str(document))
        for follower in followers:
            follower.start()
            follower.follow(document)
        for follower in followers:
            follower.until(
                _NAME, lambda follower=follower: follower.client.summary(_NAME).peers.connected >= _FOLLOWERS
            )
        watchers = [threading.Thread(target=_watch, args=(f, written_at, seen), daemon=True) for f in followers]
        for watcher in watchers:
            watcher.start()
        for number in range(_ADDS):
            time.sleep(1.0)
            written_at[number] = time.monotonic()
            curator.client.write_pins(_NAME, pins(number, 1))
        for watcher in watchers:
            watcher.join(30)
    ordered = sorted(seen)
    assert len(ordered) == _ADDS * _FOLLOWERS, f"{len(ordered)} of {_ADDS * _FOLLOWERS} were seen"
    p50, p99 = 1000 * ordered[len(ordered) // 2], 1000 * ordered[int(0.99 * len(ordered))]
    condition = f"5 peers, one add per second, {len(ordered)} sightings"
    note("add -> seen, p50", p50, "ms", "< 60 ms", p50 < 60, condition)
    note("add -> seen, p99", p99, "ms", "< 300 ms", p99 < 300, condition)


def _watch(follower: Machine, written_at: dict[int, float], seen: list[float]) -> None:
    """Ask for each pin until it is there; an answer takes a few milliseconds."""
    for number in range(_ADDS):
        while number not in written_at:
            time.sleep(0.002)
        text = cid_text(cid_of(number))
        while not list(follower.client.pins(_NAME, [("find", f"cid:{text}")])):
            time.sleep(0.004)
        seen.append(time.monotonic() - written_at[number])
