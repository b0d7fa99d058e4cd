"""`skip` and `next`: what a user says of single pins."""

from __future__ import annotations

from typing import Annotated

import typer

from pincrew import figures
from pincrew.cid import cid_text, parse_cid
from pincrew.cli import selection
from pincrew.cli.exit_codes import ExitCode
from pincrew.cli.invocation import ClusterOption, Invocation, command
from pincrew.errors import Misuse

_CidArguments = Annotated[list[str] | None, typer.Argument(metavar="CID...", help="The pins that are meant.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    command(app, "skip")(skip)
    command(app, "next")(next_)


def skip(
    invocation: Invocation,
    cids: _CidArguments = None,
    cluster: ClusterOption = None,
    undo: Annotated[bool, typer.Option("--undo", help="Keep them again.")] = False,
) -> int:
    """Do not keep these pins here: they are not fetched, and unpinned where they were.

    Others keep them all the same; what was your own before stays. Needs the daemon. Exit code 1 when a CID is not on
    the list; the others are skipped all the same.

    Example: `pincrew skip bafybei...`
    """
    return _choose(invocation, cids, cluster, None if undo else "skip")


def next_(
    invocation: Invocation,
    cids: _CidArguments = None,
    cluster: ClusterOption = None,
    undo: Annotated[bool, typer.Option("--undo", help="They have no preference any more.")] = False,
) -> int:
    """Fetch these pins next, before all others.

    They are kept whether or not they are in the part of the list that this machine keeps; a limit and a denylist hold
    for them too. Needs the daemon. Exit code 1 when a CID is not on the list.

    Example: `pincrew next bafybei...`
    """
    return _choose(invocation, cids, cluster, None if undo else "next")


def _choose(invocation: Invocation, cids: list[str] | None, cluster: str | None, choice: str | None) -> int:
    if not cids:
        raise Misuse("No pin was named", means="Nothing was done", next_step="Name CIDs; `pincrew pins` lists them")
    name = selection.cluster(invocation.home, cluster).name
    chosen = invocation.client.choose(name, [cid_text(parse_cid(text)) for text in cids], choice)
    output = invocation.output
    if output.is_json:
        output.object(chosen)
        return ExitCode.FAILED if chosen.absent else ExitCode.DONE
    for cid in chosen.absent:
        output.say(f"{cid} is not on the list.")
    if chosen.pins:
        pins = figures.plural(chosen.pins, "pin")
        is_one = chosen.pins == 1
        if choice == "skip":
            output.data(f"{pins} of {name} {'is' if is_one else 'are'} not kept here any more.")
            output.say("`pincrew skip --undo CID` takes that back.")
        elif choice == "next":
            for cid in chosen.denied:
                output.say(f"{cid} does not come: your denylist keeps it out (`pincrew pins --find cid:{cid}`).")
            if coming := chosen.pins - len(chosen.denied):
                verb = "comes" if coming == 1 else "come"
                output.data(f"{figures.plural(coming, 'pin')} of {name} {verb} next.")
                output.say("What is not here yet: `pincrew pins --state pinning,queued`.")
        else:
            output.data(f"{pins} of {name} {'is' if is_one else 'are'} treated like all others again.")
    return ExitCode.FAILED if chosen.absent else ExitCode.DONE
