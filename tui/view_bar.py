"""The line that names the views: a click, or the arrow keys where it has the focus, goes there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pincrew.tui.painted import Painted, Piece
from pincrew.tui.views import ERRORS, Numbered
from textual.binding import Binding, BindingType

from pincrew import figures
from pincrew.api.shapes import Summary


class ViewBar(Painted, can_focus=True):
    """Names the views with their keys, and how many errors there are."""

    DEFAULT_CSS = """
    ViewBar { height: 1; background: $surface; }
    ViewBar:focus { background: $primary-muted; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "step(-1)", "View before", show=False),
        Binding("right", "step(1)", "Next view", show=False),
        Binding("down,enter", "app.focus_next", "Into the view", show=False),
    ]

    def __init__(self, views: Sequence[Numbered]) -> None:
        super().__init__()
        self._views = views
        self._key = views[0].key
        self._errors = 0

    def on_mount(self) -> None:
        """Show the names."""
        self._draw()

    def show(self, key: str) -> None:
        """Mark the view that is visible."""
        self._key = key
        self._draw()

    def count(self, summary: Summary) -> None:
        """Show how many errors there are."""
        self._errors = summary.pins.error
        self._draw()

    def action_step(self, steps: int) -> None:
        """Show the next view, or the one before."""
        keys = [view.key for view in self._views]
        self.run_worker(self.app.run_action(f"open_view('{keys[(keys.index(self._key) + steps) % len(keys)]}')"))

    def on_resize(self) -> None:
        """Fit the new width."""
        self._draw()

    def _draw(self) -> None:
        errors = f" ({figures.count(self._errors)})" if self._errors else ""
        names = {view.key: view.title + (errors if view is ERRORS else "") for view in self._views}
        needed = sum(len(name) + 3 for name in names.values()) + 1
        room = self.size.width or 80
        gap = " " if needed + len(names) <= room else ""
        if needed > room:  # the numbers alone, and the name of the view that is visible
            names = {key: name if key == self._key else "" for key, name in names.items()}
        line: list[Piece] = []
        for key, name in names.items():
            action = f"app.open_view('{key}')"
            if key == self._key:
                line.append(Piece(f" {key} {name}{gap}", "chosen", action))
            else:
                line += [Piece(f" {key} ", "key", action), Piece(f"{name}{gap}", "dim", action)]
        self.set_lines([line])
