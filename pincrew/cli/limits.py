"""`limits`: what a cluster may take of this machine, shown and changed. With no daemon it works on the settings."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from pincrew import figures
from pincrew.api.shapes import Limits, LimitsChanged, LimitsRequest, NetworkLimits, NetworkLimitsRequest
from pincrew.cli import background, selection, stored
from pincrew.cli.exit_codes import ExitCode
from pincrew.cli.invocation import ClusterOption, Invocation, command
from pincrew.cli.output import Output
from pincrew.errors import DaemonNotRunning, Misuse, NotAllowed
from pincrew.files import private_folder
from pincrew.limit_settings import kept_months, network_limits, part_mode, with_limits, with_network
from pincrew.node_address import NodeKind
from pincrew.node_finding import kind_of
from pincrew.paths import ClusterPaths
from pincrew.quantities import parse_percent
from pincrew.settings import Role
from pincrew.settings_files import load_cluster, load_settings, save

_UNPIN, _LEAVE = "unpin", "leave"
_ANSWERS = {"u": _UNPIN, _UNPIN: _UNPIN, "l": _LEAVE, _LEAVE: _LEAVE, "c": "", "cancel": "", "": ""}
_PARTS = {
    "auto": "all of the list while it fits, else a part of it",
    "part": "the part of the list that fits",
    "all": "the list in its order, until it is full",
}


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    command(app, "limits")(limits)


def limits(
    invocation: Invocation,
    cluster: ClusterOption = None,
    limit: Annotated[
        str, typer.Option("--limit", metavar="SIZE|none", help="How much the cluster may hold: 200GB, 500GiB, none.")
    ] = "",
    keep_free: Annotated[
        str, typer.Option("--keep-free", metavar="PCT", help="How much of the volume stays free, in percent.")
    ] = "",
    part: Annotated[
        str, typer.Option("--part", metavar="auto|part|all", help="Of a larger list: a part, or in order until full.")
    ] = "",
    unpin: Annotated[
        bool, typer.Option("--unpin", help="What a lower limit leaves no room for, or is not the part, is unpinned.")
    ] = False,
    leave: Annotated[
        bool, typer.Option("--leave", help="It stays; nothing new is fetched until the rest fits.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be unpinned.")] = False,
    download: Annotated[
        str, typer.Option("--download", metavar="RATE|none", help="All clusters: so much a second is fetched at most.")
    ] = "",
    upload: Annotated[
        str, typer.Option("--upload", metavar="RATE|none", help="All clusters: so much a second is sent at most.")
    ] = "",
    quiet_hours: Annotated[
        str, typer.Option("--quiet-hours", metavar="HOURS|none", help="When the next two hold: mon-fri 23:00-07:00.")
    ] = "",
    quiet_download: Annotated[
        str, typer.Option("--quiet-download", metavar="RATE|none", help="The same as --download, in quiet hours.")
    ] = "",
    quiet_upload: Annotated[
        str, typer.Option("--quiet-upload", metavar="RATE|none", help="The same as --upload, in quiet hours.")
    ] = "",
    monthly_cap: Annotated[
        str, typer.Option("--monthly-cap", metavar="SIZE|none", help="All clusters: so much a month may pass.")
    ] = "",
) -> int:
    """Show what a cluster may take of this machine, or change it.

    Changes hold at once, and are kept in the cluster's `cluster.toml`. A limit below what is kept unpins nothing
    without your word. Limits of the network and the monthly cap are for all clusters together, and kept in
    `settings.toml`; on Kubo what is fetched is held to them approximately, and what is sent not at all. With no daemon
    running the settings alone are changed.

    Example: `pincrew limits --limit 200GB --keep-free 15`
    """
    line = NetworkLimitsRequest(
        download=download or None,
        upload=upload or None,
        quiet_hours=quiet_hours or None,
        quiet_download=quiet_download or None,
        quiet_upload=quiet_upload or None,
        monthly_cap=monthly_cap or None,
    )
    is_changing = bool(limit or keep_free or part)
    is_line_changing = line != NetworkLimitsRequest()
    if is_line_changing and dry_run:
        raise Misuse("`--dry-run` is for `--limit`, `--part` and `--keep-free`", means="Nothing was changed")
    if is_line_changing and not is_changing and cluster is None:
        return _change_line(invocation, line)
    paths = selection.cluster(invocation.home, cluster)
    if not is_changing and (unpin or leave or dry_run):
        raise Misuse("Which limit is to change was not said", next_step="Add `--limit SIZE`, or `--part`")
    if unpin and leave:
        raise Misuse("`--unpin` and `--leave` exclude each other", means="Nothing was changed")
    request = LimitsRequest(
        limit=limit or None,
        keep_free=parse_percent(keep_free) if keep_free else None,
        part=part_mode(part).value if part else None,
        excess=_UNPIN if unpin else _LEAVE if leave else None,
        dry_run=dry_run,
    )
    if is_line_changing:
        raise Misuse(
            "Limits of the network are for all clusters together", next_step="Change them without the other options"
        )
    is_running = background.running(invocation.client) is not None
    if not is_changing:
        shown = invocation.client.limits(paths.name) if is_running else _stored(paths)
        network = invocation.client.network() if is_running else _stored_line(invocation)
        shown = msgspec.structs.replace(shown, network=network)
        _show(invocation, shown, is_running=is_running)
        return ExitCode.DONE
    return _change(invocation, paths, request, is_running=is_running)


def _change(invocation: Invocation, paths: ClusterPaths, request: LimitsRequest, *, is_running: bool) -> int:
    def ask(request: LimitsRequest) -> LimitsChanged:
        if is_running:
            return invocation.client.change_limits(paths.name, request)
        return _change_stored(invocation, paths, request)

    plan = ask(msgspec.structs.replace(request, dry_run=True))
    output = invocation.output
    if request.dry_run:
        if output.is_json:
            output.object(plan)
        else:
            output.data(_would(plan) if plan.pins else "Nothing would have to be unpinned.")
        return ExitCode.DONE
    if plan.pins and request.excess is None:
        request = msgspec.structs.replace(request, excess=_asked(invocation, plan))
        if not request.excess:
            output.say("Nothing was changed.")
            return ExitCode.FAILED
    changed = ask(request)
    if output.is_json:
        output.object(changed)
        return ExitCode.DONE
    if changed.pins:
        output.data(f"{figures.plural(changed.pins, 'pin')} ({figures.size(changed.bytes)}) will be unpinned now.")
    elif plan.pins:
        output.data("What is kept stays; nothing new is fetched until it fits the limit.")
    _show(invocation, changed.limits, is_running=is_running)
    if not is_running:
        output.say("No daemon is running: this holds from its next start.")
        if request.part is not None and request.part != "all":
            output.say("Which pins are in the part, it finds out then; those outside leave by and by.")
    return ExitCode.DONE


def _would(plan: LimitsChanged) -> str:
    kept = figures.size(plan.limits.kept)
    pins = figures.plural(plan.pins, "pin")
    which = f"{pins} outside of the part that fits" if plan.chosen == "part" else f"The newest {pins}"
    return f"{kept} are kept. {which} ({figures.size(plan.bytes)}) would have to be unpinned."


def _asked(invocation: Invocation, plan: LimitsChanged) -> str:
    """Ask what becomes of pins beyond the limit; "" is nothing. Raises Misuse where there is nobody to ask."""
    if invocation.output.is_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Misuse(
            _would(plan).rstrip("."),
            means="There is no terminal to ask on, so nothing was changed",
            next_step="Add `--unpin`, or `--leave` to keep them and fetch nothing new",
        )
    invocation.output.say(_would(plan))
    while True:
        print("Unpin them, leave them, or cancel? [u/l/C] ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        answer = _ANSWERS.get(line.strip().lower())
        if not line:
            return ""
        if answer is not None:
            return answer


def _show(invocation: Invocation, shown: Limits, *, is_running: bool) -> None:
    output = invocation.output
    if output.is_json:
        output.object(shown)
        return
    under_way = f", {figures.size(shown.reserved)} more reserved" if shown.reserved else ""
    rows = [
        ("cluster", shown.cluster),
        ("limit", "none" if shown.limit is None else figures.size(shown.limit)),
        ("kept", f"{figures.size(shown.kept)}{under_way}"),
        ("keeps free", f"{shown.keep_free} % of the volume{_volume(shown, is_running=is_running)}"),
        ("keeps", _PARTS.get(shown.part, shown.part)),
    ]
    if shown.skipped_for_room:
        rows.append(("no room for", figures.plural(shown.skipped_for_room, "pin")))
    if shown.network is not None:
        rows += _line_rows(shown.network)
    for word, text in rows:
        output.data(f"{word:<14}{figures.printable(text)}")
    if shown.network is not None:
        _say_approximate(output, shown.network)
    output.say(f"Change it here, or in {shown.settings}.")


# ---- the line ------------------------------------------------------------------------------------------------------
def _change_line(invocation: Invocation, request: NetworkLimitsRequest) -> int:
    output = invocation.output
    is_running = background.running(invocation.client) is not None
    if is_running:
        changed = invocation.client.change_network(request)
    else:
        private_folder(invocation.home.root)  # before anything was joined there is none
        save(invocation.home.settings, with_network(load_settings(invocation.home.settings, {}), request))
        changed = _stored_line(invocation)
    if output.is_json:
        output.object(changed)
        return ExitCode.DONE
    for word, text in _line_rows(changed):
        output.data(f"{word:<14}{figures.printable(text)}")
    _say_approximate(output, changed)
    output.say(f"Change it here, or in {changed.settings}.")
    if not is_running:
        output.say("No daemon is running: this holds from its next start.")
    return ExitCode.DONE


def _line_rows(line: NetworkLimits) -> list[tuple[str, str]]:
    """Say what may be taken of the line: one set of limits, or both and which holds now."""
    always = _rates(line.download, line.upload)
    rows = [("network", always)]
    if line.quiet_hours is not None:
        quiet = _rates(line.quiet_download, line.quiet_upload)
        rows = [
            ("network", always + ("" if line.is_quiet else "  (now)")),
            ("quiet hours", line.quiet_hours),
            ("in them", quiet + ("  (now)" if line.is_quiet else "")),
        ]
    if line.monthly_cap is None and not line.month_received and not line.month_sent:
        return rows
    month = f"{figures.size(line.month_received)} down, {figures.size(line.month_sent)} up"
    if line.monthly_cap is not None:
        month += f" of {figures.size(line.monthly_cap)}"
    if line.is_month_over and line.month_ends is not None:
        month += f": nothing more until {figures.wall_time(line.month_ends, datetime.now(UTC))}"
    return [*rows, ("this month", month)]


def _rates(download: int | None, upload: int | None) -> str:
    down, up = ("any" if rate is None else f"{figures.size(rate)}/s" for rate in (download, upload))
    return f"{down} down, {up} up"


def _say_approximate(output: Output, line: NetworkLimits) -> None:
    if line.is_approximate and any((line.download, line.upload, line.quiet_download, line.quiet_upload)):
        output.say("On Kubo they hold approximately: pins wait while too much arrives. What it sends is not limited.")
    if line.is_approximate and line.monthly_cap is not None:
        output.say("Of a Kubo, all that it received while the daemon ran counts for the month; what it sent does not.")


def _stored_line(invocation: Invocation) -> NetworkLimits:
    settings = load_settings(invocation.home.settings, invocation.environment)
    kinds = [kind_of(load_cluster(paths.settings).ipfs or settings.ipfs) for paths in invocation.home.joined()]
    is_kubo = NodeKind.KUBO in kinds
    months = kept_months(invocation.home.months)
    return network_limits(settings, datetime.now(), months, str(invocation.home.settings), is_kubo=is_kubo)


def _volume(shown: Limits, *, is_running: bool) -> str:
    if shown.volume_total is not None and shown.volume_free is not None:
        return f": {figures.size(shown.volume_free)} of {figures.size(shown.volume_total)} are free now"
    if not shown.is_volume_looked_at:
        return ", which was not looked at yet: the IPFS node has not said where it is"
    return ", which is not on this machine: it cannot be looked at" if is_running else ""


# ---- with no daemon -------------------------------------------------------------------------------------------------
def _stored(paths: ClusterPaths) -> Limits:
    local = load_cluster(paths.settings)
    summary = stored.summary(paths)
    return Limits(
        cluster=paths.name,
        limit=local.limit,
        keep_free=local.keep_free,
        part=local.part.value,
        kept=summary.bytes.pinned,
        reserved=0,
        volume_total=None,
        volume_free=None,
        skipped_for_room=0,
        bound=None,
        settings=str(paths.settings),
    )


def _change_stored(invocation: Invocation, paths: ClusterPaths, request: LimitsRequest) -> LimitsChanged:
    local = load_cluster(paths.settings)
    if local.role is Role.CURATOR:
        raise NotAllowed("A curator keeps its whole list, whatever its size", means="Nothing was changed")
    settings = load_settings(invocation.home.settings, invocation.environment)
    is_embedded = kind_of(local.ipfs or settings.ipfs) is NodeKind.EMBEDDED
    changed = with_limits(local, request.limit, request.keep_free, request.part, is_embedded=is_embedded)
    pins = size = 0
    if changed.limit is not None:
        pins, size = stored.beyond(paths, changed.limit)
    if not request.dry_run:
        if pins and request.excess == _UNPIN:
            raise DaemonNotRunning(
                means="Nothing was changed: only the daemon unpins", next_step="`pincrew daemon start`, then try again"
            )
        save(paths.settings, changed)
        pins = size = 0
    shown = _stored(paths)
    shown = msgspec.structs.replace(shown, limit=changed.limit, keep_free=changed.keep_free, part=changed.part.value)
    return LimitsChanged(shown, pins, size, is_dry_run=request.dry_run)
