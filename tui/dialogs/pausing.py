"""The pause menu: for how long nothing new is fetched."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pincrew.tui import words
from pincrew.tui.dialog import Dialog
from pincrew.tui.dialogs.commands import command
from textual import on
from textual.app import ComposeResult
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option
from textual.worker import Worker

from pincrew import figures
from pincrew.api.client import Client
from pincrew.errors import Misuse, PincrewError
from pincrew.timetable import timetable_of

_MINUTES = (30, 60, 120, 240, 480)


@dataclass(frozen=True)
class _Length:
    """A line of the menu. ``until`` None: until somebody resumes."""

    label: str
    options: tuple[str, ...]
    until: datetime | None


class PauseDialog(Dialog[str]):
    """Lets a length be chosen; enter on one pauses. Returns what was done."""

    DEFAULT_CSS = """
    PauseDialog OptionList { height: auto; margin: 1 0 0 0; border: none; padding: 0; background: $surface; }
    """

    heading = "Pause: fetch nothing new?"

    def __init__(self, cluster: str) -> None:
        super().__init__()
        self._cluster = cluster
        self._lengths: list[_Length] = []

    def body(self) -> ComposeResult:
        """Yield what a pause means, and the menu."""
        yield Static(
            "What is under way is interrupted and goes on afterwards; what is pinned stays, and is served.",
            markup=False,
        )
        yield OptionList(id="lengths", compact=True, markup=False)

    def on_mount(self) -> None:
        """Show the menu, and look for quiet hours, whose end can be chosen where they are now."""
        self._fill(None)
        self.call_after_refresh(self.query_one("#lengths", OptionList).focus)
        _: Worker[None] = self.run_worker(self._look_for_quiet_hours, group="look", exclusive=True)

    def command(self) -> str:
        """Return the equal command of the highlighted line."""
        at = self.query_one("#lengths", OptionList).highlighted
        return "" if at is None else command("pause", self._cluster, *self._lengths[at].options)

    @on(OptionList.OptionHighlighted)
    def _highlighted(self) -> None:
        self.say_command()

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.answer(str(event.option_index))

    async def chosen(self, value: str) -> None:
        """Pause for the length whose number it is."""
        self.say("at it …", is_busy=True)
        until = self._lengths[int(value)].until
        text = None if until is None else until.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        paused = await self.backend.ask(lambda client: client.pause(self._cluster, text))
        end = "until you resume it"
        if paused.until is not None:
            end = f"until {figures.wall_time(paused.until, self.terminal_view.now())}"
        self.dismiss(f"{self._cluster} is paused {end}: nothing new is fetched.")

    async def _look_for_quiet_hours(self) -> None:
        def ends(client: Client) -> datetime | None:
            return timetable_of(client.network().quiet_hours or "").quiet_ends(self.terminal_view.now())

        try:
            self._fill(await self.backend.ask(ends))
        except Misuse:
            return  # a timetable that a later daemon understands
        except PincrewError as error:
            self.say(f"✗ {words.safe(error.sentence)}")

    def _fill(self, quiet_ends: datetime | None) -> None:
        now = self.terminal_view.now()
        lengths = []
        for minutes in _MINUTES:
            until = now + timedelta(minutes=minutes)
            label = f"for {minutes} minutes" if minutes < 60 else f"for {figures.plural(minutes // 60, 'hour')}"
            option = f"{minutes}m" if minutes < 60 else f"{minutes // 60}h"
            lengths.append(_Length(f"{label:<16} until {_clock(until)}", ("--for", option), until))
        if quiet_ends is not None:
            label = f"{'the quiet hours':<16} until {_clock(quiet_ends)}"
            lengths.append(_Length(label, ("--until-quiet-ends",), quiet_ends))
        lengths.append(_Length("until I resume it", (), None))
        shown = self.query_one("#lengths", OptionList)
        at = shown.highlighted or 0
        self._lengths = lengths
        shown.clear_options()
        shown.add_options([Option(words.text(length.label)) for length in lengths])
        shown.highlighted = at
        self.say_command()


def _clock(at: datetime) -> str:
    return at.astimezone().strftime("%a %H:%M")
