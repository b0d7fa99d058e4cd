"""A day of 100 overwrites a second, in simulated time: what of it stays on disk and in memory, by the hour.

A curator who is the keeper and a follower, members on files without a network between them, in a process of their own
(``overwrites_process``), so that its memory is theirs alone. Bases are made by the product's rule.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

Note = Callable[[str, float, str, str, bool, str], None]
_HOURS = 24
_SETTLED_HOURS = 4  # from here on nothing may grow any more
_PINS = 10_000
_PER_SECOND = 100


def measure(folder: Path, _count: int, note: Note) -> None:
    """Run it all."""
    script = Path(__file__).with_name("overwrites_process.py")
    command = [sys.executable, str(script), str(folder), str(_HOURS), str(_PER_SECOND), str(_PINS)]
    hours = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            hours.append(json.loads(line))
            print(f"  {line}", end="", flush=True)
    assert process.returncode == 0 and len(hours) == _HOURS
    condition = f"{_PER_SECOND} overwrites/s of {_PINS:,} pins, hours {_SETTLED_HOURS} to {_HOURS}"
    for what in ("curator_mb", "follower_mb", "rss_mb"):
        settled = [hour[what] for hour in hours[_SETTLED_HOURS - 1 :]]
        later = max(settled[len(settled) // 2 :]) / max(settled[: len(settled) // 2])
        note(f"a day of overwrites: {what}, highest", max(settled), "MB", "-", True, condition)
        note(f"a day of overwrites: {what}, later half to earlier", later, "x", "<= 1.1", later <= 1.1, condition)
    note("a day of overwrites: bases made", hours[-1]["bases"], "", "-", True, condition)
