"""A peer inside of a program, as a process of its own: the page's programs, pincrew's own node, and a daemon beside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.doc_programs import programs, run_program
from support.machines import STOP_TIMEOUT_S, Crew, processes_naming

pytestmark = [pytest.mark.slow]
FIRST, MANY = programs("embedding.md")
# Holds the peer until its standard input ends.
HOLDING = """
import os, sys, trio
from pincrew import Peer

async def main():
    async with Peer.open(os.environ["PINCREW_HOME"], "films") as peer:
        print("open", peer.status().name, flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)

trio.run(main)
"""


def test_the_page_s_programs_work_on_pincrew_s_own_node(crew: Crew, tmp_path: Path) -> None:
    machine = crew.machine("one")
    machine.create("films", node="embedded")
    said = run_program(machine, FIRST, tmp_path)
    assert said.out.startswith("bafkrei") and said.out.endswith(" pinned a film\n")
    again = run_program(machine, MANY, tmp_path)
    assert "added 1 of 1\nnot on the list: " in again.out
    assert processes_naming(str(machine.home.root)) == [], "the node ended with the program"


def test_a_daemon_and_an_embedded_peer_keep_out_of_each_others_way(crew: Crew, tmp_path: Path) -> None:
    machine = crew.machine("one")
    machine.create("films")
    holder = subprocess.Popen(
        [sys.executable, "-P", "-c", HOLDING],
        env=machine.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    machine.processes.append(holder)
    assert holder.stdin is not None and holder.stdout is not None
    assert holder.stdout.readline() == "open films\n"

    refused = machine.run("daemon", "run", code=1)
    assert f"embedded peer (process {holder.pid}) uses this home" in refused.all
    assert "not running" in machine.run("peers", code=3).all
    socket = machine.home.cluster("films").api_socket(machine.environment)
    assert machine.run("ctl", "--host", f"/unix{socket}", "id").out.strip(), "the cluster's own socket is open"

    holder.stdin.close()
    assert holder.wait(STOP_TIMEOUT_S) == 0
    machine.run_daemon()
    conflict = run_program(machine, MANY, tmp_path)
    assert "somebody else uses this home: " in conflict.out and "pincrew.api.client" in conflict.out
    machine.stop()
