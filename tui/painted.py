"""Lines of text in a few tones: what the smaller parts of the screen are made of.

Only lines that changed are painted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual import events
from textual.geometry import Region
from textual.widget import Widget


class Piece(NamedTuple):
    """Some words of a line. ``tone``: good, bad, warn, busy, dim, strong or none; ``action`` is what a click does."""

    text: str
    tone: str = ""
    action: str = ""


Line = Sequence[Piece]


class Painted(Widget):
    """Shows lines, each as it is, and cuts what is too wide. Values in, pixels out."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    Painted { height: auto; text-wrap: nowrap; text-overflow: clip; }
    Painted > .painted--good { color: $text-success; }
    Painted > .painted--bad { color: $text-error; text-style: bold; }
    Painted > .painted--warn { color: $text-warning; }
    Painted > .painted--busy { color: $text-primary; }
    Painted > .painted--dim { color: $text-muted; }
    Painted > .painted--off { color: $text-disabled; }
    Painted > .painted--strong { text-style: bold; }
    Painted > .painted--key { color: $text-accent; text-style: bold; }
    Painted > .painted--chosen { color: $foreground; background: $panel; text-style: bold; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"painted--{name}" for name in ("good", "bad", "warn", "busy", "dim", "off", "strong", "key", "chosen")
    }
    is_wrapped: ClassVar[bool] = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._shown: list[tuple[Piece, ...]] = []

    @property
    def lines(self) -> Sequence[Line]:
        """What is shown."""
        return self._shown

    def set_lines(self, lines: Sequence[Line]) -> None:
        """Show these lines instead."""
        new = [tuple(line) for line in lines]
        old, self._shown = self._shown, new
        if new == old:
            return
        if len(new) != len(old) or self.is_wrapped:
            self.refresh(layout=True)
            return
        changed = [y for y, (before, after) in enumerate(zip(old, new, strict=True)) if before != after]
        self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    def render(self) -> Text:
        """Put the lines together, in the colours of now."""
        whole = Text(no_wrap=not self.is_wrapped, overflow="fold" if self.is_wrapped else "crop", end="")
        for number, line in enumerate(self._shown):
            if number:
                whole.append("\n")
            for piece in line:
                whole.append(piece.text, self._style(piece.tone) if piece.tone else Style())
        return whole

    async def on_click(self, event: events.Click) -> None:
        """Do what a click on these words does."""
        offset = event.get_content_offset(self)
        if self.is_wrapped or offset is None or offset.y >= len(self._shown):
            return
        x = offset.x
        for piece in self._shown[offset.y]:
            width = cell_len(piece.text)
            if x < width:
                if piece.action:
                    event.stop()
                    await self.run_action(piece.action)
                return
            x -= width

    def _style(self, tone: str) -> Style:
        """Return a tone's colour as it comes out on the background here."""
        whole = self.get_component_rich_style(f"painted--{tone}")
        background = whole.bgcolor if tone == "chosen" else None
        return Style(color=whole.color, bgcolor=background, bold=whole.bold)
