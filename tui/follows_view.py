"""View 0: every cluster in one line each; enter shows it."""

from __future__ import annotations

from pincrew.tui import words
from pincrew.tui.head_line import HeadLine
from pincrew.tui.held_table import HeldTable
from pincrew.tui.line_table import Column, LineTable
from pincrew.tui.view import View
from textual import on
from textual.app import ComposeResult

from pincrew import figures
from pincrew.api.shapes import Summary

_COLUMNS = (
    Column("name", "Cluster", 0),
    Column("state", "State", 12),
    Column("done", "Kept", 7, is_right=True),
    Column("pins", "Pins", 10, is_right=True, table_width_min=70),
    Column("bytes", "Bytes", 9, is_right=True, table_width_min=58),
    Column("rate", "Rate", 9, is_right=True, table_width_min=84),
    Column("limit", "Limit", 9, is_right=True, table_width_min=100),
    Column("errors", "Errors", 7, is_right=True, table_width_min=64),
    Column("role", "Role", 8, table_width_min=112),
)
_TONES = {"following": "good", "complete": "good", "failed": "bad", "waiting": "bad", "consent": "bad"}


class FollowsView(View):
    """Shows what the feed brings; it asks for nothing."""

    def compose(self) -> ComposeResult:
        """Yield what they come to together, over the table."""
        yield HeadLine()
        yield HeldTable[Summary](_COLUMNS, _cells, lambda each: each.name, _tone, has_details=True)

    @property
    def _table(self) -> HeldTable[Summary]:
        return self.query_one(HeldTable)

    def show(self, summary: Summary, *, is_live: bool) -> None:
        """Take the newest figures of all."""
        status = self.terminal_view.status
        clusters = [] if status is None else status.clusters
        table = self._table
        is_first = not table.rows
        table.put(clusters)
        if is_first:
            table.cursor = next((number for number, each in enumerate(clusters) if each.name == self.cluster), 0)
        self.query_one(HeadLine).say(*_together(clusters))

    @on(LineTable.Highlighted)
    def _highlighted(self, event: LineTable.Highlighted) -> None:
        event.stop()

    @on(LineTable.Selected)
    def _selected(self, event: LineTable.Selected) -> None:
        event.stop()
        current = self._table.current
        if current is not None:
            self.terminal_view.show_cluster(current.name)


def _cells(each: Summary) -> list[str]:
    ours = each.pins.total - each.pins.remote
    rate = each.progress.rate if each.progress is not None else 0
    return [
        words.safe(each.name),
        words.cluster_state(each.state),
        figures.share(each.pins.pinned, ours),
        figures.count(each.pins.total),
        figures.size(each.bytes.pinned),
        f"{figures.size(rate)}/s" if rate else "—",
        "none" if each.bytes.limit is None else figures.size(each.bytes.limit),
        figures.count(each.pins.error) if each.pins.error else "",
        words.safe(each.role),
    ]


def _tone(column: str, each: Summary) -> str:
    if column == "state":
        return _TONES.get(each.state, "")
    return "bad" if column == "errors" else ""


def _together(clusters: list[Summary]) -> tuple[str, ...]:
    kept = figures.size(sum(each.bytes.pinned for each in clusters))
    free = [each.bytes.volume_free for each in clusters if each.bytes.volume_free is not None]
    left = f"{figures.size(min(free))} free on the volume" if free else ""
    return f"{figures.plural(len(clusters), 'cluster')}, {kept} kept", left, "enter: show it", "a: join another"
