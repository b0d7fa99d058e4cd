"""`source`: where a follower's config document comes from, and consent to one that changes what was agreed to."""

from __future__ import annotations

from datetime import UTC, datetime

import typer

from pincrew import figures
from pincrew.api.shapes import SourceInfo
from pincrew.cli import selection
from pincrew.cli.invocation import ClusterOption, Invocation, command
from pincrew.cli.prompts import agree
from pincrew.cli.removals import YesOption

_STATES = {
    "current": "the newest that the source has",
    "cached": "from the copy on disk: what the source serves cannot be used",
    "older": "which stays: the source serves an older revision",
    "changed": "until you decide: the source serves one that changes what you agreed to",
    "unreachable": "from the copy on disk: the source does not answer",
}


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Where the config document comes from.")
    command(group, "show")(show)
    command(group, "diff")(diff)
    command(group, "accept")(accept)
    command(group, "reject")(reject)
    app.add_typer(group, name="source")


def show(invocation: Invocation, cluster: ClusterOption = None) -> None:
    """Show the source, and which revision is in force. Asks the source now.

    Example: `pincrew source show -c books`
    """
    name = selection.followed(invocation.home, cluster).name
    _print(invocation, invocation.client.decide_source(name, "check"))


def diff(invocation: Invocation, cluster: ClusterOption = None) -> None:
    """Show what a waiting config document would change.

    Example: `pincrew source diff`
    """
    found = invocation.client.source(selection.followed(invocation.home, cluster).name)
    if invocation.output.is_json:
        invocation.output.object(found)
    elif not found.differences:
        invocation.output.data("No config document waits for your word.")
    else:
        invocation.output.data("\n".join(figures.printable(line) for line in found.differences))
        invocation.output.say("Agree: `pincrew source accept`. Stay as it is: `pincrew source reject`.")


def accept(invocation: Invocation, cluster: ClusterOption = None, yes: YesOption = False) -> int:
    """Put the waiting config document in force.

    Example: `pincrew source accept`
    """
    name = selection.followed(invocation.home, cluster).name
    waiting = invocation.client.source(name)
    if waiting.differences and not invocation.output.is_json:
        invocation.output.say("\n".join(figures.printable(line) for line in waiting.differences))
    if waiting.differences and not agree(invocation, "Agree to this?", is_agreed=yes, default=False):
        invocation.output.say("Nothing was changed.")
        return 1
    _print(invocation, invocation.client.decide_source(name, "accept"))
    return 0


def reject(invocation: Invocation, cluster: ClusterOption = None) -> None:
    """Stay with the config document in force; the waiting one is not asked about again.

    Example: `pincrew source reject`
    """
    name = selection.followed(invocation.home, cluster).name
    _print(invocation, invocation.client.decide_source(name, "reject"))


def _print(invocation: Invocation, found: SourceInfo) -> None:
    output = invocation.output
    if output.is_json:
        output.object(found)
        return
    revision = "no revision" if found.revision is None else f"revision {found.revision}"
    output.data(f"source    {figures.printable(found.source or '—')}")
    output.data(f"in force  {revision}, {_STATES.get(found.state, found.state)}")
    output.data(f"asked     {figures.ago(found.fetched, datetime.now(UTC))}")
    if found.text:
        output.data(figures.printable(found.text))
    if found.differences:
        output.say("See what would change: `pincrew source diff`.")
