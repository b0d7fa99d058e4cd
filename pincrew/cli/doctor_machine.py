"""What `doctor` says of this machine: the home, room on its disk, ports, and the IPFS node."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from pincrew import figures
from pincrew.api.shapes import Check
from pincrew.cli.doctor_lines import note, ok, wrong
from pincrew.errors import PincrewError
from pincrew.node_address import FoundBy, NodeAddress, NodeKind
from pincrew.node_choice import node_version
from pincrew.node_finding import address_of, kind_of
from pincrew.paths import ClusterPaths, Home
from pincrew.settings import ClusterSettings, Settings
from pincrew.settings_files import load_cluster

_ROOM_BYTES = 1_000_000_000
_CLOCK_OFF_S = 3_600.0  # of a curator's clock that may be wrong itself
_RELEASED_S = 1_767_225_600.0  # 2026-01-01: a clock before that stands where it started without a battery


def home_checks(home: Home) -> Iterator[Check]:
    """Look whether the home can be used, by this user alone, and has room."""
    if not home.root.exists():
        yield note("home", f"{home.root} is not there yet: nothing was joined or created")
        return
    if not os.access(home.root, os.R_OK | os.W_OK | os.X_OK):
        yield wrong("home", f"{home.root} cannot be written to", f"Type `chmod u+rwx '{home.root}'`")
        return
    if home.root.stat().st_mode & 0o077:
        yield note("home", f"{home.root} is open to other users", f"Type `chmod 700 '{home.root}'`")
    else:
        yield ok("home", str(home.root))
    free = shutil.disk_usage(home.root).free
    if free < _ROOM_BYTES:
        yield note("room", f"{figures.size(free)} free where pincrew keeps its state", "Free some space there")
    else:
        yield ok("room", f"{figures.size(free)} free where pincrew keeps its state")


def clock_check(now_s: float, issued_s: Mapping[str, int]) -> Check:
    """Compare the clock with the times of config documents, by cluster: none can be of the future."""
    late = {name: at for name, at in issued_s.items() if at > now_s + _CLOCK_OFF_S}
    if not late and now_s >= _RELEASED_S:
        return ok("clock", f"{_day(now_s)}, and no config document is of a later time")
    name = max(late, key=lambda one: late[one], default="")
    than = f"the config document of {name} is of {_day(late[name])}" if name else "this program is younger than that"
    fix = "Set it: `timedatectl set-ntp true`, or in the system's settings"
    return wrong("clock", f"it says {_day(now_s)}, and {than}", fix)


def login_check(is_enabled: bool, is_lingering: bool | None) -> Check:
    """Say whether the daemon is there without anybody starting it."""
    if not is_enabled:
        return note("start at login", "the daemon is started by hand alone", "`pincrew autostart on`")
    if is_lingering is False:
        text = "the daemon starts when you log in, and ends when you log out"
        return note("start at login", text, "To have it go on without you: `loginctl enable-linger`")
    return ok("start at login", "the daemon is started by itself" + (", without a login" if is_lingering else ""))


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def port_checks(settings: ClusterSettings, name: str) -> Iterator[Check]:
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
                yield ok("port", f"{address} is free for the daemon", name)
            except OSError as error:
                reason = os.strerror(error.errno or 0)
                fix = "End the program that uses it, or change `listen` in cluster.toml"
                yield wrong("port", f"{address} cannot be used: {reason}", fix, name)


def node_of(
    paths: ClusterPaths, home: Home, settings: Settings, environment: Mapping[str, str], asked: set[str]
) -> Iterator[Check]:
    """Ask the node of a cluster, unless it is among those that were asked."""
    try:
        wanted = load_cluster(paths.settings).ipfs or settings.ipfs
        address = address_of(wanted, home, environment)
    except PincrewError:
        return  # it was told above
    if str(address) not in asked:
        asked.add(str(address))
        yield node_check(wanted, address, environment)


def node_check(wanted: str, address: NodeAddress, environment: Mapping[str, str]) -> Check:
    """Ask a node for its version."""
    how = "" if address.found_by is FoundBy.ASKED else f" (from {address.found_by.value})"
    is_ours = kind_of(wanted) is NodeKind.EMBEDDED
    version = node_version(address, environment)
    if version is not None:
        name = "pincrew's own node" if is_ours else "Kubo"
        return ok("IPFS node", f"{name} {version} answers at {address}{how}")
    if is_ours:
        return note("IPFS node", "pincrew's own node is not running", "It starts with the daemon, where it is needed")
    fix = "Start it with `ipfs daemon`; another address: PINCREW_IPFS"
    return note("IPFS node", f"nothing answers at {address}{how}", fix)
