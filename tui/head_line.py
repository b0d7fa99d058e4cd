"""The line over a table: its figures, and what can be done there, as far as there is room."""

from __future__ import annotations

from pincrew.tui.painted import Painted, Piece
from rich.cells import cell_len

_GAP = "   "


class HeadLine(Painted):
    """Shows parts of a line, each whole or not at all; only the first is cut."""

    DEFAULT_CSS = """
    HeadLine { height: 1; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._parts: tuple[str, ...] = ()

    def say(self, *parts: str) -> None:
        """Show these, most important first; empty ones are left out."""
        self._parts = tuple(part for part in parts if part)
        self._fit()

    def on_resize(self) -> None:
        """Fit the new width."""
        self._fit()

    def _fit(self) -> None:
        self.set_lines([[Piece(fitting(self._parts, self.content_size.width), "dim")]])


def fitting(parts: tuple[str, ...], room: int) -> str:
    """Return the first parts that fit, the very first in any case."""
    line = parts[0] if parts else ""
    for part in parts[1:]:
        if cell_len(line) + len(_GAP) + cell_len(part) > room:
            break
        line += _GAP + part
    return line
