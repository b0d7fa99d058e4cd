"""State files at a million pins: how long each command takes, and how much memory it has at its highest."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.machine import Machine, machines
from tests.bench.pinset import pins

Note = Callable[[str, float, str, str, bool, str], None]
_NAME = "bench"
_PEAK_MB_MAX = 150.0


def measure(folder: Path, count: int, note: Note) -> None:
    """Out of one cluster, compared with it, into it again, and into an empty one. The machines share the cores."""
    curator, other = Machine(folder / "curator"), Machine(folder / "other")
    file = folder / "state.jsonl"
    with machines(curator, other):
        curator.create(_NAME)
        curator.client.write_pins(_NAME, pins(0, count))
        _command(curator, "export, the daemon running", count, note, "export", "-o", str(file))
        _command(curator, "verify", count, note, "verify", str(file))
        _command(curator, "import, nothing to do", count, note, "import", str(file))
        curator.stop()
        other.create(_NAME)
        _command(other, "import into an empty list", count, note, "import", str(file))
        assert other.total(_NAME) == count
        _command(other, "verify of what was imported", count, note, "verify", str(file))


def _command(machine: Machine, what: str, count: int, note: Note, *arguments: str) -> None:
    command = [sys.executable, "-m", "pincrew", "state", *arguments]
    begun = time.monotonic()
    process = subprocess.Popen(command, env=machine.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    process.stderr.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, said
    condition = f"{count:,} pins"
    note(f"state {what}", time.monotonic() - begun, "s", "-", True, condition)
    note(f"state {what}: CPU", usage.ru_utime + usage.ru_stime, "s", "-", True, condition)
    mb = usage.ru_maxrss / 1024
    note(f"state {what}: RSS at most", mb, "MB", f"<= {_PEAK_MB_MAX:g} MB", mb <= _PEAK_MB_MAX, condition)
