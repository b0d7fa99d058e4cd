"""`doctor`: one line per check, with what to do about it. Works without a daemon; with one, its lines are added."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated

import typer

import pincrew
from pincrew.api.shapes import Check
from pincrew.cli import autostart, background, selection
from pincrew.cli.doctor_lines import failed, guarded, note, ok, shown, wrong
from pincrew.cli.doctor_machine import clock_check, home_checks, login_check, node_check, node_of, port_checks
from pincrew.cli.doctor_repair import repair
from pincrew.cli.doctor_store import ANEW, StoreLook
from pincrew.cli.exit_codes import ExitCode
from pincrew.cli.invocation import ClusterOption, Invocation, command
from pincrew.cli.trust_checks import trust_checks
from pincrew.config_document import parse
from pincrew.errors import Conflict, DaemonNotRunning, NotFound, PincrewError
from pincrew.files import read_file
from pincrew.identity import load_key
from pincrew.limits import CONFIG_DOCUMENT_BYTES_MAX
from pincrew.node_finding import address_of
from pincrew.paths import ClusterPaths
from pincrew.settings import ClusterSettings, Settings
from pincrew.settings_files import cluster_in_force, load_settings
from pincrew.tokens import TokenBook


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    command(app, "doctor")(doctor)


def doctor(
    invocation: Invocation,
    cluster: ClusterOption = None,
    is_whole: Annotated[bool, typer.Option("--all", help="Look at all of a large list, not at samples.")] = False,
    is_repair: Annotated[
        bool, typer.Option("--repair", help="Mend what can be mended; looks at all of a list.")
    ] = False,
    is_agreed: Annotated[bool, typer.Option("--yes", help="With --repair: move a broken state away, unasked.")] = False,
) -> int:
    """Check this machine and every cluster on it. Exit code 1 when a check fails.

    Example: `pincrew doctor`
    """
    output = invocation.output
    has_failed = False
    for check in Doctor(invocation, is_whole=is_whole, is_repair=is_repair, is_agreed=is_agreed).checks(cluster):
        has_failed = has_failed or check.result == "FAIL"
        shown(output, check)
    return ExitCode.FAILED if has_failed else ExitCode.DONE


class Doctor:
    """One run of the command."""

    def __init__(self, invocation: Invocation, *, is_whole: bool, is_repair: bool, is_agreed: bool) -> None:
        self._invocation = invocation
        self._is_whole = is_whole or is_repair
        self._is_repair = is_repair
        self._is_agreed = is_agreed
        self._is_daemon_running = False

    def checks(self, cluster: str | None) -> Iterator[Check]:
        """Yield every line, as soon as it is known; ``cluster`` names the only one to look at."""
        invocation, home = self._invocation, self._invocation.home
        yield ok("version", f"pincrew {pincrew.__version__}")
        yield from home_checks(home)
        yield guarded("socket", lambda: f"{home.daemon_socket(invocation.environment)}")
        settings = Settings()
        try:
            settings = load_settings(home.settings, invocation.environment)
            yield ok("settings", str(home.settings) if home.settings.exists() else "all at their defaults")
        except PincrewError as error:
            yield failed("settings", error)
        yield self._daemon()
        chosen = [selection.cluster(home, cluster)] if cluster else home.joined()
        yield clock_check(time.time(), _issued(chosen))
        if chosen:
            yield login_check(*autostart.outlook(invocation))
        for paths in chosen:
            yield from self._cluster(paths)
        if self._is_daemon_running:
            yield from self._of_the_daemon(chosen)
            return
        nodes: set[str] = set()
        for paths in chosen:
            yield from node_of(paths, home, settings, invocation.environment, nodes)
        if not chosen:
            address = address_of(settings.ipfs, home, invocation.environment)
            yield node_check(settings.ipfs, address, invocation.environment)

    def _daemon(self) -> Check:
        try:
            daemon = background.running(self._invocation.client)
        except PincrewError as error:
            return failed("daemon", error)
        if daemon is None:
            return note("daemon", "not running: nothing is fetched", "Start it: `pincrew daemon start`")
        self._is_daemon_running = True
        if daemon.version != pincrew.__version__:
            text = f"process {daemon.pid} has version {daemon.version}, this command {pincrew.__version__}"
            return note("daemon", text, "Restart it: `pincrew daemon stop`, then `pincrew daemon start`")
        return ok("daemon", f"process {daemon.pid} answers")

    def _cluster(self, paths: ClusterPaths) -> Iterator[Check]:
        name = paths.name
        try:
            settings = cluster_in_force(paths.settings, self._invocation.environment)
            yield ok("settings", f"{settings.role.value}, cluster {settings.cluster_id[:12]}…", name)
        except PincrewError as error:
            yield failed("settings", error, name)
            return
        yield guarded(
            "identity", lambda: f"peer key {paths.identity.name} is readable" if load_key(paths.identity) else "", name
        )
        yield guarded("config document", lambda: _revision(paths), name)
        look = StoreLook(paths, is_whole=self._is_whole, is_daemon_running=self._is_daemon_running)
        yield from look.checks()
        try:
            yield from trust_checks(paths, settings)
        except PincrewError as error:
            yield wrong("trust", error.what, error.next_step or ANEW, name)
        if _is_open_to_all(paths, settings):
            yield note(
                "REST API",
                "`rest_unprotected` is set and nobody is asked who they are: whoever reaches it can change the list",
                f"Make a token, and callers must show one: `pincrew token new -c {name}`",
                name,
            )
        if paths.owner.exists():
            yield note(
                "owner key",
                "it is on this machine: who breaks in here owns the cluster",
                f"Move {paths.owner} to a safe place, and keep a second copy",
                name,
            )
        if not self._is_daemon_running:
            yield from port_checks(settings, name)
        if self._is_repair:
            yield repair(
                self._invocation,
                paths,
                look,
                is_daemon_running=self._is_daemon_running,
                is_agreed=self._is_agreed,
            )

    def _of_the_daemon(self, chosen: list[ClusterPaths]) -> Iterator[Check]:
        for paths in chosen:
            try:
                yield from self._invocation.client.doctor(paths.name)
            except DaemonNotRunning:
                return
            except NotFound:
                text = "the daemon runs but not this cluster: nothing of it is fetched"
                yield note("daemon", text, f"Run it: `pincrew serve {paths.name}`", paths.name)
            except Conflict as error:  # it is being left, or still starting
                yield note("daemon", error.what, error.next_step, paths.name)
            except PincrewError as error:
                yield failed("daemon", error, paths.name)


def _issued(chosen: list[ClusterPaths]) -> dict[str, int]:
    """Return when the config document of each cluster was made; one that cannot be read has a line of its own."""
    found = {}
    for paths in chosen:
        with suppress(PincrewError):
            found[paths.name] = parse(read_file(paths.config, CONFIG_DOCUMENT_BYTES_MAX)).issued
    return found


def _is_open_to_all(paths: ClusterPaths, settings: ClusterSettings) -> bool:
    """Say whether the REST API asks nobody who they are, wherever it is offered; of damaged tokens all are asked."""
    try:
        return settings.rest_unprotected and not settings.rest_users and TokenBook(paths.tokens).tokens() is None
    except PincrewError:
        return False


def _revision(paths: ClusterPaths) -> str:
    return f"revision {parse(read_file(paths.config, CONFIG_DOCUMENT_BYTES_MAX)).revision}, signature checked"
