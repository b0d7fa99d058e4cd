"""Leaving a cluster: what is unpinned and removed. Its name has to be typed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pincrew.tui import words
from pincrew.tui.dialog import Answer
from pincrew.tui.dialogs.commands import command
from pincrew.tui.dialogs.field import Field
from pincrew.tui.dialogs.planned import Planned
from textual import on
from textual.app import ComposeResult
from textual.widgets import Input

from pincrew import figures
from pincrew.api.shapes import Left
from pincrew.errors import Misuse, PincrewError

_LEAVE = "leave"


class LeaveDialog(Planned):
    """Says what goes and what stays. It may be closed while that is under way: leaving goes on."""

    def __init__(self, cluster: str) -> None:
        super().__init__(cluster)
        self.heading = f"Leave {words.safe(cluster)}?"
        self._has_plan = False
        self._leaving: asyncio.Task[Left] | None = None

    def body(self) -> ComposeResult:
        """Yield the plan, and where the name is typed."""
        yield from super().body()
        yield Field("Type its name", name="name", placeholder=words.safe(self.named_cluster))

    async def look(self) -> str:
        """Ask what leaving would do."""
        name = self.named_cluster
        plan = await self.ask(lambda client: client.leave(name, dry_run=True))
        node = self.terminal_view.summary(name)
        self._has_plan = True
        size = f" ({figures.size(plan.bytes)})" if plan.bytes is not None else ""
        lines = [f"{figures.plural(plan.pins, 'pin')}{size} would be unpinned."]
        if plan.kept:
            stay = "stays: it was yours" if plan.kept == 1 else "stay: they were yours"
            lines.append(f"{figures.plural(plan.kept, 'pin')} {stay} before, or another cluster has them.")
        lines += [f"Would be removed: {words.safe(path)}" for path in plan.removed]
        if plan.owner_key:
            lines.append(f"The owner key would be moved to {words.safe(plan.owner_key)}.")
            lines.append("Who has that key owns the cluster: put it in a safe place.")
        if node is not None and node.node.state == "down" and plan.pins:
            lines.append(
                "The IPFS node does not answer: what it has pinned stays until it is back and you leave again."
            )
        return "\n".join([*lines, ""])

    def possible(self) -> frozenset[str]:
        """Leaving, once the name is typed."""
        is_typed = self.query_one("#name", Input).value.strip() == self.named_cluster
        return frozenset({_LEAVE} if is_typed and self._has_plan and self._leaving is None else ())

    def answers(self) -> Sequence[Answer[str]]:
        """Return the one."""
        return (Answer("Leave", _LEAVE, is_grave=True),)

    def command(self) -> str:
        """Return the equal command."""
        return command("leave", self.named_cluster)

    @on(Input.Changed, "#name")
    def _typed(self) -> None:
        self.offer(self.possible())

    @on(Input.Submitted, "#name")
    def _submitted(self) -> None:
        if self.possible():
            self.answer(_LEAVE)

    async def act(self, value: str) -> str:
        """Leave; however long it takes, and also when this dialog is closed meanwhile."""
        if not self.possible():
            raise Misuse("The name that you typed is another one", means="Nothing was changed")
        name, view = self.named_cluster, self.terminal_view
        self._leaving = asyncio.ensure_future(
            self.backend.ask(lambda client: client.leave(name, dry_run=False), timeout_s=None)
        )
        self.say("leaving … this can take a while; escape lets it go on in the background", is_busy=True)
        self.offer(frozenset())
        try:
            return left_text(await asyncio.shield(self._leaving))
        except asyncio.CancelledError:

            def told(leaving: asyncio.Task[Left]) -> None:
                if leaving.cancelled():
                    return
                error = leaving.exception()
                if isinstance(error, PincrewError):
                    view.notify(words.safe(error.sentence), severity="error", markup=False)
                elif error is None:
                    view.notify(words.safe(left_text(leaving.result())), markup=False)

            self._leaving.add_done_callback(told)
            raise
        except PincrewError:
            self._leaving = None
            raise


def left_text(left: Left) -> str:
    """Say what was done."""
    size = f" ({figures.size(left.bytes)})" if left.bytes is not None else ""
    text = f"{left.cluster}: {figures.plural(left.pins, 'pin')}{size} unpinned."
    if left.kept:
        text += f" {figures.plural(left.kept, 'pin')} stay: they were yours before, or another cluster has them."
    if left.owner_key:
        text += f" The owner key is at {left.owner_key}."
    if left.rest:
        text += f" Not done yet: {left.rest}"
    return text
