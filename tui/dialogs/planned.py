"""A dialog that first has the daemon say what would come of it; until that is known, nothing but the harmless answer
can be given."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TypeVar

from pincrew.tui import words
from pincrew.tui.dialog import Dialog
from textual.app import ComposeResult
from textual.widgets import Button, Static
from textual.worker import Worker

from pincrew import limits
from pincrew.api.client import Client
from pincrew.errors import Misuse, PincrewError

T = TypeVar("T")


class Planned(Dialog[str]):
    """Shows a plan. Returns in a sentence what was done, None where nothing was."""

    def __init__(self, cluster: str = "") -> None:
        super().__init__()
        self.named_cluster = cluster

    # ---- what one is made of ---------------------------------------------------------------------------------------

    @abstractmethod
    async def look(self) -> str:
        """Ask what would come of it, and return that in words. Raises PincrewError; then it is asked again."""

    def possible(self) -> frozenset[str]:
        """Return the values of the answers that can be given, once ``look`` has returned."""
        return frozenset(answer.value for answer in self.answers())

    @abstractmethod
    async def act(self, value: str) -> str:
        """Do what a button says, and return what was done as a sentence. Raises PincrewError, which is shown."""

    # ---- how -------------------------------------------------------------------------------------------------------

    def body(self) -> ComposeResult:
        """Yield the place of the plan."""
        yield Static("looking what that comes to …", id="plan", markup=False)

    def on_mount(self) -> None:
        """Ask."""
        self.offer(frozenset())
        self.look_again()

    async def ask(self, question: Callable[[Client], T]) -> T:
        """Have the daemon answer. Raises PincrewError."""
        return await self.backend.ask(question)

    def look_again(self) -> None:
        """Ask anew; an answer that is still on its way is dropped."""
        _: Worker[None] = self.run_worker(self._look, group="look", exclusive=True)

    def plan_says(self, text: str) -> None:
        """Show the plan."""
        plan = self.query_one("#plan", Static)
        plan.update(words.text(text))
        plan.display = bool(text)

    def offer(self, possible: frozenset[str]) -> None:
        """Show the answers that can be given, besides the harmless one."""
        for number, answer in enumerate(self.answers()):
            self.query_one(f"#answer-{number}", Button).display = answer.value in possible

    async def chosen(self, value: str) -> None:
        """Do it; the dialog goes once that is done."""
        self.say("at it …", is_busy=True)
        self.dismiss(await self.act(value))

    async def _look(self) -> None:
        try:
            plan = await self.look()
        except PincrewError as error:
            self.say(f"✗ {words.safe(error.sentence)}")
            if not isinstance(error, Misuse):  # what was typed is not better by waiting
                self.set_timer(limits.VIEW_RETRY_S, self.look_again)
            return
        self.say("")
        self.plan_says(plan)
        self.say_command()
        self.offer(self.possible())

    def heading_says(self, text: str) -> None:
        """Show another heading."""
        self.heading = text
        self.query_one("#heading", Static).update(words.text(text))
