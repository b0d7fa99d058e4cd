"""`follow --foreground`: it ends the daemon that it started, and leaves alone the one that was there."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from support.machines import LISTEN, NOBODY, Crew, Machine, until

pytestmark = pytest.mark.slow


@pytest.fixture
def document(crew: Crew) -> Path:
    """A config document of a cluster whose curator is up."""
    curator = crew.machine("curator")
    curator.create("archive")
    curator.serve("archive")
    curator.run("publish", "-o", "archive.toml")
    return curator.folder / "archive.toml"


def follow(machine: Machine, document: Path) -> subprocess.Popen[str]:
    process = machine.start(
        *("follow", str(document), "--yes", "--foreground", "--listen", LISTEN, "--ipfs", NOBODY),
    )
    until(lambda: "is followed" in machine.log() or "was followed" in machine.log(), "it says that it joined")
    machine.adopt()
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stays_and_ends_its_daemon_in_order(crew: Crew, document: Path, number: signal.Signals) -> None:
    follower = crew.machine("follower")
    process = follow(follower, document)
    follower.until("archive", lambda summary: summary.peers.connected == 1, "it works")
    assert process.poll() is None
    process.send_signal(number)
    assert process.wait(60) == 0, follower.log()
    assert follower.json("daemon", "status", code=3)["running"] is False
    assert follower.json("status", code=3)["clusters"][0]["name"] == "archive", "it is still joined"
    assert not follower.home.daemon_socket(follower.environment).exists()


def test_a_daemon_that_was_there_before_stays(crew: Crew, document: Path) -> None:
    follower = crew.machine("follower")
    pid = follower.run_daemon()
    process = follow(follower, document)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0, follower.log()
    assert "was running before this command" in follower.log()
    assert follower.client.daemon().pid == pid
    follower.until("archive", lambda summary: summary.peers.connected == 1, "it goes on following")


def test_a_join_that_fails_leaves_no_daemon(crew: Crew) -> None:
    follower = crew.machine("follower")
    said = follower.run("follow", "nothing-here.toml", "--yes", "--foreground", code=1)
    assert "cannot be read" in said.err
    assert follower.json("daemon", "status", code=3)["running"] is False
