"""The terminal view as a whole: which cluster is shown, by which view, and whether the figures are of now.

Values go down: one feed brings every cluster's figures, and the visible view gets those of its cluster. Nothing here
waits for the daemon; what is shown stays, with its age, while the daemon is away.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import ClassVar

from pincrew.tui import keymap, themes, words
from pincrew.tui.alert_strip import AlertStrip
from pincrew.tui.backend import Backend
from pincrew.tui.connection import Connection
from pincrew.tui.feed import Feed
from pincrew.tui.key_line import KeyLine
from pincrew.tui.nothing import Nothing
from pincrew.tui.status_line import StatusLine
from pincrew.tui.view import Narrowing, View
from pincrew.tui.view_bar import ViewBar
from pincrew.tui.views import VIEWS
from rich.segment import Segment
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import BindingType
from textual.color import Color
from textual.containers import Container
from textual.filter import LineFilter
from textual.screen import Screen
from textual.widgets import Input

from pincrew.api.client import Client
from pincrew.api.shapes import Status, Summary
from pincrew.errors import DaemonNotRunning, Misuse, PincrewError

HORIZONTAL = [(0, "-narrow"), (70, "-medium"), (100, "-wide"), (130, "-huge")]
VERTICAL = [(0, "-short"), (20, "-tall")]


@dataclass(frozen=True)
class Options:
    """How the view is to be: what its user chose.

    ``start_daemon`` starts one and returns when it answers; ``start_at_login`` has that done at each login, where
    ``can_start_at_login``. All three may block, and raise PincrewError. ``keys`` as in the setting `view_keys`.
    ``gateway`` says of a cluster where its single pins are opened, empty: nowhere; it may block.
    """

    is_read_only: bool = False
    is_ascii: bool = False
    theme: str = ""
    keys: str = ""
    gateway: Callable[[Summary], str] | None = None
    start_daemon: Callable[[], None] | None = None
    can_start_at_login: Callable[[], bool] | None = None
    start_at_login: Callable[[], None] | None = None


class TerminalView(App[None]):
    """Shows the clusters of one daemon, and takes its user's word on them."""

    TITLE = "pincrew"
    CSS = """
    Screen { layout: vertical; }
    #views { height: 1fr; }
    .-short ViewBar, ViewBar.-empty { display: none; }
    #views.-stale { opacity: 65%; }
    """
    ENABLE_COMMAND_PALETTE = True
    HORIZONTAL_BREAKPOINTS = HORIZONTAL
    VERTICAL_BREAKPOINTS = VERTICAL
    BINDINGS: ClassVar[list[BindingType]] = [*keymap.act_bindings(), *keymap.KEYS, *keymap.view_bindings(VIEWS)]

    def __init__(
        self,
        client: Client,
        *,
        cluster: str | None = None,
        options: Options = Options(),
        now: Callable[[], datetime] | None = None,
    ) -> None:
        super().__init__()
        self.backend = Backend(client)
        self.options = options
        self.cluster = cluster or ""
        self.status: Status | None = None
        self.connection = Connection()
        self.now = now or _utc_now
        self._wanted = cluster
        self._offered: tuple[object, ...] = ()  # what decides about which keys do something
        self._feed = Feed(client, self)
        self._views: dict[str, View] = {}
        self._shown: View | None = None
        # Held, and not looked up: a dialog may stand before them, and news come until the very end.
        self._status_line, self._view_bar, self._alert_strip = StatusLine(), ViewBar(VIEWS), AlertStrip()
        self._nothing, self._container = Nothing(), Container(id="views")
        self._ascii = AsciiFilter(enabled=options.is_ascii)
        self._theme_before = self.theme
        self.animation_level = "none"  # what moves by itself costs bytes, and readers of screens their patience
        themes.register(self)
        if options.theme and options.theme not in self.available_themes:
            raise Misuse(
                f"There is no theme {options.theme!r}",
                where="view_theme",
                next_step=f"There are: {', '.join(self.available_themes)}",
            )
        self.set_keymap(keymap.parsed_keys(options.keys))

    # ---- what others ask ------------------------------------------------------------------------------------------

    @property
    def is_read_only(self) -> bool:
        """Whether keys that change something do nothing."""
        return self.options.is_read_only

    @property
    def chosen_theme(self) -> str | None:
        """The theme that was chosen while it ran, None where it is the one that it began with."""
        return None if self.theme == (self.options.theme or self._theme_before) else self.theme

    @property
    def is_followed_on(self) -> bool:
        """Whether a daemon goes on following something."""
        return self.connection.is_live and self.status is not None and bool(self.status.clusters)

    def summary(self, name: str) -> Summary | None:
        """Return the newest figures of a cluster; None where it is not known."""
        clusters = self.status.clusters if self.status is not None else []
        return next((each for each in clusters if each.name == name), None)

    @property
    def narrowing(self) -> Narrowing:
        """Which pins the visible view shows."""
        return Narrowing() if self._shown is None else self._shown.narrowing

    def show_cluster(self, name: str) -> None:
        """Show another cluster, in its overview."""
        self._wanted = self.cluster = name
        for view in self._views.values():
            if view is not self._shown:
                view.forget()
        if self._shown is not None:
            self._shown.forget()
            self._shown.reopen()
        self.open_view(VIEWS[0].key)
        self.tell()

    def open_view(self, key: str) -> None:
        """Make the view of this key the visible one."""
        view = self._views.get(key)
        if view is self._shown and view is not None:
            return
        if self._shown is not None:
            self._shown.close()
            self._shown.display = False
        if view is None:
            view = self._views[key] = next(each for each in VIEWS if each.key == key).make()
            self._container.mount(view)
        view.display = True
        self._shown = view
        self._view_bar.show(key)
        self._opened(view)

    def on_view_ready(self, message: View.Ready) -> None:
        """A view that was asked for exists now."""
        self._opened(message.view)

    # ---- life -----------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield self._status_line
        yield self._view_bar
        yield self._alert_strip
        yield self._nothing
        yield self._container
        yield KeyLine()

    def on_mount(self) -> None:
        """Show the first frame."""
        if self.options.theme:
            self.theme = self.options.theme
        self.tell()
        self.set_interval(1.0, self._tick)
        self.call_after_refresh(self._listen)

    def _listen(self) -> None:
        """Begin to listen, once the first frame stands: it is not kept waiting for what the answers need."""
        gc.enable()  # whoever opened it may have put that off
        self._feed.start()

    def on_unmount(self) -> None:
        """Let the feed end."""
        self._feed.close()

    def on_feed_arrived(self, message: Feed.Arrived) -> None:
        """Show the newest figures."""
        was_live = self.connection.is_live
        self.status = message.status
        self.connection = Connection(state="live", seen=self.now())
        names = [each.name for each in message.status.clusters]
        if self.cluster not in names and self._wanted is None:
            self.cluster = names[0] if names else ""
        self.tell()
        if not was_live and self._shown is not None:
            self._shown.reopen()

    def on_feed_lost(self, message: Feed.Lost) -> None:
        """Keep what is shown, and say how old it is."""
        is_stopped = isinstance(message.error, DaemonNotRunning)
        before = self.connection
        since = before.since if before.state == "lost" and before.since is not None else self.now()
        self.connection = replace(before, state="lost", since=since, error=message.error, is_stopped=is_stopped)
        self.tell()

    def get_css_variables(self) -> dict[str, str]:
        """Have words that can be read, whatever the theme."""
        return themes.legible(super().get_css_variables())

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Let nothing but ASCII through where the terminal shows no more."""
        return [*super().get_line_filters(), *([self._ascii] if self._ascii.enabled else [])]

    # ---- keys -----------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Take away the keys that do nothing here and now."""
        if action == "start_daemon":
            return self.connection.is_stopped and self.options.start_daemon is not None and not self.is_read_only
        if action == "act":
            # A dialog takes the keys for itself.
            return self.screen is self.screen_stack[0] and self._is_possible(str(parameters[0]))
        if action == "filter":
            return self._shown is not None and self._shown.has_filter and not isinstance(self.focused, Input)
        if action == "open_view":
            return self.status is not None and bool(self.status.clusters)
        return super().check_action(action, parameters)

    def _is_possible(self, name: str) -> bool:
        act = next(each for each in keymap.ACTS if each.name == name)
        if self.is_read_only or not self.connection.is_live:
            return False
        if name == "join":
            return self.status is not None
        summary = self.summary(self.cluster)
        if summary is None or act.role not in (None, summary.role):
            return False
        return not act.is_on_pins or bool(self._chosen())

    def action_act(self, name: str) -> None:
        """Do something to the cluster shown, or to its marked pins."""
        self.run_worker(self._act(name, self._chosen()), group="act")

    def _chosen(self) -> Sequence[str]:
        """Return the pins that a key means."""
        return self._shown.chosen_cids() if self._shown is not None and self._shown.is_ready else ()

    async def _act(self, name: str, cids: Sequence[str]) -> None:
        from pincrew.tui import actions  # with all dialogs: the first frame does not wait for them

        try:
            await getattr(actions, name)(self, self.cluster, cids)
        except PincrewError as error:
            self.notify(words.safe(error.sentence), severity="error", markup=False)

    def action_open_view(self, key: str) -> None:
        """Show another view."""
        self.open_view(key)

    def action_filter(self) -> None:
        """Let the visible view ask for what to show."""
        if self._shown is not None:
            self._shown.action_find()

    def action_help(self) -> None:
        """Show every key of this screen."""
        from pincrew.tui.key_help import KeyHelp

        self.push_screen(KeyHelp(self.screen.active_bindings))

    def action_close(self) -> None:
        """End the view. What is followed is followed by the daemon."""
        self.exit()

    def action_start_daemon(self) -> None:
        """Start the daemon, and listen to it."""
        start = self.options.start_daemon
        if start is not None:
            self.connection = replace(self.connection, is_starting=True)
            self.tell()
            self.run_worker(self._start(start), group="start")

    async def _start(self, start: Callable[[], None]) -> None:
        try:
            await self.backend.ask(lambda _: start())
        except PincrewError as error:
            self.notify(words.safe(error.sentence), severity="error", markup=False)
        self.connection = replace(self.connection, is_starting=False)
        self._feed.hurry()
        self.tell()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Offer everything in the palette: views, acts, clusters, themes."""
        for kind in VIEWS:
            yield SystemCommand(
                kind.title, f"Show this view (key {kind.key})", lambda key=kind.key: self.open_view(key)
            )
        for act in keymap.ACTS:
            if self._is_possible(act.name):
                yield SystemCommand(
                    act.label, f"{act.help} (key {act.key})", lambda name=act.name: self.action_act(name)
                )
        for each in self.status.clusters if self.status is not None else ():
            name = words.safe(each.name)
            yield SystemCommand(
                f"Show {name}", f"This cluster is {each.state}", lambda name=each.name: self.show_cluster(name)
            )
        yield SystemCommand("Theme", "Choose other colours", self.action_change_theme)
        yield SystemCommand("Keys", "Every key of this screen", self.action_help)
        yield SystemCommand("Close", "Close this view; following goes on", self.action_close)

    # ---- telling the parts ----------------------------------------------------------------------------------------

    def _opened(self, view: View) -> None:
        if view is not self._shown or not view.is_ready:
            return
        summary = self.summary(self.cluster)
        if summary is not None:
            view.show(summary, is_live=self.connection.is_live)
            view.open()
        view.take_focus()
        self.refresh_bindings()

    def _tick(self) -> None:
        """Let ages grow."""
        summary = self.summary(self.cluster)
        if not self.is_running:
            return
        if not self.connection.is_live:
            self.tell()
        elif summary is not None and self._shown is not None and self._shown.is_open:
            self._shown.show(summary, is_live=True)

    def tell(self) -> None:
        """Give every part the newest figures."""
        if not self.is_running:
            return  # it is being closed: its parts go one by one
        summary = self.summary(self.cluster)
        now = self.now()
        offered = (self.connection.is_live, self.connection.is_stopped, summary and (summary.name, summary.role))
        if offered != self._offered:
            self._offered = offered
            self.refresh_bindings()
        self._status_line.show(summary, self.connection, now)
        self._alert_strip.show(summary, self.connection, now)
        self._nothing.show(self.status, self.cluster, self.connection, now)
        self._container.display = summary is not None
        self._view_bar.set_class(summary is None, "-empty")
        self._container.set_class(self.connection.state == "lost", "-stale")
        if summary is None:
            return
        self._view_bar.count(summary)
        if self._shown is None:
            self.open_view(VIEWS[0].key)
        elif self._shown.is_open:
            self._shown.show(summary, is_live=self.connection.is_live)
        else:
            self._opened(self._shown)


class AsciiFilter(LineFilter):
    """Replaces whatever is not ASCII by something that is as wide."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments with texts in ASCII."""
        return [type(segment)(words.ascii_text(segment.text), *segment[1:]) for segment in segments]


def _utc_now() -> datetime:
    return datetime.now(UTC)
