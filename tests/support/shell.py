"""Commands typed in this process, on a home of the test's own."""

from __future__ import annotations

import io
import sys
import tempfile
from dataclasses import dataclass

import pytest
from pincrew.trusted.creation import create

from pincrew.cli.app import run
from pincrew.paths import ClusterPaths, Home
from pincrew.settings import ClusterSettings, Role
from pincrew.settings_files import save


@dataclass
class Result:
    """What a command left."""

    code: int
    out: str
    err: str


class Shell:
    """Types commands."""

    def __init__(self, home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: str, stdin: bytes = b"") -> Result:
        """Run one command line in this process."""
        self._capsys.readouterr()
        with tempfile.TemporaryFile() as file:
            file.write(stdin)
            file.seek(0)
            self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
            code = run(arguments)
        out, err = self._capsys.readouterr()
        return Result(code, out, err)

    def curated(self, name: str = "books") -> ClusterPaths:
        """Make a cluster that this home curates."""
        return create(self.home, name, now_s=1_700_000_000, announce=["/ip4/203.0.113.7/tcp/4001"]).paths

    def followed(self, name: str = "books") -> ClusterPaths:
        """Make a folder that passes for a followed cluster."""
        paths = self.curated(name)
        paths.settings.unlink()
        paths.owner.unlink()
        save(paths.settings, ClusterSettings(cluster_id="ab" * 32, role=Role.FOLLOWER))
        return paths
