"""A home of its own for each test, commands as a user types them, and a fake daemon on the home's socket."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pincrew.cli.app import run
from pincrew.paths import ClusterPaths, Home
from pincrew.settings import ClusterSettings, Role, save
from pincrew.trusted.creation import create
from support.fake_daemon import FakeDaemon, running_fake
from support.shape_examples import daemon_info, summary


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
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
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
        save(paths.settings, ClusterSettings(cluster_id="ab" * 32, role=Role.FOLLOWER))
        return paths


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """An empty home, which the environment names."""
    for name in ("PINCREW_IPFS", "PINCREW_PLAIN", "NO_COLOR", "IPFS_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PINCREW_HOME", str(tmp_path / "home"))
    return Home(tmp_path / "home")


@pytest.fixture
def shell(home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Commands on that home."""
    return Shell(home, capsys, monkeypatch)


@pytest.fixture
def daemon(home: Home) -> Iterator[FakeDaemon]:
    """A fake daemon on that home, with a cluster `books`."""
    with running_fake(home.daemon_socket({})) as fake:
        fake.on("GET", "/daemon", daemon_info())
        fake.on("GET", "/status", {"schema": 1, "clusters": [summary()]})
        fake.on("GET", "/clusters/books/summary", summary())
        fake.on("GET", "/clusters/books/ready", {"cluster": "books", "peer": "P", "p2p": [], "api": None, "publish": None})
        yield fake
