"""Where this machine's node is and how to be let in, from the settings, the environment and Kubo's own files."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from pathlib import Path

from pincrew.errors import Misuse
from pincrew.limits import NODE_ADDRESS_FILE_BYTES_MAX
from pincrew.node_address import NodeAddress, choose_address


def find_node(explicit: str | None = None, environment: Mapping[str, str] | None = None) -> NodeAddress:
    """Return where the node's RPC is, or would be. Reads `$IPFS_PATH/api` (default ~/.ipfs/api), asks nobody."""
    environment = os.environ if environment is None else environment
    home = environment.get("HOME")
    repository = environment.get("IPFS_PATH") or (str(Path(home) / ".ipfs") if home else "")
    api_file = None
    if repository:
        try:
            with (Path(repository).expanduser() / "api").open(encoding="utf-8") as file:
                api_file = file.read(NODE_ADDRESS_FILE_BYTES_MAX)
        except (OSError, UnicodeDecodeError):
            api_file = None  # No node there, or none running: the default is as good a guess.
    return choose_address(explicit, environment.get("PINCREW_IPFS"), api_file)


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
