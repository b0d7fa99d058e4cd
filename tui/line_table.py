"""A list of which only the lines on the screen are drawn, one at a time: a million rows cost what a hundred cost.

Where the rows come from is the part of who inherits from it. What must hold here:

1. At most ``VIEW_LINES_KEPT`` drawn lines are kept, least recently used out first.
2. Of rows that changed only the changed lines are painted again.
"""

from __future__ import annotations

import textwrap
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from pincrew.tui.words import shorten
from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from pincrew import limits

T = TypeVar("T")

_FLEXIBLE_WIDTH_MIN = 8
_GUTTER = 1  # for the mark
_EMPTY_TOP = 2  # the line on which an empty list explains itself


@dataclass(frozen=True)
class Column:
    """``width`` 0: what the others leave, for one column at most. It is left out where the table is narrower than
    ``table_width_min``, or not narrower than ``table_width_max`` (0: no such bound)."""

    key: str
    title: str
    width: int
    is_right: bool = False
    table_width_min: int = 0
    table_width_max: int = 0

    def fits(self, table_width: int) -> bool:
        """Say whether it is shown in a table of this width."""
        return self.table_width_min <= table_width and (not self.table_width_max or table_width < self.table_width_max)


class LineTable(ScrollView, Generic[T], can_focus=True):
    """Shows rows; ``cells`` makes a row's texts, in the order of the columns.

    ``key`` tells rows apart, for marks. ``tone`` names a component class for a cell's colour: good, bad, busy, dim.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    LineTable {
        height: 1fr; overflow-x: hidden; scrollbar-gutter: stable; scrollbar-size-vertical: 1;
        background: $background; color: $foreground;
    }
    LineTable > .line-table--head { color: $text-muted; text-style: bold; background: $surface; }
    LineTable > .line-table--row { background: $background; color: $foreground; }
    LineTable > .line-table--odd { background: $background; color: $foreground; }
    LineTable > .line-table--hover { background: $surface; color: $foreground; }
    LineTable > .line-table--cursor { background: $panel; color: $foreground; }
    LineTable:focus > .line-table--cursor {
        background: $block-cursor-background; color: $block-cursor-foreground; text-style: $block-cursor-text-style;
    }
    LineTable > .line-table--hole { color: $foreground 60%; background: $background; }
    LineTable > .line-table--empty { color: $text-muted; background: $background; }
    LineTable > .line-table--mark { color: $text-accent; text-style: bold; }
    LineTable > .line-table--good { color: $text-success; }
    LineTable > .line-table--bad { color: $text-error; }
    LineTable > .line-table--busy { color: $text-primary; }
    LineTable > .line-table--dim { color: $text-muted; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"line-table--{name}"
        for name in ("head", "row", "odd", "hover", "cursor", "hole", "empty", "mark", "good", "bad", "busy", "dim")
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home,g", "first", "First", show=False),
        Binding("end,G", "last", "Last", show=False),
        Binding("enter", "select", "Details", key_display="⏎"),
    ]

    cursor: reactive[int] = reactive(0, repaint=False)

    class Highlighted(Message):
        """The cursor is on another row, or its row is another one: ``current`` says which."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    class Selected(Message):
        """The row under the cursor was chosen: it is ``current``."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    class HeadClicked(Message):
        """The title of a column was clicked."""

        def __init__(self, column: str) -> None:
            super().__init__()
            self.column = column

    def __init__(
        self,
        columns: Sequence[Column],
        cells: Callable[[T], Sequence[str]],
        key: Callable[[T], str],
        tone: Callable[[str, T], str],
        *,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._columns = tuple(columns)
        self._cells, self._key, self._tone = cells, key, tone
        self.marked: Container[str] = frozenset()
        self.total = 0
        self.is_counted = False  # whether it is known how many rows there are
        self._empty_text = ""
        self._lines: OrderedDict[tuple[int, str, int, bool], Strip] = OrderedDict()
        self._hovered = -1

    # ---- where rows come from -------------------------------------------------------------------------------------

    @abstractmethod
    def row(self, index: int) -> T | None:
        """Return a row that is here; None where it is not, without asking for it."""

    def row_to_draw(self, index: int) -> tuple[T | None, bool]:
        """Return a row that is on the screen, and whether it is one of before."""
        return self.row(index), False

    def hole_text(self, index: int) -> str:
        """Return what is drawn in place of a row that is not here."""
        return ""

    # ---- what its owner asks --------------------------------------------------------------------------------------

    @property
    def current(self) -> T | None:
        """The row under the cursor."""
        return self.row(self.cursor)

    @property
    def is_empty(self) -> bool:
        """Whether there is no row, as far as anybody knows."""
        return self.is_counted and not self.total

    def say_empty(self, text: str) -> None:
        """Say why there is no row, and what to press; it is shown once that is known."""
        if text != self._empty_text:
            self._empty_text = text
            if self.is_empty:
                self.refresh()

    def go_to(self, index: int) -> None:
        """Put the cursor on a row, which may still be on its way."""
        if index >= self.total:
            self._set_total(index + 1)  # until an answer says how many there are
        self.cursor = index

    def redraw(self) -> None:
        """Draw all rows again: marks have changed."""
        self._redraw()

    def repaint_row(self, index: int) -> None:
        """Draw one row again: its mark has changed."""
        self._drop_lines(index)
        self._refresh_row(index)

    def _set_total(self, total: int) -> None:
        self.total = total
        self._fit()
        self.cursor = self.validate_cursor(self.cursor)

    def _fit(self) -> None:
        size = Size(self.scrollable_content_region.width, self.total + 1)
        is_scrolled = self.show_vertical_scrollbar and size.height > self.size.height
        if is_scrolled and size.width == self.virtual_size.width:
            # Only the scroll bar has to know: to set the size as such would paint every line again.
            self.set_reactive(LineTable.virtual_size, size)
            self.vertical_scrollbar.window_virtual_size = size.height
        else:
            self.virtual_size = size

    # ---- drawing ----------------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """Draw a line of the screen: the head, or a row."""
        width = self.scrollable_content_region.width
        if y == 0:
            return self._head(width)
        index = y - 1 + self.scroll_offset.y
        if index >= self.total:
            return self._draw_empty(y, width) if self.is_empty else Strip.blank(width, self._style("row"))
        row, is_stale = self.row_to_draw(index)
        is_marked = row is not None and self._key(row) in self.marked
        base = self._base_name(index)
        cache_key = (index, base if row is not None and not is_stale else f"{base}/{is_stale}", width, is_marked)
        strip = self._lines.get(cache_key)
        if strip is None:
            strip = self._draw(index, row, base, width, is_marked=is_marked, is_stale=is_stale)
            self._lines[cache_key] = strip
            if len(self._lines) > limits.VIEW_LINES_KEPT:
                self._lines.popitem(last=False)
        else:
            self._lines.move_to_end(cache_key)
        return strip

    def _base_name(self, index: int) -> str:
        if index == self.cursor:
            return "cursor"
        if index == self._hovered:
            return "hover"
        return "odd" if index % 2 else "row"

    def _draw(self, index: int, row: T | None, base_name: str, width: int, *, is_marked: bool, is_stale: bool) -> Strip:
        base = self._style(base_name)
        if row is None:
            style = base if base_name == "cursor" else self._style("hole")
            return Strip([Segment(f" {self.hole_text(index)}", style)]).adjust_cell_length(width, style)
        is_plain = base_name == "cursor" or is_stale  # a colour on the cursor's colour cannot be read
        if is_stale and base_name != "cursor":
            base = self._style("hole")
        segments = [Segment("▎" if is_marked else " ", base if is_plain else base + self._partial("mark"))]
        for (column, cell_width), cell in zip(self._widths(width), self._cells(row), strict=True):
            if not cell_width:
                continue
            tone = "" if is_plain else self._tone(column.key, row)
            style = base + self._partial(tone) if tone else base
            segments += [Segment(fitted(cell, cell_width, is_right=column.is_right), style), Segment(" ", base)]
        return Strip(segments).adjust_cell_length(width, base)

    def _draw_empty(self, y: int, width: int) -> Strip:
        """Draw a line of what is said instead of rows, one line below the head."""
        lines = textwrap.wrap(self._empty_text, max(1, width - 2 * _GUTTER))
        line = lines[y - _EMPTY_TOP] if _EMPTY_TOP <= y < _EMPTY_TOP + len(lines) else ""
        style = self._style("empty")
        return Strip([Segment(f" {line}", style)]).adjust_cell_length(width, style)

    def _head(self, width: int) -> Strip:
        style = self._style("head")
        segments = [Segment(" ", style)]
        for column, cell_width in self._widths(width):
            if cell_width:
                segments.append(Segment(fitted(column.title, cell_width, is_right=column.is_right) + " ", style))
        return Strip(segments).adjust_cell_length(width, style)

    def _widths(self, width: int) -> list[tuple[Column, int]]:
        """Return the columns with their widths now, 0 for those that are left out."""
        fixed = [(column, column.width if column.fits(width) else 0) for column in self._columns]
        taken = sum(each + 1 for column, each in fixed if each)
        rest = max(_FLEXIBLE_WIDTH_MIN, width - _GUTTER - taken - 1)
        return [(column, each if column.width else rest) for column, each in fixed]

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"line-table--{name}")

    def _partial(self, name: str) -> Style:
        """Return a tone's colour alone, as it comes out on the background here."""
        whole = self.get_component_rich_style(f"line-table--{name}")
        return Style(color=whole.color, bold=whole.bold)

    def set_titles(self, columns: Sequence[Column]) -> None:
        """Show other titles over the same columns."""
        self._columns = tuple(columns)
        self.refresh(Region(0, 0, self.size.width, 1))

    def notify_style_update(self) -> None:
        """Draw everything again: the colours have changed."""
        super().notify_style_update()
        self._lines.clear()

    def _redraw(self) -> None:
        self._lines.clear()
        self.refresh()

    def _drop_lines(self, index: int) -> None:
        for cache_key in [each for each in self._lines if each[0] == index]:
            del self._lines[cache_key]

    def _refresh_row(self, index: int) -> None:
        y = index - self.scroll_offset.y + 1
        if 0 < y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    # ---- moving -----------------------------------------------------------------------------------------------------

    def _visible_rows(self) -> tuple[int, int]:
        """Return the first and the last row on the screen."""
        first = self.scroll_offset.y
        return first, max(first, min(first + max(self.size.height, 2) - 2, self.total - 1))

    def validate_cursor(self, index: int) -> int:
        """Keep the cursor on a row."""
        return max(0, min(index, self.total - 1))

    def watch_cursor(self, before: int, after: int) -> None:
        """Show the cursor's row, scrolling no more than needed."""
        height = max(1, self.size.height - 1)
        if after < self.scroll_offset.y:
            self.scroll_to(y=after, animate=False)
        elif after >= self.scroll_offset.y + height:
            self.scroll_to(y=after - height + 1, animate=False)
        self._refresh_row(before)
        self._refresh_row(after)
        self._tell_cursor()

    def _tell_cursor(self) -> None:
        self.post_message(self.Highlighted(self.cursor))

    def action_move(self, rows: int) -> None:
        """Go up or down."""
        self.cursor += rows

    def action_page(self, pages: int) -> None:
        """Go a screenful up or down."""
        self.cursor += pages * max(1, self.size.height - 2)

    def action_first(self) -> None:
        """Go to the first row."""
        self.cursor = 0

    def action_last(self) -> None:
        """Go to the last row."""
        self.cursor = self.total - 1

    def action_select(self) -> None:
        """Choose the row under the cursor."""
        if self.current is not None:
            self.post_message(self.Selected(self.cursor))

    def on_click(self, event: events.Click) -> None:
        """Move the cursor there; a second click chooses the row, one on the head a column."""
        if event.y == 0:
            self._click_head(event.x - _GUTTER)
            return
        index = event.y - 1 + self.scroll_offset.y
        if index < self.total:
            self.cursor = index
            if event.chain == 2:
                self.action_select()

    def _click_head(self, x: int) -> None:
        for column, width in self._widths(self.scrollable_content_region.width):
            if width and 0 <= x < width:
                self.post_message(self.HeadClicked(column.key))
                return
            x -= width + 1 if width else 0

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Show which row is under the mouse."""
        self._hover(event.y - 1 + self.scroll_offset.y if event.y > 0 else -1)

    def on_leave(self) -> None:
        """No row is under the mouse any more."""
        self._hover(-1)

    def _hover(self, index: int) -> None:
        before, self._hovered = self._hovered, index
        if before != index:
            self._refresh_row(before)
            self._refresh_row(index)

    def on_resize(self) -> None:
        """Fit the new size."""
        self._lines.clear()
        self._fit()
        self.watch_cursor(self.cursor, self.cursor)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer no key that does nothing."""
        return self.total > 0 if action == "select" else super().check_action(action, parameters)


def fitted(content: str, width: int, *, is_right: bool) -> str:
    """Return ``content`` in exactly ``width`` cells."""
    short = shorten(content, width)
    if is_right:
        return " " * max(0, width - cell_len(short)) + short
    return set_cell_size(short, width)
