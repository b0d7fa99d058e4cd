"""The node yields to others: seen by the system, for the process and for threads that it starts afterwards."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pincrew.limits import NODE_NICENESS
from pincrew.node.priority import is_low
from pincrew.paths import Home
from pincrew.settings import ClusterSettings, NodePriority, Role, Settings
from pincrew.settings_files import save

PROGRAM = """
import ctypes, os, threading
from pincrew.node.priority import _IOPRIO_SET, yield_to_others
import platform
yield_to_others()
def show():
    get = _IOPRIO_SET.get(platform.machine())
    print(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), get and ctypes.CDLL(None).syscall(get + 1, 1, 0))
show()
thread = threading.Thread(target=show)
thread.start()
thread.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how a process stands with the disk")
def test_process_and_threads_yield() -> None:
    said = subprocess.run([sys.executable, "-c", PROGRAM], check=True, stdout=subprocess.PIPE, text=True).stdout
    assert said.splitlines() == [f"{NODE_NICENESS} {2 << 13 | 7}"] * 2


def cluster(home: Home, name: str, role: Role, ipfs: str) -> None:
    paths = home.cluster(name)
    paths.folder.mkdir(parents=True)
    save(paths.settings, ClusterSettings("ab" * 32, role=role, ipfs=ipfs))


def test_a_curators_node_does_not_unless_its_user_says_so(tmp_path: Path) -> None:
    home, settings = Home(tmp_path), Settings()
    assert is_low(NodePriority.AUTO, home, settings)
    cluster(home, "books", Role.FOLLOWER, "embedded")
    cluster(home, "films", Role.CURATOR, "http://127.0.0.1:5001")
    assert is_low(NodePriority.AUTO, home, settings), "that cluster's node is another one"
    cluster(home, "maps", Role.CURATOR, "embedded")
    assert not is_low(NodePriority.AUTO, home, settings)
    assert is_low(NodePriority.LOW, home, settings) and not is_low(NodePriority.NORMAL, home, settings)
    home.cluster("maps").settings.write_text("nonsense")
    assert is_low(NodePriority.AUTO, home, settings)
