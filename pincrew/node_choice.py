"""Which IPFS node a cluster gets when its user names none: a Kubo that answers, else pincrew's own.

Where there is an IPFS repository whose Kubo does not answer, nobody but the user knows whether it will: he is asked,
and who cannot be asked waits for it. Blocks for as long as a look takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pincrew.errors import Misuse, PincrewError
from pincrew.limits import NODE_CONNECT_TIMEOUT_S
from pincrew.node_address import NodeAddress, NodeKind, parse_address
from pincrew.node_calls import NodeCalls
from pincrew.node_finding import authorization, find_node, find_repository
from pincrew.settings import Settings

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Choice:
    """What stands in cluster.toml as `ipfs`, and what is known of it.

    ``version`` is that of the Kubo which answers; ``silent`` is a repository whose Kubo does not, where that decided.
    """

    ipfs: str
    address: NodeAddress | None = None
    version: str | None = None
    silent: Path | None = None


def checked_choice(text: str) -> str:
    """Return what was asked for with `--ipfs`. Raises Misuse."""
    text = text.strip()
    if text in ("", AUTO, *NodeKind):
        return text
    if text.isalnum() and text != "localhost":
        # It would do for a host's name, and is a word that was mistyped.
        raise Misuse(f"{text[:80]!r} is not an IPFS node", next_step="There are: auto, embedded, kubo, an address")
    parse_address(text)
    return text


def choose(wanted: str, settings: Settings, environment: Mapping[str, str]) -> Choice:
    """Decide. ``wanted`` is from `checked_choice`; "" leaves it to the settings for all clusters, then to `auto`."""
    if wanted == "" and settings.ipfs != AUTO:
        return Choice("")
    if wanted not in ("", AUTO):
        return Choice(wanted)
    address = find_node(None, environment)
    version = node_version(address, environment)
    if version is not None:
        return Choice(NodeKind.KUBO.value, address, version)
    repository = find_repository(environment)
    if repository is not None and (repository / "config").is_file():
        return Choice(NodeKind.KUBO.value, address, silent=repository)
    return Choice(NodeKind.EMBEDDED.value)


def node_version(address: NodeAddress, environment: Mapping[str, str]) -> str | None:
    """Return the version of the node that answers there, None for none."""
    calls = NodeCalls(address, authorization(environment.get("PINCREW_IPFS_AUTH")))
    try:
        return str(calls.object("version", timeout_s=NODE_CONNECT_TIMEOUT_S)["Version"])
    except (PincrewError, KeyError):  # whatever is there, it is no node that could be used now
        return None
