"""What curators took off the list and is still held here: the user's word on it."""

from __future__ import annotations

from collections.abc import Sequence

from pincrew.tui import words
from pincrew.tui.dialog import Answer
from pincrew.tui.dialogs.commands import command
from pincrew.tui.dialogs.planned import Planned

from pincrew import figures
from pincrew.api.shapes import Removals

_ACCEPT, _REJECT = "accept", "reject"
_NAME_CELLS = 70


class RemovalsDialog(Planned):
    """Shows what is held and why."""

    heading = "Pins left the list"
    harmless = "Decide later"

    def __init__(self, cluster: str) -> None:
        super().__init__(cluster)
        self._held: Removals | None = None

    async def look(self) -> str:
        """Ask what is held."""
        name = self.named_cluster
        self._held = held = await self.ask(lambda client: client.removals(name))
        if held.state == "none" or not held.pins:
            return "Nothing that left the list is still held here."
        are = "is" if held.pins == 1 else "are"
        lines = [f"{_pins(held)} left the list and {are} still held here."]
        if held.reason:
            lines.append(words.safe(held.reason))
        if held.decided is not None:
            lines.append("You have decided; that is being carried out.")
        elif held.until:
            lines.append(f"Unpinned {figures.until(held.until, self.terminal_view.now())}, unless you decide before.")
        lines += [f"  {words.shorten(words.safe(example), _NAME_CELLS)}" for example in held.examples]
        if held.pins > len(held.examples) > 0:
            lines.append(f"  and {figures.count(held.pins - len(held.examples))} more")
        return "\n".join(lines)

    def possible(self) -> frozenset[str]:
        """Both while something is held and not decided."""
        held = self._held
        is_open = held is not None and held.state != "none" and held.pins > 0 and held.decided is None
        return frozenset({_ACCEPT, _REJECT} if is_open else ())

    def answers(self) -> Sequence[Answer[str]]:
        """Return both."""
        return (Answer("Keep them as mine", _REJECT), Answer("Unpin them", _ACCEPT, is_grave=True))

    def command(self) -> str:
        """Return the equal commands."""
        both = f"{command('removals accept', self.named_cluster)} (or reject)"
        return both if self.possible() else ""

    async def act(self, value: str) -> str:
        """Hand the user's word over."""
        name, held = self.named_cluster, self._held
        await self.ask(lambda client: client.decide_removals(name, value))
        pins = "What left the list" if held is None else f"{figures.plural(held.pins, 'pin')} that left the list"
        return f"{pins} will be unpinned now." if value == _ACCEPT else f"{pins} will stay pinned, as your own."


def _pins(held: Removals) -> str:
    """Return how many, and how much where that is known."""
    return figures.plural(held.pins, "pin") + (f" ({figures.size(held.bytes)})" if held.bytes is not None else "")
