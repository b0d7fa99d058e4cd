"""The one word for how a cluster is doing, and the reasons beside it (cli.md). Pure: facts in, words out."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class ClusterState(StrEnum):
    """States of a cluster at this peer, as cli.md defines them."""

    JOINING = "joining"
    SYNCING = "syncing"
    FOLLOWING = "following"
    COMPLETE = "complete"
    FULL = "full"
    PAUSED = "paused"
    WAITING = "waiting"
    CONSENT = "consent"
    LEAVING = "leaving"
    STOPPED = "stopped"
    FAILED = "failed"


class ReasonCode(StrEnum):
    """What somebody should look at."""

    NODE_DOWN = "node_down"
    NO_PEERS = "no_peers"
    NO_CURATOR = "no_curator"
    SOURCE_UNREACHABLE = "source_unreachable"
    CONFIG_FROM_CACHE = "config_from_cache"
    CONFIG_CHANGED = "config_changed"
    HANDSHAKE_FAILED = "handshake_failed"
    DISK_LOW = "disk_low"
    LIMIT = "limit"
    UPSTREAM_SILENT = "upstream_silent"
    SESSION_STOPPED = "session_stopped"
    TRUST_CONFLICT = "trust_conflict"
    MASS_REMOVAL = "mass_removal"
    OWNER_KEY_HERE = "owner_key_here"
    NOT_CURATOR = "not_curator"
    CURATOR_NAMED = "curator_named"
    BASE_REFUSED = "base_refused"


class ReasonText(NamedTuple):
    """A reason in words; ``since_ms`` None = since the start."""

    code: ReasonCode
    text: str
    since_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the word is derived from. Envelopes are counted over all open sessions."""

    is_curator: bool
    is_running: bool = True
    is_leaving: bool = False
    failure: str | None = None
    node_is_up: bool = True
    peers_connected: int = 0
    curators_connected: int = 0
    has_compared: bool = False
    envelopes: int = 0
    envelopes_expected: int = 0
    pins_ours: int = 0
    pins_pinned: int = 0
    pins_no_room: int = 0
    pins_user_skipped: int = 0
    removals_held: int = 0
    reasons: tuple[ReasonText, ...] = field(default=())


def state_of(facts: Facts) -> ClusterState:
    """Return the word. The first that applies wins: what stops everything comes before what is under way.

    ``pins_ours`` are all but `remote`; a pin skipped by its user counts neither as lacking nor as kept.
    """
    is_current = facts.envelopes >= facts.envelopes_expected
    settled = facts.pins_pinned + facts.pins_no_room + facts.pins_user_skipped
    if facts.failure is not None:
        return ClusterState.FAILED
    if not facts.is_running:
        return ClusterState.STOPPED
    if facts.is_leaving:
        return ClusterState.LEAVING
    if facts.removals_held:
        return ClusterState.CONSENT
    if not facts.node_is_up:
        return ClusterState.WAITING
    if not facts.is_curator:
        if not facts.peers_connected:
            return ClusterState.WAITING
        if not facts.has_compared and not facts.envelopes:
            return ClusterState.JOINING
    if not is_current:
        return ClusterState.SYNCING
    if not facts.is_curator and not facts.has_compared:
        return ClusterState.SYNCING
    if settled < facts.pins_ours:
        return ClusterState.FOLLOWING
    return ClusterState.FULL if facts.pins_no_room else ClusterState.COMPLETE
