"""A line of a form: what is asked, where it is typed, and what that means."""

from __future__ import annotations

from pincrew.tui import words
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input, Label, Static


class Field(Horizontal):
    """A label, an input and a hint beside it."""

    SCOPED_CSS = False
    DEFAULT_CSS = """
    Field { height: auto; }
    Field > Label { width: 16; }
    Field > Input { width: 24; height: 1; border: none; padding: 0 1; background: $foreground 10%; }
    Field > Input > .input--placeholder { color: $text-muted; }
    Field > Input:focus { background: $primary-muted; border: none; }
    Field > .hint { width: 1fr; height: auto; padding: 0 0 0 1; color: $text-muted; }
    Field.-wide > Input { width: 1fr; }
    Field.-wide > .hint { display: none; }
    Dialog.-narrow Field > Label { width: 14; }
    Dialog.-narrow Field > .hint { display: none; }
    Dialog.-narrow Field > Input { width: 1fr; }
    """

    def __init__(self, label: str, value: str = "", *, name: str, hint: str = "", placeholder: str = "") -> None:
        super().__init__(id=f"field-{name}", classes="" if hint else "-wide")
        self._label = label
        self._value = value
        self._name = name
        self._hint = hint
        self._placeholder = placeholder

    def compose(self) -> ComposeResult:
        """Yield the three."""
        yield Label(words.text(self._label))
        yield Input(self._value, placeholder=self._placeholder, id=self._name, compact=True)
        yield Static(words.text(self._hint), classes="hint")

    def hint(self, text: str) -> None:
        """Show something else beside it."""
        self.query_one(".hint", Static).update(words.text(text))
