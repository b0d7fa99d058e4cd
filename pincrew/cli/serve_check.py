"""`serve --check`: what a cluster would run with, and what is wrong with it. Starts nothing and changes nothing."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator, Iterator, Mapping
from dataclasses import fields
from pathlib import Path

from pincrew.addresses import announce_addresses, listen_addresses
from pincrew.api.shapes import Check
from pincrew.cli import background
from pincrew.cli.doctor_lines import failed, note, ok, shown, wrong
from pincrew.cli.doctor_machine import node_of, port_checks
from pincrew.cli.exit_codes import ExitCode
from pincrew.cli.invocation import Invocation
from pincrew.cli.trust_checks import trust_checks
from pincrew.config_document import parse
from pincrew.errors import Misuse, PincrewError
from pincrew.files import read_file
from pincrew.identity import load_key
from pincrew.limits import ANNOUNCEMENT_TTL_S, CONFIG_DOCUMENT_BYTES_MAX
from pincrew.node_address import NodeKind
from pincrew.node_finding import kind_of
from pincrew.paths import ClusterPaths
from pincrew.setting_values import setting_text
from pincrew.settings import HIDDEN, NO_REST, ClusterSettings, Role, Tree
from pincrew.settings_files import CLUSTER_VARIABLE, cluster_in_force, load_node, load_settings
from pincrew.trust_role import role_here


class ServeCheck:
    """One run of it. ``publish`` and ``rest`` are what `serve` would be told."""

    def __init__(self, invocation: Invocation, paths: ClusterPaths, publish: str, rest: str) -> None:
        self._invocation = invocation
        self._paths = paths
        self._publish = publish
        self._rest = rest
        self._code = ExitCode.DONE

    def run(self) -> ExitCode:
        """Print the lines; return 0, 1 where something here is in the way, or 2 where something was written wrongly."""
        for check in self._checks():
            if check.result == "FAIL":
                self._code = max(self._code, ExitCode.FAILED)
            shown(self._invocation.output, check)
        return self._code

    def _checks(self) -> Iterator[Check]:
        home, environment, paths = self._invocation.home, self._invocation.environment, self._paths
        try:
            settings = load_settings(home.settings, environment)
            local = cluster_in_force(paths.settings, environment)
        except PincrewError as error:
            yield self._failed("settings", error)
            return
        yield from self._used(settings, home.settings, "PINCREW_", environment)
        yield from self._used(local, paths.settings, CLUSTER_VARIABLE, environment)
        if local.repin_after is not None and local.repin_after < ANNOUNCEMENT_TTL_S:
            text = (
                f"repin_after counts as {int(ANNOUNCEMENT_TTL_S / 60)} minutes: so long a peer's last word is believed"
            )
            yield note("setting", text, None, paths.name)
        if kind_of(local.ipfs or settings.ipfs) is NodeKind.EMBEDDED:
            try:
                yield from self._used(load_node(home.node.settings), home.node.settings, "", {})
            except PincrewError as error:
                yield self._failed("settings", error)
        role = yield from self._role(local)
        try:
            is_running = background.running(self._invocation.client) is not None
        except PincrewError:  # it is there and does not answer as it should: its ports are taken all the same
            is_running = True
        try:
            listen_addresses(local.listen)
            announce_addresses(local.announce)
            if not is_running:
                yield from port_checks(local, paths.name)
        except PincrewError as error:
            yield self._failed("addresses", error)
        yield from self._doors(local, role, is_running=is_running)
        yield from node_of(paths, home, settings, environment, set())

    def _failed(self, check: str, error: PincrewError) -> Check:
        if isinstance(error, Misuse):
            self._code = ExitCode.USAGE
        return failed(check, error, self._paths.name)

    def _used(self, tree: Tree, file: Path, prefix: str, environment: Mapping[str, str]) -> Iterator[Check]:
        """Name what is not as usual, and where that was said."""
        for each in fields(tree):
            value = getattr(tree, each.name)
            if value == each.default or each.name == "format":
                continue
            variable = f"{prefix}{each.name.upper()}"
            said = variable if prefix and environment.get(variable) else str(file)
            text = "(not shown)" if each.name in HIDDEN else setting_text(value)
            yield ok("setting", f"{each.name} = {text} ({said})", self._paths.name)

    def _role(self, local: ClusterSettings) -> Generator[Check, None, Role]:
        """Say as what it runs; return that."""
        name, role = self._paths.name, Role.FOLLOWER
        try:
            load_key(self._paths.identity)
            document = parse(read_file(self._paths.config, CONFIG_DOCUMENT_BYTES_MAX))
            role = role_here(self._paths)
            yield ok("identity", f"peer key {self._paths.identity.name} is readable", name)
            yield ok("config document", f"revision {document.revision}, signature checked", name)
            if local.role is Role.CURATOR and role is Role.FOLLOWER:
                text = "trust does not name this peer a curator: it would follow, and write nothing"
                yield note("role", text, "An owner names it: `pincrew trust add PEER_ID`", name)
            else:
                yield ok("role", role.value, name)
            yield from trust_checks(self._paths, local)
        except PincrewError as error:
            yield self._failed("trust", error)
        return role

    def _doors(self, local: ClusterSettings, role: Role, *, is_running: bool) -> Iterator[Check]:
        """Look at where the REST API and the config document would be offered."""
        from pincrew.rest_listener import checked_rest, checked_rest_streams  # starlette and trio come with it

        name = self._paths.name
        address = self._rest or local.rest
        if address == NO_REST or (not address and role is Role.FOLLOWER):
            yield ok("REST API", "on the cluster's socket alone", name)
        else:
            try:
                offered = checked_rest(self._paths, local, address)
                who = "callers show who they are" if offered.rules.keys.are_needed() else "nobody is asked who they are"
                scheme = "http" if offered.tls is None else "https"
                text = f"{scheme}://{offered.host}:{offered.port}; {who}"
                yield self._port("REST API", offered.host, offered.port, text, is_running=is_running or not address)
            except PincrewError as error:
                yield self._failed("REST API", error)
        if local.rest_libp2p:
            try:
                checked_rest_streams(self._paths, local)
                yield ok("REST API", "over libp2p, where others connect; callers show who they are", name)
            except PincrewError as error:
                yield self._failed("REST API", error)
        if self._publish:
            host, _, port = self._publish.rpartition(":")
            if role is Role.FOLLOWER:
                yield self._failed("publish", Misuse("This peer follows: only a curator publishes its config document"))
            elif not host or not port.isdecimal() or int(port) > 65_535:
                yield self._failed("publish", Misuse(f"{self._publish!r} is not HOST:PORT", where="--publish"))
            else:
                yield self._port("publish", host, int(port), f"http://{self._publish}", is_running=is_running)

    def _port(self, check: str, host: str, port: int, text: str, *, is_running: bool) -> Check:
        """Try whether it could be listened on; not where a daemon may listen there, or another port would do."""
        if is_running:
            return ok(check, text, self._paths.name)
        try:
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host.strip("[]"), port))
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
            fix = "Choose another address, or end the program that uses it"
            return wrong(check, f"{host}:{port} cannot be used: {reason}", fix, self._paths.name)
        return ok(check, text, self._paths.name)
