"""A list of any length of which only what is on the screen exists.

The table knows the number of rows, keeps a few pages of them, and draws one line at a time: a million rows cost what a
hundred cost. What must hold:

1. At most ``VIEW_PAGES_KEPT`` pages and ``VIEW_LINES_KEPT`` drawn lines are kept, least recently used out first.
2. A page is asked for once at a time, and only when a row of it is on the screen or next to it. One that nobody looks
   at any more is no longer waited for.
3. An answer to an earlier question (another filter, another order) is dropped: each question has its generation.
4. Rows that are shown stay until others have come; of those that changed only the changed lines are painted again.
5. A page that could not be had is said to be missing, and asked for again in a while, unless the question was wrong.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Container, Sequence
from dataclasses import dataclass
from functools import partial
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
from textual.worker import Worker

from pincrew import limits
from pincrew.errors import Misuse, PincrewError

T = TypeVar("T")

_PAGE = limits.VIEW_PAGE_ROWS
_NEAR = _PAGE // 4  # so near to the edge of a page, the next one is fetched too
_FLEXIBLE_WIDTH_MIN = 8
_GUTTER = 1  # for the mark


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


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows of the list as of now. ``total`` is None where nobody counts them."""

    rows: Sequence[T]
    total: int | None


class PagedTable(ScrollView, Generic[T], can_focus=True):
    """Shows rows that ``fetch(offset, limit)`` brings; ``cells`` makes a row's texts, in the order of the columns.

    ``key`` tells rows apart, for marks. ``tone`` names a component class for a cell's colour: good, bad, busy, dim.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    PagedTable {
        height: 1fr; overflow-x: hidden; scrollbar-gutter: stable; scrollbar-size-vertical: 1;
        background: $background; color: $foreground;
    }
    PagedTable > .paged-table--head { color: $text-muted; text-style: bold; background: $surface; }
    PagedTable > .paged-table--row { background: $background; color: $foreground; }
    PagedTable > .paged-table--odd { background: $background; color: $foreground; }
    PagedTable > .paged-table--hover { background: $surface; color: $foreground; }
    PagedTable > .paged-table--cursor { background: $panel; color: $foreground; }
    PagedTable:focus > .paged-table--cursor {
        background: $block-cursor-background; color: $block-cursor-foreground; text-style: $block-cursor-text-style;
    }
    PagedTable > .paged-table--hole { color: $text-disabled; background: $background; }
    PagedTable > .paged-table--mark { color: $text-accent; text-style: bold; }
    PagedTable > .paged-table--good { color: $text-success; }
    PagedTable > .paged-table--bad { color: $text-error; }
    PagedTable > .paged-table--busy { color: $text-primary; }
    PagedTable > .paged-table--dim { color: $text-muted; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"paged-table--{name}"
        for name in ("head", "row", "odd", "hover", "cursor", "hole", "mark", "good", "bad", "busy", "dim")
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

    class Failed(Message):
        """A page could not be had; it is asked for again."""

        def __init__(self, error: PincrewError) -> None:
            super().__init__()
            self.error = error

    class Counted(Message):
        """The number of rows is another one; None: nobody knows it."""

        def __init__(self, total: int | None) -> None:
            super().__init__()
            self.total = total

    def __init__(
        self,
        columns: Sequence[Column],
        fetch: Callable[[int, int], Awaitable[Page[T]]],
        cells: Callable[[T], Sequence[str]],
        key: Callable[[T], str],
        tone: Callable[[str, T], str],
        *,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._columns = tuple(columns)
        self._fetch, self._cells, self._key, self._tone = fetch, cells, key, tone
        self.marked: Container[str] = frozenset()
        self.total = 0
        self.is_counted = False  # whether any answer has come
        self._known_total: int | None = None
        self._is_awake = False
        self._generation = 0
        self._pages: OrderedDict[int, Sequence[T]] = OrderedDict()
        self._stale: dict[int, Sequence[T]] = {}  # shown until the first answer to the present question
        self._under_way: dict[int, Worker[None]] = {}
        self._failed: set[int] = set()
        self._lines: OrderedDict[tuple[int, str, int, bool], Strip] = OrderedDict()
        self._hovered = -1

    # ---- what its owner asks --------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Fetch what is on the screen, from now on."""
        self._is_awake = True
        self._failed.clear()
        self._want_near()

    def sleep(self) -> None:
        """Fetch nothing until ``wake``; what is there stays."""
        self._is_awake = False
        self._cancel(self._under_way)

    def reload(self) -> None:
        """Ask everything anew: another filter, order or list. The old rows are shown until the first answer."""
        self._generation += 1
        self._stale = self._stale or dict(self._pages)
        self._cancel(self._under_way)
        self._pages.clear()
        self._failed.clear()
        self.is_counted = False
        self._redraw()
        self.scroll_to(y=0, animate=False)
        self.cursor = 0
        self._want(0)

    def clear(self) -> None:
        """Forget all rows: they are of another list."""
        self._pages.clear()
        self._stale = {}
        self._set_total(0)
        self.reload()

    async def revalidate(self) -> int:
        """Fetch again what is on the screen, paint the lines that changed, and return how many these are.

        Raises PincrewError.
        """
        generation, changed = self._generation, 0
        for number in self._visible_pages():
            if number not in self._pages:
                continue
            page = await self._fetch(number * _PAGE, _PAGE)
            if generation != self._generation:
                return changed
            old = self._pages.get(number, ())
            self._pages[number] = page.rows
            self._take_total(number, page)
            changed += self._repaint_changed(number, old, page.rows)
        return changed

    def row(self, index: int) -> T | None:
        """Return a row that is here; None where it is not, without asking for it."""
        page = self._pages.get(index // _PAGE)
        offset = index % _PAGE
        return page[offset] if page is not None and offset < len(page) else None

    @property
    def current(self) -> T | None:
        """The row under the cursor."""
        return self.row(self.cursor)

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

    # ---- pages ------------------------------------------------------------------------------------------------------

    def _want(self, number: int) -> None:
        """Ask for a page that is neither here nor on its way."""
        if not self._is_awake or number in self._pages or number in self._under_way or number in self._failed:
            return
        self._under_way[number] = self.run_worker(partial(self._load, number, self._generation), group="page")

    async def _load(self, number: int, generation: int) -> None:
        try:
            page = await self._fetch(number * _PAGE, _PAGE)
        except PincrewError as error:
            if generation == self._generation:
                self._under_way.pop(number, None)
                self._fail(number, error)
            return
        if generation != self._generation:
            return
        self._under_way.pop(number, None)
        is_first = not self.is_counted
        self._stale = {}
        self._pages[number] = page.rows
        while len(self._pages) > limits.VIEW_PAGES_KEPT:
            self._pages.popitem(last=False)
        self._take_total(number, page)
        self._redraw()
        self._want_near()
        if is_first or self.cursor // _PAGE == number:
            self._tell_cursor()

    def _fail(self, number: int, error: PincrewError) -> None:
        self._failed.add(number)
        self._redraw()
        self.post_message(self.Failed(error))
        if not isinstance(error, Misuse):  # the same question would have the same answer
            self.set_timer(limits.VIEW_RETRY_S, self._try_again)

    def _try_again(self) -> None:
        if self._failed:
            self._failed.clear()
            self._redraw()
            self._want_near()

    def _want_near(self) -> None:
        """Ask for what is on the screen and next to it; what is neither is no longer waited for."""
        first, last = self._visible_rows()
        numbers = range(max(0, first - _NEAR) // _PAGE, max(0, min(last + _NEAR, self.total - 1)) // _PAGE + 1)
        self._cancel([number for number in self._under_way if number not in numbers])
        for number in sorted(numbers, key=lambda each: not first // _PAGE <= each <= last // _PAGE):
            self._want(number)

    def _cancel(self, numbers: Sequence[int] | dict[int, Worker[None]]) -> None:
        for number in list(numbers):
            self._under_way.pop(number).cancel()

    def _take_total(self, number: int, page: Page[T]) -> None:
        """Learn the number of rows; where nobody counts them there is one more than is known, until a page is short."""
        total = page.total
        if total is None:
            end = number * _PAGE + len(page.rows)
            is_known_end = len(page.rows) < _PAGE and (len(page.rows) > 0 or number == 0)
            total = end if is_known_end else max(self.total if self.is_counted else 0, end + 1)
        if not self.is_counted or page.total != self._known_total or total != self.total:
            self.is_counted, self._known_total = True, page.total
            self._set_total(total)
            self.post_message(self.Counted(page.total if page.total is not None or len(page.rows) == _PAGE else total))

    def _set_total(self, total: int) -> None:
        self.total = total
        self._fit()
        self.cursor = self.validate_cursor(self.cursor)

    def _fit(self) -> None:
        size = Size(self.scrollable_content_region.width, self.total + 1)
        is_scrolled = self.show_vertical_scrollbar and size.height > self.size.height
        if is_scrolled and size.width == self.virtual_size.width:
            # Only the scroll bar has to know: to set the size as such would paint every line again.
            self.set_reactive(PagedTable.virtual_size, size)
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
            return Strip.blank(width, self._style("row"))
        row, is_stale = self.row(index), False
        if row is not None:
            self._pages.move_to_end(index // _PAGE)
        else:
            self._want(index // _PAGE)
            page = self._stale.get(index // _PAGE, ())
            if index % _PAGE < len(page):
                row, is_stale = page[index % _PAGE], True
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
            said = " ✗  could not be read" if index // _PAGE in self._failed else " ·  loading…"
            style = base if base_name == "cursor" else self._style("hole")
            return Strip([Segment(said, style)]).adjust_cell_length(width, style)
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
        return self.get_component_rich_style(f"paged-table--{name}")

    def _partial(self, name: str) -> Style:
        """Return a tone's colour alone, as it comes out on the background here."""
        whole = self.get_component_rich_style(f"paged-table--{name}")
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

    def _repaint_changed(self, number: int, old: Sequence[T], new: Sequence[T]) -> int:
        first, last = self._visible_rows()
        changed = 0
        for offset in range(max(len(old), len(new))):
            before = old[offset] if offset < len(old) else None
            after = new[offset] if offset < len(new) else None
            if before != after:
                index = number * _PAGE + offset
                self._drop_lines(index)
                if first <= index <= last:
                    self._refresh_row(index)
                    changed += 1
                if index == self.cursor:
                    self._tell_cursor()
        return changed

    # ---- moving -----------------------------------------------------------------------------------------------------

    def _visible_rows(self) -> tuple[int, int]:
        """Return the first and the last row on the screen."""
        first = self.scroll_offset.y
        return first, max(first, min(first + max(self.size.height, 2) - 2, self.total - 1))

    def _visible_pages(self) -> range:
        first, last = self._visible_rows()
        return range(first // _PAGE, last // _PAGE + 1)

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

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Fetch what comes into sight."""
        super().watch_scroll_y(old_value, new_value)
        self._want_near()

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
        self._want_near()


def fitted(content: str, width: int, *, is_right: bool) -> str:
    """Return ``content`` in exactly ``width`` cells."""
    short = shorten(content, width)
    if is_right:
        return " " * max(0, width - cell_len(short)) + short
    return set_cell_size(short, width)
