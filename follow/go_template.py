"""Configurations of ipfs-cluster (the Go program), told from config documents of pincrew. Pure.

They are what was published for `ipfs-cluster-follow`, and somebody who moves over tries the same address here.
"""

from __future__ import annotations

import json
from typing import Any

from pincrew.errors import Misuse

_SECTIONS = ("cluster", "consensus", "source")
_NAME_CHARACTERS_MAX = 100


def refuse(raw: bytes, where: str) -> None:
    """Raise Misuse, naming the cluster, if ``raw`` is a configuration of ipfs-cluster."""
    found = _configuration(raw)
    if found is None:
        return
    name = _cluster_name(found)
    what = "This is a configuration of ipfs-cluster"
    raise Misuse(
        f"{what} for its cluster {name!r}, not a config document of pincrew" if name else f"{what}, not of pincrew",
        where=where,
        means="pincrew cannot follow a cluster of ipfs-cluster peers yet: it does not speak with them, and takes no"
        " list from them. Nothing was written",
        next_step="Ask its curators for a list that pincrew can follow (`pincrew state import` takes theirs over), and"
        " go on with ipfs-cluster's own program until then",
    )


def _configuration(raw: bytes) -> dict[str, Any] | None:
    if not raw.lstrip().startswith(b"{"):
        return None
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    is_one = isinstance(found, dict) and any(isinstance(found.get(key), dict | str) for key in _SECTIONS)
    return found if is_one else None


def _cluster_name(found: dict[str, Any]) -> str:
    """Return what the configuration calls its cluster; a stranger wrote it."""
    at: Any = found
    for key in ("consensus", "crdt", "cluster_name"):
        at = at.get(key) if isinstance(at, dict) else None
    text = at if isinstance(at, str) else ""
    return "".join(character for character in text if character.isprintable())[:_NAME_CHARACTERS_MAX]
