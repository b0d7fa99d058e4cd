"""`removals`: what curators took out and this peer still holds; saying yes or no where it was too much."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from pincrew import figures
from pincrew.api.shapes import Removals
from pincrew.cli import selection
from pincrew.cli.invocation import ClusterOption, Invocation, command
from pincrew.cli.prompts import agree

_DECIDED = {
    "accept": "You accepted that: what is still here is being unpinned.",
    "reject": "You rejected that: what is here stays pinned, as your own.",
}
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What left the list and is still held here.")
    command(group, "show")(show)
    command(group, "accept")(accept)
    command(group, "reject")(reject)
    app.add_typer(group, name="removals")


def show(invocation: Invocation, cluster: ClusterOption = None) -> None:
    """Show what left the list and is still held here, and why.

    Example: `pincrew removals show -c books`
    """
    _print(invocation, invocation.client.removals(selection.cluster(invocation.home, cluster).name))


def accept(invocation: Invocation, cluster: ClusterOption = None, yes: YesOption = False) -> int:
    """Unpin what is held: the removals up to now are meant.

    Example: `pincrew removals accept -c books`
    """
    return _decide(invocation, cluster, "accept", yes)


def reject(invocation: Invocation, cluster: ClusterOption = None, yes: YesOption = False) -> int:
    """Keep what is held, as your own.

    The removals up to now are not carried out here.

    Example: `pincrew removals reject -c books`
    """
    return _decide(invocation, cluster, "reject", yes)


def _decide(invocation: Invocation, cluster: str | None, decision: str, is_agreed: bool) -> int:
    name = selection.cluster(invocation.home, cluster).name
    held = invocation.client.removals(name)
    if held.state != "none":
        what = "Unpin" if decision == "accept" else "Keep for good"
        question = f"{what} {_pins(held)}?"
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
        stay = "stays" if held.pins == 1 else "stay"
        output.data(f"{name}: {figures.plural(held.pins, 'pin')} that left the list {stay} pinned, as your own.")
    return 0


def _print(invocation: Invocation, held: Removals) -> None:
    output = invocation.output
    if output.is_json:
        output.object(held)
        return
    if held.state == "none" or not held.pins:
        output.data("Nothing that left the list is still held here.")
        return
    are = "is" if held.pins == 1 else "are"
    output.data(f"{_pins(held)} left the list and {are} still held here.")
    if held.reason:
        output.data(f"  {figures.printable(held.reason)}")
    if held.decided is not None:
        output.data(f"  {_DECIDED[held.decided]}")
    elif held.until:
        output.data(f"  Unpinned {figures.until(held.until, datetime.now(UTC))}, unless you decide before.")
    for example in held.examples:
        output.data(f"    {figures.printable(example)}")
    if held.pins > len(held.examples) > 0:
        output.data(f"    and {figures.count(held.pins - len(held.examples))} more")
    if held.decided is None:
        output.say("Unpin what left: `pincrew removals accept`. Keep it as yours: `pincrew removals reject`.")


def _pins(held: Removals) -> str:
    """Return how many, and how much where that is known."""
    return figures.plural(held.pins, "pin") + (f" ({figures.size(held.bytes)})" if held.bytes is not None else "")
