"""`removals`: what curators took out and this peer still holds; saying yes or no where it was too much."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from pincrew.api.shapes import Removals
from pincrew.cli import figures, selection
from pincrew.cli.invocation import ClusterOption, Invocation, command
from pincrew.cli.prompts import agree

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What left the list and is still held here.")
    command(group, "show")(show)
    command(group, "accept")(accept)
    command(group, "reject")(reject)
    app.add_typer(group, name="removals")


def show(invocation: Invocation, cluster: ClusterOption = None) -> None:
    """Show what left the list and is still held here, and why."""
    _print(invocation, invocation.client.removals(selection.cluster(invocation.home, cluster).name))


def accept(invocation: Invocation, cluster: ClusterOption = None, yes: YesOption = False) -> int:
    """Unpin what is held: the removals up to now are meant."""
    return _decide(invocation, cluster, "accept", yes)


def reject(invocation: Invocation, cluster: ClusterOption = None, yes: YesOption = False) -> int:
    """Keep what is held, as your own: the removals up to now are not carried out here."""
    return _decide(invocation, cluster, "reject", yes)


def _decide(invocation: Invocation, cluster: str | None, decision: str, is_agreed: bool) -> int:
    name = selection.cluster(invocation.home, cluster).name
    held = invocation.client.removals(name)
    if held.state != "none":
        what = "Unpin" if decision == "accept" else "Keep for good"
        question = f"{what} {figures.plural(held.pins, 'pin')} ({figures.size(held.bytes)})?"
        if not agree(invocation, question, is_agreed=is_agreed, default=False):
            invocation.output.say("Nothing was changed.")
            return 1
    left = invocation.client.decide_removals(name, decision)
    output = invocation.output
    if output.is_json:
        output.object(left)
    elif held.state == "none":
        _print(invocation, left)
    elif decision == "accept":
        output.data(f"{name}: {figures.plural(held.pins, 'pin')} that left the list will be unpinned now.")
    else:
        output.data(f"{name}: {figures.plural(held.pins, 'pin')} that left the list stay pinned, as your own.")
    return 0


def _print(invocation: Invocation, held: Removals) -> None:
    output = invocation.output
    if output.is_json:
        output.object(held)
        return
    if held.state == "none" or not held.pins:
        output.data("Nothing that left the list is still held here.")
        return
    now = datetime.now(UTC)
    output.data(
        f"{figures.plural(held.pins, 'pin')} ({figures.size(held.bytes)}) left the list and are still held here."
    )
    if held.reason:
        output.data(f"  {figures.printable(held.reason)}")
    if held.until:
        output.data(f"  Unpinned {figures.until(held.until, now)}, unless you decide before.")
    for example in held.examples:
        output.data(f"    {figures.printable(example)}")
    output.say("Unpin them: `pincrew removals accept`. Keep them as yours: `pincrew removals reject`.")
