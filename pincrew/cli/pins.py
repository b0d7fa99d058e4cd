"""`pins`: every pin and how far this peer got with it. Answers from the store, with and without a daemon."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from pincrew import figures
from pincrew.api.shapes import PinLine
from pincrew.cli import selection, stored
from pincrew.cli.invocation import ClusterOption, Invocation, command
from pincrew.cli.output import WIDTH_WITH_CIDS, Output
from pincrew.errors import DaemonNotRunning
from pincrew.store.filters import Filter, parse_states

_SIGNS = {
    "pinned": "✓",
    "pinning": "↓",
    "queued": "·",
    "error": "✗",
    "skipped": "○",
    "remote": "→",
    "unpinning": "-",
}
_CID_COLUMNS = 59


class Sort(StrEnum):
    """By what pins are sorted."""

    NAME = "name"
    ADDED = "added"
    SIZE = "size"
    STATE = "state"
    TRIES = "tries"


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    command(app, "pins")(pins)


def pins(
    invocation: Invocation,
    cluster: ClusterOption = None,
    state: Annotated[str, typer.Option(metavar="S,...", help="Only pins in these states.")] = "",
    name: Annotated[str, typer.Option(metavar="PREFIX", help="Only pins whose name starts so.")] = "",
    find: Annotated[
        str, typer.Option(metavar="FILTER", help="Words of the name, state:S, size>N, tries>N, cid:C, added<7d.")
    ] = "",
    sort: Annotated[Sort, typer.Option(help="The order.")] = Sort.ADDED,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="At most so many.")] = None,
    offset: Annotated[int, typer.Option(min=0, metavar="N", help="Leave out so many first.")] = 0,
) -> None:
    """List pins and how far this peer got with each.

    Example: `pincrew pins --state error,queued --find 'size>100MB'`
    """
    paths = selection.cluster(invocation.home, cluster)
    wanted = Filter.parse(find, now_ms=int(time.time() * 1000), states=parse_states(state), name_prefix=name)
    said = (("sort", sort.value), ("state", state), ("name", name), ("find", find))
    query = [(key, value) for key, value in said if value]
    found: Iterator[PinLine]
    try:
        found = invocation.client.pins(paths.name, query, limit=limit, offset=offset)
    except DaemonNotRunning:
        found = stored.pins(paths, wanted, sort=sort.value, limit=limit, offset=offset)
    if invocation.output.is_json:
        invocation.output.lines(found)
    elif not print_lines(invocation.output, found, is_detailed=wanted.cid is not None):
        invocation.output.say("No pin fits.")


def print_lines(output: Output, found: Iterator[PinLine], *, is_detailed: bool = False) -> int:
    """Print pins as they come, a line each, and what else is known of them; return how many."""
    number = 0
    has_cids = output.has_room_for_cids
    for pin in found:
        if not number:
            output.data(output.styled(_columns("  state", "size", "cid" if has_cids else None, "name"), "dim"))
        number += 1
        output.data(_line(output, pin, has_cids=has_cids))
        for detail in _details(pin) if is_detailed else ():
            output.data(f"             {detail}")
    if number and not has_cids:
        output.say(f"CIDs are shown from {WIDTH_WITH_CIDS} columns on, in a pipe and with --json.")
    return number


def _line(output: Output, pin: PinLine, *, has_cids: bool) -> str:
    name = figures.printable(pin.name)
    why = f"  ({figures.printable(pin.cause)})" if pin.state == "skipped" and pin.cause else ""
    if not has_cids:
        name = figures.shorten(name or pin.cid, output.width - 23 - len(why))
    elif output.is_terminal:
        name = figures.shorten(name, output.width - 24 - _CID_COLUMNS - len(why))
    name += why
    text = _columns(f"{_SIGNS.get(pin.state, ' ')} {pin.state}", _size(pin), pin.cid if has_cids else None, name)
    if pin.state == "error":
        text += f"\n             {_trouble(pin)}"
    return text


def _details(pin: PinLine) -> Iterator[str]:
    """Yield what else there is to say where a single pin was asked for."""
    if pin.state == "pinned":
        checked = figures.ago(pin.checked, datetime.now(UTC)) if pin.checked else "never yet"
        yield f"re-read and found sound: {checked}"
    if pin.state == "skipped":
        yield figures.printable(pin.error or pin.cause or "for no reason that is known")


def _trouble(pin: PinLine) -> str:
    """Say why a pin is in error, and what comes next; the node's own words are in `errors`."""
    cause = figures.printable(pin.cause or pin.error or "for no reason that is known")
    tries = "1 try" if pin.tries == 1 else f"{figures.count(pin.tries)} tries"
    again = "no next try" if pin.next_try is None else f"next {figures.until(pin.next_try, datetime.now(UTC))}"
    return f"{cause}; {tries}, {again}"


def _size(pin: PinLine) -> str:
    if pin.state == "pinning" and pin.bytes_done and pin.size:
        return figures.share(pin.bytes_done, pin.size)
    return figures.size(pin.bytes_done if pin.state == "pinning" and pin.bytes_done else pin.size)


def _columns(state: str, size: str, cid: str | None, name: str) -> str:
    middle = "" if cid is None else f"  {cid:<{_CID_COLUMNS}}"
    return f"{state:<11} {size:>9}{middle}  {name}".rstrip()
