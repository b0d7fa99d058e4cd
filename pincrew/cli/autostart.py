"""`autostart`: have the daemon started at login, by whatever starts things on this system."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Protocol

import typer

from pincrew.cli import autostart_systemd, background
from pincrew.cli.answers import Autostart
from pincrew.cli.autostart_entry import Entry, entry_for, is_untouched
from pincrew.cli.autostart_launchd import Launchd
from pincrew.cli.autostart_launchd import usual_home as launchd_home
from pincrew.cli.autostart_systemd import Systemd
from pincrew.cli.autostart_systemd import usual_home as systemd_home
from pincrew.cli.exit_codes import ExitCode
from pincrew.cli.invocation import Invocation, command
from pincrew.cli.prompts import agree, require_terminal
from pincrew.errors import NotFound, WorldFault
from pincrew.files import private_folder, read_file, told, write_file
from pincrew.settings_files import cluster_environment_names, environment_names

_BYTES_MAX = 64 * 1024


class Starter(Protocol):
    """What starts things on a system: a file in a folder of its own, and a manager that reads it."""

    name: str
    text: str
    start_line: str

    @property
    def path(self) -> Path:
        """Where its file is."""

    @property
    def is_enabled(self) -> bool:
        """Whether the daemon is started at the next login."""

    @property
    def answers(self) -> bool:
        """Whether the manager hears us."""

    @property
    def is_running(self) -> bool:
        """Whether the daemon that it started runs."""

    @property
    def is_lingering(self) -> bool | None:
        """Whether it starts with the machine, without a login; None where there is no such thing."""

    def enable(self) -> None:
        """Have the daemon started at every login."""

    def start(self) -> None:
        """Start it now."""

    def disable(self) -> None:
        """Start it no more."""

    def forget(self) -> None:
        """Notice that the file is gone."""


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Start the daemon at login, by itself.")
    command(group, "on")(on)
    command(group, "off")(off)
    command(group, "status")(status)
    app.add_typer(group, name="autostart")


def on(
    invocation: Invocation,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Replace an entry that you changed.")] = False,
) -> int:
    """Have the daemon started at every login, and now if it does not run.

    With systemd by a unit of the user, on macOS by a launch agent; elsewhere it says what to write where. Harmless
    when it is on already.

    Example: `pincrew autostart on`, and for a machine that nobody logs in to: `loginctl enable-linger`
    """
    state = turn_on(invocation, is_agreed=yes)
    if state is not None and invocation.output.is_json:
        invocation.output.object(state)
    return ExitCode.FAILED if state is None else ExitCode.DONE


def off(
    invocation: Invocation,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove an entry that you changed.")] = False,
) -> int:
    """Start the daemon at login no more. One that runs goes on.

    An entry that you changed stays where it is. systemd does not use it any more; launchd would, so that it says how to
    go on (exit code 1).

    Example: `pincrew autostart off`
    """
    starter = _starter_or_none(invocation)
    output = invocation.output
    found = None if starter is None else _read(starter)
    was_enabled = starter is not None and starter.is_enabled
    if starter is not None and (found is not None or was_enabled):
        starter.disable()
        if found is not None and (yes or is_untouched(found)):
            with told(starter.path, "remove"):
                starter.path.unlink(missing_ok=True)
            starter.forget()
    if output.is_json:
        output.object(_state(invocation, starter))
    elif starter is None or (found is None and not was_enabled):
        output.say("It was off already.")
    elif starter.is_enabled:
        output.say(f"{starter.path} was changed by you, and {starter.name} uses it as long as it is there.")
        output.say("Remove it, or add `--yes`.")
    elif starter.path.exists():
        output.say(f"The daemon is not started at login any more. {starter.path} was changed by you and stays.")
    else:
        output.say(f"The daemon is not started at login any more: {starter.path} is removed.")
    return ExitCode.FAILED if starter is not None and starter.is_enabled else ExitCode.DONE


def status(invocation: Invocation) -> None:
    """Say whether the daemon is started at login, by what, and whether it needs a login.

    Example: `pincrew autostart status --json`
    """
    starter = _starter_or_none(invocation)
    state = _state(invocation, starter)
    if invocation.output.is_json:
        invocation.output.object(state)
    elif starter is None:
        invocation.output.data(f"pincrew knows nothing here that starts a program at login. For cron: {state.line}")
    else:
        invocation.output.data(_text(state))


def turn_on(invocation: Invocation, *, is_agreed: bool) -> Autostart | None:
    """Do and say what `autostart on` does, and return how it stands then.

    None: the user did not want to lose an entry that was changed. Raises WorldFault where there is nothing that starts
    a program at login (``is_possible``), or where that refuses.
    """
    starter = _starter(invocation)
    output = invocation.output
    found = _read(starter)
    if found is not None and found != starter.text and not is_untouched(found):
        require_terminal(invocation, is_agreed=is_agreed)
        question = f"{starter.path} was changed by hand. Replace it?"
        if not agree(invocation, question, is_agreed=is_agreed, default=False):
            output.say("Nothing was changed.")
            return None
    if found != starter.text:
        private_folder(starter.path.parent)
        write_file(starter.path, starter.text.encode(), 0o644)
    private_folder(invocation.home.root)  # where the manager opens the log before the daemon is there to make it
    starter.enable()
    daemon = background.running(invocation.client)
    if daemon is None and starter.answers:
        starter.start()
    state = _state(invocation, starter)
    output.say(_text(state))
    if not state.answers:
        output.say(f"{starter.name} does not answer here, so nothing was started now: `pincrew daemon start` does.")
    elif daemon is not None and not state.running:
        output.say(f"The daemon that runs goes on. To hand over now: `pincrew daemon stop && {starter.start_line}`")
    of_clusters = [name for name in cluster_environment_names() if invocation.environment.get(name)]
    for_all = [name for name in environment_names() if invocation.environment.get(name)]
    for unseen, file in ((for_all, "settings.toml"), (of_clusters, "the cluster's cluster.toml")):
        if unseen:
            names = ", ".join(sorted(unseen))
            output.say(f"{names}: {starter.name} does not know what your shell sets. Write it to {file}.")
    return state


def is_possible(invocation: Invocation) -> bool:
    """Tell whether ``turn_on`` would have the daemon started at login, and it is not so already."""
    starter = _starter_or_none(invocation)
    return starter is not None and not starter.is_enabled


def _starter(invocation: Invocation) -> Starter:
    starter = _starter_or_none(invocation)
    if starter is None:
        raise WorldFault(
            "pincrew knows nothing here that starts a program at login: there is neither systemd nor launchd",
            means="Nothing was changed",
            next_step=f"With cron, add this line with `crontab -e`: `{_cron_line(_entry(invocation))}`",
        )
    return starter


def _starter_or_none(invocation: Invocation) -> Starter | None:
    entry = _entry(invocation)
    if sys.platform == "darwin":
        return Launchd(entry, invocation.environment)
    return Systemd(entry, invocation.environment) if autostart_systemd.is_here() else None


def outlook(invocation: Invocation) -> tuple[bool, bool | None]:
    """Return whether the daemon is started at login, and whether without one (None: there is no such thing here)."""
    starter = _starter_or_none(invocation)
    if starter is None:
        return False, None
    return _read(starter) is not None and starter.is_enabled, starter.is_lingering


def _entry(invocation: Invocation) -> Entry:
    usual = launchd_home if sys.platform == "darwin" else systemd_home
    return entry_for(invocation.home, usual(invocation.environment))


def _read(starter: Starter) -> str | None:
    try:
        return read_file(starter.path, _BYTES_MAX).decode(errors="replace")
    except NotFound:
        return None


def _state(invocation: Invocation, starter: Starter | None) -> Autostart:
    if starter is None:
        home, line = str(invocation.home.root), _cron_line(_entry(invocation))
        return Autostart(False, None, None, False, False, False, None, home, line)
    found = _read(starter)
    return Autostart(
        enabled=found is not None and starter.is_enabled,
        manager=starter.name,
        path=str(starter.path) if found is not None else None,
        edited=found is not None and not is_untouched(found),
        answers=starter.answers,
        running=starter.is_running,
        lingering=starter.is_lingering,
        home=str(invocation.home.root),
        line=None,
    )


def _text(state: Autostart) -> str:
    if not state.enabled:
        return "The daemon is not started at login. `pincrew autostart on` has it started."
    edited = ", changed by you" if state.edited else ""
    lines = [f"The daemon is started at login by {state.manager} ({state.path}{edited})."]
    if state.lingering:
        lines.append("Lingering is on: it starts with the machine and outlives your logout.")
    elif state.lingering is not None:
        lines.append("Lingering is off: it starts when you log in and ends when you log out.")
        lines.append("To have it start with the machine and go on without you: `loginctl enable-linger`")
    return "\n".join(lines)


def _cron_line(entry: Entry) -> str:
    """Return a line for a crontab, where a percent sign is the end of the command."""
    words = [*entry.program, "daemon", "start"]
    if not entry.is_usual_home:
        words = ["env", f"PINCREW_HOME={entry.home.root}", *words]
    return f"@reboot {shlex.join(words)}".replace("%", "\\%")
