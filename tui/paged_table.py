"""A list of any length of which only some pages are here: its rows are fetched as they come into sight.

The table knows the number of rows, and keeps a few pages of them. What must hold:

1. At most ``VIEW_PAGES_KEPT`` pages are kept, least recently used out first.
2. A page is asked for once at a time, and only when a row of it is on the screen or next to it. One that nobody looks
   at any more is no longer waited for.
3. An answer to an earlier question (another filter, another order) is dropped: each question has its generation.
4. Rows that are shown stay until others have come.
5. A page that could not be had is said to be missing, and asked for again in a while, unless the question was wrong.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from pincrew.tui.line_table import Column, LineTable
from textual.message import Message
from textual.worker import Worker

from pincrew import limits
from pincrew.errors import Misuse, PincrewError

T = TypeVar("T")

_PAGE = limits.VIEW_PAGE_ROWS
_NEAR = _PAGE // 4  # so near to the edge of a page, the next one is fetched too


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows of the list as of now. ``total`` is None where nobody counts them."""

    rows: Sequence[T]
    total: int | None


class PagedTable(LineTable[T]):
    """Shows rows that ``fetch(offset, limit)`` brings."""

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
        super().__init__(columns, cells, key, tone, id=id)
        self._fetch = fetch
        self._known_total: int | None = None
        self._is_awake = False
        self._generation = 0
        self._pages: OrderedDict[int, Sequence[T]] = OrderedDict()
        self._stale: dict[int, Sequence[T]] = {}  # shown until the first answer to the present question
        self._under_way: dict[int, Worker[None]] = {}
        self._failed: set[int] = set()

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

    # ---- rows -------------------------------------------------------------------------------------------------------

    def row(self, index: int) -> T | None:
        """Return a row that is here; None where it is not, without asking for it."""
        page = self._pages.get(index // _PAGE)
        offset = index % _PAGE
        return page[offset] if page is not None and offset < len(page) else None

    def row_to_draw(self, index: int) -> tuple[T | None, bool]:
        """Return a row that is on the screen, and whether it is one of before; ask for it where it is not here."""
        row = self.row(index)
        if row is not None:
            self._pages.move_to_end(index // _PAGE)
            return row, False
        self._want(index // _PAGE)
        page = self._stale.get(index // _PAGE, ())
        return (page[index % _PAGE], True) if index % _PAGE < len(page) else (None, False)

    def hole_text(self, index: int) -> str:
        """Say that a row is on its way, or could not be had."""
        return "✗  could not be read" if index // _PAGE in self._failed else "·  loading…"

    def _visible_pages(self) -> range:
        first, last = self._visible_rows()
        return range(first // _PAGE, last // _PAGE + 1)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Fetch what comes into sight."""
        super().watch_scroll_y(old_value, new_value)
        self._want_near()

    def on_resize(self) -> None:
        """Fetch what has come into sight."""
        super().on_resize()
        self._want_near()

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
