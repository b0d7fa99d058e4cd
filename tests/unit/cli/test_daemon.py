"""`daemon status`, `start` and `stop` from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from pincrew.cli import background
from support.fake_daemon import FakeDaemon
from support.shape_examples import daemon_info
from support.shell import Shell


def test_status_of_one_that_runs(shell: Shell, daemon: FakeDaemon) -> None:
    found = json.loads(shell("daemon", "status", "--json").out)
    assert (found["running"], found["pid"], found["clusters"]) == (True, os.getpid(), ["books"])
    assert f"process {os.getpid()}" in shell("daemon", "status").out


def test_status_of_none_is_exit_3(shell: Shell) -> None:
    result = shell("daemon", "status", "--json")
    assert result.code == 3
    assert json.loads(result.out)["running"] is False


def test_start_where_one_runs_is_harmless(shell: Shell, daemon: FakeDaemon) -> None:
    result = shell("daemon", "start")
    assert (result.code, "running already" in result.err) == (0, True)


def test_stop_waits_until_the_process_is_gone(shell: Shell, daemon: FakeDaemon) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    daemon.on("GET", "/daemon", daemon_info(process.pid))

    def stop(_: object) -> dict[str, str]:
        assert process.stdin is not None
        process.stdin.close()
        return {}

    daemon.on("POST", "/daemon/stop", stop)
    result = shell("daemon", "stop")
    assert (result.code, f"process {process.pid}" in result.err) == (0, True)
    assert process.wait(1) == 0


def test_stop_where_none_runs_is_harmless(shell: Shell) -> None:
    assert shell("daemon", "stop").code == 0


def test_stop_tells_when_it_does_not_end(shell: Shell, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "STOP_TIMEOUT_S", 0.0)
    daemon.on("POST", "/daemon/stop", {})
    result = shell("daemon", "stop")
    assert (result.code, f"kill {os.getpid()}" in result.err) == (1, True)
