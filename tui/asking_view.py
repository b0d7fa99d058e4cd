"""A view that asks the daemon the same again and again while it is visible."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from pincrew.tui import words
from pincrew.tui.head_line import HeadLine
from pincrew.tui.view import View
from textual.app import ComposeResult
from textual.timer import Timer
from textual.widgets import Static


class AskingView(View):
    """Has a line of figures at its top, in place of an empty list what that means and what to press, and at its foot
    what is under the cursor in full."""

    interval_s: ClassVar[float]

    SCOPED_CSS = False
    DEFAULT_CSS = """
    AskingView > .empty { height: auto; padding: 1 2; color: $text-muted; }
    AskingView > .foot { height: auto; max-height: 6; padding: 0 1; color: $text-muted; }
    .-short AskingView > .foot { max-height: 3; }
    """

    _timer: Timer | None = None
    _is_asking = False

    @abstractmethod
    async def ask(self) -> None:
        """Ask once, and show the answer. Raises PincrewError."""

    def content(self) -> ComposeResult:
        """Yield what stands under the line of figures."""
        yield from ()

    def compose(self) -> ComposeResult:
        yield HeadLine()
        yield Static("asking …", classes="empty", markup=False)
        yield from self.content()
        yield Static("", classes="foot", markup=False)

    def opened(self) -> None:
        """Ask now, and from now on."""
        self._is_asking = False
        self.ask_now()
        self._timer = self.set_interval(self.interval_s, self.ask_now)

    def closed(self) -> None:
        """Ask no more."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def ask_now(self) -> None:
        """Ask, unless an answer is on its way: a slow daemon is not asked twice."""
        if not self._is_asking:
            self._is_asking = True
            self.fetch(self._ask(), group="ask")

    def say_head(self, *parts: str) -> None:
        """Show the line of figures: as many of its parts as fit, the first in any case."""
        self.query_one(HeadLine).say(*parts)

    def say_empty(self, text: str) -> None:
        """Say why there is nothing to show; "" where there is something."""
        empty = self.query_one(".empty", Static)
        empty.update(words.text(text))
        empty.display = bool(text)

    def say_foot(self, text: str) -> None:
        """Show at the foot what a line has no room for."""
        self.query_one(".foot", Static).update(words.text(text))

    async def _ask(self) -> None:
        try:
            await self.ask()
        finally:
            self._is_asking = False
