"""`doctor`: one line per check, with what to do about it. Works without a daemon; with one, its lines are added."""

from __future__ import annotations

import os
import shutil
import socket
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing

import typer

import pincrew
from pincrew.api.shapes import Check
from pincrew.cli import background, figures, selection
from pincrew.cli.exit_codes import ExitCode
from pincrew.cli.invocation import ClusterOption, Invocation, command
from pincrew.cli.output import Output
from pincrew.cli.trust_checks import trust_checks
from pincrew.config_document import parse
from pincrew.errors import Conflict, DaemonNotRunning, NotFound, PincrewError
from pincrew.files import read_file
from pincrew.identity import load_key
from pincrew.limits import CONFIG_DOCUMENT_BYTES_MAX
from pincrew.node_address import FoundBy, NodeAddress, NodeKind
from pincrew.node_choice import node_version
from pincrew.node_finding import address_of, kind_of
from pincrew.paths import ClusterPaths, Home
from pincrew.settings import ClusterSettings, Settings, load_cluster, load_settings
from pincrew.store.database import Database

_ROOM_BYTES = 1_000_000_000
_LINE_COLUMNS_MIN = 40


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    command(app, "doctor")(doctor)


def doctor(invocation: Invocation, cluster: ClusterOption = None) -> int:
    """Check this machine and every cluster on it. Exit code 1 when a check fails."""
    output = invocation.output
    has_failed = False
    for check in _checks(invocation, cluster):
        has_failed = has_failed or check.result == "FAIL"
        if output.is_json:
            output.lines([check])
            continue
        tone = {"ok": "good", "FAIL": "bad"}.get(check.result, "warn")
        where = f"{check.cluster}: " if check.cluster else ""
        text = _wrapped(output, f"{where}{check.check}: {check.text}", 6)
        output.data(f"{output.styled(f'{check.result:<5}', tone)} {text}")
        if check.fix:
            output.data(f"      → {_wrapped(output, check.fix, 8)}")
    return ExitCode.FAILED if has_failed else ExitCode.DONE


def _wrapped(output: Output, text: str, indent: int) -> str:
    """Return a text whose further lines are indented on a terminal; elsewhere it stays one line."""
    text = figures.printable(text)
    if not output.is_terminal:
        return text
    columns = max(_LINE_COLUMNS_MIN, output.width - indent)
    lines = textwrap.wrap(text, columns, break_long_words=False, break_on_hyphens=False)
    return f"\n{' ' * indent}".join(lines)


def _checks(invocation: Invocation, cluster: str | None) -> Iterator[Check]:
    home = invocation.home
    yield _ok("version", f"pincrew {pincrew.__version__}")
    yield from _home(home)
    yield _guarded("socket", lambda: f"{home.daemon_socket(invocation.environment)}")
    settings = Settings()
    try:
        settings = load_settings(home.settings, invocation.environment)
        yield _ok("settings", str(home.settings) if home.settings.exists() else "all at their defaults")
    except PincrewError as error:
        yield _failed("settings", error)
    daemon = None
    try:
        daemon = background.running(invocation.client)
        yield (
            _daemon(daemon.version, daemon.pid)
            if daemon
            else _note("daemon", "not running: nothing is fetched", "Start it: `pincrew daemon start`")
        )
    except PincrewError as error:
        yield _failed("daemon", error)
    chosen = [selection.cluster(home, cluster)] if cluster else home.joined()
    nodes: set[str] = set()
    for paths in chosen:
        yield from _cluster(paths, is_running=daemon is not None)
    if daemon is None:
        for paths in chosen:
            yield from _node_of(paths, home, settings, invocation.environment, nodes)
        if not chosen:
            address = address_of(settings.ipfs, home, invocation.environment)
            yield _node(settings.ipfs, address, invocation.environment)
        return
    for paths in chosen:
        try:
            yield from invocation.client.doctor(paths.name)
        except DaemonNotRunning:
            return
        except NotFound:
            text = "the daemon runs but not this cluster: nothing of it is fetched"
            yield _note("daemon", text, f"Run it: `pincrew serve {paths.name}`", paths.name)
        except Conflict as error:  # it is being left, or still starting
            yield _note("daemon", error.what, error.next_step, paths.name)
        except PincrewError as error:
            yield _failed("daemon", error, paths.name)


def _home(home: Home) -> Iterator[Check]:
    if not home.root.exists():
        yield _note("home", f"{home.root} is not there yet: nothing was joined or created")
        return
    if not os.access(home.root, os.R_OK | os.W_OK | os.X_OK):
        yield Check(None, "home", "FAIL", f"{home.root} cannot be written to", f"Type `chmod u+rwx '{home.root}'`")
        return
    if home.root.stat().st_mode & 0o077:
        yield _note("home", f"{home.root} is open to other users", f"Type `chmod 700 '{home.root}'`")
    else:
        yield _ok("home", str(home.root))
    free = shutil.disk_usage(home.root).free
    if free < _ROOM_BYTES:
        yield _note("room", f"{figures.size(free)} free where pincrew keeps its state", "Free some space there")
    else:
        yield _ok("room", f"{figures.size(free)} free where pincrew keeps its state")


def _cluster(paths: ClusterPaths, *, is_running: bool) -> Iterator[Check]:
    name = paths.name
    try:
        settings = load_cluster(paths.settings)
        yield _ok("settings", f"{settings.role.value}, cluster {settings.cluster_id[:12]}…", name)
    except PincrewError as error:
        yield _failed("settings", error, name)
        return
    yield _guarded(
        "identity", lambda: f"peer key {paths.identity.name} is readable" if load_key(paths.identity) else "", name
    )
    yield _guarded("config document", lambda: _revision(paths), name)
    yield _guarded("store", lambda: _store(paths), name)
    try:
        yield from trust_checks(paths, settings)
    except PincrewError as error:
        yield _failed("trust", error, name)
    if paths.owner.exists():
        yield _note(
            "owner key",
            "it is on this machine: who breaks in here owns the cluster",
            f"Move {paths.owner} to a safe place, and keep a second copy",
            name,
        )
    if not is_running:
        yield from _ports(settings, name)


def _revision(paths: ClusterPaths) -> str:
    return f"revision {parse(read_file(paths.config, CONFIG_DOCUMENT_BYTES_MAX)).revision}, signature checked"


def _store(paths: ClusterPaths) -> str:
    if not paths.state.exists():
        return "nothing stored yet"
    with closing(Database(paths.state, read_only=True)):
        return f"{figures.size(paths.state.stat().st_size)}, readable"


def _ports(settings: ClusterSettings, name: str) -> Iterator[Check]:
    """Try the ports that the daemon will need."""
    for address in settings.listen:
        parts = address.split("/")
        if len(parts) < 5 or parts[3] != "tcp" or not parts[4].isdigit():
            continue
        family = socket.AF_INET6 if parts[1] == "ip6" else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((parts[2], int(parts[4])))
                yield _ok("port", f"{address} is free for the daemon", name)
            except OSError as error:
                reason = os.strerror(error.errno or 0)
                fix = "End the program that uses it, or change `listen` in cluster.toml"
                yield Check(name, "port", "FAIL", f"{address} cannot be used: {reason}", fix)


def _node_of(
    paths: ClusterPaths, home: Home, settings: Settings, environment: Mapping[str, str], asked: set[str]
) -> Iterator[Check]:
    try:
        wanted = load_cluster(paths.settings).ipfs or settings.ipfs
        address = address_of(wanted, home, environment)
    except PincrewError:
        return  # it was told above
    if str(address) not in asked:
        asked.add(str(address))
        yield _node(wanted, address, environment)


def _node(wanted: str, address: NodeAddress, environment: Mapping[str, str]) -> Check:
    """Ask a node for its version."""
    how = "" if address.found_by is FoundBy.ASKED else f" (from {address.found_by.value})"
    is_ours = kind_of(wanted) is NodeKind.EMBEDDED
    version = node_version(address, environment)
    if version is not None:
        name = "pincrew's own node" if is_ours else "Kubo"
        return _ok("IPFS node", f"{name} {version} answers at {address}{how}")
    if is_ours:
        return _note("IPFS node", "pincrew's own node is not running", "It starts with the daemon, where it is needed")
    fix = "Start it with `ipfs daemon`; another address: PINCREW_IPFS"
    return _note("IPFS node", f"nothing answers at {address}{how}", fix)


def _daemon(version: str, pid: int) -> Check:
    if version != pincrew.__version__:
        text = f"process {pid} has version {version}, this command {pincrew.__version__}"
        return _note("daemon", text, "Restart it: `pincrew daemon stop`, then `pincrew daemon start`")
    return _ok("daemon", f"process {pid} answers")


def _guarded(check: str, ask: Callable[[], str], cluster: str | None = None) -> Check:
    try:
        return _ok(check, ask(), cluster)
    except PincrewError as error:
        return _failed(check, error, cluster)


def _ok(check: str, text: str, cluster: str | None = None) -> Check:
    return Check(cluster, check, "ok", text, None)


def _note(check: str, text: str, fix: str | None = None, cluster: str | None = None) -> Check:
    return Check(cluster, check, "note", text, fix)


def _failed(check: str, error: PincrewError, cluster: str | None = None) -> Check:
    where = f" ({error.where})" if error.where else ""
    return Check(cluster, check, "FAIL", f"{error.what.rstrip('.')}{where}", error.next_step or error.means or None)
