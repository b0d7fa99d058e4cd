"""What is wrong in full: the gravest first, each with the key that leads on."""

from __future__ import annotations

from pincrew.tui.alert_strip import Alert, alerts, wrapped
from pincrew.tui.connection import Connection

from pincrew.api import shapes
from support.fake_client import a_summary
from support.screens import FROZEN

LIVE = Connection(state="live", seen=FROZEN)


def test_nothing_is_said_while_nothing_is_wrong() -> None:
    assert alerts(a_summary(), LIVE, FROZEN) == []
    assert alerts(None, LIVE, FROZEN) == []


def test_the_gravest_come_first_and_hints_are_left_out() -> None:
    codes = ("owner_key_here", "no_curator", "node_down", "mass_removal")
    found = alerts(a_summary(reasons=[shapes.Reason(code, code, None) for code in codes]), LIVE, FROZEN)
    assert [alert.text for alert in found] == ["node_down.", "no_curator.", "mass_removal."]
    assert [alert.next_step for alert in found] == ["d doctor", "d doctor", "c shows what would go, and asks"]


def test_a_node_that_is_down_is_said_even_where_no_reason_is_given() -> None:
    down = shapes.NodeInfo("kubo", "http://127.0.0.1:5001", "down", None, None)
    [alert] = alerts(a_summary(state="waiting", node=down), LIVE, FROZEN)
    assert alert.is_grave and "http://127.0.0.1:5001 does not answer" in alert.text


def test_a_lost_daemon_is_all_that_counts() -> None:
    summary = a_summary(reasons=[shapes.Reason("node_down", "x", None)])
    [alert] = alerts(summary, Connection(state="lost", since=FROZEN, is_stopped=True), FROZEN)
    assert "daemon stopped" in alert.text and alert.next_step == "s starts it"


def test_the_key_that_leads_on_is_never_torn_apart() -> None:
    for room in range(12, 60):
        lines = ["".join(piece.text for piece in line) for line in wrapped(Alert("Some words", True, "d doctor"), room)]
        assert any("d doctor" in line for line in lines) and all(len(line) <= room + 1 for line in lines)
