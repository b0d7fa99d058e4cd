"""The words of ipfs-cluster-follow, its lines and exit codes. With real peers: tests/e2e/test_cluster_follow.py."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pincrew.api.shapes import GlobalPinInfo, NodeInfo, PinInfo, SourceInfo
from pincrew.cli.cluster_follow import main
from pincrew.settings import ClusterSettings
from pincrew.settings_files import load_cluster, save
from support.fake_daemon import FakeDaemon
from support.shape_examples import PEER, summary
from support.shell import Result, Shell

NOBODY = "/ip4/127.0.0.1/tcp/1"
CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
Program = Callable[..., Result]


@pytest.fixture
def program(shell: Shell, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Program:
    for name in ("IPFS_CLUSTER_PATH", "IPFS_GATEWAY"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> Result:
        capsys.readouterr()
        code = main(arguments, os.environ)
        return Result(code, *capsys.readouterr())

    return run


def test_without_words_it_lists_the_clusters(shell: Shell, program: Program) -> None:
    first = program()
    assert (first.code, first.err) == (0, "")
    assert first.out.startswith("\nNo clusters configured yet!\n")
    shell.followed("books")
    shell.followed("films")
    assert program().out == (
        "Configurations found for 2 follower peers. For info and help, try running:\n\n"
        'ipfs-cluster-follow "books"\nipfs-cluster-follow "films"\n\n'
        'Tip: "ipfs-cluster-follow --help" for help and examples.\n'
    )


@pytest.mark.parametrize("words", [("books",), ("books", "info"), ("books", "list"), ("books", "run")])
def test_what_is_not_initialized_says_so(program: Program, words: tuple[str, ...]) -> None:
    result = program(*words)
    assert (result.code, result.err) == (1, "")
    assert result.out == (
        "\nThis cluster peer has not been initialized.\n\n"
        'Try running "ipfs-cluster-follow books init <config-url>" first.\n'
    )


def test_info_while_it_runs(shell: Shell, program: Program, daemon: FakeDaemon) -> None:
    paths = shell.followed("books")
    info = SourceInfo("books", "https://example.org/c.toml", "current", 1, None, None, [])
    daemon.on("POST", "/clusters/books/source", info)
    save(paths.settings, _with_source(paths.settings))
    expected = (
        'Information about follower peer for Cluster "books":\n\n'
        f"Config folder: {paths.folder}\n"
        "Config source URL: Available (https://example.org/c.toml)\n"
        "Cluster Peer online: true\n"
        "IPFS peer online: true\n"
    )
    assert program("books", "info") == Result(0, expected, "")
    assert program("books").out == expected
    daemon.on("POST", "/clusters/books/source", SourceInfo("books", "x", "unreachable", 1, None, None, []))
    down = NodeInfo("kubo", NOBODY, "down", None, None)
    daemon.on("GET", "/clusters/books/summary", summary(node=down))
    lines = program("books", "info").out.splitlines()
    assert "failed retrieving configuration source (https://example.org/c.toml)" in lines[3]
    assert lines[5] == "IPFS peer online: false"


def _with_source(path: Path) -> ClusterSettings:
    return replace(load_cluster(path), source="https://example.org/c.toml", ipfs=NOBODY)


def test_info_while_it_is_stopped(shell: Shell, program: Program) -> None:
    paths = shell.followed("books")
    save(paths.settings, _with_source(paths.settings))
    lines = program("books", "info").out.splitlines()
    assert lines[3:] == [
        "Config source URL: not asked while the peer is offline (https://example.org/c.toml)",
        "Cluster Peer online: false",
        "IPFS peer online: false",
    ]


def test_list_while_it_runs(shell: Shell, program: Program, daemon: FakeDaemon) -> None:
    shell.followed("books")
    info = PinInfo(
        peername="",
        status="pin_error",
        timestamp="2026-01-01T00:00:00Z",
        error="no luck",
        attempt_count=3,
        priority_pin=False,
    )
    status = GlobalPinInfo(CID, "a\x1b name", [], [], "2026-01-01T00:00:00Z", {}, {PEER: info})
    daemon.on("GET", "/clusters/books/pins/status", [status])
    assert program("books", "list").out == f"{'pin_error':<20} {CID} a� name (no luck)\n"
    assert daemon.requests[-1].query == {"local": ["1"]}


def test_list_while_it_is_stopped(shell: Shell, program: Program) -> None:
    """And nothing is made by looking, as the Go program does."""
    paths = shell.followed("books")
    before = sorted(paths.folder.iterdir())
    assert program("books", "list") == Result(0, "", "")
    assert sorted(paths.folder.iterdir()) == before


def test_init_of_what_is_there_changes_nothing(shell: Shell, program: Program) -> None:
    paths = shell.followed("books")
    result = program("books", "init", "https://example.org/c.toml")
    assert result.code == 1
    assert result.err.startswith(
        f"Configuration for this cluster already exists.\nPlease delete {paths.folder} if you wish to re-initialize."
    )
    assert program("books", "init") == Result(1, "", "configuration URL not provided\n")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("../../etc", "info"), "cannot be the name of a cluster's folder"),
        (("My Archive", "info"), "Did you mean 'my-archive'?"),
        (("books", "frobnicate"), "There are: info, init, run, list"),
        (("-c", "/tmp", "books"), "flag provided but not defined: -c"),
        (("books", "--config", "x", "info"), "flag provided but not defined: -config"),
        (("--config",), "flag needs an argument: -config"),
        (("books", "run", "--init"), "flag needs an argument: -init"),
    ],
)
def test_what_it_does_not_take_is_exit_1(program: Program, words: tuple[str, ...], error: str) -> None:
    result = program(*words)
    assert (result.code, result.out) == (1, "")
    assert error in result.err


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("help",), ("books", "--help"), ("books", "run", "-h")])
def test_help(program: Program, words: tuple[str, ...]) -> None:
    result = program(*words)
    assert (result.code, "USAGE:" in result.out) == (0, True)


def test_version(program: Program) -> None:
    assert program("--version").out.startswith("ipfs-cluster-follow version ")
    assert program("-v").out == program("--version").out


def test_another_home(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other" / "clusters" / "music").mkdir(parents=True)
    (tmp_path / "other" / "clusters" / "music" / "cluster.toml").touch()
    assert '"music"' not in program().out
    for words in (("--config", str(tmp_path / "other")), (f"-config={tmp_path / 'other'}",)):
        assert '"music"' in program(*words).out
    monkeypatch.setenv("IPFS_CLUSTER_PATH", str(tmp_path / "other"))
    assert '"music"' not in program().out  # pincrew's own variable goes before
    monkeypatch.delenv("PINCREW_HOME")
    assert '"music"' in program().out
