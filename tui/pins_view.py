"""View 2: the list of pins. What is typed filters it, a key sorts it, and the details of a pin stand beside it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from pincrew.tui import words
from pincrew.tui.paged_table import Page, PagedTable
from pincrew.tui.painted import Painted, Piece
from pincrew.tui.pin_detail import PinDetails
from pincrew.tui.pin_list import COLUMNS, SORTS, Question, cells, nothing_text, tone, total_text
from pincrew.tui.view import Narrowing, View
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widgets import Input

from pincrew import figures, limits
from pincrew.api.shapes import PinLine, Summary
from pincrew.errors import Misuse, NotFound, PincrewError

_FILTERS = "words of the name, state:error,queued  size>100MB  tries>3  cid:bafy…  added<7d"


class FilterInput(Input):
    """Where the filter is typed. Its keys lead back into the list."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Into the list", key_display="⏎"),
        Binding("down", "submit", show=False),
    ]


class PinsView(View):
    """The list, its filter, and the details of the pin under the cursor."""

    has_filter: ClassVar[bool] = True

    SCOPED_CSS = False  # rules name the screen's size, which stands outside
    DEFAULT_CSS = """
    PinsView > #head { height: 1; color: $text-muted; }
    PinsView > #filter { display: none; height: 1; padding: 0 1; background: $surface; }
    PinsView > #hint { display: none; height: auto; max-height: 2; padding: 0 1; }
    PinsView > #body { height: 1fr; }
    PinsView #pins { width: 1fr; }
    PinsView PinDetails { width: 46; display: none; border-left: solid $panel; }
    .-huge PinsView PinDetails { display: block; }
    PinsView.-zoomed #pins { display: none; }
    PinsView.-zoomed PinDetails { display: block; width: 1fr; border-left: none; }
    .-short PinsView > #head { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "sort", "Sort", id="sort", tooltip="Sort by the next column"),
        Binding("S", "turn_around", "Reverse", show=False, id="reverse", tooltip="Turn the order around"),
        Binding("space", "mark", "Mark", show=False, id="mark", tooltip="Mark this pin: keys act on all marked ones"),
        Binding("y", "copy", "Copy CID", show=False, id="copy", tooltip="Copy the CID into your terminal's clipboard"),
        Binding("o", "open_pin", "Open", show=False, id="open", tooltip="Open it in a browser, through your own node"),
        Binding("z", "zoom", "Zoom", show=False, id="zoom", tooltip="Show only the details, or the list again"),
        Binding("escape", "back", "Back", key_display="Esc"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.question = Question()
        self._marked: dict[str, None] = {}
        # Held, and not looked up: keys are asked for before all parts are there.
        self.table = PagedTable(COLUMNS, self._page, cells, lambda pin: pin.cid, tone, id="pins")
        self.table.marked = self._marked
        self.details = PinDetails()
        self._head, self._hint = Painted(id="head"), Painted(id="hint")
        self._filter = FilterInput(placeholder=_FILTERS, id="filter", compact=True)
        self._total: int | None = None
        self._asked: tuple[object, ...] = ()  # what the rows on the screen are of
        self._summary: Summary | None = None
        self._looked_at = 0.0
        self._look_timer: Timer | None = None
        self._typing: Timer | None = None

    def compose(self) -> ComposeResult:
        """Put the parts together."""
        yield self._head
        yield self._filter
        yield self._hint
        with Horizontal(id="body"):
            yield self.table
            yield self.details

    # ---- what the app asks ------------------------------------------------------------------------------------------

    def opened(self) -> None:
        """Fetch what is on the screen."""
        self.table.wake()
        if not self.table.is_counted:
            self.table.reload()
        self.details.follow(self.table.current)
        self._draw_head()

    def closed(self) -> None:
        """Fetch nothing."""
        self.table.sleep()
        self.details.follow(None)
        for timer in (self._look_timer, self._typing):
            if timer is not None:
                timer.stop()
        self._look_timer = self._typing = None

    def forget(self) -> None:
        """Another cluster is shown."""
        self._marked.clear()
        self._asked = ()
        self.question = replace(self.question, find="")
        self._filter.value = ""
        self._filter.display = False
        self.table.clear()

    def take_focus(self) -> None:
        """Move through the list."""
        self.table.focus()

    def chosen_cids(self) -> Sequence[str]:
        """Return the marked pins, or the one under the cursor."""
        if self._marked:
            return tuple(self._marked)
        current = self.table.current
        return (current.cid,) if current is not None else ()

    @property
    def narrowing(self) -> Narrowing:
        """What the filter finds."""
        return Narrowing(find=self.question.find)

    def show(self, summary: Summary, *, is_live: bool) -> None:
        """Look at the rows on the screen again where anything has moved, every two seconds at most."""
        self._summary = summary
        self.table.say_empty(nothing_text(self.question, summary))
        moved = (summary.name, summary.rev, summary.pins)
        if not is_live or not self.is_open or moved == self._asked or self._look_timer is not None:
            return
        wait_s = limits.VIEW_REVALIDATE_S - (time.monotonic() - self._looked_at)
        if wait_s > 0:
            self._look_timer = self.set_timer(wait_s, self._look_again)
        else:
            self._asked = moved
            self._look_again()

    def _look_again(self) -> None:
        self._look_timer = None
        self._looked_at = time.monotonic()
        if self.is_open:
            self.fetch(self._revalidate(), group="revalidate", exclusive=True)

    async def _revalidate(self) -> None:
        if self.table.is_counted:
            await self.table.revalidate()

    async def _page(self, offset: int, limit: int) -> Page[PinLine]:
        """Ask for rows; an order that is turned around is read from its end."""
        name, question = self.cluster, self.question
        if not question.is_reversed:
            page = await self.backend.ask(
                lambda client: client.pin_page(name, question.query, limit=limit, offset=offset)
            )
            return Page(page.rows, page.total)
        first = await self.backend.ask(lambda client: client.pin_page(name, question.query, limit=1, offset=0))
        total = first.total
        if total is None:
            raise Misuse("This filter cannot be shown backwards", next_step="`S` turns the order around again")
        end = max(0, total - offset)
        start = max(0, end - limit)
        page = await self.backend.ask(
            lambda client: client.pin_page(name, question.query, limit=max(1, end - start), offset=start)
        )
        return Page(page.rows[: end - start][::-1], total)

    # ---- what the table says ----------------------------------------------------------------------------------------

    @on(PagedTable.Counted)
    def _counted(self, event: PagedTable.Counted) -> None:
        event.stop()
        self._total = event.total
        self._say("")
        self._draw_head()
        self.app.refresh_bindings()

    @on(PagedTable.Failed)
    def _failed(self, event: PagedTable.Failed) -> None:
        event.stop()
        if isinstance(event.error, Misuse):
            self._say(event.error.sentence)
        elif self.terminal_view.connection.is_live:
            self._say(event.error.what)

    @on(PagedTable.Highlighted)
    def _highlighted(self, event: PagedTable.Highlighted) -> None:
        event.stop()
        if self.is_open:
            self.details.follow(self.table.current)
            if self.table.is_empty:
                self.details.clear()
            self.app.refresh_bindings()

    @on(PagedTable.Selected)
    def _selected(self, event: PagedTable.Selected) -> None:
        event.stop()
        self.action_zoom()

    @on(PagedTable.HeadClicked)
    def _head_clicked(self, event: PagedTable.HeadClicked) -> None:
        event.stop()
        if event.column == self.question.sort:
            self.action_turn_around()
        elif event.column in SORTS:
            self._ask(replace(self.question, sort=event.column, is_reversed=False))

    # ---- filter -----------------------------------------------------------------------------------------------------

    def action_find(self) -> None:
        """Let the filter be typed."""
        self._filter.display = True
        self._filter.focus()

    def find(self, text: str) -> None:
        """Show the pins that a filter finds: another view asks for them."""
        self._filter.display = True
        self._filter.value = text
        self._ask(replace(self.question, find=text.strip()))
        self.table.focus()

    @on(Input.Changed, "#filter")
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if self._typing is not None:
            self._typing.stop()
        self._typing = self.set_timer(limits.VIEW_TYPING_PAUSE_S, self._typed_enough)

    def _typed_enough(self) -> None:
        self._typing = None
        find = self._filter.value.strip()
        if find != self.question.find:
            self._ask(replace(self.question, find=find))

    @on(Input.Submitted, "#filter")
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._typed_enough()
        self.table.focus()

    def _ask(self, question: Question, *, keep: PinLine | None = None) -> None:
        """Show other pins, or the same in another order; the cursor goes with the pin ``keep``."""
        self.question = question
        self._total = None
        if self._summary is not None:
            self.table.say_empty(nothing_text(question, self._summary))
        self._say("")
        self.table.reload()
        self._draw_head()
        if keep is not None and not question.is_reversed:
            self.fetch(self._go_to(keep.cid, question), group="locate", exclusive=True)

    async def _go_to(self, cid: str, question: Question) -> None:
        name = self.cluster
        try:
            place = await self.backend.ask(lambda client: client.locate(name, question.query, cid=cid))
        except NotFound:
            return  # an older daemon, or the pin has gone: the list begins at its top
        if place is not None and question == self.question:
            self.table.go_to(place)

    # ---- keys -------------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """`s` starts the daemon while there is none."""
        if action == "back":
            return self.has_class("-zoomed") or self._filter.display or bool(self._marked)
        if self.app.focused is self._filter:
            return False  # what is typed there is text
        if action == "sort":
            return self.terminal_view.connection.is_live
        return super().check_action(action, parameters)

    def action_sort(self) -> None:
        """Sort by the next column."""
        self._ask(self.question.next_sort(), keep=self._kept())

    def action_turn_around(self) -> None:
        """Turn the order around."""
        if self._total is None and not self.question.is_reversed:
            self.app.notify("This list can be turned around once its pins are counted: clear the filter.", markup=False)
            return
        self._ask(replace(self.question, is_reversed=not self.question.is_reversed))

    def action_mark(self) -> None:
        """Mark the pin under the cursor, and go to the next."""
        pin = self.table.current
        if pin is None:
            return
        if pin.cid in self._marked:
            del self._marked[pin.cid]
        elif len(self._marked) < limits.VIEW_MARKS_MAX:
            self._marked[pin.cid] = None
        self.table.repaint_row(self.table.cursor)
        self.table.action_move(1)
        self._draw_head()

    def action_copy(self) -> None:
        """Copy the chosen CIDs into the terminal's clipboard."""
        cids = self.chosen_cids()
        if cids:
            self.app.copy_to_clipboard("\n".join(cids))
            what = cids[0] if len(cids) == 1 else figures.plural(len(cids), "CID")
            self.app.notify(f"Copied: {what}", markup=False)

    def action_open_pin(self) -> None:
        """Open a pin in a browser."""
        if self.table.current is not None:
            self.fetch(self._open_pin(self.table.current), group="open", exclusive=True)

    async def _open_pin(self, pin: PinLine) -> None:
        find, summary = self.terminal_view.options.gateway, self._summary
        gateway = await self.backend.ask(lambda _: find(summary)) if find is not None and summary is not None else ""
        if not gateway:
            self.app.notify("No gateway of your IPFS node is known.", markup=False)
            return
        url = f"{gateway.rstrip('/')}/ipfs/{pin.cid}"
        self.app.open_url(url)
        self.app.notify(f"Opened in your browser: {url}", markup=False)

    def action_zoom(self) -> None:
        """Show only the details of a pin, or the list again."""
        if self.has_class("-zoomed"):
            self._unzoom()
        elif self.table.current is not None:
            self.add_class("-zoomed")
            self.details.follow(self.table.current)
            self.details.focus()

    def _unzoom(self) -> None:
        self.remove_class("-zoomed")
        self.table.focus()

    def action_back(self) -> None:
        """Take back one thing: the details, the filter, the marks."""
        if self.has_class("-zoomed"):
            self._unzoom()
        elif self._filter.display:
            kept = self._kept()
            self._filter.value = ""
            self._filter.display = False
            self.table.focus()
            if self.question.find:
                self._ask(replace(self.question, find=""), keep=kept)
        elif self._marked:
            self._marked.clear()
            self.table.redraw()
            self._draw_head()

    def _kept(self) -> PinLine | None:
        """Return the pin that the cursor was put on by hand."""
        return self.table.current if self.table.cursor else None

    # ---- drawing ----------------------------------------------------------------------------------------------------

    def _draw_head(self) -> None:
        number = total_text(self._total, self.table.total - 1) if self.table.is_counted else "…"
        line = [Piece(f" {self.question.text} · {number}")]
        if self._marked:
            line.append(Piece(f"  {figures.count(len(self._marked))} marked", "busy"))
        self._head.set_lines([line])

    def _say(self, text: str) -> None:
        self._hint.display = bool(text)
        self._hint.set_lines([[Piece(f"! {words.safe(text)}", "warn")]] if text else [])

    def trouble(self, error: PincrewError) -> None:
        """Say what went wrong; a filter that is not understood is said where it is typed."""
        if isinstance(error, Misuse):
            self._say(error.sentence)
        else:
            super().trouble(error)
