"""View 4: the pins in error by cause, for ten thousand errors are usually three causes; and the pins of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pincrew.tui import pin_list, words
from pincrew.tui.asking_view import AskingView
from pincrew.tui.dialogs.marked import in_error
from pincrew.tui.held_table import HeldTable
from pincrew.tui.line_table import Column, LineTable
from pincrew.tui.view import Narrowing
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from pincrew import figures, limits
from pincrew.api.shapes import ErrorLine, PinLine

_CAUSES = (
    Column("pins", "Pins", 9, is_right=True),
    Column("cause", "Cause", 0),
    Column("oldest", "Oldest", 16, table_width_min=60),
    Column("next", "Next try", 16, table_width_min=44),
)


class ErrorsView(AskingView):
    """Shows the causes, and on enter the pins of one."""

    interval_s = limits.VIEW_ERRORS_INTERVAL_S

    DEFAULT_CSS = """
    ErrorsView #causes, ErrorsView #pins { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "Mark", show=False, id="errors.mark", tooltip="Mark this pin"),
        Binding("escape", "back", "Back", key_display="Esc", id="errors.back", tooltip="Back to the causes"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._cause = ""  # whose pins are shown; "": the causes are
        self._marked: dict[str, None] = {}

    def content(self) -> ComposeResult:
        """Yield both tables, of which one is shown."""
        yield HeldTable[ErrorLine](_CAUSES, self._cells, lambda line: line.cause, _tone, has_details=True, id="causes")
        pins = HeldTable[PinLine](pin_list.COLUMNS, pin_list.cells, lambda pin: pin.cid, pin_list.tone, id="pins")
        pins.marked = self._marked
        yield pins

    def on_mount(self) -> None:
        """Begin with the causes."""
        self._pins.display = False

    @property
    def _causes(self) -> HeldTable[ErrorLine]:
        return self.query_one("#causes", HeldTable)

    @property
    def _pins(self) -> HeldTable[PinLine]:
        return self.query_one("#pins", HeldTable)

    # ---- what the app asks -----------------------------------------------------------------------------------------

    def forget(self) -> None:
        """Let go of another cluster's errors."""
        self._causes.put(())
        self._show_cause("")
        self.say_head("")
        self.say_empty("asking …")

    def take_focus(self) -> None:
        """Move through the table that is shown."""
        (self._pins if self._cause else self._causes).focus()

    def chosen_cids(self) -> Sequence[str]:
        """Return the marked pins, or the one under the cursor; none while causes are shown."""
        if not self._cause:
            return ()
        current = self._pins.current
        return tuple(self._marked) or (() if current is None else (current.cid,))

    @property
    def narrowing(self) -> Narrowing:
        """The cause whose pins are shown."""
        return Narrowing(cause=self._cause)

    async def ask(self) -> None:
        """Ask for the causes, and for the pins of the one that is shown."""
        name, cause = self.cluster, self._cause
        causes = await self.backend.ask(lambda client: list(client.errors(name)))
        self._causes.put(causes)
        total = sum(line.pins for line in causes)
        if not cause:
            count = f"{figures.plural(total, 'error')}, {figures.plural(len(causes), 'cause')}"
            self.say_head(*((count, "enter: its pins", "R: try all again") if causes else ()))
            self.say_empty("" if causes else "✓ No pin is in error.")
            self._causes.display = bool(causes)
            return
        pins = await self.backend.ask(lambda client: in_error(client, name, Narrowing(cause=cause)))
        if cause == self._cause:
            self._pins.put(pins)
            of = next((line.pins for line in causes if line.cause == cause), 0)
            shown = f"the first {figures.count(len(pins))} of " if len(pins) < of else ""
            count = f"{shown}{figures.plural(of, 'pin')}: {words.safe(cause)}"
            self.say_head(count, "r: try again", "R: try all of these again")
            self.say_empty("" if pins else "No pin is in error for that cause any more. Escape goes back.")

    # ---- moving ----------------------------------------------------------------------------------------------------

    @on(LineTable.Highlighted)
    def _highlighted(self, event: LineTable.Highlighted) -> None:
        event.stop()
        self._say_means()
        self.app.refresh_bindings()

    @on(LineTable.Selected)
    def _selected(self, event: LineTable.Selected) -> None:
        event.stop()
        cause = self._causes.current
        if not self._cause and cause is not None:
            self._show_cause(cause.cause)
            self.say_empty("looking for its pins …")
            self.reopen()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Go back only from the pins of a cause."""
        return bool(self._cause) if action == "back" else super().check_action(action, parameters)

    def action_mark(self) -> None:
        """Mark the pin under the cursor, or not any more."""
        current = self._pins.current if self._cause else None
        if current is not None:
            if self._marked.pop(current.cid, self) is self:
                self._marked[current.cid] = None
            self._pins.repaint_row(self._pins.cursor)
            self._pins.cursor += 1

    def action_back(self) -> None:
        """Show the causes again."""
        if self._cause:
            self._show_cause("")
            self.reopen()

    def _show_cause(self, cause: str) -> None:
        self._cause = cause
        self._marked.clear()
        self._pins.put(())
        self._pins.display = bool(cause)
        self._causes.display = not cause
        self.take_focus()
        self._say_means()

    def _say_means(self) -> None:
        """Say what can be done about what is under the cursor."""
        lines = []
        if self._cause:
            pin = self._pins.current
            lines = [pin.cid, pin.error or ""] if pin is not None else []
        elif self._causes.current is not None:
            cause = self._causes.current
            lines = [f"What to do: {cause.next_step}" if cause.next_step else ""]
            lines += [f"For example: {cause.example}" if cause.example and cause.example != cause.cause else ""]
        self.say_foot("\n".join(words.safe(line) for line in lines if line))

    def _cells(self, line: ErrorLine) -> list[str]:
        now = self.terminal_view.now()
        return [
            figures.count(line.pins),
            words.safe(line.cause),
            figures.ago(line.oldest, now),
            "will not retry" if line.next_try is None else figures.until(line.next_try, now),
        ]


def _tone(column: str, line: ErrorLine) -> str:
    return "bad" if column == "pins" else ""
