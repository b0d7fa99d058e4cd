"""`status`, `peers`, `errors` and `events`: what is going on."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer

from pincrew import figures
from pincrew.api.shapes import ErrorLine, EventLine, Status
from pincrew.cli import exit_codes, selection, status_text, stored
from pincrew.cli.exit_codes import ExitCode
from pincrew.cli.invocation import ClusterOption, Invocation, command
from pincrew.cli.output import Output
from pincrew.errors import DaemonNotRunning, NotFound
from pincrew.paths import Home

_EVENTS_SHOWN = 50


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    command(app, "status")(status)
    command(app, "peers")(peers)
    command(app, "errors")(errors)
    command(app, "events")(events)


def status(
    invocation: Invocation,
    cluster: ClusterOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing; the exit code tells.")] = False,
) -> int:
    """Show how far each cluster is.

    Exit codes: 0 printed, 3 no daemon (what the disk knows is printed). With -q: 3 no daemon, 5 waiting, 4 errors,
    6 full, 0 otherwise.

    Example: `pincrew status`
    """
    output = invocation.output
    if cluster is not None:
        selection.cluster(invocation.home, cluster)
    try:
        found, is_daemon_running = _with_stopped(invocation.home, invocation.client.status()), True
    except DaemonNotRunning:
        found, is_daemon_running = stored.status(invocation.home), False
    if cluster is not None:
        found = Status(schema=found.schema, clusters=[each for each in found.clusters if each.name == cluster])
    if quiet:
        return exit_codes.of_clusters(found.clusters, is_daemon_running=is_daemon_running)
    if output.is_json:
        output.object(found)
    else:
        now = datetime.now(UTC)
        if found.clusters:
            output.data("\n\n".join(status_text.describe(each, now, output.styled) for each in found.clusters))
        else:
            output.data(_nothing(), is_prose=True)
        if not is_daemon_running:
            output.say("\nThe daemon is not running: nothing is fetched. Start it: `pincrew daemon start`")
    return ExitCode.DONE if is_daemon_running else ExitCode.NO_DAEMON


def _with_stopped(home: Home, found: Status) -> Status:
    """Add the clusters that are here and that the daemon does not run."""
    running = {each.name for each in found.clusters}
    others = [stored.summary(paths) for paths in home.joined() if paths.name not in running]
    return Status(schema=found.schema, clusters=sorted([*found.clusters, *others], key=lambda each: each.name))


def peers(invocation: Invocation, cluster: ClusterOption = None) -> None:
    """List the peers of a cluster. Needs the daemon.

    Example: `pincrew peers -c books`
    """
    found = invocation.client.peers(selection.cluster(invocation.home, cluster).name)
    if invocation.output.is_json:
        invocation.output.lines(found)
        return
    now, known = datetime.now(UTC), list(found)
    has_tags = invocation.output.has_room_for_tags and any(peer.tags for peer in known)
    rows = [
        [
            peer.name or "—",
            peer.role,
            peer.via or "—" if peer.connected else _seen(peer.last_seen, now),
            "—" if peer.pins is None else figures.count(peer.pins),
            figures.size(peer.free),
            *([" ".join(f"{name}={value}" for name, value in peer.tags.items()) or "—"] if has_tags else []),
            peer.id,
        ]
        for peer in known
    ]
    if rows:
        columns = ["name", "role", "connected", "pins", "free", *(["tags"] if has_tags else []), "id"]
        invocation.output.table(columns, rows, right=(3, 4))
    else:
        invocation.output.say("No peer has been seen yet. See `pincrew doctor`.")


def _seen(last: str | None, now: datetime) -> str:
    return "never seen" if last is None else f"seen {figures.ago(last, now)}"


def errors(invocation: Invocation, cluster: ClusterOption = None) -> None:
    """Show the pins in error, grouped by cause.

    Example: `pincrew errors`
    """
    paths = selection.cluster(invocation.home, cluster)
    found: Iterable[ErrorLine]
    try:
        found = invocation.client.errors(paths.name)
    except DaemonNotRunning:
        found = stored.errors(paths)
    if invocation.output.is_json:
        invocation.output.lines(found)
        return
    now = datetime.now(UTC)
    rows, examples, steps = [], [], []
    for line in found:
        next_try = "will not retry" if line.next_try is None else figures.until(line.next_try, now)
        if line.next_step:
            steps.append(f"{line.cause}: {line.next_step}")
        rows.append([figures.count(line.pins), line.cause, figures.ago(line.oldest, now), next_try])
        if line.example and line.example != line.cause:
            examples.append(f"{line.cause}: {line.example}")
    if not rows:
        invocation.output.say("No pin is in error.")
        return
    invocation.output.table(["pins", "cause", "oldest", "next try"], rows, right=(0,))
    for example in examples:
        invocation.output.say(f"  {figures.printable(example)}")
    invocation.output.say("What to do:")
    for step in steps:
        invocation.output.say(f"  {figures.printable(step)}")
    invocation.output.say("Try them all again now: `pincrew retry --all-errors`")


def events(
    invocation: Invocation,
    cluster: ClusterOption = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what happens from now.")] = False,
) -> None:
    """Show what happened.

    With --json all that is kept, else the last 50. Ctrl-C ends --follow.

    Example: `pincrew events --follow`
    """
    names = [selection.cluster(invocation.home, cluster)]
    output = invocation.output
    paths = names[0]
    try:
        past: Iterator[EventLine] = invocation.client.events(paths.name)
    except DaemonNotRunning:
        if follow:
            raise
        past = stored.events(paths, 0)
    last = 0
    if output.is_json:
        for event in past:
            last = event.id
            output.lines([event])
    else:
        recent: list[EventLine] = []
        for event in past:
            last = event.id
            recent = [*recent, event][-_EVENTS_SHOWN:]
        for event in recent:
            output.data(_event_text(event, output))
        if not recent:
            output.say("Nothing has happened yet.")
    if follow:
        try:
            for event in invocation.client.events(paths.name, after=last, follow=True):
                if output.is_json:
                    output.lines([event])
                else:
                    output.data(_event_text(event, output))
                    output.out.flush()
        except KeyboardInterrupt:
            return
        except NotFound:
            output.say(f"{paths.name} is not followed any more.")


def _event_text(event: EventLine, output: Output) -> str:
    at = figures.moment(event.time)
    when = at.astimezone().strftime("%d %b %H:%M:%S") if at else event.time
    line = f"{when}  {event.kind:<16} {figures.printable(event.text)}"
    if not output.is_terminal or len(line) <= output.width:
        return line
    return textwrap.fill(line, output.width, subsequent_indent=" " * 17, break_long_words=False, break_on_hyphens=False)


def _nothing() -> str:
    return "Nothing is followed or curated here. Join with `pincrew follow SOURCE`; watch it all with `pincrew demo`."
