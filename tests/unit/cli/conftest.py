"""A home of its own for each test, commands as a user types them, and a fake daemon on the home's socket."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pincrew.paths import Home
from support.fake_daemon import FakeDaemon, running_fake
from support.shape_examples import daemon_info, summary
from support.shell import Shell


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """An empty home, which the environment names."""
    for name in ("PINCREW_IPFS", "PINCREW_PLAIN", "NO_COLOR", "IPFS_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PINCREW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path / "user"))  # where no IPFS repository is
    return Home(tmp_path / "home")


@pytest.fixture
def shell(home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Commands on that home."""
    return Shell(home, capsys, monkeypatch)


@pytest.fixture
def daemon(home: Home) -> Iterator[FakeDaemon]:
    """A fake daemon on that home, with a cluster `books`."""
    with running_fake(home.daemon_socket(os.environ)) as fake:
        fake.on("GET", "/daemon", daemon_info())
        fake.on("GET", "/status", {"schema": 1, "clusters": [summary()]})
        fake.on("GET", "/clusters/books/summary", summary())
        fake.on(
            "GET", "/clusters/books/ready", {"cluster": "books", "peer": "P", "p2p": [], "api": None, "publish": None}
        )
        yield fake
