"""`daemon`: the one process that does the work for this home."""

from __future__ import annotations

import typer

from pincrew.cli import background
from pincrew.cli.answers import DaemonState
from pincrew.cli.exit_codes import ExitCode
from pincrew.cli.invocation import Invocation, command


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The process that does the work.")
    command(group, "run")(run)
    command(group, "start")(start)
    command(group, "stop")(stop)
    command(group, "status")(status)
    app.add_typer(group, name="daemon")


def run(invocation: Invocation) -> int:
    """Run the daemon in the foreground, until SIGINT or SIGTERM. For systemd and containers.

    Example: `pincrew daemon run`
    """
    from pincrew.daemon import run_daemon  # libp2p, pycrdt and trio come with it

    return int(run_daemon(invocation.home, serve=None) or ExitCode.DONE)


def start(invocation: Invocation) -> None:
    """Start the daemon in the background; return once its API answers. Harmless when it runs.

    Example: `pincrew daemon start`
    """
    _, was_started = background.ensure(invocation)
    _print(invocation)
    if not was_started:
        invocation.output.say("It was running already.")


def stop(invocation: Invocation) -> None:
    """Stop the daemon; return once its process is gone. Nothing is lost; nothing is fetched meanwhile.

    Example: `pincrew daemon stop`
    """
    pid = background.stop(invocation)
    if invocation.output.is_json:
        _print(invocation)
    elif pid is None:
        invocation.output.say("The daemon was not running.")
    else:
        invocation.output.say(
            f"The daemon (process {pid}) has ended. Pins stay pinned; `pincrew daemon start` goes on."
        )


def status(invocation: Invocation) -> int:
    """Say whether the daemon runs. Exit code 3 when it does not.

    Example: `pincrew daemon status --json`
    """
    return _print(invocation)


def _print(invocation: Invocation) -> int:
    found = background.running(invocation.client)
    home = invocation.home
    state = DaemonState(
        running=found is not None,
        pid=found.pid if found else None,
        version=found.version if found else None,
        home=str(home.root),
        clusters=found.clusters if found else [],
        log=str(home.daemon_log),
    )
    output = invocation.output
    if output.is_json:
        output.object(state)
    elif found is None:
        output.data("The daemon is not running. Start it: `pincrew daemon start`")
    else:
        output.data(f"The daemon runs: process {found.pid}, version {found.version}, home {found.home}")
        output.data(f"Clusters: {', '.join(found.clusters) or 'none yet'}")
    return ExitCode.DONE if found else ExitCode.NO_DAEMON
