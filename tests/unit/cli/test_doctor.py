"""`doctor`: a line per check, with and without a daemon."""

from __future__ import annotations

import json
import socket

import pytest

from pincrew.api.shapes import Check
from pincrew.errors import Conflict, NotFound
from pincrew.paths import Home
from pincrew.settings_files import load_cluster
from support.fake_daemon import FakeDaemon
from support.shape_examples import daemon_info
from support.shell import Result, Shell


@pytest.fixture(autouse=True)
def _no_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINCREW_IPFS", "127.0.0.1:9")


def checks(result: Result) -> dict[str, str]:
    return {line["check"]: line["result"] for line in map(json.loads, result.out.splitlines())}


def test_an_empty_machine_is_fine(shell: Shell) -> None:
    result = shell("doctor", "--json")
    assert result.code == 0
    assert checks(result) == {
        "version": "ok",
        "home": "note",
        "socket": "ok",
        "settings": "ok",
        "daemon": "note",
        "clock": "ok",
        "IPFS node": "note",
    }


def test_a_curator_is_reminded_of_the_owner_key(shell: Shell) -> None:
    paths = shell.curated()
    result = shell("doctor")
    assert result.code == 0
    assert f"Move {paths.owner}" in result.out
    paths.owner.unlink()
    assert "owner key" not in shell("doctor").out


def test_a_door_that_is_open_to_all_is_named(shell: Shell) -> None:
    paths = shell.curated()
    assert "rest_unprotected" not in shell("doctor").out
    with paths.settings.open("a") as file:
        file.write("rest_unprotected = true\n")
    result = shell("doctor")
    assert result.code == 0 and "whoever reaches it can change the list" in result.out
    assert "`pincrew token new -c" in result.out
    shell("token", "new")
    assert "rest_unprotected" not in shell("doctor").out


def test_failures_are_exit_1_and_name_the_fix(shell: Shell, home: Home) -> None:
    paths = shell.curated()
    paths.identity.chmod(0o644)
    result = shell("doctor", "--json")
    assert result.code == 1
    assert checks(result)["identity"] == "FAIL"
    assert "chmod 600" in shell("doctor").out
    paths.identity.unlink()
    assert checks(shell("doctor", "--json"))["identity"] == "FAIL"
    home.settings.write_text("colour = 'red'")
    result = shell("doctor")
    assert "colour" in result.out


def test_a_port_in_use(shell: Shell) -> None:
    paths = shell.curated()
    port = int(load_cluster(paths.settings).listen[0].split("/")[4])
    with socket.socket() as other:
        other.bind(("0.0.0.0", port))
        other.listen()
        assert checks(shell("doctor", "--json"))["port"] == "FAIL"


def test_the_daemons_checks_are_added(shell: Shell, daemon: FakeDaemon) -> None:
    shell.curated()
    daemon.on("GET", "/clusters/books/doctor", [Check("books", "peers", "FAIL", "nobody", "Wait")])
    result = shell("doctor")
    assert result.code == 1
    assert "FAIL  books: peers: nobody\n      → Wait" in result.out
    daemon.on("GET", "/clusters/books/doctor", NotFound("The daemon does not run books"))
    result = shell("doctor")
    assert (result.code, "FAIL" in result.out) == (0, False), "a cluster that was disabled is no failure"
    assert "pincrew serve books" in result.out
    daemon.on("GET", "/clusters/books/doctor", Conflict("books is being left", next_step="Wait"))
    assert "note  books: daemon: books is being left" in shell("doctor").out
    daemon.on("GET", "/daemon", daemon_info().__class__(1, "9.9.9", 1, "/h", []))
    assert "9.9.9" in shell("doctor").out
