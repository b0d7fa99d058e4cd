"""Asking before every pin in error is tried again at once: all of the list, or of those that are shown."""

from __future__ import annotations

from collections.abc import Sequence

from pincrew.tui import words
from pincrew.tui.dialog import Answer
from pincrew.tui.dialogs.commands import command
from pincrew.tui.dialogs.marked import Marked, in_error
from pincrew.tui.dialogs.planned import Planned
from pincrew.tui.view import Narrowing

from pincrew import figures, limits
from pincrew.api.client import Client

_RETRY = "retry"
_CAUSES_SHOWN = 4
_CAUSE_CELLS = 56
_WHY = "They would be tried again by themselves, later and later. What is pinned is not touched."


class RetryDialog(Planned):
    """Says how many pins are in error, and why.

    The daemon tries all pins of a list again, or one: of those that a filter finds it is asked one by one.
    """

    def __init__(self, cluster: str, narrowing: Narrowing) -> None:
        super().__init__(cluster)
        self._narrowing = narrowing
        self._is_narrowed = narrowing != Narrowing()
        self._pins = 0
        self._cids: tuple[str, ...] = ()
        self.heading = "Try these pins again now?" if self._is_narrowed else "Try every pin in error again now?"

    async def look(self) -> str:
        """Ask which these are."""
        return await self._look_at_shown() if self._is_narrowed else await self._look_at_all()

    async def _look_at_all(self) -> str:
        name = self.named_cluster
        causes = await self.ask(lambda client: list(client.errors(name)))
        self._pins = sum(cause.pins for cause in causes)
        if not self._pins:
            return "No pin is in error. There is nothing to try again."
        shown = [(figures.count(cause.pins), words.safe(cause.cause)) for cause in causes[:_CAUSES_SHOWN]]
        width = max(len(count) for count, _ in shown)
        lines = [f"  {count:>{width}}  {words.shorten(cause, _CAUSE_CELLS)}" for count, cause in shown]
        if len(causes) > _CAUSES_SHOWN:
            lines.append(f"  and {figures.plural(len(causes) - _CAUSES_SHOWN, 'more cause')}")
        return "\n".join([f"{figures.plural(self._pins, 'pin')} in error:", *lines, "", _WHY])

    async def _look_at_shown(self) -> str:
        name, narrowing = self.named_cluster, self._narrowing
        pins = await self.ask(lambda client: in_error(client, name, narrowing))
        self._cids = tuple(pin.cid for pin in pins)
        self._pins = len(pins)
        what = f"for: {words.safe(narrowing.cause)}" if narrowing.cause else f"found by “{words.safe(narrowing.find)}”"
        if not pins:
            return f"No pin is in error {what}. There is nothing to try again."
        first = "The first " if len(pins) == limits.VIEW_CAUSE_PINS_MAX else ""
        heading = f"{first}{figures.plural(len(pins), 'pin')} in error {what}"
        return "\n".join([heading, Marked(self._cids, pins).names, "", _WHY])

    def possible(self) -> frozenset[str]:
        """Nothing where nothing is in error."""
        return frozenset({_RETRY} if self._pins else ())

    def answers(self) -> Sequence[Answer[str]]:
        """Return the one."""
        return (Answer("Try again", _RETRY),)

    def command(self) -> str:
        """Return the equal command."""
        if not self._is_narrowed:
            return command("retry", self.named_cluster, "--all-errors")
        return command("retry", self.named_cluster, cids=self._cids) if self._cids else ""

    async def act(self, value: str) -> str:
        """Have them tried."""
        name, cids = self.named_cluster, self._cids

        def retry(client: Client) -> int:
            return sum(client.retry(name, cid) for cid in cids) if self._is_narrowed else client.retry(name)

        return retried(await self.ask(retry))


def retried(pins: int) -> str:
    """Say how many are tried."""
    if not pins:
        return "Nothing had to be tried again."
    return f"{figures.plural(pins, 'pin')} {'is' if pins == 1 else 'are'} tried again now."
