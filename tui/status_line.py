"""The first line of the screen: which list, how it is doing, and what is wrong with it, leftmost and in words."""

from __future__ import annotations

from datetime import datetime

from pincrew.tui import words
from pincrew.tui.connection import Connection
from pincrew.tui.painted import Painted, Piece
from rich.cells import cell_len

from pincrew import figures
from pincrew.api.shapes import Summary

_TONES = {
    "following": "good",
    "complete": "good",
    "full": "good",
    "failed": "bad",
    "stopped": "bad",
    "waiting": "warn",
    "consent": "warn",
    "paused": "warn",
}
# Reasons that are said in the line, in few words; the strip below says them in full.
_SHORT = {
    "trust_conflict": ("✗ owners disagree", "bad"),
    "session_stopped": ("✗ a curator's key is in two places", "bad"),
    "disk_low": ("✗ disk low", "bad"),
    "damaged": ("✗ damaged blocks", "bad"),
    "handshake_failed": ("! not let in", "warn"),
    "config_changed": ("! new config", "warn"),
    "mass_removal": ("! removals wait for you", "warn"),
    "limit": ("! limit", "warn"),
    "monthly_cap": ("! monthly cap", "warn"),
    "config_from_cache": ("! config from cache", "warn"),
    "source_unreachable": ("! source unreachable", "warn"),
    "no_peers": ("! no peers", "warn"),
}
_NAME_WIDTH_MIN = 12


class StatusLine(Painted):
    """One line; what does not fit is left out from its end, least important first."""

    DEFAULT_CSS = """
    StatusLine { height: 1; background: $panel; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[Piece] = []
        self._cluster_name = ""

    def show(self, summary: Summary | None, connection: Connection, now: datetime) -> None:
        """Say how it stands."""
        self._cluster_name = words.safe(summary.name) if summary is not None else "pincrew"
        self._pieces = parts(summary, connection, now)
        self._fit()

    def on_resize(self) -> None:
        """Fit the new width."""
        self._fit()

    def _fit(self) -> None:
        room = self.size.width or 80
        first = self._pieces[:1]
        used = sum(cell_len(piece.text) + 2 for piece in first)
        name = words.shorten(self._cluster_name, max(_NAME_WIDTH_MIN, room - used - 2))
        line = [Piece(f" {name}", "strong")]
        used = cell_len(name) + 1
        for piece in self._pieces:
            if used + 2 + cell_len(piece.text) > room:
                break
            line += [Piece("  "), piece]
            used += 2 + cell_len(piece.text)
        self.set_lines([line])


def parts(summary: Summary | None, connection: Connection, now: datetime) -> list[Piece]:
    """Return what the line says after the name, most important first."""
    if connection.state == "new":
        return [Piece("◌ asking the daemon", "warn")]
    pieces = []
    if not connection.is_live:
        pieces.append(_lost(connection, now, has_figures=summary is not None))
    if summary is None:
        return pieces
    if not connection.is_live:
        at = connection.seen.astimezone().strftime("%H:%M:%S") if connection.seen is not None else "?"
        return [*pieces, Piece(f"figures of {at}", "dim")]
    pieces += [_state(summary, now), *_troubles(summary, now), _node(summary)]
    pieces.append(Piece(f"peers {figures.count(summary.peers.connected)}", "dim"))
    if summary.curators.total:
        pieces.append(Piece(f"curators {summary.curators.connected}/{summary.curators.total}", "dim"))
    if summary.role == "curator":
        pieces.append(Piece("★ curator", "busy"))
    return pieces


def _lost(connection: Connection, now: datetime, *, has_figures: bool) -> Piece:
    if connection.is_starting:
        return Piece("◌ starting", "warn")
    if connection.is_stopped and not has_figures:
        return Piece("✗ not running", "bad")
    return Piece(f"◌ reconnecting {figures.span(connection.seconds_lost(now))}", "warn")


def _state(summary: Summary, now: datetime) -> Piece:
    tone = _TONES.get(summary.state, "busy")
    if summary.state == "paused":
        until = f" until {figures.wall_time(summary.paused_until, now)}" if summary.paused_until else " by you"
        return Piece(f"❚❚ paused{until}", tone)
    if summary.state == "full":
        kept = figures.share(summary.pins.pinned, summary.pins.total - summary.pins.remote)
        return Piece(f"◑ full: {kept} kept", tone)
    if summary.state in ("syncing", "joining") and summary.list.expected:
        return Piece(f"◌ list {figures.count(summary.list.have)} / {figures.count(summary.list.expected)}", tone)
    if summary.state == "leaving":
        return Piece(f"◌ leaving: {figures.count(summary.pins.pinned + summary.pins.unpinning)} to go", tone)
    return Piece(words.cluster_state(summary.state), tone)


def _troubles(summary: Summary, now: datetime) -> list[Piece]:
    found = []
    codes = {reason.code for reason in summary.reasons}
    if summary.pins.error:
        found.append(Piece(f"✗ {figures.plural(summary.pins.error, 'error')}", "bad", "app.open_view('4')"))
    over = summary.bytes.pinned - summary.bytes.limit if summary.bytes.limit is not None else 0
    if over > 0:
        found.append(Piece(f"! {figures.size(over)} over the limit", "warn"))
    if "no_curator" in codes:
        seen = figures.ago(summary.curators.last_seen, now)
        found.append(Piece(f"! no curator, seen {seen}" if summary.curators.last_seen else "! no curator", "warn"))
    if "upstream_silent" in codes:
        found.append(Piece(f"! list unchanged, last {figures.ago(summary.last_change, now)}", "warn"))
    return found + [Piece(*short) for code, short in _SHORT.items() if code in codes]


def _node(summary: Summary) -> Piece:
    signs = {"up": ("●", "dim"), "starting": ("◌", "warn"), "down": ("✗", "bad")}
    sign, tone = signs.get(summary.node.state, ("?", "warn"))
    return Piece(f"IPFS {sign} {summary.node.state}", tone)
