"""The launch agent, read by a parser of property lists; launchd itself is on macOS alone."""

from __future__ import annotations

import plistlib
from pathlib import Path

from pincrew.cli.autostart_entry import Entry, is_untouched
from pincrew.cli.autostart_launchd import Launchd, agent_text, usual_home
from pincrew.paths import Home

ODD = "/opt/a & b/<pincrew>"


def test_the_agent_is_a_property_list_with_what_launchd_reads() -> None:
    text = agent_text(Entry((ODD,), Home(Path("/Users/a/My %h & Data")), False))
    agent = plistlib.loads(text.encode())
    assert agent["ProgramArguments"] == [ODD, "daemon", "run"]
    assert agent["EnvironmentVariables"] == {"PINCREW_HOME": "/Users/a/My %h & Data"}
    assert (agent["RunAtLoad"], agent["KeepAlive"]) == (True, {"SuccessfulExit": False})
    assert agent["StandardErrorPath"] == "/Users/a/My %h & Data/daemon.log"
    assert is_untouched(text)
    assert not is_untouched(text.replace("RunAtLoad", "RunAtNight"))


def test_each_home_has_an_agent_of_its_own(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path)}
    usual = Launchd(Entry(("pincrew",), Home(usual_home(environment)), True), environment)
    other = Launchd(Entry(("pincrew",), Home(tmp_path / "other"), False), environment)
    assert usual.path == tmp_path / "Library" / "LaunchAgents" / "org.pincrew.daemon.plist"
    assert plistlib.loads(usual.text.encode())["Label"] == "org.pincrew.daemon"
    assert other.path != usual.path
    assert not usual.is_enabled
