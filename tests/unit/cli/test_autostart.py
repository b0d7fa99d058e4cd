"""`autostart` where the user's systemd answers (a script that does what `systemctl --user` does to its folders), where
it does not, and where there is none. The unit itself is judged by the real systemd-analyze."""

from __future__ import annotations

import getpass
import json
import os
import sys
from pathlib import Path

import pytest

from pincrew.cli import autostart_systemd
from pincrew.cli.autostart import is_possible
from pincrew.cli.invocation import Invocation
from pincrew.cli.output import Output
from support.fake_daemon import FakeDaemon
from support.shell import Shell

SYSTEMCTL = """#!/bin/sh
echo "$*" >> "$FAKE_SYSTEMD/asked"
[ ! -e "$FAKE_SYSTEMD/silent" ] || { echo "Failed to connect to bus" >&2; exit 1; }
folder=$XDG_CONFIG_HOME/systemd/user
case $2 in
    enable) mkdir -p "$folder/default.target.wants"; ln -sf "$folder/$4" "$folder/default.target.wants/$4" ;;
    disable) rm -f "$folder/default.target.wants/$4" ;;
    start)
        [ ! -e "$FAKE_SYSTEMD/refuses" ] || { echo "Job failed." >&2; exit 1; }
        touch "$FAKE_SYSTEMD/$3" ;;
    is-active) [ -e "$FAKE_SYSTEMD/$4" ] ;;
esac
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is for Linux alone")


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: Shell) -> Path:
    """A systemd that answers; the folder of what it was asked."""
    folder = tmp_path / "systemd"
    folder.mkdir()
    (folder / "systemctl").write_text(SYSTEMCTL)
    (folder / "systemctl").chmod(0o755)
    (folder / "linger").mkdir()
    monkeypatch.setenv("FAKE_SYSTEMD", str(folder))
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config folder"))
    monkeypatch.setattr(autostart_systemd, "BOOTED", folder)
    monkeypatch.setattr(autostart_systemd, "LINGERING", folder / "linger")
    return folder


def asked(systemd: Path) -> list[str]:
    file = systemd / "asked"
    lines = [line.removeprefix("--user ") for line in file.read_text().splitlines()] if file.exists() else []
    return [line for line in lines if not line.startswith(("show", "is-active"))]


def unit(shell: Shell) -> Path:
    """The one unit."""
    (found,) = (Path(os.environ["XDG_CONFIG_HOME"]) / "systemd" / "user").glob("*.service")
    return found


def test_on_starts_it_now_and_at_every_login_and_off_takes_that_back(shell: Shell, systemd: Path) -> None:
    on = shell("autostart", "on")
    assert on.code == 0
    name = unit(shell).name
    assert asked(systemd) == ["daemon-reload", f"enable --quiet {name}", f"start {name}"]
    assert "loginctl enable-linger" in on.err
    assert shell.home.root.is_dir()  # where systemd opens the log
    assert shell("autostart", "on").code == 0
    state = json.loads(shell("autostart", "status", "--json").out)
    assert (state["enabled"], state["manager"], state["answers"], state["running"]) == (True, "systemd", True, True)
    assert (state["edited"], state["lingering"], state["path"]) == (False, False, str(unit(shell)))

    before = unit(shell)
    assert "is removed" in shell("autostart", "off").err
    assert not before.exists()
    assert list(before.parent.rglob("*.service")) == []
    again = shell("autostart", "off")
    assert (again.code, "off already" in again.err) == (0, True)
    assert json.loads(shell("autostart", "status", "--json").out)["enabled"] is False


def test_lingering_is_told(shell: Shell, systemd: Path) -> None:
    (systemd / "linger" / getpass.getuser()).touch()
    assert "Lingering is on" in shell("autostart", "on").err


def test_a_daemon_that_runs_goes_on(shell: Shell, systemd: Path, daemon: FakeDaemon) -> None:
    on = shell("autostart", "on")
    name = unit(shell).name
    assert f"start {name}" not in asked(systemd)
    assert f"pincrew daemon stop && systemctl --user start {name}" in on.err


def test_a_unit_that_was_edited_is_not_overwritten_unasked(shell: Shell, systemd: Path) -> None:
    shell("autostart", "on")
    path = unit(shell)
    made = path.read_text()
    path.write_text(made.replace("RestartSec=30", "RestartSec=5"))
    refused = shell("autostart", "on")
    assert (refused.code, "--yes" in refused.err) == (2, True)
    assert "RestartSec=5" in path.read_text()
    assert json.loads(shell("autostart", "status", "--json").out)["edited"] is True

    assert "changed by you and stays" in shell("autostart", "off").err
    assert "RestartSec=5" in path.read_text()
    assert json.loads(shell("autostart", "status", "--json").out)["enabled"] is False

    assert shell("autostart", "on", "--yes").code == 0
    assert path.read_text() == made
    path.write_text("[Unit]\n")
    assert shell("autostart", "off", "--yes").code == 0
    assert not path.exists()


def test_a_unit_of_an_earlier_version_is_replaced(shell: Shell, systemd: Path) -> None:
    shell("autostart", "on")
    path = unit(shell)
    now = path.read_text()
    plain = "".join(line for line in now.splitlines(keepends=True) if "Made by" not in line)
    path.write_text(autostart_systemd.sealed(plain.replace("RestartSec=30", "RestartSec=5"), "# "))
    assert shell("autostart", "on").code == 0
    assert path.read_text() == now


def test_a_refusal_is_told(shell: Shell, systemd: Path) -> None:
    (systemd / "refuses").touch()
    result = shell("autostart", "on")
    assert (result.code, "systemd refuses `start`: Job failed" in result.err) == (1, True)


def test_a_manager_that_does_not_answer_starts_it_at_the_next_login(shell: Shell, systemd: Path) -> None:
    (systemd / "silent").touch()
    on = shell("autostart", "on")
    assert (on.code, "pincrew daemon start" in on.err) == (0, True)
    state = json.loads(shell("autostart", "status", "--json").out)
    assert (state["enabled"], state["answers"], state["running"]) == (True, False, False)
    path = unit(shell)
    link = path.parent / "default.target.wants" / path.name
    assert link.resolve() == path
    assert shell("autostart", "off").code == 0
    assert not link.is_symlink()


def test_each_home_has_a_unit_of_its_own(shell: Shell, systemd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell("autostart", "on")
    text = unit(shell).read_text()
    assert f"Environment=PINCREW_HOME={shell.home.root}\n" in text
    monkeypatch.setenv("PINCREW_HOME", str(Path(os.environ["HOME"]) / ".local" / "share" / "pincrew"))
    shell("autostart", "on")
    usual = Path(os.environ["XDG_CONFIG_HOME"]) / "systemd" / "user"
    assert (usual / "pincrew.service").exists()
    assert "PINCREW_HOME" not in (usual / "pincrew.service").read_text()
    assert len(list(usual.glob("*.service"))) == 2


def test_what_only_the_shell_knows_is_named(shell: Shell, systemd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINCREW_LOG_LEVEL", "debug")
    assert "PINCREW_LOG_LEVEL: systemd does not know" in shell("autostart", "on").err


def test_elsewhere_it_says_what_to_write(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autostart_systemd, "BOOTED", tmp_path / "no systemd")
    on = shell("autostart", "on")
    assert (on.code, "@reboot env PINCREW_HOME=" in on.err) == (1, True)
    assert "@reboot" in shell("autostart", "status").out
    assert shell("autostart", "off").code == 0
    state = json.loads(shell("autostart", "status", "--json").out)
    assert (state["manager"], state["enabled"]) == (None, False)
    assert "pincrew daemon start" in state["line"] or "-m pincrew daemon start" in state["line"]
    assert not is_possible(Invocation(Output(), os.environ))


def test_the_same_with_launchd(shell: Shell, systemd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose real one is on macOS alone: here a script that takes whatever it is asked."""
    (systemd / "launchctl").write_text('#!/bin/sh\necho "$*" >> "$FAKE_SYSTEMD/asked"\n')
    (systemd / "launchctl").chmod(0o755)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert shell("autostart", "on").code == 0
    state = json.loads(shell("autostart", "status", "--json").out)
    path = Path(state["path"])
    assert (state["manager"], state["enabled"], state["lingering"]) == ("launchd", True, None)
    assert path.parent == Path(os.environ["HOME"]) / "Library" / "LaunchAgents"
    assert f"bootstrap gui/{os.getuid()} {path}" in (systemd / "asked").read_text()
    assert "Lingering" not in shell("autostart", "status").out
    path.write_text(path.read_text().replace("RunAtLoad", "RunAtNight"))
    kept = shell("autostart", "off")
    assert (kept.code, "as long as it is there" in kept.err) == (1, True)
    assert shell("autostart", "off", "--yes").code == 0
    assert not path.exists()


def test_it_is_offered_where_it_can_be_had(shell: Shell, systemd: Path) -> None:
    invocation = Invocation(Output(), os.environ)
    assert is_possible(invocation)
    shell("autostart", "on")
    assert not is_possible(invocation)
