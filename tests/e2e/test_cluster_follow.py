"""Somebody who moves over from ipfs-cluster-follow types the same words, on a real cluster."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from support.machines import LISTEN, Crew, Machine, until

pytestmark = pytest.mark.slow
CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"


@pytest.fixture
def document(crew: Crew) -> Path:
    """A config document of a cluster whose curator is up and has one pin on its list."""
    curator = crew.machine("curator")
    curator.create("archive")
    curator.serve("archive")
    curator.run("pin", "add", CID, "--name", "a name")
    curator.run("publish", "-o", "archive.toml")
    return curator.folder / "archive.toml"


@pytest.fixture
def newcomer(crew: Crew) -> Machine:
    """A machine with the programs of `compat install`, whose own node is all it has."""
    machine = crew.machine("newcomer")
    machine.environment |= {"PINCREW_IPFS": "embedded"}
    machine.run("compat", "install", str(machine.folder / "bin"))
    return machine


def typed(machine: Machine, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [machine.folder / "bin" / "ipfs-cluster-follow", *words],
        env=machine.environment,
        cwd=machine.folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_init_run_info_and_list(newcomer: Machine, document: Path) -> None:
    init = typed(newcomer, "archive", "init", str(document))
    paths = newcomer.home.cluster("archive")
    assert (init.returncode, init.stderr) == (0, "")
    assert init.stdout == (
        f"Identity written to {paths.identity}.\nConfiguration written to {paths.settings}.\n"
        'Cluster "archive" follower peer initialized.\n\n'
        'You can now use "ipfs-cluster-follow archive run" to start a follower peer for this cluster.\n'
    )
    assert newcomer.json("daemon", "status", code=3)["running"] is False, "nothing runs before `run`"
    assert typed(newcomer, "archive", "init", str(document)).returncode == 1

    with newcomer.log_file.open("ab") as log:
        process = subprocess.Popen(
            [newcomer.folder / "bin" / "ipfs-cluster-follow", "archive", "run", "--init", str(document)],
            env=newcomer.environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    newcomer.processes.append(process)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(5)]
    assert lines[0] == "Configuration for this cluster already exists. Skipping initialization.\n"
    assert lines[3:] == ['Starting the IPFS Cluster follower peer for "archive".\n', "CTRL-C to stop it.\n"]
    assert process.stdout.readline().startswith("ready archive ")
    newcomer.adopt()
    until(lambda: CID in typed(newcomer, "archive", "list").stdout, "the list comes")
    online = typed(newcomer, "archive", "list").stdout.split()
    assert online[0] in ("pin_queued", "pinning", "pin_error")
    assert online[1:4] == [CID, "a", "name"]
    newcomer.until("archive", lambda summary: summary.node.state == "up", "its node is up")
    info = typed(newcomer, "archive", "info").stdout.splitlines()
    assert info[3:] == [
        f"Config source URL: Available ({document})",
        "Cluster Peer online: true",
        "IPFS peer online: true",
    ]
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert typed(newcomer, "archive", "list").stdout == f"{'offline':<20} {CID} a name\n"
    assert typed(newcomer).stdout.startswith("Configurations found for 1 follower peers.")


def test_init_beside_a_daemon_leaves_it_running(newcomer: Machine, document: Path) -> None:
    pid = newcomer.run_daemon()
    assert typed(newcomer, "archive", "init", str(document)).returncode == 0
    assert newcomer.client.daemon().pid == pid
    assert newcomer.client.status().clusters == [], "it is not followed before `run`"
    other = typed(newcomer, "other", "init", str(document))
    assert (other.returncode, 'try "ipfs-cluster-follow archive"' in other.stderr) == (1, True)


def test_a_configuration_of_ipfs_cluster_is_refused_before_anything_is_written(newcomer: Machine) -> None:
    template = newcomer.folder / "service.json"
    template.write_text(json.dumps({"cluster": {}, "consensus": {"crdt": {"cluster_name": "old-archive"}}}))
    refused = typed(newcomer, "archive", "run", "--init", str(template))
    assert refused.returncode == 1
    assert "'old-archive'" in refused.stderr
    assert "Nothing was written" in refused.stderr
    said = newcomer.run("follow", str(template), "--yes", "--listen", LISTEN, code=2)
    assert "'old-archive'" in said.all
    assert newcomer.json("daemon", "status", code=3)["running"] is False
    assert not newcomer.home.clusters.exists()
