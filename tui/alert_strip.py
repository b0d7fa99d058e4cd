"""What is wrong, in full: what it means for the data and which key or command comes next. It goes when it is solved."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from pincrew.tui import words
from pincrew.tui.connection import Connection
from pincrew.tui.painted import Painted, Piece
from rich.cells import cell_len

from pincrew import figures
from pincrew.api.shapes import Summary

_GRAVE = ("node_down", "trust_conflict", "session_stopped", "disk_low", "handshake_failed", "damaged")
# What the daemon says of these needs nobody's eyes all the time: doctor and `status` tell it.
_QUIET = ("owner_key_here", "curator_named", "config_from_cache")
_DOCTOR = "d doctor"
_NEXT = {
    "node_down": _DOCTOR,
    "no_peers": _DOCTOR,
    "no_curator": _DOCTOR,
    "source_unreachable": _DOCTOR,
    "handshake_failed": _DOCTOR,
    "damaged": _DOCTOR,
    "config_changed": "c shows what changes, and asks",
    "mass_removal": "c shows what would go, and asks",
    "limit": "l limits",
    "disk_low": "l limits",
    "monthly_cap": "l limits",
}
_SHOWN_MAX = 2


class Alert(NamedTuple):
    """One trouble. ``next_step`` names the key that leads on."""

    text: str
    is_grave: bool
    next_step: str = ""


class AlertStrip(Painted):
    """Shows the gravest alerts, wrapped; nothing while there are none."""

    SCOPED_CSS = False  # rules name the screen's size, which stands outside
    DEFAULT_CSS = """
    AlertStrip { height: auto; max-height: 6; background: $surface; display: none; }
    .-short AlertStrip { max-height: 25%; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._alerts: Sequence[Alert] = ()

    def show(self, summary: Summary | None, connection: Connection, now: datetime) -> None:
        """Say what is wrong now."""
        self._alerts = alerts(summary, connection, now)
        self.display = bool(self._alerts)
        self._fit()

    def on_resize(self) -> None:
        """Fit the new width."""
        self._fit()

    def _fit(self) -> None:
        lines: list[list[Piece]] = []
        for alert in self._alerts[:_SHOWN_MAX]:
            lines += wrapped(alert, self.app.size.width - 2)
        if len(self._alerts) > _SHOWN_MAX:
            lines.append([Piece(f" and {len(self._alerts) - _SHOWN_MAX} more: d doctor", "dim")])
        self.set_lines(lines)


def wrapped(alert: Alert, room: int) -> list[list[Piece]]:
    """Return an alert's lines; the key that leads on is never torn apart."""
    sign, tone = ("✗", "bad") if alert.is_grave else ("!", "warn")
    texts = textwrap.wrap(words.safe(alert.text), max(room - 2, 1), break_on_hyphens=False) or [""]
    lines = [[Piece("   " if number else f" {sign} ", tone), Piece(text)] for number, text in enumerate(texts)]
    if not alert.next_step:
        return lines
    if cell_len(texts[-1]) + 2 + cell_len(alert.next_step) <= room - 2:
        lines[-1].append(Piece(f"  {alert.next_step}", "key"))
    else:
        lines.append([Piece("   "), Piece(alert.next_step, "key")])
    return lines


def alerts(summary: Summary | None, connection: Connection, now: datetime) -> Sequence[Alert]:
    """Return what is wrong, gravest first."""
    if summary is None:
        return []
    if not connection.is_live and connection.state != "new":
        return [_lost(connection, now)]
    is_failed = summary.state == "failed"
    usual = _DOCTOR if is_failed else ""
    found = [
        Alert(_sentence(reason.text), reason.code in _GRAVE or is_failed, _NEXT.get(reason.code, usual))
        for reason in summary.reasons
        if reason.code not in _QUIET
    ]
    if (
        summary.state == "waiting"
        and summary.node.state == "down"
        and not any(r.code == "node_down" for r in summary.reasons)
    ):
        where = f" at {summary.node.address}" if summary.node.address else ""
        text = f"The IPFS node{where} does not answer. Nothing is lost; pinning goes on when it is back."
        found.append(Alert(text, True, _DOCTOR))
    over = summary.bytes.pinned - summary.bytes.limit if summary.bytes.limit is not None else 0
    if over > 0:
        text = f"{figures.size(over)} more is kept than the limit allows. Nothing new is fetched."
        found.append(Alert(text, False, "l limits"))
    if summary.state == "paused":
        found.append(Alert("Paused: nothing new is fetched. What is pinned stays, and is served.", False, "p goes on"))
    if summary.state == "leaving":
        found.append(Alert("This list is being left. What is not unpinned yet is done after a restart, too.", False))
    if summary.state == "consent" and not any(r.code in ("mass_removal", "config_changed") for r in summary.reasons):
        found.append(Alert("Something waits for your word.", False, "c shows what, and asks"))
    return sorted(found, key=lambda alert: not alert.is_grave)


def _lost(connection: Connection, now: datetime) -> Alert:
    since = figures.span(connection.seconds_lost(now))
    if connection.is_starting:
        return Alert("Pincrew's daemon is being started.", False)
    if connection.is_stopped:
        text = f"Pincrew's daemon stopped {since} ago. What is shown is from then; what is pinned stays pinned."
        return Alert(text, True, "s starts it")
    what = words.safe(connection.error.what) if connection.error is not None else "The daemon does not answer"
    return Alert(f"{_sentence(what)} What is shown is {since} old. It is asked again every few seconds.", False)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!", "`")) else f"{text}."
