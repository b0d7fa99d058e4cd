"""View 5: what happened, the newest first."""

from __future__ import annotations

from typing import ClassVar

from pincrew.tui import words
from pincrew.tui.asking_view import AskingView
from pincrew.tui.held_table import HeldTable
from pincrew.tui.line_table import Column, LineTable
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from pincrew import figures, limits
from pincrew.api.shapes import EventLine

_COLUMNS = (
    Column("time", "When", 15),
    Column("kind", "What", 16, table_width_min=80),
    Column("text", "Event", 0),
)
_BAD = {"pin_failed", "node_down", "handshake_failed", "session_stopped", "trust_conflict", "damage_found", "not_told"}
_GOOD = {"node_up", "repaired", "resumed"}


class ActivityView(AskingView):
    """Keeps the events that the daemon keeps, and asks for those since."""

    interval_s = limits.VIEW_EVENTS_INTERVAL_S
    has_filter = True

    DEFAULT_CSS = """
    ActivityView #find { height: 1; border: none; background: $surface; display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "follow", "Follow", id="activity.follow", tooltip="Show what happens as it happens"),
        Binding("escape", "back", "Back", show=False, id="activity.back", tooltip="End the filter"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._events: list[EventLine] = []  # the newest first
        self._of = ""

    def content(self) -> ComposeResult:
        """Yield the filter, hidden, and the events."""
        yield Input(placeholder="words that it must have", id="find", compact=True)
        yield HeldTable[EventLine](_COLUMNS, self._cells, lambda event: str(event.id), _tone)

    @property
    def _table(self) -> HeldTable[EventLine]:
        return self.query_one(HeldTable)

    @property
    def _find(self) -> Input:
        return self.query_one("#find", Input)

    def forget(self) -> None:
        """Let go of another cluster's events."""
        self._events = []
        self._table.put(())
        self.say_head("")
        self.say_empty("asking …")

    def take_focus(self) -> None:
        """Move through the events."""
        self._table.focus()

    async def ask(self) -> None:
        """Ask for what happened since, or for all that is kept."""
        name = self.cluster
        if name != self._of:
            self._of, self._events = name, []
        after = self._events[0].id if self._events else None
        more = await self.backend.ask(lambda client: list(client.events(name, after=after)))
        if more or after is None:
            self._events = [*reversed(more), *self._events][: limits.EVENTS_KEPT_MAX]
            self._show()

    def _show(self) -> None:
        wanted = self._find.value.casefold().split()
        shown = [event for event in self._events if _has(event, wanted)] if wanted else self._events
        self._table.put(shown)
        if not self._events:
            self.say_empty("Nothing has happened yet.")
        else:
            self.say_empty("" if shown else "Nothing that is kept has these words. Escape ends the filter.")
        self._say_head()

    def _say_head(self) -> None:
        shown = len(self._table.rows)
        of = f" of {figures.count(len(self._events))}" if shown < len(self._events) else ""
        how = "following" if self._table.cursor == 0 else "f: follow"
        self.say_head(*((f"{figures.count(shown)}{of} events, newest first", how) if self._events else ()))

    @on(LineTable.Highlighted)
    def _highlighted(self, event: LineTable.Highlighted) -> None:
        event.stop()
        self._say_head()
        current = self._table.current
        self.say_foot("" if current is None else words.safe(current.text))

    def action_follow(self) -> None:
        """Go to the newest, and stay there."""
        self._table.cursor = 0

    def action_find(self) -> None:
        """Let words be typed."""
        self._find.display = True
        self._find.focus()

    def action_back(self) -> None:
        """End the filter."""
        self._find.display = False
        self._find.value = ""
        self.take_focus()

    @on(Input.Changed, "#find")
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._show()

    @on(Input.Submitted, "#find")
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._find.display = bool(self._find.value)
        self.take_focus()

    def _cells(self, event: EventLine) -> list[str]:
        at = figures.moment(event.time)
        when = at.astimezone().strftime("%d %b %H:%M:%S") if at else event.time
        return [words.safe(when), words.safe(event.kind.replace("_", " ")), words.safe(event.text)]


def _has(event: EventLine, wanted: list[str]) -> bool:
    text = f"{event.kind} {event.text}".casefold()
    return all(word in text for word in wanted)


def _tone(column: str, event: EventLine) -> str:
    if column == "text":
        return "bad" if event.kind in _BAD else "good" if event.kind in _GOOD else ""
    return "dim"
