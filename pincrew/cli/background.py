"""The daemon as seen from outside: is it there, start it in the background, wait until it is gone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from pincrew.api.client import Client
from pincrew.api.shapes import DaemonInfo
from pincrew.cli.invocation import Invocation
from pincrew.errors import DaemonNotRunning, WorldFault
from pincrew.files import last_words, private_folder, told

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 90.0
_POLL_S = 0.05


def running(client: Client) -> DaemonInfo | None:
    """Return what the daemon says of itself, or None when there is none."""
    try:
        return client.daemon()
    except DaemonNotRunning:
        return None


def ensure(invocation: Invocation) -> tuple[DaemonInfo, bool]:
    """Return the running daemon, started in the background where there was none, and whether that was so."""
    found = running(invocation.client)
    if found is not None:
        return found, False
    process, log, length = spawn(invocation)
    try:
        return wait_until_ready(invocation, process, log, length), True
    except BaseException:  # also Ctrl-C: what we started and nobody waits for must not stay; it goes on up
        if process.poll() is None:
            process.terminate()
        raise


def spawn(invocation: Invocation, *, is_detached: bool = True) -> tuple[subprocess.Popen[bytes], Path, int]:
    """Start `pincrew daemon run`; return the process, its log and where in the log its words begin.

    Detached it has a session of its own: it outlives the terminal and hears no Ctrl-C from it.
    """
    home = invocation.home
    private_folder(home.root)
    environment = {**invocation.environment, "PINCREW_HOME": str(home.root)}
    with told(home.daemon_log, "open"):
        descriptor = os.open(home.daemon_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        length = os.fstat(descriptor).st_size
        # -P: a folder named pincrew in the current directory must not pass for the program.
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "pincrew", "daemon", "run"],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            env=environment,
            start_new_session=is_detached,
            close_fds=True,
        )
    finally:
        os.close(descriptor)
    return process, home.daemon_log, length


def wait_until_ready(invocation: Invocation, process: subprocess.Popen[bytes], log: Path, length: int) -> DaemonInfo:
    """Return once the API answers. Raises WorldFault with the daemon's own words when it ended instead."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        found = running(invocation.client)
        if found is not None:
            return found
        if process.poll() is not None:
            found = running(invocation.client)  # another one was quicker, and ours gave way to it
            if found is not None:
                return found
            raise WorldFault(last_words(log, length), where=str(log), next_step="Check with `pincrew doctor`")
        time.sleep(_POLL_S)
    raise WorldFault(
        f"The daemon does not answer {START_TIMEOUT_S:.0f} s after its start",
        where=str(log),
        next_step="Read its log; check with `pincrew doctor`",
    )


def stop(invocation: Invocation) -> int | None:
    """Ask the daemon to end, wait until its process is gone and return its id; None when there was none."""
    found = running(invocation.client)
    if found is None:
        return None
    with suppress(WorldFault):  # it may be gone before it has answered; whether it is, is seen below
        invocation.client.stop()
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while time.monotonic() < deadline:
        if not is_alive(found.pid):
            return found.pid
        time.sleep(_POLL_S)
    raise WorldFault(
        f"The daemon (process {found.pid}) has not ended after {STOP_TIMEOUT_S:.0f} s",
        where=str(invocation.home.daemon_log),
        next_step=f"Read its log; as a last resort `kill {found.pid}`",
    )


def is_alive(pid: int) -> bool:
    """Say whether a process runs; one that ended and was not collected by its parent does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):  # no /proc here: the kernel's word stands
        return Path("/proc/self").exists() is False
