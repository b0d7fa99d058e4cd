"""`follow` and `leave`: a volunteer joins, and stops."""

from __future__ import annotations

import signal
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from pincrew import figures
from pincrew.api.shapes import AcceptRequest, Followed, Left, Summary
from pincrew.cli import autostart, background, choosing, join_questions, join_text, selection, terminal_view, watching
from pincrew.cli.answers import FollowedCluster
from pincrew.cli.exit_codes import ExitCode
from pincrew.cli.invocation import ClusterOption, Invocation, command
from pincrew.cli.options import AnnounceOption, IpfsOption, ListenOption, PeerNameOption
from pincrew.cli.prompts import agree, require_terminal
from pincrew.errors import Misuse, PincrewError
from pincrew.files import last_words
from pincrew.follow.source import parse_source
from pincrew.node_address import NodeKind
from pincrew.node_choice import checked_choice
from pincrew.quantities import parse_duration, parse_percent
from pincrew.setting_values import parse_limit
from pincrew.settings import PartMode, checked_peer_name
from pincrew.settings_files import load_settings


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    command(app, "follow")(follow)
    command(app, "leave")(leave)


def follow(
    invocation: Invocation,
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="URL, file, domain or /ipns/ name; #CLUSTER-ID accepts no other.")
    ],
    name: Annotated[str, typer.Option(metavar="TEXT", help="Its name on this machine.")] = "",
    ipfs: IpfsOption = "",
    secret_file: Annotated[
        Path | None, typer.Option("--secret-file", metavar="FILE", help="The private network key of a closed cluster.")
    ] = None,
    obey: Annotated[bool, typer.Option("--obey", help="Unpin at once what curators remove, however much.")] = False,
    unlisted: Annotated[
        bool, typer.Option("--unlisted", help="Keep your address out of the published document.")
    ] = False,
    peer_name: PeerNameOption = "",
    listen: ListenOption = None,
    announce: AnnounceOption = None,
    router: Annotated[
        list[str] | None,
        typer.Option("--router", metavar="URL", help="Let pincrew's node ask there who has content; repeatable."),
    ] = None,
    gateway: Annotated[
        list[str] | None,
        typer.Option("--gateway", metavar="URL", help="Let it fetch what no node has from there; repeatable."),
    ] = None,
    limit: Annotated[
        str, typer.Option("--limit", metavar="SIZE|none", help="How much it may hold on the disk: 200GB, 500GiB.")
    ] = "",
    keep_free: Annotated[
        str, typer.Option("--keep-free", metavar="PCT", help="How much of the volume stays free, in percent.")
    ] = "",
    part: Annotated[
        bool | None,
        typer.Option("--part/--all", help="Of a list larger than the limit: keep a part, or in order until full."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay, and end the daemon with this command.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Return when everything is here (complete or full).")] = False,
    timeout: Annotated[str, typer.Option(metavar="TIME", help="With --wait: give up after 10m, 2h ... (exit 7).")] = "",
) -> int:
    """Join a cluster: copy what its list names into your IPFS node.

    Where there is none, pincrew runs one of its own. Starts the daemon in the background if none runs. Joining the same
    cluster again is harmless.

    Example: `pincrew follow https://books.example.org/books.toml --limit 200GB`
    """
    if timeout and not wait:
        raise Misuse("`--timeout` bounds `--wait`, which was not given", next_step="Add `--wait`")
    if foreground and wait:
        raise Misuse("`--foreground` stays and `--wait` returns", next_step="Leave one of them out")
    deadline = time.monotonic() + parse_duration(timeout) if timeout else None
    parse_source(source, Path.cwd())
    request = AcceptRequest(
        offer="",
        name=name,
        ipfs=checked_choice(ipfs),
        secret_file=str(secret_file.absolute()) if secret_file else None,
        obey=obey,
        unlisted=unlisted,
        peer_name=checked_peer_name(peer_name),
        listen=listen or [],
        announce=announce or [],
        routers=router or [],
        gateways=gateway or [],
        limit=limit or None,
        keep_free=parse_percent(keep_free) if keep_free else None,
        part=(PartMode.AUTO if part is None else PartMode.PART if part else PartMode.ALL).value,
    )
    if limit:
        parse_limit(limit, "--limit")  # before anything is fetched or started
    require_terminal(invocation, is_agreed=yes)
    if foreground and background.running(invocation.client) is None:
        return _follow_in_foreground(invocation, source, request, is_agreed=yes)
    _, was_started = background.ensure(invocation)
    joined = None
    try:
        joined = _join(invocation, source, request, is_agreed=yes)
    finally:
        if joined is None and was_started and not invocation.home.joined():
            background.stop(invocation)  # nothing was joined: leave the machine as it was
    if joined is None:
        return ExitCode.FAILED
    if foreground:
        return _stay(invocation, joined)
    return _after(invocation, joined, is_waiting=wait, deadline=deadline)


def leave(
    invocation: Invocation,
    cluster: ClusterOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> int:
    """Stop following: let go of what this cluster alone holds.

    That is unpinned and the cluster's folder removed. What was pinned before, or what another cluster holds too, stays
    pinned. An owner key in the folder is kept: it says where. Needs the daemon.

    Example: `pincrew leave -c books --dry-run`
    """
    paths = selection.followed(invocation.home, cluster)
    name = paths.name
    if dry_run:
        left = invocation.client.leave(name, dry_run=True)
    else:
        require_terminal(invocation, is_agreed=yes)
        if not yes and not _is_leaving_wanted(invocation, name):
            invocation.output.say("Nothing was changed.")
            return ExitCode.FAILED
        left = invocation.client.leave(name, dry_run=False)
    if invocation.output.is_json:
        invocation.output.object(left)
    else:
        invocation.output.data(_left_text(left), is_prose=True)
    return ExitCode.FAILED if left.rest else ExitCode.DONE


def _is_leaving_wanted(invocation: Invocation, name: str) -> bool:
    """Show the plan and ask."""
    plan = invocation.client.leave(name, dry_run=True)
    node = next((each.node for each in invocation.client.status().clusters if each.name == name), None)
    invocation.output.say(_left_text(plan))
    if node is not None and node.state == "down" and plan.pins:
        invocation.output.say(
            f"  The IPFS node does not answer ({node.address}): fetching ends now, and what it has pinned stays until"
            " it is back and you type this again."
        )
    return agree(invocation, f"Leave {name}?", is_agreed=False, default=False)


def _join(invocation: Invocation, source: str, request: AcceptRequest, *, is_agreed: bool) -> Followed | None:
    """Show what is offered, ask, and join. None: the user does not want to."""
    offer = invocation.client.offer(source, Path.cwd())
    output = invocation.output
    answers = None
    if offer.joined_as is None:
        now = datetime.now(UTC)
        settings = load_settings(invocation.home.settings, invocation.environment)
        node = choosing.chosen(invocation, request.ipfs, settings, is_agreed=is_agreed)
        if (request.routers or request.gateways) and node.ipfs != NodeKind.EMBEDDED:
            raise Misuse(
                "`--router` and `--gateway` are for pincrew's own node, which this cluster will not use",
                next_step="Add `--ipfs embedded`, or set them in your Kubo",
            )
        request = msgspec.structs.replace(request, ipfs=node.ipfs)
        prospect = invocation.client.prospect(offer.offer, node.ipfs)
        said, request = request, join_questions.with_usual_limit(request, prospect, is_agreed=is_agreed)
        words = choosing.described(node, settings)
        output.say(join_text.describe(offer, request, prospect, node=words, now=now, output=output))
        if is_agreed:
            output.say("")
        else:
            answers = join_questions.asked(invocation, request, said, prospect)
            if answers is None:
                output.say("  Nothing was changed.")
                return None
            request = answers.request
    elif request.limit is not None or request.keep_free is not None:
        output.say(f"It is followed already; `pincrew limits -c {offer.joined_as}` changes what it may take.")
    joined = invocation.client.accept(msgspec.structs.replace(request, offer=offer.offer))
    if answers is not None and answers.network is not None:
        invocation.client.change_network(answers.network)
    if answers is not None and answers.is_starting:
        _start_at_login(invocation)
    return joined


def _start_at_login(invocation: Invocation) -> None:
    """Have the daemon started at login. The cluster is joined whether or not that works."""
    try:
        autostart.turn_on(invocation, is_agreed=False)
    except PincrewError as error:
        invocation.output.say(f"pincrew: {error.sentence}")


def _after(invocation: Invocation, joined: Followed, *, is_waiting: bool, deadline: float | None) -> int:
    """Say what was done; wait or watch where that was asked for."""
    output = invocation.output
    state = "joining"
    code = ExitCode.DONE
    output.say(_joined_text(joined))
    if is_waiting:
        reached = watching.watch(invocation, joined.cluster, deadline=deadline)
        if reached is None:
            code = ExitCode.TIMED_OUT
            output.say("pincrew: Time ran out before everything was here. Following goes on; see `pincrew status`.")
    elif terminal_view.is_possible(invocation):
        terminal_view.show(invocation, joined.cluster)
    elif output.is_live:
        _look(invocation, joined.cluster)
    else:
        output.say("It goes on in the background: `pincrew status` tells how far it is, `pincrew leave` stops it.")
    if output.is_json:
        state = invocation.client.summary(joined.cluster).state
        output.object(
            FollowedCluster(
                cluster=joined.cluster,
                id=joined.id,
                peer_id=joined.peer_id,
                home=joined.home,
                was_joined=joined.was_joined,
                state=state,
            )
        )
    return code


def _look(invocation: Invocation, name: str) -> None:
    """Show progress until it is done or the user has seen enough; neither ends the following."""
    try:
        watching.watch(invocation, name)
    except KeyboardInterrupt:
        invocation.output.say("\nFollowing goes on in the background. See `pincrew status`; stop with `pincrew leave`.")
    except PincrewError as error:
        invocation.output.say(f"pincrew: {error.sentence}")


def _stay(invocation: Invocation, joined: Followed) -> int:
    """Watch for ever: another process is the daemon."""

    def never(_: Summary) -> bool:
        return False

    invocation.output.say(_joined_text(joined))
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        watching.watch(invocation, joined.cluster, is_done=never)
    except KeyboardInterrupt:
        invocation.output.say("\nFollowing goes on: the daemon was running before this command.")
    return ExitCode.DONE


def _follow_in_foreground(invocation: Invocation, source: str, request: AcceptRequest, *, is_agreed: bool) -> int:
    """Run the daemon as our child, join, and end it when we are told to end."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it must not leave the child behind
    child, log, length = background.spawn(invocation)

    def end(*_: object) -> None:
        child.terminate()

    try:
        background.wait_until_ready(invocation, child, log, length)
        joined = _join(invocation, source, request, is_agreed=is_agreed)
        if joined is None:
            return ExitCode.FAILED
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, end)
        invocation.output.say(f"{_joined_text(joined)} The daemon's own words go to {log}.")
        code = child.wait()
        if code not in (0, -signal.SIGTERM):
            invocation.output.say(f"pincrew: {last_words(log, length)}")
            return ExitCode.FAILED
        return ExitCode.DONE
    finally:
        _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(background.STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()


def _joined_text(joined: Followed) -> str:
    already = "was followed already" if joined.was_joined else "is followed now"
    return f"{joined.cluster} {already} (cluster {joined.id[:12]}…, you are peer …{joined.peer_id[-6:]})."


def _left_text(left: Left) -> str:
    verb = "would be" if left.dry_run else "were"
    size = f" ({figures.size(left.bytes)})" if left.bytes is not None else ""
    lines = [f"{left.cluster}: {figures.plural(left.pins, 'pin')}{size} {verb} unpinned."]
    if left.kept:
        lines.append(f"  {figures.plural(left.kept, 'pin')} stay: they were yours before, or another cluster has them.")
    lines += [f"  {'would be removed' if left.dry_run else 'removed'}: {path}" for path in left.removed]
    if left.owner_key:
        verb = "would be moved" if left.dry_run else "was moved"
        lines.append(f"  The owner key {verb} to {left.owner_key}.")
        lines.append("  Who has that key owns the cluster: put it in a safe place.")
    if left.rest:
        lines.append(f"  Not done yet: {figures.printable(left.rest)}")
    return "\n".join(lines)
