"""A real `systemd --user` for one machine, on a system that systemd did not boot.

It runs in a mount namespace in which /run says that systemd is there, and manages what the machine's user has it start.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest

from support.machines import Machine

NO_SYSTEMD = "this system lets nobody run a systemd of his own"
_PROGRAM = "/lib/systemd/systemd"
_SCRIPT = f"mount -t tmpfs none /run && mkdir -p /run/systemd/system && exec {_PROGRAM} --user"
_PATIENCE_S = 20.0


@contextlib.contextmanager
def user_systemd(machine: Machine) -> Iterator[None]:
    """Have the machine's commands run beside a systemd of its own; skips the test where the system allows none."""
    if not all(map(shutil.which, ("unshare", "nsenter", "systemctl", _PROGRAM))):
        pytest.skip(NO_SYSTEMD)
    with machine.log_file.open("ab") as log:
        holder = subprocess.Popen(
            ["unshare", "-Urm", "sh", "-c", _SCRIPT],
            env=machine.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    machine.within = ("nsenter", "-t", str(holder.pid), "-U", "-m", "--preserve-credentials")
    try:
        deadline = time.monotonic() + _PATIENCE_S
        while holder.poll() is None and not _answers(machine):
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
        if holder.poll() is not None or not _answers(machine):
            pytest.skip(NO_SYSTEMD)
        yield
    finally:
        holder.terminate()  # it ends what it started, in order
        try:
            holder.wait(60)
        except subprocess.TimeoutExpired:
            holder.kill()
            holder.wait()


def systemctl(machine: Machine, *words: str) -> subprocess.CompletedProcess[str]:
    """Ask the machine's systemd."""
    return subprocess.run(
        [*machine.within, "systemctl", "--user", *words],
        env=machine.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _answers(machine: Machine) -> bool:
    return systemctl(machine, "show", "--property=Version").returncode == 0
