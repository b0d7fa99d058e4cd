"""The first line in words: the state, then what is wrong, then the rest."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pincrew.tui.connection import Connection
from pincrew.tui.status_line import parts

from pincrew.api import shapes
from pincrew.errors import DaemonLost, DaemonNotRunning
from support.fake_client import a_summary
from support.screens import FROZEN

LIVE = Connection(state="live", seen=FROZEN)


def line(summary: shapes.Summary | None, connection: Connection = LIVE) -> str:
    return "  ".join(piece.text for piece in parts(summary, connection, FROZEN))


def test_a_list_that_is_followed() -> None:
    assert line(a_summary()) == "● following  ✗ 12 errors  IPFS ● up  peers 41  curators 3/3"


@pytest.mark.parametrize(
    ("summary", "begins"),
    [
        (a_summary(state="paused"), "❚❚ paused by you"),
        (a_summary(state="syncing", list=shapes.ListProgress(12_400, 185_905)), "◌ list 12,400 / 185,905"),
        (a_summary(state="full"), "◑ full: 86.0 % kept"),
        (a_summary(state="leaving"), "◌ leaving: 1,036,120 to go"),
        (a_summary(state="of a later version"), "? of a later version"),
    ],
)
def test_states(summary: shapes.Summary, begins: str) -> None:
    assert line(summary).startswith(begins)


def test_troubles_come_before_the_rest() -> None:
    reasons = [shapes.Reason("no_curator", "", None), shapes.Reason("disk_low", "", None)]
    said = line(a_summary(reasons=reasons))
    assert said.index("no curator") < said.index("disk low") < said.index("IPFS")


@pytest.mark.parametrize(
    ("summary", "connection", "said"),
    [
        (None, Connection(), "◌ asking the daemon"),
        (None, Connection(state="lost", since=FROZEN, is_stopped=True, error=DaemonNotRunning()), "✗ not running"),
        (None, Connection(state="lost", since=FROZEN, is_starting=True, is_stopped=True), "◌ starting"),
        (None, Connection(state="lost", since=FROZEN - timedelta(seconds=3), error=DaemonLost()), "◌ reconnecting 3 s"),
        (a_summary(), Connection(state="lost", since=FROZEN - timedelta(hours=2)), "◌ reconnecting 2 h  figures of ?"),
        (None, LIVE, ""),
    ],
)
def test_without_a_daemon(summary: shapes.Summary | None, connection: Connection, said: str) -> None:
    assert line(summary, connection) == said
