"""Starting a daemon that does not start: its own words are what the user reads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pincrew.cli import background
from pincrew.cli.invocation import Invocation
from pincrew.cli.output import Output
from pincrew.errors import StoreFault, WorldFault
from pincrew.paths import Home


def test_a_daemon_that_dies_is_told(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(WorldFault, match="ended without a word") as caught:
        background.ensure(Invocation(Output(), os.environ))
    assert str(home.daemon_log) in caught.value.where
    assert home.daemon_log.stat().st_mode & 0o077 == 0


def test_a_log_that_cannot_be_opened_is_told(home: Home) -> None:
    home.daemon_log.mkdir(parents=True)
    with pytest.raises(StoreFault, match="Cannot open it: Is a directory"):
        background.spawn(Invocation(Output(), os.environ))


def test_a_daemon_that_hangs_is_ended_in_the_end(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def hanging(*_: object, **__: object) -> tuple[subprocess.Popen[bytes], Path, int]:
        started.append(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))
        return started[0], home.daemon_log, 0

    monkeypatch.setattr(background, "spawn", hanging)
    monkeypatch.setattr(background, "START_TIMEOUT_S", 0.0)
    with pytest.raises(WorldFault, match="does not answer"):
        background.ensure(Invocation(Output(), os.environ))
    assert started[0].wait(10) != 0
    assert started[0].stdin is not None
    started[0].stdin.close()


def test_who_is_alive() -> None:
    assert background.is_alive(os.getpid())
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    if Path("/proc/self/stat").exists():
        assert not background.is_alive(process.pid), "a process that waits to be collected has ended"
    process.wait()
    assert not background.is_alive(process.pid)
