"""The figures of a list at a glance: how far it is, what it takes of the disk, what goes over the line."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

from pincrew.tui.painted import Line, Painted, Piece
from pincrew.tui.sparkline import bar, sparkline
from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Horizontal

from pincrew import figures, limits
from pincrew.api.shapes import Summary

_NETWORK_WIDTH = 30


class Card(Painted):
    """Four lines in a frame with a title."""

    DEFAULT_CSS = """
    Card { height: 6; border: round $foreground 35%; border-title-color: $foreground; padding: 0 1; }
    """

    def __init__(self, name: str) -> None:
        super().__init__(id=name.lower())
        self.border_title = name
        self._lines_for: Callable[[int], Sequence[Line]] = lambda room: ()

    def draw(self, lines_for: Callable[[int], Sequence[Line]]) -> None:
        """Show what this makes of the columns that there are inside of the frame."""
        self._lines_for = lines_for
        self._fit()

    def on_resize(self) -> None:
        """Fit the new width."""
        self._fit()

    def _fit(self) -> None:
        if self.content_size.width:
            self.set_lines(self._lines_for(self.content_size.width))


class Cards(Horizontal):
    """The cards side by side; the narrower the screen the fewer."""

    SCOPED_CSS = False  # rules name the screen's size
    DEFAULT_CSS = """
    Cards { height: 6; }
    Cards > #progress { width: 2fr; }
    Cards > #disk { width: 1fr; min-width: 31; }
    Cards > #network { width: 1fr; min-width: 30; display: none; }
    .-wide Cards > #network, .-huge Cards > #network { display: block; }
    .-narrow Cards, .-short Cards { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._summary: Summary | None = None
        self._now: datetime | None = None
        self._step_s = 1
        self._sampled: datetime | None = None
        self.down: deque[int | None] = deque(maxlen=limits.VIEW_SAMPLES_KEPT)
        self.up: deque[int | None] = deque(maxlen=limits.VIEW_SAMPLES_KEPT)

    def compose(self) -> ComposeResult:
        """Make the three cards."""
        for name in ("Progress", "Disk", "Network"):
            yield Card(name)

    def set_series(self, down: Sequence[int | None], up: Sequence[int | None], step_s: int) -> None:
        """Begin the graphs with what the daemon remembers."""
        self._step_s = step_s
        self.down.clear()
        self.up.clear()
        self.down.extend(down)
        self.up.extend(up)
        self._draw()

    def add_sample(self, summary: Summary, now: datetime) -> None:
        """Let the graphs go on, by a sample for each of their steps."""
        if self._sampled is not None and (now - self._sampled).total_seconds() < self._step_s:
            return
        self._sampled = now
        progress = summary.progress
        self.down.append(progress.rate if progress is not None else None)
        self.up.append(progress.upload_rate if progress is not None else None)

    def show(self, summary: Summary, now: datetime) -> None:
        """Show the newest figures."""
        self._summary, self._now = summary, now
        self._draw()

    def _draw(self) -> None:
        summary, now = self._summary, self._now
        if summary is None or now is None:
            return
        self.query_one("#progress", Card).draw(lambda room: progress_lines(summary, room))
        self.query_one("#disk", Card).draw(lambda room: disk_lines(summary, room))
        self.query_one("#network", Card).draw(lambda room: network_lines(summary, now, self.down, self.up, room))


def progress_lines(summary: Summary, room: int) -> list[Line]:
    """Return how far the list is."""
    pins, kept = summary.pins, summary.pins.total - summary.pins.remote
    if summary.state in ("joining", "syncing") and not pins.total:
        return [
            [Piece("The list is on its way")],
            *_list_bar(summary, room),
            [Piece("Its pins are shown as they come.", "dim")],
        ]
    if not kept:
        what = "All pins of this list are kept by others." if pins.total else "No pins are on this list yet."
        return [[Piece(what)], [], [], []]
    of_all = f"{figures.count(pins.pinned)} of {figures.plural(kept, 'pin')}"
    if summary.state == "syncing":
        lines: list[Line] = [[Piece(f"{of_all} so far", "strong")], *_list_bar(summary, room)]
    else:
        done, left = bar(pins.pinned / kept, room)
        tone = "good" if pins.pinned == kept else "busy"
        lines = [
            [Piece(figures.share(pins.pinned, kept), "strong"), Piece(f"  {of_all}")],
            [Piece(done, tone), Piece(left, "off")],
        ]
    return [*lines[:2], _fit(_bytes_line(summary), room), _fit(_work_line(summary), room)]


def _fit(pieces: Sequence[Piece], room: int) -> list[Piece]:
    """Leave out the last words that do not fit whole."""
    kept: list[Piece] = []
    for piece in pieces:
        room -= cell_len(piece.text)
        if room < 0 and kept:
            break
        kept.append(piece)
    return kept


def _list_bar(summary: Summary, room: int) -> list[Line]:
    have, expected = summary.list.have, summary.list.expected
    if not expected:
        return [[Piece(f"{figures.count(have)} entries of the list so far", "dim")]]
    done, left = bar(have / expected, room)
    return [[Piece(done, "busy"), Piece(left, "off")]]


def _bytes_line(summary: Summary) -> Line:
    held = summary.bytes
    if held.total is None or not held.size_known_pins:
        amount = f"{figures.size(held.pinned)}, sizes not known yet" if held.pinned else "sizes not known yet"
    else:
        is_all = held.size_known_pins >= summary.pins.total
        amount = _of(held.pinned, held.total, is_all=is_all)
    return [Piece(amount), Piece(f"   {time_left(summary)}", "dim")]


def _of(part: int, whole: int, *, is_all: bool) -> str:
    """Return ``1.31 of over 1.52 TB``: the unit once, where it is the same."""
    first, second = figures.size(part), figures.size(whole)
    if first.split(" ")[1:] == second.split(" ")[1:]:
        first = first.split(" ")[0]
    return f"{first} of {'' if is_all else 'over '}{second}"


def time_left(summary: Summary) -> str:
    """Return how long it may take yet; why nobody can know; nothing where nothing is under way."""
    progress = summary.progress
    if progress is None or summary.state not in ("following", "syncing"):
        return ""
    if progress.eta_low is None or progress.eta_high is None:
        return f"time left: {progress.no_eta}" if progress.no_eta and progress.in_flight else ""
    low, high = figures.span(progress.eta_low), figures.span(progress.eta_high)
    if low == high:
        return f"about {low} left"
    return f"{low.split(' ')[0] if low.split(' ')[1:] == high.split(' ')[1:] else low}–{high} left"


def _work_line(summary: Summary) -> Line:
    pieces: list[Piece] = []
    for number, word, tone in (
        (summary.pins.pinning, "in flight", "busy"),
        (summary.pins.queued, "queued", ""),
        (summary.pins.skipped, "skipped", "dim"),
        (summary.pins.unpinning, "to unpin", "dim"),
    ):
        if number:
            pieces.append(Piece(f"{'  ' if pieces else ''}{figures.count(number)} {word}", tone))
    return pieces or [Piece("nothing to do", "dim")]


def disk_lines(summary: Summary, room: int) -> list[Line]:
    """Return what the list takes of the disk, and may take."""
    held = summary.bytes
    if held.limit is not None:
        done, left = bar(held.pinned / held.limit, room)
        tone = "warn" if held.pinned > held.limit else "busy"
        first = f"{_of(held.pinned, held.limit, is_all=True)} limit"
        middle: Line = [Piece(done, tone), Piece(left, "off")]
    else:
        first, middle = f"{figures.size(held.pinned)} kept", [Piece("no limit: l sets one", "dim")]
        if held.volume_free is not None and held.pinned + held.volume_free:
            done, left = bar(held.pinned / (held.pinned + held.volume_free), room)
            first, middle = f"{figures.size(held.pinned)} kept, no limit", [Piece(done, "busy"), Piece(left, "off")]
    free = "volume not seen here" if held.volume_free is None else f"volume {figures.size(held.volume_free)} free"
    state = "" if summary.db_bytes is None else f"state {figures.size(summary.db_bytes)}"
    return [[Piece(first)], middle, [Piece(free, "dim")], [Piece(state, "dim")]]


def network_lines(
    summary: Summary,
    now: datetime,
    down: Sequence[int | None],
    up: Sequence[int | None],
    room: int,
) -> list[Line]:
    """Return what goes over the line, and with whom."""
    progress = summary.progress
    lines: list[Line] = []
    for word, rate, samples in (
        ("down", progress.rate if progress is not None else None, down),
        ("up", progress.upload_rate if progress is not None else None, up),
    ):
        text = f"{word:<4} {'not known' if rate is None else figures.size(rate) + '/s':<11}"
        graph = sparkline([*samples], max(0, room - cell_len(text) - 1))
        lines.append([Piece(text), Piece(f" {graph}", "busy")])
    if progress is not None and progress.in_flight:
        serving = f", {figures.plural(progress.serving, 'peer')}" if progress.serving else ""
        lines.append(_fit([Piece(_last_block(progress.last_block, now), "dim"), Piece(serving, "dim")], room))
    else:
        lines.append([Piece("nothing is being fetched", "dim")])
    changed = figures.moment(summary.last_change)
    age = figures.span(max(0, int((now - changed).total_seconds()))) if changed is not None else ""
    change = f"list changed {age} ago" if age else "no change of the list yet"
    return [*lines, [Piece(change, "dim")]]


def _last_block(text: str | None, now: datetime) -> str:
    at = figures.moment(text)
    return "no block yet" if at is None else f"last block {figures.span(max(0, int((now - at).total_seconds())))} ago"
