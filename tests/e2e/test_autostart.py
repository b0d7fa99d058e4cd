"""`autostart` with a real systemd of the user."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.machines import NOBODY, Crew, Machine, until
from support.user_systemd import systemctl, user_systemd

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="systemd is for Linux alone"),
]


@pytest.fixture
def machine(crew: Crew) -> Iterator[Machine]:
    made = crew.machine("volunteer")
    with user_systemd(made):
        yield made


def shown(machine: Machine, unit: str, name: str) -> str:
    return systemctl(machine, "show", "--value", f"--property={name}", unit).stdout.strip()


def test_it_is_started_watched_and_ended_by_systemd(machine: Machine) -> None:
    machine.create("archive", node=NOBODY)
    state = machine.json("autostart", "on")
    assert (state["enabled"], state["answers"], state["running"]) == (True, True, True)
    unit = Path(state["path"]).name
    # `start` returned when the daemon had said that it is ready: then it answers.
    pid = machine.adopt()
    assert machine.client.daemon().pid == pid == int(shown(machine, unit, "MainPID"))
    until(lambda: shown(machine, unit, "StatusText") == "archive: waiting", "systemd knows how it goes")
    assert shown(machine, unit, "UnitFileState") == "enabled"
    assert shown(machine, unit, "WatchdogUSec") == "5min"
    machine.run("autostart", "on")
    assert machine.adopt() == pid, "it is harmless when it is on already"

    machine.run("autostart", "off")
    assert machine.client.daemon().pid == pid, "one that runs goes on"
    assert machine.json("autostart", "status")["enabled"] is False
    machine.run("daemon", "stop")
    until(lambda: shown(machine, unit, "ActiveState") == "inactive", "what was stopped is not started again")


@pytest.mark.long
def test_one_that_fails_is_started_again_and_one_that_runs_is_handed_over(machine: Machine) -> None:
    before = machine.json("daemon", "start")["pid"]
    machine.adopt()
    said = machine.run("autostart", "on")
    assert "daemon stop && systemctl --user start pincrew-" in said.all
    unit = Path(machine.json("autostart", "status")["path"]).name
    assert machine.client.daemon().pid == before
    machine.run("daemon", "stop")
    assert systemctl(machine, "start", unit).returncode == 0
    pid = machine.adopt()
    assert pid != before
    os.kill(pid, signal.SIGKILL)
    until(lambda: shown(machine, unit, "SubState") == "auto-restart", "it is to be started again")
    assert systemctl(machine, "stop", unit).returncode == 0
