"""A question that stands before everything else: what will be done, in pins and bytes, and the command that equals it.

Nothing is done by a single key: the harmless answer has the focus, and escape is that answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar, cast

from pincrew.tui import words
from pincrew.tui.backend import Backend
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Static
from textual.worker import Worker

from pincrew.errors import PincrewError

if TYPE_CHECKING:
    from pincrew.tui.app import TerminalView

T = TypeVar("T")


@dataclass(frozen=True)
class Answer(Generic[T]):
    """A button. ``is_grave``: it takes something away."""

    label: str
    value: T
    is_grave: bool = False


class Dialog(ModalScreen[T | None]):
    """One question. Returns the answer's value; None when nothing is to be done."""

    DEFAULT_CSS = """
    Dialog { align: center middle; }
    Dialog:ansi { background: ansi_default; }
    Dialog > #dialog {
        width: 78; max-width: 100%; height: auto; max-height: 100%;
        background: $surface; border: round $primary; padding: 0 1; scrollbar-size-vertical: 1;
    }
    Dialog #heading { text-style: bold; height: auto; }
    Dialog #body { height: auto; margin: 1 0 0 0; }
    Dialog #body > Static { height: auto; }
    Dialog #foot { dock: bottom; height: auto; background: $surface; }
    Dialog #said { height: auto; color: $text-error; }
    Dialog #said.busy { color: $text-muted; }
    Dialog #same { height: auto; color: $text-muted; }
    Dialog.-roomy #same { margin: 1 0 0 0; }
    Dialog #answers { height: auto; margin: 1 0 0 0; }
    Dialog #answers Button { margin: 0 1 0 0; min-width: 8; height: 1; border: none; }
    Dialog.-tiny > #dialog { border: none; }
    Dialog.-tiny #body, Dialog.-tiny #answers { margin: 0; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "refuse", "Cancel", id="dialog.cancel"),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
        Binding("up", "app.focus_previous", show=False),
        Binding("down", "app.focus_next", show=False),
        Binding("pageup", "scroll_body(-1)", show=False),
        Binding("pagedown", "scroll_body(1)", show=False),
    ]

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (70, "-wide")]  # noqa: RUF012 - as textual has it
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (13, "-tall"), (24, "-roomy")]  # noqa: RUF012

    heading = ""
    harmless = "Cancel"

    @property
    def terminal_view(self) -> TerminalView:
        """The app, as what it is."""
        return cast("TerminalView", self.app)

    @property
    def backend(self) -> Backend:
        """The way to the daemon."""
        return self.terminal_view.backend

    # ---- what a dialog says --------------------------------------------------------------------------------------

    def body(self) -> ComposeResult:
        """Yield what stands between heading and buttons."""
        yield from ()

    def answers(self) -> Sequence[Answer[T]]:
        """Return the buttons besides the harmless one."""
        return ()

    def command(self) -> str:
        """Return the command that does the same, as one would type it; empty: there is none."""
        return ""

    # ---- what becomes of it ----------------------------------------------------------------------------------------

    async def chosen(self, value: T) -> None:
        """Do what a button says. A PincrewError is shown in the dialog, which stays."""
        self.dismiss(value)

    def refused(self) -> None:
        """Do nothing: the harmless answer."""
        self.dismiss(None)

    def say(self, text: str, *, is_busy: bool = False) -> None:
        """Show a line above the buttons: what went wrong, or with ``is_busy`` what is under way."""
        said = self.query_one("#said", Static)
        said.set_class(is_busy, "busy")
        said.update(words.text(text))
        said.display = bool(text)

    def say_command(self) -> None:
        """Show the equal command anew: what is chosen has changed."""
        command = self.command()
        same = self.query_one("#same", Static)
        same.update(words.text(f"same as: {command}" if command else ""))
        same.display = bool(command)

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="dialog", can_focus=False):
            yield Static(words.text(self.heading), id="heading")
            with Vertical(id="body"):
                yield from self.body()
            with Vertical(id="foot"):
                yield Static("", id="said", markup=False)
                yield Static("", id="same", markup=False)
                with Horizontal(id="answers"):
                    yield Button(words.text(self.harmless), id="harmless", compact=True)
                    for number, answer in enumerate(self.answers()):
                        yield Button(
                            words.text(answer.label),
                            id=f"answer-{number}",
                            variant="error" if answer.is_grave else "primary",
                            compact=True,
                        )

    def on_mount(self) -> None:
        """Show what is known at once, and give the harmless button the focus."""
        self.say("")
        self.say_command()
        self.query_one("#harmless", Button).focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        name = event.button.id or ""
        if name == "harmless":
            self.refused()
        elif name.startswith("answer-"):
            value = self.answers()[int(name.removeprefix("answer-"))].value
            self.answer(value)

    def answer(self, value: T) -> None:
        """Give an answer, as its button would."""
        _: Worker[None] = self.run_worker(partial(self._do, value), group="answer", exclusive=True)

    def action_scroll_body(self, pages: int) -> None:
        """Show what there is no room for."""
        dialog = self.query_one("#dialog", VerticalScroll)
        room = dialog.size.height - self.query_one("#foot").size.height
        dialog.scroll_relative(y=pages * max(1, room - 1), animate=False)

    def action_refuse(self) -> None:
        """Take the harmless answer."""
        self.refused()

    async def _do(self, value: T) -> None:
        buttons = [button for button in self.query("#answers Button") if button.id != "harmless"]
        for button in buttons:
            button.disabled = True
        try:
            await self.chosen(value)
        except PincrewError as error:
            self.say(f"✗ {words.safe(error.sentence)}")
        finally:
            for button in buttons:
                button.disabled = False
