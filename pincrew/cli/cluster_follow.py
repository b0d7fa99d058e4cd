"""The grammar of ipfs-cluster-follow 1.1.6, carried out by pincrew: `compat install` writes a program that runs this.

    ipfs-cluster-follow [--config DIR] [NAME [info | init SOURCE | run [--init SOURCE] | list]]

Lines and exit codes are those of the Go program: 0, and 1 for whatever goes wrong; what is wrong goes to stderr, what
is only told to stdout. What differs is meant: `init` looks at the source, and refuses what cannot be followed before it
writes anything; a name is a folder's name and nothing else; the source being down, or the IPFS node, ends nothing; a
list is shown with and without the daemon, whatever it is stored in.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pincrew import __version__, figures
from pincrew.api.shapes import AcceptRequest, GlobalPinInfo, Summary
from pincrew.cli import background, stored
from pincrew.cli.curate import serve
from pincrew.cli.invocation import Invocation
from pincrew.cli.output import Output
from pincrew.errors import Conflict, DaemonNotRunning, Misuse, NodeDown, NodeRefused, NotFound, PincrewError
from pincrew.node_calls import NodeCalls
from pincrew.node_choice import AUTO
from pincrew.node_finding import address_of, authorization
from pincrew.paths import ClusterPaths, cluster_name
from pincrew.settings_files import load_cluster, load_settings

PROGRAM = "ipfs-cluster-follow"
_NODE_TIMEOUT_S = 10.0

_HELP = f"""\
NAME:
   {PROGRAM} - IPFS Cluster Follower, carried out by pincrew

USAGE:
   {PROGRAM} [global options] <clusterName> [subcommand]...

COMMANDS (after a <clusterName>):
   info                 displays information for this peer
   init <source>        initializes the follower peer
   run [--init SOURCE]  runs the follower peer, in the foreground
   list                 list items in the peers' pinset

GLOBAL OPTIONS:
   --config FOLDER  pincrew's home [$PINCREW_HOME, $IPFS_CLUSTER_PATH]
   --help, -h       show help
   --version, -v    print the version

All of it, and more, can be done with `pincrew`: see `pincrew --help`.
"""

_FIRST_START = f"""
No clusters configured yet!

If this is the first time you are running {PROGRAM},
be sure to check out the usage documentation. Here are some
examples to get you going:

$ {PROGRAM} --help                     - general description and usage help
$ {PROGRAM} <clusterName> --help       - Help and subcommands for the <clusterName>'s follower peer
$ {PROGRAM} <clusterName> info --help  - Help for the "info" subcommand (same for others).
"""


class _Failed(Exception):
    """What was asked for did not work; the words are on stderr, or said already where there are none."""


@dataclass(frozen=True)
class _Words:
    """A command line taken apart. ``name`` empty: the clusters are listed."""

    config: str = ""
    name: str = ""
    subcommand: str = "info"
    rest: tuple[str, ...] = ()
    init: str = ""
    gateway: str = ""
    wants_help: bool = False
    wants_version: bool = False


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run one command line; return its exit code."""
    try:
        words = _taken_apart(arguments)
        if words.wants_version:
            print(f"{PROGRAM} version {__version__} (pincrew)")
        elif words.wants_help:
            print(_HELP, end="")
        else:
            _carry_out(words, _invocation(words, environment))
        sys.stdout.flush()
        return 0
    except _Failed as failure:
        if str(failure):
            print(failure, file=sys.stderr)
    except PincrewError as error:
        print(error.sentence, file=sys.stderr)
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _taken_apart(arguments: Sequence[str]) -> _Words:
    """Read a command line as the Go program does: options with one dash or two, with a space or with `=`."""
    fields: dict[str, str] = {"gateway": ""}
    flags: set[str] = set()
    plain: list[str] = []
    left = list(arguments)
    while left:
        word = left.pop(0)
        if not word.startswith("-") or word == "-":
            plain.append(word)
            continue
        option, equals, value = word.lstrip("-").partition("=")
        if option in ("help", "h") or (option in ("version", "v") and not plain):
            flags.add(option[0])
            continue
        # Each where the Go program takes it: before the name, or after the subcommand.
        if not ((option == "config" and not plain) or (option in ("init", "gateway") and len(plain) >= 2)):
            raise _Failed(f"Incorrect Usage: flag provided but not defined: -{option}")
        if not equals and not left:
            raise _Failed(f"Incorrect Usage: flag needs an argument: -{option}")
        fields[option] = value if equals else left.pop(0)
    name, subcommand, *rest = [*plain, "", ""][: max(2, len(plain))]
    return _Words(
        name=name,
        subcommand=subcommand or "info",
        rest=tuple(rest),
        wants_help="h" in flags or subcommand in ("help", "h") or name in ("help", "h"),
        wants_version="v" in flags,
        **fields,
    )


def _invocation(words: _Words, environment: Mapping[str, str]) -> Invocation:
    """Return what pincrew's own commands are given: `--config` is the home, and so is what the variables name."""
    home = words.config or environment.get("PINCREW_HOME") or environment.get("IPFS_CLUSTER_PATH", "")
    changed = {**environment, "PINCREW_HOME": str(Path(home).expanduser().absolute())} if home else dict(environment)
    return Invocation(Output(is_plain=True, environment=changed), changed)


def _carry_out(words: _Words, invocation: Invocation) -> None:
    if not words.name:
        _list_clusters(invocation)
        return
    commands: dict[str, Callable[[_Words, Invocation, ClusterPaths], None]] = {
        "info": _info,
        "init": _init,
        "run": _run,
        "list": _list,
    }
    if words.subcommand not in commands:
        raise _Failed(f"There is no subcommand {words.subcommand!r}. There are: {', '.join(commands)}")
    if cluster_name(words.name) != words.name:
        plain = cluster_name(words.name)
        raise _Failed(f"{words.name!r} cannot be the name of a cluster's folder. Did you mean {plain!r}?")
    commands[words.subcommand](words, invocation, invocation.home.cluster(words.name))


def _list_clusters(invocation: Invocation) -> None:
    names = [paths.name for paths in invocation.home.joined()]
    if not names:
        print(_FIRST_START, end="")
        return
    print(f"Configurations found for {len(names)} follower peers. For info and help, try running:\n")
    for name in names:
        print(f'{PROGRAM} "{name}"')
    print(f'\nTip: "{PROGRAM} --help" for help and examples.')


def _require_initialized(paths: ClusterPaths) -> None:
    if not paths.settings.exists():
        print("\nThis cluster peer has not been initialized.\n")
        print(f'Try running "{PROGRAM} {paths.name} init <config-url>" first.')
        raise _Failed


# ---- info ------------------------------------------------------------------------------------------------------------


def _info(_: _Words, invocation: Invocation, paths: ClusterPaths) -> None:
    _require_initialized(paths)
    summary = _running(invocation, paths.name)
    print(f'Information about follower peer for Cluster "{paths.name}":\n')
    print(f"Config folder: {paths.folder}")
    print(f"Config source URL: {_source_text(invocation, paths, summary)}")
    print(f"Cluster Peer online: {_go(summary is not None)}")
    is_up = summary.node.state == "up" if summary is not None else _node_answers(invocation, paths)
    print(f"IPFS peer online: {_go(is_up)}")


def _running(invocation: Invocation, name: str) -> Summary | None:
    """Return how a cluster does; None where it does not run."""
    try:
        return invocation.client.summary(name)
    except (DaemonNotRunning, NotFound, Conflict):
        return None


def _source_text(invocation: Invocation, paths: ClusterPaths, summary: Summary | None) -> str:
    source = figures.printable(load_cluster(paths.settings).source)
    if summary is None:
        return f"not asked while the peer is offline ({source})"
    if summary.role == "follower":
        try:
            state = invocation.client.decide_source(paths.name, "check").state
        except Misuse:
            state = "unreachable"
        if state == "unreachable":
            return f"failed retrieving configuration source ({source})"
    return f"Available ({source})"


def _node_answers(invocation: Invocation, paths: ClusterPaths) -> bool:
    settings = load_settings(invocation.home.settings, invocation.environment)
    wanted = load_cluster(paths.settings).ipfs or settings.ipfs
    try:
        address = address_of(wanted, invocation.home, invocation.environment)
        calls = NodeCalls(address, authorization(invocation.environment.get("PINCREW_IPFS_AUTH")))
        return bool(calls.object("id", timeout_s=_NODE_TIMEOUT_S))
    except (NodeDown, NodeRefused):
        return False


def _go(value: bool) -> str:
    return "true" if value else "false"


# ---- init and run ----------------------------------------------------------------------------------------------------


def _init(words: _Words, invocation: Invocation, paths: ClusterPaths) -> None:
    if not words.rest:
        raise _Failed("configuration URL not provided")
    if paths.settings.exists():
        raise _Failed(
            "Configuration for this cluster already exists.\n"
            f"Please delete {paths.folder} if you wish to re-initialize."
            f" (`pincrew leave -c {paths.name}` does, and lets go of what it pinned.)"
        )
    _initialize(invocation, paths, _source(words.rest[0], words, invocation))


def _run(words: _Words, invocation: Invocation, paths: ClusterPaths) -> None:
    if words.init and paths.settings.exists():
        print("Configuration for this cluster already exists. Skipping initialization.")
        print(f"If you wish to re-initialize, simply delete {paths.folder}\n")
    elif words.init:
        _initialize(invocation, paths, _source(words.init, words, invocation))
    _require_initialized(paths)
    print(f'Starting the IPFS Cluster follower peer for "{paths.name}".\nCTRL-C to stop it.', flush=True)
    if serve(invocation, paths.name):
        raise _Failed


def _source(text: str, words: _Words, invocation: Invocation) -> str:
    """Return the source as pincrew reads it; a gateway that was named is asked, with the scheme it may lack."""
    if "://" in text or Path(text).expanduser().is_file():
        return text
    gateway = words.gateway or invocation.environment.get("IPFS_GATEWAY", "")
    shown = gateway or load_settings(invocation.home.settings, invocation.environment).gateway
    path = text if text.startswith(("/ipns/", "/ipfs/")) else f"/ipns/{text}"
    print(f"{text} will be assumed to be an DNSLink-powered address: {path}.")
    print(f"It will be resolved using the local IPFS daemon's gateway ({shown}).")
    print("If this is not the case, specify the full url starting with http:// or https://.")
    print("(You can override the gateway URL by setting IPFS_GATEWAY)\n", flush=True)
    if not gateway:
        return path
    return (gateway if "://" in gateway else f"http://{gateway}").rstrip("/") + path


def _initialize(invocation: Invocation, paths: ClusterPaths, source: str) -> None:
    """Join, and leave the following to `run`: nothing else of this machine is changed."""
    client = invocation.client
    _, was_started = background.ensure(invocation)
    try:
        offer = client.offer(source, Path.cwd())
        if offer.joined_as is not None:
            raise _Failed(f'This cluster is followed here already: try "{PROGRAM} {offer.joined_as}".')
        client.accept(AcceptRequest(offer=offer.offer, name=paths.name, ipfs=AUTO))
        if not was_started:
            client.stop_cluster(paths.name)
    finally:
        if was_started:
            background.stop(invocation)
    print(f"Identity written to {paths.identity}.")
    print(f"Configuration written to {paths.settings}.")
    print(f'Cluster "{paths.name}" follower peer initialized.\n')
    print(f'You can now use "{PROGRAM} {paths.name} run" to start a follower peer for this cluster.', flush=True)


# ---- list ------------------------------------------------------------------------------------------------------------


def _list(_: _Words, invocation: Invocation, paths: ClusterPaths) -> None:
    _require_initialized(paths)
    if _running(invocation, paths.name) is None:
        if paths.state.exists():
            for pin in stored.pinset(paths, ()):
                _print_pin("offline", pin.cid, pin.name, "")
        return
    for status in invocation.client.pin_status(paths.name, is_local=True):
        _print_status(status)


def _print_status(status: GlobalPinInfo) -> None:
    for found in status.peer_map.values():  # this peer alone was asked
        _print_pin(found.status, status.cid, status.name, found.error)


def _print_pin(status: str, cid: str, name: str, error: str) -> None:
    name = f"{name} ({error})" if error else name
    print(f"{status:<20} {cid} {figures.printable(name)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
