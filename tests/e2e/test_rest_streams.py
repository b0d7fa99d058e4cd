"""ipfs-cluster's REST API over libp2p, of a real daemon: asked by our ctl and by ipfs-cluster's own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from pincrew.settings_files import load_cluster
from support.ipfs_cluster import NO_IPFS_CLUSTER, find_ipfs_cluster
from support.machines import Crew, Machine, made_up_cids

pytestmark = pytest.mark.slow
USER = "ana:correct-horse"
OURS = (sys.executable, "-P", "-m", "pincrew.ctl")
[CID] = made_up_cids(1, "rest streams")
TIMEOUT_S = 60


@dataclass(frozen=True)
class Ctl:
    """A program with ipfs-cluster-ctl's grammar, and the peer that it asks over libp2p."""

    program: tuple[str, ...]
    host: str
    folder: Path

    def say(self, *words: str, user: str = USER) -> tuple[int, str]:
        """Return the exit code and what was said."""
        done = subprocess.run(
            [*self.program, "--host", self.host, *(["--basic-auth", user] if user else []), *words],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def works(self) -> None:
        """Everything goes, for who shows a password and for nobody else."""
        code, said = self.say("id")
        assert code == 0 and "curator" in said, said
        code, said = self.say("pin", "add", "--no-status", CID)
        assert code == 0, said
        assert CID in self.say("status")[1]
        small = self.folder / "small"
        small.write_bytes(os.urandom(300_000))  # more than one window
        code, said = self.say("add", "--quieter", str(small))
        assert code == 0 and said.strip() in self.say("pin", "ls")[1], said
        code, said = self.say("id", user="")
        assert code == 2 and "Code: 401" in said and "unauthorized" in said, said


def settle(machine: Machine, text: str) -> None:
    """Write into the settings of the cluster, as its user does."""
    with machine.home.cluster("films").settings.open("a") as file:
        file.write(text)


def served(machine: Machine) -> str:
    """Serve the cluster; return where its peer is over libp2p."""
    ready = machine.serve("films", "--rest", "none")
    [port] = {address.split("/")[4] for address in load_cluster(machine.home.cluster("films").settings).listen}
    return f"/ip4/127.0.0.1/tcp/{port}/p2p/{ready['peer']}"


def test_off_unless_it_is_wanted_and_never_open(crew: Crew, tmp_path: Path) -> None:
    machine = crew.machine("curator")
    machine.create("films", "--peer-name", "curator")
    ours = Ctl(OURS, served(machine), tmp_path)
    code, said = ours.say("id")
    assert code == 1 and "rest_libp2p" in said, said
    machine.stop()

    settle(machine, "rest_libp2p = true\n")
    said = machine.run("serve", "films", code=2).all
    assert "Whoever reaches this peer of films could change its list" in said and "`pincrew token new" in said
    assert "REST API" in machine.run("serve", "films", "--check", code=2).all


@pytest.mark.ipfs_cluster
def test_both_clients(crew: Crew, tmp_path: Path) -> None:
    machine = crew.machine("curator")
    machine.create("films", "--peer-name", "curator", node="embedded")
    settle(machine, f'rest_libp2p = true\nrest_users = ["{USER}"]\n')
    assert "over libp2p" in machine.run("serve", "films", "--check").all
    address = served(machine)
    ours = Ctl(OURS, address, tmp_path)
    ours.works()
    assert "/libp2p-http" in ours.say("health", "bandwidth")[1]
    service = find_ipfs_cluster()
    if service is None or not service.with_name("ipfs-cluster-ctl").exists():
        pytest.skip(NO_IPFS_CLUSTER)
    Ctl((str(service.with_name("ipfs-cluster-ctl")),), address, tmp_path).works()
    assert "correct-horse" not in machine.log() and "handshake" not in machine.log()
    machine.stop()
