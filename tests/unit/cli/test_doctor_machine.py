"""What doctor says of the machine itself."""

from __future__ import annotations

import shutil
import socket
from types import SimpleNamespace

import pytest

from pincrew.cli import doctor_machine
from pincrew.cli.doctor_machine import clock_check, home_checks, login_check, node_of, port_checks
from pincrew.paths import Home
from pincrew.settings import ClusterSettings, Settings
from support.shell import Shell


def results(home: Home) -> dict[str, str]:
    return {check.check: check.result for check in home_checks(home)}


def test_the_home(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert results(home) == {"home": "note"}
    home.root.mkdir(mode=0o700)
    assert results(home) == {"home": "ok", "room": "ok"}
    home.root.chmod(0o755)
    assert results(home)["home"] == "note"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000))
    assert results(home)["room"] == "note"
    monkeypatch.setattr(doctor_machine.os, "access", lambda *_: False)
    assert results(home) == {"home": "FAIL"}


def test_ports() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"/ip4/127.0.0.1/tcp/{other.getsockname()[1]}"
        settings = ClusterSettings(cluster_id="ab", listen=(taken, "/ip4/127.0.0.1/tcp/0", "/dns4/x/udp/1"))
        assert [check.result for check in port_checks(settings, "books")] == ["FAIL", "ok"]


def test_a_node_is_asked_once_for_all_its_clusters(shell: Shell, home: Home) -> None:
    asked: set[str] = set()
    found = [
        check
        for paths in (shell.curated("books"), shell.curated("films"))
        for check in node_of(paths, home, Settings(ipfs="127.0.0.1:9"), {}, asked)
    ]
    assert [check.result for check in found] == ["note"] and len(asked) == 1


NOW = 1_800_000_000.0


def test_a_clock_behind_what_was_written_or_without_a_battery() -> None:
    assert clock_check(NOW, {}).result == "ok"
    assert clock_check(NOW, {"books": int(NOW) + 60}).result == "ok", "a curator's clock may be a little ahead"
    late = clock_check(NOW, {"books": int(NOW) - 5, "films": int(NOW) + 86_400})
    assert late.result == "FAIL" and "config document of films" in late.text and "timedatectl" in (late.fix or "")
    assert clock_check(0.0, {}).result == "FAIL"


@pytest.mark.parametrize(
    ("is_enabled", "is_lingering", "result", "fix"),
    [
        (False, None, "note", "pincrew autostart on"),
        (True, False, "note", "loginctl enable-linger"),
        (True, True, "ok", ""),
        (True, None, "ok", ""),
    ],
)
def test_starting_at_login(is_enabled: bool, is_lingering: bool | None, result: str, fix: str) -> None:
    check = login_check(is_enabled, is_lingering)
    assert (check.result, fix in (check.fix or "")) == (result, True)
