"""What all dialogs have in common: nothing is done by accident, and errors are said where they happened."""

from __future__ import annotations

from collections.abc import Sequence

from pincrew.tui.dialog import Answer, Dialog
from textual.app import ComposeResult
from textual.widgets import Button, Static

from pincrew.errors import Conflict
from support.fake_client import FakeClient, a_summary
from support.screens import SIZES, has, shown, until


class Question(Dialog[str]):
    heading = "Really [do] it?"
    fault: Conflict | None = None

    def body(self) -> ComposeResult:
        yield Static("3 pins (1.2 GB) would go.", markup=False)

    def answers(self) -> Sequence[Answer[str]]:
        return (Answer("Do it", "done", is_grave=True),)

    def command(self) -> str:
        return "pincrew do -c it"

    async def chosen(self, value: str) -> None:
        if self.fault is not None:
            raise self.fault
        self.dismiss(value)


async def test_the_harmless_answer_has_the_focus() -> None:
    async with shown(FakeClient([a_summary()])) as (app, pilot):
        returned: list[str | None] = []
        for keys, value in (
            (("enter",), None),
            (("escape",), None),
            (("right", "enter"), "done"),
            (("tab", "enter"), "done"),
        ):
            app.push_screen(Question(), returned.append)
            await has(pilot, "Really [do] it?", "3 pins (1.2 GB) would go.", "same as: pincrew do -c it")
            assert isinstance(app.focused, Button) and app.focused.id == "harmless"
            await pilot.press(*keys)
            await until(pilot, lambda: len(app.screen_stack) == 1)
            assert returned[-1] == value, keys


async def test_what_goes_wrong_is_said_in_the_dialog_which_stays() -> None:
    async with shown(FakeClient([a_summary()])) as (app, pilot):
        question = Question()
        question.fault = Conflict("It is under way already", next_step="Wait")
        app.push_screen(question)
        await pilot.press("right", "enter")
        await has(pilot, "✗ It is under way already. Wait.")
        question.fault = None
        await pilot.press("enter")
        await until(pilot, lambda: len(app.screen_stack) == 1)


async def test_it_stands_on_every_size() -> None:
    async with shown(FakeClient([a_summary()])) as (app, pilot):
        app.push_screen(Question())
        for width, height in (*SIZES, (30, 12)):
            await pilot.resize_terminal(width, height)
            await has(pilot, "Cancel", "Do it", "3 pins")


async def test_figures_go_on_behind_it() -> None:
    client = FakeClient([a_summary()])
    async with shown(client) as (app, pilot):
        app.push_screen(Question())
        await has(pilot, "Really")
        client.say(a_summary(state="complete"))
        await until(pilot, lambda: app.summary("gutenberg-es").state == "complete")  # type: ignore[union-attr]
        await pilot.press("escape")
        await has(pilot, "✓ complete")
