"""Where this machine's node is and how to be let in, from the settings, the environment and Kubo's own files."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path

from pincrew.errors import Misuse, PincrewError
from pincrew.files import read_file
from pincrew.limits import NODE_ADDRESS_FILE_BYTES_MAX, NODE_CONFIG_BYTES_MAX
from pincrew.node_address import NodeAddress, NodeKind, choose_address
from pincrew.paths import Home


def kind_of(wanted: str) -> NodeKind:
    """Return the kind of node that a setting names. Kubo's RPC is what an address is taken for."""
    return NodeKind.EMBEDDED if wanted == NodeKind.EMBEDDED else NodeKind.KUBO


def address_of(wanted: str, home: Home, environment: Mapping[str, str]) -> NodeAddress:
    """Return where the node is, or would be, that a setting names: `embedded`, `kubo`, `auto` or an address."""
    if kind_of(wanted) is NodeKind.EMBEDDED:
        return NodeAddress("http://localhost", str(home.node.rpc_socket(environment)))
    return find_node(wanted, environment)


def find_node(explicit: str | None = None, environment: Mapping[str, str] | None = None) -> NodeAddress:
    """Return where a Kubo's RPC is, or would be. Reads `$IPFS_PATH/api` (default ~/.ipfs/api), asks nobody."""
    environment = os.environ if environment is None else environment
    repository = find_repository(environment)
    api_file = None
    if repository is not None:
        try:
            with (repository / "api").open(encoding="utf-8") as file:
                api_file = file.read(NODE_ADDRESS_FILE_BYTES_MAX)
        except (OSError, UnicodeDecodeError):
            api_file = None  # No node there, or none running: the default is as good a guess.
    return choose_address(explicit, environment.get("PINCREW_IPFS"), api_file)


def find_repository(environment: Mapping[str, str]) -> Path | None:
    """Return the folder in which this user's Kubo keeps everything, or would."""
    home = environment.get("HOME")
    named = environment.get("IPFS_PATH") or (str(Path(home) / ".ipfs") if home else "")
    return Path(named).expanduser() if named else None


def folder_of(peer_id: str, named: object, environment: Mapping[str, str]) -> str | None:
    """Return where the Kubo of a peer id keeps its blocks, None where that is not on this machine. Blocks.

    It is looked for where it says (``named``, its own IPFS_PATH) and where this user's would be, and known by the
    identity in its settings: another Kubo, or a container, may name the same folder.
    """
    for repository in (Path(named) if isinstance(named, str) and named else None, find_repository(environment)):
        if repository is None:
            continue
        try:
            settings = json.loads(read_file(repository / "config", NODE_CONFIG_BYTES_MAX))
        except (PincrewError, ValueError, RecursionError):
            continue  # not here, not readable, or none of Kubo's
        identity = settings.get("Identity") if isinstance(settings, dict) else None
        if isinstance(identity, dict) and identity.get("PeerID") == peer_id:
            blocks = repository / "blocks"
            return str(blocks if blocks.exists() else repository)
    return None


def authorization(setting: str | None) -> str | None:
    """Return the header for what PINCREW_IPFS_AUTH holds: Kubo's `basic:user:password` or `bearer:token`."""
    if not setting:
        return None
    kind, _, secret = setting.partition(":")
    if kind == "basic" and ":" in secret:
        return "Basic " + base64.b64encode(secret.encode()).decode()
    if kind == "bearer" and secret and secret.isascii() and secret.isprintable():
        return f"Bearer {secret}"
    raise Misuse("PINCREW_IPFS_AUTH is not understood", next_step="Write `basic:USER:PASSWORD` or `bearer:TOKEN`")
