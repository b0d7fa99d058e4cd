"""What the numbered views have in common: when they fetch, and how they say what went wrong."""

from __future__ import annotations

import weakref
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

from pincrew.tui import words
from pincrew.tui.backend import Backend
from textual.containers import Vertical
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Static
from textual.worker import Worker

from pincrew import limits
from pincrew.api.shapes import Summary
from pincrew.errors import DaemonNotRunning, PincrewError

if TYPE_CHECKING:
    from pincrew.tui.app import TerminalView


class Narrowing(NamedTuple):
    """Which pins of a list are shown: those that a filter finds, or those in error for a cause. Empty: all."""

    find: str = ""
    cause: str = ""


class View(Vertical):
    """One numbered view of one cluster. It fetches only between ``opened`` and ``closed``."""

    DEFAULT_CSS = """
    View { height: 1fr; }
    View > .trouble { height: auto; color: $text-error; padding: 0 1; }
    """

    has_filter: ClassVar[bool] = False

    is_ready = False  # whether its parts exist
    is_open = False
    _retry: Timer | None = None

    class Ready(Message):
        """The parts of a view exist: it can be opened."""

        def __init__(self, view: View) -> None:
            super().__init__()
            self.view = view

    def on_mount(self) -> None:
        """Say that it can be opened."""
        self.is_ready = True
        self.post_message(self.Ready(self))

    @property
    def terminal_view(self) -> TerminalView:
        """The app, as what it is."""
        return cast("TerminalView", self.app)

    @property
    def backend(self) -> Backend:
        """The way to the daemon."""
        return self.terminal_view.backend

    @property
    def cluster(self) -> str:
        """The name of the cluster that is shown."""
        return self.terminal_view.cluster

    def show(self, summary: Summary, *, is_live: bool) -> None:
        """Take the newest figures: each tick of the feed while this view is visible, and once when it becomes so."""

    def opened(self) -> None:
        """Start fetching: this view has become visible, shows another cluster, or tries again after trouble."""

    def closed(self) -> None:
        """Stop fetching: this view is hidden now. What it shows stays for its return."""

    def forget(self) -> None:
        """Let go of what is shown: it is of another cluster."""

    def chosen_cids(self) -> Sequence[str]:
        """Return the pins that a key means: those that are marked, or the one under the cursor."""
        return ()

    @property
    def narrowing(self) -> Narrowing:
        """Which pins are shown."""
        return Narrowing()

    def take_focus(self) -> None:
        """Give the focus to the part that is moved through."""
        for widget in self.query("*"):
            if widget.focusable:
                widget.focus()
                return

    def action_find(self) -> None:
        """Ask what to show, where this view can be filtered."""

    def open(self) -> None:
        """Make known that the view is visible. Called by the app alone."""
        self.is_open = True
        self.opened()

    def close(self) -> None:
        """Make known that the view is hidden, and cancel what it fetches. Called by the app alone."""
        self.is_open = False
        self._end_retry()
        self.workers.cancel_node(self)
        self.closed()

    def reopen(self) -> None:
        """Fetch everything anew where the view is visible: another cluster, or another try."""
        if self.is_open:
            self.close()
            self.open()

    def fetch(self, work: Coroutine[Any, Any, None], *, group: str = "fetch", exclusive: bool = False) -> None:
        """Run ``work`` until it is done or the view is hidden; a PincrewError goes to ``trouble``.

        ``exclusive``: a later one of the same group cancels this one, so that a slow answer is superseded.
        """
        worker: Worker[None] = self.run_worker(partial(self._guarded, work), group=group, exclusive=exclusive)
        weakref.finalize(worker, work.close)  # one that is cancelled before its first step never gets to `work`

    def trouble(self, error: PincrewError) -> None:
        """Say in the view what went wrong, and open it again in a while.

        That the daemon is away is said above all views.
        """
        self._end_retry()
        self._retry = self.set_timer(limits.VIEW_RETRY_S, self.reopen)
        if isinstance(error, DaemonNotRunning) or not self.terminal_view.connection.is_live:
            return
        text = words.safe(error.sentence)
        for old in self.query(".trouble"):
            if isinstance(old, Static):
                old.update(words.text(f"✗ {text}"))
                break
        else:
            self.mount(Static(words.text(f"✗ {text}"), classes="trouble"), before=0)

    def settled(self) -> None:
        """Take back what ``trouble`` said: an answer came."""
        self._end_retry()
        self.query(".trouble").remove()

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except PincrewError as error:
            self.trouble(error)
        else:
            self.settled()

    def _end_retry(self) -> None:
        if self._retry is not None:
            self._retry.stop()
            self._retry = None
