"""`pin`: what a curator puts on the list and takes off it, and where each pin is kept."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from pincrew import figures
from pincrew.api.client import CIDS_PER_QUESTION
from pincrew.api.shapes import GlobalPinInfo, PinObject, PinRequest
from pincrew.cid import cid_text, parse_cid
from pincrew.cli import selection, stored
from pincrew.cli.answers import PinsAdded, PinsRemoved, PinUpdated
from pincrew.cli.exit_codes import ExitCode
from pincrew.cli.invocation import ClusterOption, Invocation, command
from pincrew.cli.output import Output
from pincrew.cli.pin_input import Batch, PinOptions, from_arguments, from_lines, listed, pairs_of
from pincrew.errors import DaemonNotRunning, Misuse, NotFound
from pincrew.quantities import parse_duration
from pincrew.values import PinMode, PinType

_POLL_S = 1.0


class Mode(StrEnum):
    """How deep a pin goes."""

    RECURSIVE = "recursive"
    DIRECT = "direct"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What is on the list of a cluster.")
    command(group, "add")(add)
    command(group, "rm")(remove)
    command(group, "ls")(ls)
    command(group, "update")(update)
    command(group, "status")(status)
    app.add_typer(group, name="pin")


def add(
    invocation: Invocation,
    cids: Annotated[list[str], typer.Argument(metavar="CID|-", help="CIDs; - reads a CID or JSON object per line.")],
    cluster: ClusterOption = None,
    name: Annotated[str, typer.Option(metavar="TEXT", help="The name of the pin.")] = "",
    replication_min: Annotated[
        int | None, typer.Option("--replication-min", metavar="N", help="Copies at least; -1: everywhere.")
    ] = None,
    replication_max: Annotated[
        int | None, typer.Option("--replication-max", metavar="N", help="Copies at most; -1: everywhere.")
    ] = None,
    allocations: Annotated[str, typer.Option(metavar="ID,...", help="Only these peers keep it.")] = "",
    metadata: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="A note; repeatable.")] = None,
    origins: Annotated[str, typer.Option(metavar="MULTIADDR,...", help="Who has the content now.")] = "",
    mode: Annotated[Mode | None, typer.Option(help="All of it, or the root block alone.")] = None,
    expire_in: Annotated[str, typer.Option(metavar="TIME", help="Take it off the list after 30d, 12h ...")] = "",
    wait: Annotated[int | None, typer.Option(min=1, metavar="N", help="Return when N peers have each pin.")] = None,
    timeout: Annotated[str, typer.Option(metavar="TIME", help="With --wait: give up after 10m, 2h ... (exit 7).")] = "",
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="With -: leave out lines that are no pins.")] = False,
) -> int:
    """Put CIDs on the list. What is printed is durable on this machine.

    With - the whole input is checked first: at a bad line nothing is written.

    Example: `pincrew pin add bafybei... --name books/moby-dick --wait 3 --timeout 1h`
    """
    name_of = selection.curated(invocation.home, cluster).name
    options = PinOptions(
        name=name,
        mode=mode.value if mode else None,
        replication_min=replication_min,
        replication_max=replication_max,
        allocations=listed(allocations),
        metadata=pairs_of(metadata or []),
        origins=listed(origins),
        expire_at=_expiry(expire_in),
    )
    deadline = _deadline(wait, timeout)
    with _read(cids, options, is_skipping_bad=skip_bad) as batch:
        written = invocation.client.write_pins(name_of, batch.requests()).added if batch.count else 0
        output = invocation.output
        for line in batch.skipped[:20]:
            output.say(f"left out {line}")
        if output.is_json:
            answer = PinsAdded(cluster=name_of, added=written, cids=batch.cids, skipped=len(batch.skipped))
            output.object(answer)
        else:
            for cid in batch.cids or []:
                output.data(cid)
            left_out = f"; {figures.plural(len(batch.skipped), 'line')} left out" if batch.skipped else ""
            output.say(f"{figures.plural(written, 'pin')} added to {name_of}{left_out}.")
        output.out.flush()
        if wait is not None:
            return _wait(invocation, name_of, batch, wait, deadline)
    return ExitCode.DONE


def remove(
    invocation: Invocation,
    cids: Annotated[list[str], typer.Argument(metavar="CID", help="What to take off the list.")],
    cluster: ClusterOption = None,
) -> int:
    """Take CIDs off the list. Followers keep them for a day before they unpin them.

    Exit code 1 when one was not on the list; the others are removed all the same.

    Example: `pincrew pin rm bafybei...`
    """
    name = selection.curated(invocation.home, cluster).name
    wanted = [cid_text(parse_cid(text)) for text in cids]
    written = invocation.client.write_pins(name, (PinRequest(cid=cid, remove=True) for cid in wanted))
    removed = [cid for cid in dict.fromkeys(wanted) if cid not in written.absent]
    output = invocation.output
    if output.is_json:
        output.object(PinsRemoved(cluster=name, removed=written.removed, cids=removed, absent=written.absent))
    else:
        for cid in removed:
            output.data(cid)
        output.say(f"{figures.plural(written.removed, 'pin')} removed from {name}.")
        for cid in written.absent:
            output.say(f"{cid} was not on the list.")
    return ExitCode.FAILED if written.absent else ExitCode.DONE


def ls(
    invocation: Invocation,
    cids: Annotated[list[str] | None, typer.Argument(metavar="CID", help="Only these.")] = None,
    cluster: ClusterOption = None,
) -> None:
    """List what is on the list, as curators wrote it. Answers from the store, with and without a daemon.

    Example: `pincrew pin ls --json`
    """
    paths = selection.cluster(invocation.home, cluster)
    wanted = [cid_text(parse_cid(text)) for text in cids or []]
    found: Iterator[PinObject]
    try:
        found = invocation.client.pinset(paths.name, wanted)
    except DaemonNotRunning:
        found = stored.pinset(paths, wanted)
    if invocation.output.is_json:
        invocation.output.lines(found)
        return
    is_empty = True
    for pin in found:
        is_empty = False
        invocation.output.data(_object_text(pin, invocation.output))
    if is_empty:
        invocation.output.say("Nothing is on the list.")


def update(
    invocation: Invocation,
    old: Annotated[str, typer.Argument(metavar="OLD", help="A CID on the list.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The CID that takes its options.")],
    cluster: ClusterOption = None,
    unpin: Annotated[bool, typer.Option("--unpin", help="Take OLD off the list.")] = False,
) -> None:
    """Put NEW on the list with the name and options of OLD; nodes that have OLD fetch only what differs.

    Example: `pincrew pin update bafybei...OLD bafybei...NEW --unpin`
    """
    name = selection.curated(invocation.home, cluster).name
    before, after = cid_text(parse_cid(old)), cid_text(parse_cid(new))
    if before == after:
        raise Misuse("OLD and NEW are the same CID", means="Nothing was changed")
    found = next(invocation.client.pinset(name, [before]), None)
    if found is None:
        raise NotFound(f"{before} is not on the list", means="Nothing was changed", next_step="See `pincrew pin ls`")
    requests = [_successor(found, after)]
    if unpin:
        requests.append(PinRequest(cid=before, remove=True))
    invocation.client.write_pins(name, requests)
    if invocation.output.is_json:
        invocation.output.object(PinUpdated(cluster=name, old=before, new=after, unpinned=unpin))
    else:
        invocation.output.data(after)
        invocation.output.say(
            f"{name}: the new one took its options{'; the old one is off the list' if unpin else ''}."
        )


def status(
    invocation: Invocation,
    cids: Annotated[list[str] | None, typer.Argument(metavar="CID", help="Only these.")] = None,
    cluster: ClusterOption = None,
    local: Annotated[bool, typer.Option("--local", help="Ask this peer alone.")] = False,
) -> None:
    """Ask every peer how far it is with each pin.

    Example: `pincrew pin status bafybei...`
    """
    name = selection.cluster(invocation.home, cluster).name
    found = invocation.client.pin_status(name, [cid_text(parse_cid(text)) for text in cids or []], is_local=local)
    if invocation.output.is_json:
        invocation.output.lines(found)
        return
    is_empty = True
    for pin in found:
        is_empty = False
        invocation.output.data(_status_text(pin, invocation.output))
    if is_empty:
        invocation.output.say("Nothing is on the list.")


def _read(cids: list[str], options: PinOptions, *, is_skipping_bad: bool) -> Batch:
    if "-" not in cids:
        return from_arguments(cids, options)
    if cids != ["-"]:
        raise Misuse("`-` reads every CID from stdin and stands alone", means="Nothing was written")
    return from_lines(sys.stdin.buffer, options, is_skipping_bad=is_skipping_bad)


def _expiry(text: str) -> str | None:
    if not text:
        return None
    at = datetime.now(UTC) + timedelta(seconds=parse_duration(text))
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _deadline(wait: int | None, timeout: str) -> float | None:
    if timeout and wait is None:
        raise Misuse("`--timeout` bounds `--wait`, which was not given", next_step="Add `--wait N`")
    return time.monotonic() + parse_duration(timeout) if timeout else None


def _wait(invocation: Invocation, cluster: str, batch: Batch, copies: int, deadline: float | None) -> int:
    """Ask until ``copies`` peers say ``pinned`` of every pin."""
    waiting = list(dict.fromkeys(request.cid for request in batch.requests()))
    total = len(waiting)
    while True:
        left = []
        for start in range(0, len(waiting), CIDS_PER_QUESTION):
            asked = waiting[start : start + CIDS_PER_QUESTION]
            kept = {pin.cid: _copies(pin) for pin in invocation.client.pin_status(cluster, asked)}
            left += [cid for cid in asked if kept.get(cid, 0) < copies]
        waiting = left
        if not waiting:
            invocation.output.say(f"{figures.plural(copies, 'peer')} answered `pinned` for each.")
            return ExitCode.DONE
        if deadline is not None and time.monotonic() >= deadline:
            short = f"{figures.count(len(waiting))} of {figures.plural(total, 'pin')}"
            verb = "is" if len(waiting) == 1 else "are"
            invocation.output.say(
                f"pincrew: Time ran out: {short} {verb} not yet pinned by {figures.plural(copies, 'peer')}."
                f" They are on the list and go on being fetched. See `pincrew pin status -c {cluster}`."
            )
            return ExitCode.TIMED_OUT
        time.sleep(_POLL_S)


def _copies(pin: GlobalPinInfo) -> int:
    return sum(info.status == "pinned" for info in pin.peer_map.values())


def _successor(old: PinObject, cid: str) -> PinRequest:
    if old.type != PinType.DATA:
        raise Misuse(f"{old.cid} is a {old.type} of content in shards", means="Nothing was changed")
    return msgspec.structs.replace(old.rewritten(), cid=cid, pin_update=old.cid, timestamp=None)


def _object_text(pin: PinObject, output: Output) -> str:
    least, most = pin.replication_factor_min, pin.replication_factor_max
    where = "everywhere" if least < 0 else f"{least} to {most} copies" if least != most else f"{least} copies"
    if pin.allocations:
        where = f"at {figures.plural(len(pin.allocations), 'peer')}"
    if pin.type == PinType.META:
        where = "in shards"
    is_block = pin.mode == PinMode.DIRECT and pin.type != PinType.META
    parts = [where, *(["root block only"] if is_block else [])]
    if not pin.expire_at.startswith("0001-"):
        parts.append(f"until {pin.expire_at}")
    return _titled(pin.cid, pin.name or "—", f"({', '.join(parts)})", output)


def _titled(cid: str, name: str, note: str, output: Output) -> str:
    """Return a pin's line; on a terminal that it would not fit, its name goes shortened to a second one."""
    name = figures.printable(name)
    line = "  ".join(part for part in (cid, name, note) if part)
    if not output.is_terminal or len(line) <= output.width or not name:
        return line
    return f"{cid}\n  {figures.shorten(name, output.width - len(note) - 4)}{note and '  '}{note}"


def _status_text(pin: GlobalPinInfo, output: Output) -> str:
    lines = [_titled(pin.cid, pin.name, "", output)]
    for peer, info in sorted(pin.peer_map.items(), key=lambda entry: (entry[1].peername, entry[0])):
        shown = figures.printable(info.peername) or f"…{peer[-8:]}"
        error = f"  {figures.printable(info.error)}" if info.error else ""
        lines.append(f"    {shown:<24} {info.status}{error}")
    return "\n".join(lines)
