"""`compat install` writes programs that run, and takes nobody else's place."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from pincrew.cli.compat import PROGRAMS
from support.shell import Shell


def test_it_is_written_where_asked_and_again_without_harm(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "my programs"
    for _ in range(2):
        done = json.loads(shell("compat", "install", str(folder), "--json").out)
        assert done == {"schema": 1, "folder": str(folder), "written": [str(folder / name) for name in PROGRAMS]}
    assert sorted(path.name for path in folder.iterdir()) == sorted(PROGRAMS)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_written_runs(shell: Shell, tmp_path: Path, name: str) -> None:
    shell("compat", "install", str(tmp_path))
    done = subprocess.run([tmp_path / name, "--version"], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.startswith(f"{name} version ")


def test_the_usual_place_is_the_users_own(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    result = shell("compat", "install")
    folder = Path(os.environ["HOME"]) / ".local" / "bin"
    assert (folder / "ipfs-cluster-follow").exists()
    assert "not on your PATH" in result.err
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    assert "PATH" not in shell("compat", "install").err


@pytest.mark.parametrize("name", PROGRAMS)
def test_another_program_of_that_name_is_left_alone(shell: Shell, tmp_path: Path, name: str) -> None:
    other = tmp_path / name
    other.write_bytes(b"\x7fELF" + bytes(100))
    result = shell("compat", "install", str(tmp_path))
    assert (result.code, "left as it is" in result.err) == (1, True)
    assert other.read_bytes() == b"\x7fELF" + bytes(100)
    assert list(tmp_path.glob("ipfs-cluster-*")) == [other]


def test_one_that_comes_first_on_the_path_is_named(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tmp_path / "first"
    first.mkdir()
    (first / "ipfs-cluster-follow").write_text("#!/bin/sh\n")
    (first / "ipfs-cluster-follow").chmod(0o755)
    monkeypatch.setenv("PATH", f"{first}:{tmp_path}")
    assert f"still means {first}" in shell("compat", "install", str(tmp_path)).err
