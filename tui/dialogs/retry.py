"""Asking before every pin in error, or of one cause, is tried again at once."""

from __future__ import annotations

from collections.abc import Sequence

from pincrew.tui import words
from pincrew.tui.dialog import Answer
from pincrew.tui.dialogs.commands import command
from pincrew.tui.dialogs.planned import Planned

from pincrew import figures

_RETRY = "retry"
_CAUSES_SHOWN = 4
_CAUSE_CELLS = 56


class RetryDialog(Planned):
    """Says how many pins are in error, and why."""

    heading = "Try every pin in error again now?"

    def __init__(self, cluster: str) -> None:
        super().__init__(cluster)
        self._pins = 0

    async def look(self) -> str:
        """Ask for the causes."""
        name = self.named_cluster
        causes = await self.ask(lambda client: list(client.errors(name)))
        self._pins = sum(cause.pins for cause in causes)
        if not self._pins:
            return "No pin is in error. There is nothing to try again."
        lines = [
            f"  {figures.count(cause.pins):>9}  {words.shorten(words.safe(cause.cause), _CAUSE_CELLS)}"
            for cause in causes[:_CAUSES_SHOWN]
        ]
        if len(causes) > _CAUSES_SHOWN:
            lines.append(f"  and {figures.plural(len(causes) - _CAUSES_SHOWN, 'more cause')}")
        why = "They would be tried again by themselves, later and later. What is pinned is not touched."
        return "\n".join([f"{figures.plural(self._pins, 'pin')} in error:", *lines, "", why])

    def possible(self) -> frozenset[str]:
        """Nothing where nothing is in error."""
        return frozenset({_RETRY} if self._pins else ())

    def answers(self) -> Sequence[Answer[str]]:
        """Return the one."""
        return (Answer("Try again", _RETRY),)

    def command(self) -> str:
        """Return the equal command."""
        return command("retry", self.named_cluster, "--all-errors")

    async def act(self, value: str) -> str:
        """Have them tried."""
        name = self.named_cluster
        return retried(await self.ask(lambda client: client.retry(name)))


def retried(pins: int) -> str:
    """Say how many are tried."""
    if not pins:
        return "Nothing had to be tried again."
    return f"{figures.plural(pins, 'pin')} {'is' if pins == 1 else 'are'} tried again now."
