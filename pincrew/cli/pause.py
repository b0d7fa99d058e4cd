"""`pause` and `resume`: fetch nothing new for a while. With no daemon they work on the settings."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import typer

from pincrew import figures
from pincrew.api.shapes import Paused
from pincrew.cli import background, selection
from pincrew.cli.invocation import ClusterOption, Invocation, command
from pincrew.cli.output import Output
from pincrew.errors import Misuse
from pincrew.paths import ClusterPaths
from pincrew.pause import Pause, pause_asked
from pincrew.settings_files import load_cluster, load_settings, save
from pincrew.timetable import timetable_of


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    command(app, "pause")(pause)
    command(app, "resume")(resume)


def pause(
    invocation: Invocation,
    cluster: ClusterOption = None,
    for_: Annotated[str, typer.Option("--for", metavar="TIME", help="For so long: 90m, 1h, 2d.")] = "",
    until: Annotated[str, typer.Option("--until", metavar="HH:MM", help="Until that time of the day.")] = "",
    until_quiet_ends: Annotated[
        bool, typer.Option("--until-quiet-ends", help="Until the quiet hours end that it is in.")
    ] = False,
) -> None:
    """Fetch nothing new for a while.

    What is under way is interrupted and goes on afterwards; what is pinned stays, and is served. Without an option it
    lasts until `pincrew resume`, also over restarts.

    Example: `pincrew pause --until 23:00`
    """
    paths = selection.cluster(invocation.home, cluster)
    if until_quiet_ends and (for_ or until):
        raise Misuse("`--until-quiet-ends` goes without `--for` and `--until`", means="Nothing was changed")
    wanted = _quiet(invocation) if until_quiet_ends else pause_asked(for_, until, datetime.now().astimezone())
    if background.running(invocation.client) is not None:
        paused = invocation.client.pause(paths.name, None if wanted.until_ms is None else wanted.text)
    else:
        paused = _stored(paths, wanted)
    _show(invocation.output, paused)


def resume(invocation: Invocation, cluster: ClusterOption = None) -> None:
    """End a pause: what is missing is fetched again. Harmless where there is none.

    Example: `pincrew resume -c books`
    """
    paths = selection.cluster(invocation.home, cluster)
    is_running = background.running(invocation.client) is not None
    resumed = invocation.client.resume(paths.name) if is_running else _stored(paths, None)
    if resumed.is_paused and resumed.until is not None and not invocation.output.is_json:
        until = figures.wall_time(resumed.until, datetime.now(UTC))
        invocation.output.data(f"{resumed.cluster} waits until {until} all the same: the monthly cap is reached.")
        invocation.output.say("Another cap: `pincrew limits --monthly-cap SIZE|none`")
        return
    _show(invocation.output, resumed)


def _quiet(invocation: Invocation) -> Pause:
    """Return a pause to the end of the quiet hours. Raises Misuse where there is none."""
    if background.running(invocation.client) is not None:
        hours = invocation.client.network().quiet_hours or ""
    else:
        hours = load_settings(invocation.home.settings, invocation.environment).quiet_hours
    ends = timetable_of(hours).quiet_ends(datetime.now().astimezone())
    if ends is None:
        raise Misuse(
            "These are no quiet hours that end", means="Nothing was changed", next_step="`pincrew limits` shows them"
        )
    return Pause(round(ends.timestamp() * 1_000))


def _stored(paths: ClusterPaths, wanted: Pause | None) -> Paused:
    text = "" if wanted is None else wanted.text
    save(paths.settings, replace(load_cluster(paths.settings), paused=text))
    until = None if wanted is None or wanted.until_ms is None else wanted.text
    return Paused(paths.name, wanted is not None, until)


def _show(output: Output, paused: Paused) -> None:
    if output.is_json:
        output.object(paused)
    elif not paused.is_paused:
        output.data(f"{paused.cluster} goes on: what is missing is fetched.")
    else:
        end = "until you resume it"
        if paused.until is not None:
            end = f"until {figures.wall_time(paused.until, datetime.now(UTC))}"
        output.data(f"{paused.cluster} is paused {end}: nothing new is fetched.")
        output.say(f"What is pinned stays. End it: `pincrew resume -c {paused.cluster}`")
