"""`create` and `publish`; `serve` in a running daemon."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pincrew.config_document import parse
from pincrew.paths import Home
from pincrew.settings_files import load_cluster
from support.fake_daemon import FakeDaemon
from support.shape_examples import summary
from support.shell import Shell


def test_create_starts_nothing_and_names_the_next_steps(shell: Shell, home: Home) -> None:
    result = shell("create", "Books", "--description", "Old books", "--ipfs", "127.0.0.1:5001", "--peer-name", "Vault")
    assert result.code == 0
    for words in ("owner key", "Move it to a safe place", "pincrew publish"):
        assert words in result.out + result.err
    settings = load_cluster(home.cluster("books").settings)
    assert (settings.ipfs, settings.peer_name) == ("127.0.0.1:5001", "Vault")
    assert not home.daemon_log.exists()
    assert shell("create", "books").code == 1


def test_create_json(shell: Shell, home: Home) -> None:
    found = json.loads(shell("create", "books", "--closed", "--json").out)
    paths = home.cluster("books")
    assert found["id"] == load_cluster(paths.settings).cluster_id
    assert (found["owner_key"], found["secret"], found["home"]) == (
        str(paths.owner),
        str(paths.secret),
        str(paths.folder),
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["///"],
        ["a", "--listen", "nowhere"],
        ["a", "--announce", "/ip4/0.0.0.0/tcp/1"],
        ["a", "--ipfs", "x y"],
        ["a", "--peer-name", " x"],
    ],
)
def test_create_refuses_bad_input(shell: Shell, home: Home, arguments: list[str]) -> None:
    assert shell("create", *arguments).code == 2
    assert not home.joined()


def test_publish_without_a_daemon_uses_the_chosen_addresses(shell: Shell, tmp_path: Path) -> None:
    paths = shell.curated()
    file = tmp_path / "books.toml"
    found = json.loads(shell("publish", "-o", str(file), "--json").out)
    document = parse(file.read_bytes())
    assert document.peers[0].startswith("/ip4/203.0.113.7/tcp/4001/p2p/")
    assert (found["revision"], found["sha256"], found["path"]) == (1, document.sha256, str(file))
    assert found["follow"] == f"pincrew follow {file}#{document.cluster_id.hex()}"
    assert paths.config.read_bytes() == file.read_bytes()


def test_publish_without_a_daemon_and_without_an_address(shell: Shell) -> None:
    shell("create", "books")
    result = shell("publish")
    assert result.code == 3
    assert "pincrew daemon start" in result.err


def test_publish_asks_the_daemon_that_runs(shell: Shell, daemon: FakeDaemon, tmp_path: Path) -> None:
    document = shell.curated().config.read_text()
    daemon.on("POST", "/clusters/books/publish", {"document": document, "sha256": "aa", "revision": 7})
    file = tmp_path / "books.toml"
    result = shell("publish", "-o", str(file))
    assert result.code == 0
    assert file.read_text() == document
    assert result.out.startswith(f"pincrew follow {file}#")
    ready = {"cluster": "books", "peer": "P", "p2p": [], "api": None, "publish": "http://203.0.113.7:8000/books.toml"}
    daemon.on("GET", "/clusters/books/ready", ready)
    assert shell("publish").out.startswith("pincrew follow http://203.0.113.7:8000/books.toml#")


@pytest.mark.parametrize(("text", "days"), [("", None), ("none", 0), ("30d", 30), ("2w", 14), ("48h", 2)])
def test_publish_says_how_long_silence_is_usual(shell: Shell, daemon: FakeDaemon, text: str, days: int | None) -> None:
    document = shell.curated().config.read_text()
    daemon.on("POST", "/clusters/books/publish", {"document": document, "sha256": "aa", "revision": 7})
    shell("publish", *(["--silent-after", text] if text else []))
    assert daemon.asked("POST", "/clusters/books/publish")[0].json["silent_after_days"] == days


@pytest.mark.parametrize("text", ["30", "90m", "0d", "soon"])
def test_publish_refuses_what_is_no_number_of_days(shell: Shell, daemon: FakeDaemon, text: str) -> None:
    shell.curated()
    assert shell("publish", "--silent-after", text).code == 2
    assert not daemon.asked("POST", "/clusters/books/publish")


def test_publish_where_nothing_can_be_written(shell: Shell, tmp_path: Path) -> None:
    shell.curated()
    result = shell("publish", "-o", str(tmp_path / "missing" / "books.toml"))
    assert result.code == 1
    assert str(tmp_path / "missing") in result.err


def test_a_follower_publishes_nothing(shell: Shell) -> None:
    shell.followed()
    assert shell("publish").code == 8


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "option", "rest"), [(signal.SIGINT, [], ""), (signal.SIGTERM, ["--rest", "127.0.0.1:9"], "127.0.0.1:9")]
)
def test_serve_within_a_running_daemon(
    shell: Shell, daemon: FakeDaemon, number: signal.Signals, option: list[str], rest: str
) -> None:
    shell.curated()
    daemon.on("POST", "/clusters", summary())
    daemon.on("DELETE", "/clusters/books", {})
    ready = {"cluster": "books", "peer": "P", "p2p": ["/a", "/b"], "api": "unix:/s", "publish": "http://h:1/books.toml"}
    daemon.on("GET", "/clusters/books/ready", ready)
    with subprocess.Popen(
        [sys.executable, "-m", "pincrew", "serve", "books", "--publish", "h:1", *option],
        env=os.environ.copy(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line == "ready books peer=P p2p=/a,/b api=unix:/s publish=http://h:1/books.toml\n"
        assert daemon.asked("POST", "/clusters")[0].json == {"name": "books", "publish": "h:1", "rest": rest}
        assert not daemon.asked("DELETE", "/clusters/books")
        process.send_signal(number)
        assert process.wait(10) == 0
    assert daemon.asked("DELETE", "/clusters/books")
