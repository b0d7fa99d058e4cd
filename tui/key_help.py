"""Every key of the screen below, read from its live bindings: what is listed works, and what works is listed."""

from __future__ import annotations

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

# Keys that mean the same everywhere are told once, in words.
_EVERYWHERE = (
    ("↑ ↓", "move, as j and k do; also PgUp and PgDn, Home (g) and End (G)"),
    ("⏎ Esc", "go deeper, and back"),
    ("Tab", "go to the next part of the screen"),
    ("^p", "everything there is, by name"),
)
_TOLD = {"up", "down", "pageup", "pagedown", "home", "end", "escape", "tab", "shift+tab", "ctrl+p", "ctrl+c", "ctrl+q"}
_TOLD |= {"left", "right", "ctrl+pageup", "ctrl+pagedown", "super+c", "enter", "j", "k", "g", "G"}
_VIEW = "open_view"


class KeyHelp(ModalScreen[None]):
    """The list of keys; any of the usual keys closes it."""

    DEFAULT_CSS = """
    KeyHelp { align: center middle; }
    KeyHelp:ansi { background: ansi_default; }
    KeyHelp > VerticalScroll {
        width: 72; max-width: 100%; height: auto; max-height: 100%;
        background: $surface; border: round $primary; padding: 0 1; scrollbar-size-vertical: 1;
    }
    KeyHelp Static { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "dismiss_keys", "Close", key_display="Esc"),
    ]

    def __init__(self, bindings: dict[str, ActiveBinding]) -> None:
        super().__init__()
        self._active = bindings

    def compose(self) -> ComposeResult:
        """Show the keys in two columns: what is pressed, and what that does."""
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(ratio=1)
        for keys, meaning in [*_EVERYWHERE, *self._rows()]:
            table.add_row(Text(keys, style="bold"), Text(meaning))
        with VerticalScroll():
            yield Static(Text("Keys of this screen", style="bold underline"))
            yield Static(table)

    def _rows(self) -> list[tuple[str, str]]:
        views: list[str] = []
        by_action: dict[str, tuple[list[str], str]] = {}
        for key, active in self._active.items():
            binding = active.binding
            if key in _TOLD or binding.system or not active.enabled:
                continue
            if binding.action.startswith(_VIEW):
                views.append(f"{binding.key_display or self.app.get_key_display(binding)} {binding.description}")
                continue
            meaning = binding.tooltip or binding.description
            if meaning:
                shown = binding.key_display or self.app.get_key_display(binding)
                keys, _ = by_action.setdefault(binding.action, ([], meaning))
                if shown not in keys:
                    keys.append(shown)
        rows = [(" ".join(keys), meaning) for keys, meaning in by_action.values()]
        return [*rows, ("the views", "  ".join(each for each in views if not each.startswith("!")))]

    def action_dismiss_keys(self) -> None:
        """Go back."""
        self.dismiss(None)
