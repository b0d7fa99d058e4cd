"""`serve --check`: each setting with where it was said, and each fault; nothing is started or changed."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from pincrew.paths import ClusterPaths, Home
from support.certificates import certificate_in
from support.fake_daemon import FakeDaemon
from support.shell import Result, Shell

PASSWORD = "a long, long password"


@pytest.fixture
def books(shell: Shell) -> ClusterPaths:
    paths = shell.curated()
    write(paths, 'ipfs = "embedded"\nlisten = []\n')
    return paths


def write(paths: ClusterPaths, lines: str) -> None:
    """Say more in the cluster's file, once of each setting."""
    names = {line.partition(" = ")[0] for line in lines.splitlines()}
    kept = [one for one in paths.settings.read_text().splitlines() if one.partition(" = ")[0] not in names]
    paths.settings.write_text("\n".join(kept) + "\n" + lines)


def failures(result: Result) -> list[tuple[str, str]]:
    found: list[dict[str, Any]] = [json.loads(line) for line in result.out.splitlines()]
    return [(one["check"], one["text"]) for one in found if one["result"] == "FAIL"]


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"127.0.0.1:{probe.getsockname()[1]}"


def test_what_would_be_used_and_where_it_was_said(
    shell: Shell, home: Home, books: ClusterPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.settings.write_text("pins_in_flight = 3\n")
    write(books, f'rest_users = ["ana:{PASSWORD}"]\ntags = ["region=eu"]\nrest_libp2p = true\n')
    monkeypatch.setenv("PINCREW_CLUSTER_TAGS", "region=us,zone=b")
    monkeypatch.setenv("PINCREW_PIN_NO_PROGRESS", "5m")
    before = {path: path.read_bytes() for path in home.root.rglob("*") if path.is_file()}
    address = free_address()
    result = shell("serve", "books", "--check", "--rest", address, "--publish", "127.0.0.1:0")
    assert result.code == 0, result.out
    for words in (
        f"pins_in_flight = 3 ({home.settings})",
        'pin_no_progress = "5m" (PINCREW_PIN_NO_PROGRESS)',
        'tags = ["region=us", "zone=b"] (PINCREW_CLUSTER_TAGS)',
        f"rest_users = (not shown) ({books.settings})",
        f"REST API: http://{address}; callers show who they are",
        "REST API: over libp2p, where others connect; callers show who they are",
        "publish: http://127.0.0.1:0",
        "role: curator",
    ):
        assert words in result.out
    assert PASSWORD not in result.out + result.err
    assert {path: path.read_bytes() for path in home.root.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("lines", "variables", "arguments", "check", "words"),
    [
        ("nothing = 1\n", {}, (), "settings", "no setting 'nothing'"),
        ("", {"PINCREW_CLUSTER_RETS": "x"}, (), "settings", "no setting 'PINCREW_CLUSTER_RETS'"),
        ("", {"PINCREW_PIN_NO_PROGRESS": "soon"}, (), "settings", "soon"),
        ('listen = ["/dns/x/tcp/1"]\n', {}, (), "addresses", "listens on an IP address"),
        ('announce = ["/ip4/0.0.0.0/tcp/1"]\n', {}, (), "addresses", "0.0.0.0"),
        ('rest = "0.0.0.0:9094"\n', {}, (), "REST API", "could change the list"),
        ("", {}, ("--rest", "here"), "REST API", "not HOST:PORT"),
        ("rest_libp2p = true\n", {}, (), "REST API", "could change its list"),
        ('rest_tls_cert = "a.pem"\nrest_tls_key = "b.pem"\n', {}, (), "REST API", "cannot be served with"),
        ("", {}, ("--publish", "here"), "publish", "not HOST:PORT"),
    ],
)
def test_what_was_written_wrongly(
    shell: Shell,
    books: ClusterPaths,
    monkeypatch: pytest.MonkeyPatch,
    lines: str,
    variables: dict[str, str],
    arguments: tuple[str, ...],
    check: str,
    words: str,
) -> None:
    write(books, lines)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = shell("serve", "books", "--check", "--json", *arguments)
    assert result.code == 2
    [(which, text)] = failures(result)
    assert which == check and words in text


def test_what_is_in_the_way(shell: Shell, books: ClusterPaths) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        write(books, f'listen = ["/ip4/127.0.0.1/tcp/{port}"]\n')
        result = shell("serve", "books", "--check", "--json", "--rest", f"127.0.0.1:{port}")
    assert result.code == 1
    assert [which for which, _ in failures(result)] == ["port", "REST API"]
    books.identity.unlink()
    write(books, "listen = []\n")
    assert "identity" in str(failures(shell("serve", "books", "--check", "--json")))


@pytest.mark.parametrize(("time", "is_told"), [("1m", True), ("3m", False), ("never", False)])
def test_a_patience_that_is_shorter_than_a_peer_s_last_word(
    shell: Shell, books: ClusterPaths, time: str, is_told: bool
) -> None:
    write(books, f'repin_after = "{time}"\n')
    assert ("repin_after counts as 3 minutes" in shell("serve", "books", "--check").out) == is_told


def test_a_pair_for_tls_and_the_socket_alone(shell: Shell, books: ClusterPaths, tmp_path: Path) -> None:
    certificate, key = certificate_in(tmp_path)
    write(books, f'rest_tls_cert = "{certificate}"\nrest_tls_key = "{key}"\n')
    address = free_address()
    assert f"https://{address}; nobody is asked" in shell("serve", "books", "--check", "--rest", address).out
    write(books, 'rest = "none"\n')
    assert "on the cluster's socket alone" in shell("serve", "books", "--check").out


def test_a_follower_publishes_nothing_and_a_running_daemon_holds_its_own_ports(
    shell: Shell, daemon: FakeDaemon, books: ClusterPaths
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as own:
        port = own.getsockname()[1]
        write(books, f'listen = ["/ip4/127.0.0.1/tcp/{port}"]\nrest = "127.0.0.1:{port}"\n')
        assert shell("serve", "books", "--check").code == 0
    write(books, 'role = "follower"\n')
    result = shell("serve", "books", "--check", "--json", "--publish", "127.0.0.1:0")
    assert (result.code, [which for which, _ in failures(result)]) == (2, ["publish"])
    assert daemon.asked("POST", "/clusters/books/run") == [], os.environ["PINCREW_HOME"]
