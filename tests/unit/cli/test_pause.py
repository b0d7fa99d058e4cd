"""`pause` and `resume`: through the daemon, or in the settings where there is none."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from pincrew.api.shapes import Paused
from pincrew.settings import Settings
from pincrew.settings_files import load_cluster, save
from support.fake_daemon import FakeDaemon
from support.shell import Shell

PAUSE, RESUME = "/clusters/books/pause", "/clusters/books/resume"


def test_through_the_daemon(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    daemon.on("POST", PAUSE, Paused("books", True, None))
    said = shell("pause")
    assert (
        said.code == 0 and "books is paused until you resume it" in said.out and "pincrew resume -c books" in said.err
    )
    assert daemon.asked("POST", PAUSE)[0].json == {"until": None}
    daemon.on("POST", PAUSE, Paused("books", True, "2100-01-01T00:00:00Z"))
    assert "2100" in shell("pause", "--for", "1h").out or "2099" in shell("pause", "--for", "1h").out
    assert daemon.asked("POST", PAUSE)[1].json["until"].endswith("Z")
    assert json.loads(shell("pause", "--until", "23:00", "--json").out)["is_paused"] is True
    daemon.on("POST", RESUME, Paused("books", False, None))
    assert "goes on" in shell("resume").out


def test_resuming_does_not_lift_the_monthly_cap(shell: Shell, daemon: FakeDaemon) -> None:
    shell.followed()
    daemon.on("POST", "/clusters/books/resume", Paused("books", True, "2100-01-01T00:00:00Z"))
    said = shell("resume")
    assert said.code == 0 and "monthly cap" in said.out and "--monthly-cap" in said.err
    assert json.loads(shell("resume", "--json").out)["is_paused"] is True


def test_with_no_daemon_it_holds_from_the_next_start(shell: Shell) -> None:
    paths = shell.followed()
    said = shell("pause", "--for", "1h")
    assert said.code == 0 and load_cluster(paths.settings).paused.endswith("Z")
    assert "paused until" in said.out
    assert shell("resume").code == 0 and load_cluster(paths.settings).paused == ""
    shown = json.loads(shell("pause", "--json").out)
    assert (shown["cluster"], shown["is_paused"], shown["until"]) == ("books", True, None)


def test_until_the_quiet_hours_end(shell: Shell) -> None:
    paths = shell.followed()
    save(shell.home.settings, Settings(quiet_hours="00:00-12:00, 12:00-23:59, 23:59-24:00"))
    assert shell("pause", "--until-quiet-ends").code == 2, "these never end"
    now = datetime.now()
    soon = now + timedelta(hours=2)
    begin = now - timedelta(hours=1)
    save(shell.home.settings, Settings(quiet_hours=f"{begin:%H:%M}-{soon:%H:%M}"))
    assert shell("pause", "--until-quiet-ends").code == 0
    assert f"until {soon:%H:%M}" in shell("pause", "--until-quiet-ends").out
    assert load_cluster(paths.settings).paused.endswith("Z")
    save(shell.home.settings, Settings(quiet_hours=f"{soon:%H:%M}-{soon + timedelta(hours=1):%H:%M}"))
    assert shell("pause", "--until-quiet-ends").code == 2, "it is in none"
    assert shell("pause", "--until-quiet-ends", "--for", "1h").code == 2


@pytest.mark.parametrize("words", [["--for", "1"], ["--for", "1h", "--until", "2:00"], ["--until", "25:00"]])
def test_bad_input_is_exit_2(shell: Shell, daemon: FakeDaemon, words: list[str]) -> None:
    shell.followed()
    assert shell("pause", *words).code == 2
    assert not daemon.asked("POST", PAUSE)
