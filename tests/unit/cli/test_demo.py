"""The demo's parts; the whole is e2e."""

from __future__ import annotations

from pathlib import Path

import pytest

from pincrew.cli import demo
from pincrew.cli.demo import Pinned
from pincrew.cli.demo_machines import Machine, write_files
from pincrew.kubo_process import find_kubo
from pincrew.settings_files import load_node
from support.shell import Shell


def test_without_kubo_it_says_how_to_get_it(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PINCREW_KUBO_CACHE", str(tmp_path))
    result = shell("demo", "--ipfs", "kubo")
    assert result.code == 1
    assert "without `--ipfs kubo`" in result.err
    assert len(result.err.splitlines()) == 1


def test_where_kubo_is_looked_for(tmp_path: Path) -> None:
    assert find_kubo({"PATH": str(tmp_path), "PINCREW_KUBO_CACHE": str(tmp_path)}) is None
    for version in ("v0.42.0", "v0.43.1"):
        program = tmp_path / f"kubo-{version}" / "ipfs"
        program.parent.mkdir()
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    cache = {"PATH": str(tmp_path), "PINCREW_KUBO_CACHE": str(tmp_path)}
    assert find_kubo(cache) == tmp_path / "kubo-v0.43.1" / "ipfs"
    assert find_kubo({**cache, "PATH": str(tmp_path / "kubo-v0.42.0")}) == tmp_path / "kubo-v0.42.0" / "ipfs"


def test_the_files_and_their_hashes(tmp_path: Path) -> None:
    noise, text, album = (Pinned("cid", path) for path in write_files(tmp_path / "files"))
    assert noise.bytes > 5_000_000
    assert [path.name for path in album.parts] == ["notes.txt", "picture-1.bin", "picture-2.bin", "picture-3.bin"]

    def of_file(path: Path) -> str:
        return path.name

    assert text.sha256(of_file) == "poem.txt"
    assert len(album.sha256(of_file)) == 64
    assert album.sha256(lambda path: "" if path.name == "notes.txt" else path.name) == ""


def test_a_machine_hears_nothing_of_the_users_settings(tmp_path: Path) -> None:
    environment = {"PATH": "/bin", "PINCREW_IPFS": "http://real", "IPFS_PATH": "/real", "PINCREW_HOME": "/real"}
    machine = Machine("m", tmp_path / "m", None, environment)
    assert machine.environment["PINCREW_HOME"] == str(tmp_path / "m" / "home")
    assert not {"PINCREW_IPFS", "IPFS_PATH"} & set(machine.environment)
    assert machine.processes == []
    assert machine.node_choice == "embedded"
    machine.prepare_node()
    (listen,) = load_node(machine.home.node.settings).listen
    assert listen.startswith("/ip4/127.0.0.1/tcp/") and not listen.endswith("/0"), "it stays on loopback"
    assert machine.sha256("bafkqaaa") == "", "nobody answers"


def test_a_failure_leaves_no_folder(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "_play", failing)
    monkeypatch.setattr(demo.signal, "signal", lambda *_: None)
    monkeypatch.setattr(demo.tempfile, "mkdtemp", lambda prefix: str(_made(tmp_path / "demo")))
    assert shell("demo").code == 130
    assert not (tmp_path / "demo").exists()


def _made(path: Path) -> Path:
    path.mkdir()
    return path
