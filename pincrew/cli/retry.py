"""`retry`: try again what failed, without waiting for its next try."""

from __future__ import annotations

from typing import Annotated

import typer

from pincrew import figures
from pincrew.cid import cid_text, parse_cid
from pincrew.cli import selection
from pincrew.cli.answers import PinsRetried
from pincrew.cli.exit_codes import ExitCode
from pincrew.cli.invocation import ClusterOption, Invocation, command
from pincrew.errors import Misuse

_ABSENT = "absent"
_WHY_NOT = {
    _ABSENT: "is not on the list",
    "pinning": "is being fetched already",
    "remote": "is kept by other peers, not by this one",
}


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    command(app, "retry")(retry)


def retry(
    invocation: Invocation,
    cids: Annotated[list[str] | None, typer.Argument(metavar="CID", help="Try these again.")] = None,
    cluster: ClusterOption = None,
    all_errors: Annotated[bool, typer.Option("--all-errors", help="Try every pin that is in error.")] = False,
) -> int:
    """Try pins again now that are in error.

    They would be tried again by themselves, later and later. Needs the daemon. Exit code 1 when a CID that was named
    is not on the list; the others are tried all the same.

    Example: `pincrew retry --all-errors`
    """
    if bool(cids) is all_errors:
        what = "CIDs and `--all-errors` were both given" if cids else "What to try again was not said"
        raise Misuse(what, means="Nothing was done", next_step="Name CIDs, or give `--all-errors`")
    name = selection.cluster(invocation.home, cluster).name
    wanted = list(dict.fromkeys(cid_text(parse_cid(text)) for text in cids or []))
    tried, others = 0, {}
    if all_errors:
        tried = invocation.client.retry(name)
    for cid in wanted:
        if invocation.client.retry(name, cid):
            tried += 1
        else:
            others[cid] = _state(invocation, name, cid)
    output = invocation.output
    if output.is_json:
        output.object(PinsRetried(cluster=name, pins=tried, others=others))
    elif all_errors and not tried:
        output.say("No pin is in error.")
    else:
        for cid, why in others.items():
            output.say(f"{cid} {_WHY_NOT.get(why, f'needs no try: it is {why}')}.")
        if tried:
            output.say(f"{figures.plural(tried, 'pin')} of {name} {'is' if tried == 1 else 'are'} tried again now.")
            output.say("See how it goes: `pincrew errors`, `pincrew pins --state pinning,queued,error`.")
    return ExitCode.FAILED if _ABSENT in others.values() else ExitCode.DONE


def _state(invocation: Invocation, cluster: str, cid: str) -> str:
    """Return why a pin was not tried: its state, or that it is not on the list."""
    found = next(invocation.client.pins(cluster, [("find", f"cid:{cid}")], limit=1), None)
    return _ABSENT if found is None else found.state
