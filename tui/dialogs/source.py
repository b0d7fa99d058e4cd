"""A config document that changes what was agreed to: what would change, and the user's word on it."""

from __future__ import annotations

from collections.abc import Sequence

from pincrew.tui import words
from pincrew.tui.dialog import Answer
from pincrew.tui.dialogs.commands import command
from pincrew.tui.dialogs.planned import Planned

from pincrew.api.shapes import SourceInfo

_ACCEPT, _REJECT = "accept", "reject"


class SourceDialog(Planned):
    """Shows the differences."""

    heading = "Its curators offer new terms"
    harmless = "Decide later"

    def __init__(self, cluster: str) -> None:
        super().__init__(cluster)
        self._waiting: SourceInfo | None = None

    async def look(self) -> str:
        """Ask what waits."""
        name = self.named_cluster
        self._waiting = waiting = await self.ask(lambda client: client.source(name))
        source = f"from {words.safe(waiting.source or 'nowhere')}"
        if not waiting.differences:
            return f"{source}\n\nNo config document waits for your word."
        changes = [f"  {words.safe(line)}" for line in waiting.differences]
        means = "Until you agree, all stays as it is; no pin is touched by either answer."
        return "\n".join([source, "", "It would change:", *changes, "", means])

    def possible(self) -> frozenset[str]:
        """Both while a document waits."""
        is_waiting = self._waiting is not None and bool(self._waiting.differences)
        return frozenset({_ACCEPT, _REJECT} if is_waiting else ())

    def answers(self) -> Sequence[Answer[str]]:
        """Return both."""
        return (Answer("Stay as it is", _REJECT), Answer("Agree", _ACCEPT, is_grave=True))

    def command(self) -> str:
        """Return the equal commands."""
        return f"{command('source accept', self.named_cluster)} (or reject)" if self.possible() else ""

    async def act(self, value: str) -> str:
        """Hand the user's word over."""
        name = self.named_cluster
        found = await self.ask(lambda client: client.decide_source(name, value))
        revision = "" if found.revision is None else f" revision {found.revision} is in force."
        if value == _ACCEPT:
            return f"You agreed:{revision or ' the new config document is in force.'}"
        return f"It stays as it is:{revision or ' the config document before is in force.'}"
