"""Asking before single pins are skipped, kept again, or fetched before all others."""

from __future__ import annotations

from collections.abc import Sequence

from pincrew.tui.dialog import Answer
from pincrew.tui.dialogs.commands import command
from pincrew.tui.dialogs.marked import Marked, look_at
from pincrew.tui.dialogs.planned import Planned

from pincrew import figures
from pincrew.api.shapes import Chosen
from pincrew.values import Choice

_UNDO = "undo"
_MEANS = {
    Choice.SKIP.value: "They are not fetched, and unpinned where they are here."
    " Others keep them; what was yours before stays.",
    Choice.NEXT.value: "They are fetched before all others, and kept also where they are not your part of the list."
    " A limit and a denylist hold for them too.",
    _UNDO: "They are skipped. Kept again, they are treated like all others.",
}
_DONE = {
    Choice.SKIP.value: "not kept here any more",
    Choice.NEXT.value: "fetched next",
    _UNDO: "treated like all others again",
}


class ChoiceDialog(Planned):
    """Says how many pins and bytes are meant. Pins that are all skipped already can be kept again instead."""

    def __init__(self, cluster: str, cids: Sequence[str], choice: Choice) -> None:
        super().__init__(cluster)
        self._marked = Marked(tuple(cids), ())
        self._value = choice.value
        self.heading = "Fetch these pins next?" if choice is Choice.NEXT else "Skip these pins?"

    async def look(self) -> str:
        """Ask how much they are."""
        name, cids = self.named_cluster, self._marked.cids
        self._marked = await self.ask(lambda client: look_at(client, name, cids))
        if self._value == Choice.SKIP and self._marked.all_are("skipped"):
            self._value = _UNDO
            self.heading_says("Keep these pins again?")
        return f"{self._marked.amount}:\n{self._marked.names}\n\n{_MEANS[self._value]}"

    def answers(self) -> Sequence[Answer[str]]:
        """Return all that there may be; ``possible`` says which one is meant."""
        return (
            Answer("Skip", Choice.SKIP.value, is_grave=True),
            Answer("Fetch next", Choice.NEXT.value),
            Answer("Keep again", _UNDO),
        )

    def possible(self) -> frozenset[str]:
        """Return the one that is meant."""
        return frozenset({self._value})

    def command(self) -> str:
        """Return the equal command."""
        if self._value == _UNDO:
            return command("skip", self.named_cluster, "--undo", cids=self._marked.cids)
        return command(self._value, self.named_cluster, cids=self._marked.cids)

    async def act(self, value: str) -> str:
        """Hand it over."""
        name, cids = self.named_cluster, self._marked.cids
        done = await self.ask(lambda client: client.choose(name, cids, None if value == _UNDO else value))
        return taken(done)


def taken(done: Chosen) -> str:
    """Say for how many pins the user's word was taken."""
    are = "is" if done.pins == 1 else "are"
    absent = f" {figures.plural(len(done.absent), 'pin')} not on the list any more." if done.absent else ""
    return f"{figures.plural(done.pins, 'pin')} {are} {_DONE[done.choice or _UNDO]}.{absent}"
