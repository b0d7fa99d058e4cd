"""View 0: every cluster in one line each; enter shows it."""

from __future__ import annotations

from pincrew.tui import words
from pincrew.tui.held_table import HeldTable
from pincrew.tui.paged_table import Column, PagedTable
from pincrew.tui.view import View
from textual import on
from textual.app import ComposeResult
from textual.widgets import Static

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
    Column("role", "", 7, table_width_min=112),
)
_TONES = {"following": "good", "complete": "good", "failed": "bad", "waiting": "bad", "consent": "bad"}


class FollowsView(View):
    """Shows what the feed brings; it asks for nothing."""

    title = "All"
    key = "0"

    DEFAULT_CSS = """
    FollowsView > .head { height: 1; color: $text-muted; padding: 0 1; }
    """

    def compose(self) -> ComposeResult:
        """Yield what they come to together, over the table."""
        yield Static("", classes="head", markup=False)
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
        self.query_one(".head", Static).update(words.text(_together(clusters)))

    @on(PagedTable.Highlighted)
    def _highlighted(self, event: PagedTable.Highlighted) -> None:
        event.stop()

    @on(PagedTable.Selected)
    def _selected(self, event: PagedTable.Selected) -> None:
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
        "curator" if each.role == "curator" else "",
    ]


def _tone(column: str, each: Summary) -> str:
    if column == "state":
        return _TONES.get(each.state, "")
    return "bad" if column == "errors" else ""


def _together(clusters: list[Summary]) -> str:
    kept = figures.size(sum(each.bytes.pinned for each in clusters))
    free = [each.bytes.volume_free for each in clusters if each.bytes.volume_free is not None]
    left = f"; {figures.size(min(free))} free on the volume" if free else ""
    return f"{figures.plural(len(clusters), 'cluster')}, {kept} kept{left}   enter: show it   a: join another"
