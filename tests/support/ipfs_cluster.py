"""ipfs-cluster's own programs, where packaging/dev/get-cluster.sh built them, or on PATH."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from support.kubo import kubo_cache

IPFS_CLUSTER_VERSION = "v1.1.6"
NO_IPFS_CLUSTER = "no ipfs-cluster was found: packaging/dev/get-cluster.sh builds one"
_TIMEOUT_S = 120.0


def find_ipfs_cluster() -> Path | None:
    """Return the ``ipfs-cluster-service`` program to test with, or None."""
    built = kubo_cache() / f"ipfs-cluster-{IPFS_CLUSTER_VERSION}" / "ipfs-cluster-service"
    for candidate in (str(built), "ipfs-cluster-service"):
        found = shutil.which(candidate)
        if found:
            return Path(found)
    return None


class IpfsClusterState:
    """The state of an ipfs-cluster peer that never runs: its `state` commands need no daemon."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._command = [str(program), "--config", str(folder)]
        self._run("init", "--consensus", "crdt")

    def import_lines(self, lines: Iterable[dict[str, Any]] | Path) -> None:
        """Replace the state by what a file holds."""
        if isinstance(lines, Path):
            self._run("state", "import", "--force", str(lines))
        else:
            self._run("state", "import", "--force", stdin="".join(json.dumps(line) + "\n" for line in lines))

    def export_to(self, file: Path) -> list[dict[str, Any]]:
        """Write the state into a file and return its lines."""
        self._run("state", "export", "--file", str(file))
        return [json.loads(line) for line in file.read_text().splitlines()]

    def _run(self, *arguments: str, stdin: str = "") -> None:
        done = subprocess.run(
            [*self._command, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done
