"""The gate to the terminal view, the only door to ``pincrew.tui``: who gets it, and how it is set up.

Textual draws on stderr and asks nobody whether a terminal is there: in a pipe, under systemd or on a dumb terminal it
would write its escape codes all the same. So it is asked here. Nothing else imports Textual: it takes 0.2 s and 23 MiB.
"""

from __future__ import annotations

import gc
import io
import sys
from dataclasses import replace
from typing import Annotated

import typer

from pincrew.api.shapes import Summary
from pincrew.cli.exit_codes import ExitCode
from pincrew.cli.invocation import ClusterOption, Invocation, command
from pincrew.cli.output import Output
from pincrew.errors import Misuse, PincrewError
from pincrew.node_address import NodeKind
from pincrew.settings_files import load_settings, save


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    command(app, "tui")(tui)


def tui(
    invocation: Invocation,
    cluster: ClusterOption = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Look only: keys that change something do nothing.")
    ] = False,
) -> int:
    """Watch and steer everything in the terminal.

    `pincrew` alone opens it too, once there is something to show. Closing it ends nothing: the daemon goes on.

    Example: `pincrew tui -c books`
    """
    if invocation.output.is_json:
        raise Misuse("The terminal view prints no JSON", next_step="`pincrew status --json` says what it shows")
    if not is_possible(invocation):
        raise Misuse(
            "The terminal view needs a terminal",
            where="stdin, stdout and stderr, a TERM that is not `dumb`, no CI, PINCREW_PLAIN or `--plain`",
            next_step="`pincrew status` prints what it would show",
        )
    show(invocation, cluster, is_read_only=read_only)
    return ExitCode.DONE


def is_possible(invocation: Invocation) -> bool:
    """Say whether the terminal view may be drawn here."""
    output = invocation.output
    try:
        is_typed = sys.stdin.isatty()
    except (ValueError, AttributeError):  # closed, or none
        is_typed = False
    return is_typed and output.is_live and output.is_talk_live


def is_useful(invocation: Invocation) -> bool:
    """Say whether `pincrew` alone opens it: something is followed here."""
    return bool(invocation.home.joined()) and is_possible(invocation)


def show(invocation: Invocation, cluster: str | None = None, *, is_read_only: bool = False) -> None:
    """Show the terminal view until its user closes it, and say that following goes on."""
    gc.disable()  # as in __main__; the view has it enabled again after its first frame
    from pincrew.tui.app import Options, TerminalView

    path = invocation.home.settings
    settings = load_settings(path, invocation.environment)

    def start_daemon() -> None:
        from pincrew.cli import background

        background.ensure(invocation)

    # Nothing may be printed or asked while the view has the terminal.
    quiet = Invocation(Output(is_json=True, out=io.StringIO(), err=io.StringIO()), invocation.environment)

    def gateway(summary: Summary) -> str:
        return _gateway(invocation, summary, settings.gateway)

    view = TerminalView(
        invocation.client,
        cluster=cluster,
        options=Options(
            is_read_only=is_read_only,
            is_ascii=not invocation.output.has_signs,
            theme=settings.view_theme,
            keys=settings.view_keys,
            gateway=gateway,
            start_daemon=start_daemon,
            can_start_at_login=lambda: _can_start_at_login(quiet),
            start_at_login=lambda: _start_at_login(quiet),
        ),
    )
    view.run()
    chosen = view.chosen_theme
    if chosen is not None and not is_read_only:
        _keep_theme(invocation, chosen)
    if view.return_code:
        raise Misuse("The terminal view ended by itself", next_step="`pincrew status` says how everything is")
    if view.is_followed_on:
        invocation.output.say(
            "Following goes on in the background. `pincrew` opens this view again; `pincrew leave` ends it."
        )


# What only an act needs is imported by it: the first frame waits for none of that.


def _can_start_at_login(quiet: Invocation) -> bool:
    from pincrew.cli import autostart

    return autostart.is_possible(quiet)


def _start_at_login(quiet: Invocation) -> None:
    """Have the daemon started at each login. Raises PincrewError."""
    from pincrew.cli import autostart

    autostart.turn_on(quiet, is_agreed=False)


def _keep_theme(invocation: Invocation, theme: str) -> None:
    """Write the theme into the settings; that this fails spoils nothing."""
    path = invocation.home.settings
    try:
        save(path, replace(load_settings(path, {}), view_theme=theme))
    except PincrewError as error:
        invocation.output.say(f"pincrew: {error.sentence}")


def _gateway(invocation: Invocation, summary: Summary, configured: str) -> str:
    """Return where what the cluster's node keeps can be opened; empty: nowhere."""
    if summary.node.kind != NodeKind.EMBEDDED:
        return configured
    from pincrew.node_calls import NodeCalls
    from pincrew.node_finding import address_of

    node = NodeCalls(address_of(NodeKind.EMBEDDED, invocation.home, invocation.environment))
    listens = str(node.object("config/show").get("Addresses", {}).get("Gateway", ""))
    return f"http://{listens}" if listens and "://" not in listens else listens
