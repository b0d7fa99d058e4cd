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
    DENYLIST = "denylist"
    DAMAGED = "damaged"
    MONTHLY_CAP = "monthly_cap"


class ReasonText(NamedTuple):
    """A reason in words; ``since_ms`` None = since the start."""

    code: ReasonCode
    text: str
    since_ms: int | None = None


_DAY_MS = 86_400_000


def silence_of(last_change_ms: int | None, silent_after_days: int | None, now_ms: int) -> ReasonText | None:
    """Say that the list has not changed for longer than its curators said it would; None where it has, or they said
    nothing."""
    if last_change_ms is None or not silent_after_days:
        return None
    silent_since_ms = last_change_ms + silent_after_days * _DAY_MS
    if now_ms < silent_since_ms:
        return None
    days, said = (now_ms - last_change_ms) // _DAY_MS, f"{silent_after_days} day{'s' * (silent_after_days != 1)}"
    text = (
        f"No curator has changed the list for {days} day{'s' * (days != 1)}; they said that {said} would be unusual."
        " What is pinned stays; ask them whether the list is still looked after"
    )
    return ReasonText(ReasonCode.UPSTREAM_SILENT, text, silent_since_ms)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the word is derived from. Envelopes are counted over all open sessions."""

    is_curator: bool
    is_running: bool = True
    is_leaving: bool = False
    failure: str | None = None
    is_paused: bool = False
    node_is_up: bool = True
    peers_connected: int = 0
    curators_connected: int = 0
    has_compared: bool = False
    envelopes: int = 0
    envelopes_expected: int = 0
    pins_ours: int = 0
    pins_pinned: int = 0
    pins_no_room: int = 0  # skipped for want of room
    pins_not_part: int = 0  # outside of the part that is kept
    pins_user_skipped: int = 0  # denied by a list of the user's, or skipped by him
    removals_held: int = 0
    reasons: tuple[ReasonText, ...] = field(default=())


def state_of(facts: Facts) -> ClusterState:
    """Return the word. The first that applies wins: what stops everything comes before what is under way.

    ``pins_ours`` are all but `remote`; a pin skipped by its user counts neither as lacking nor as kept. What is skipped
    and not counted by cause yet counts as lacking.
    """
    is_current = facts.envelopes >= facts.envelopes_expected
    beyond = facts.pins_no_room + facts.pins_not_part
    settled = facts.pins_pinned + beyond + facts.pins_user_skipped
    if facts.failure is not None:
        return ClusterState.FAILED
    if not facts.is_running:
        return ClusterState.STOPPED
    if facts.is_leaving:
        return ClusterState.LEAVING
    if facts.removals_held:
        return ClusterState.CONSENT
    if facts.is_paused:
        return ClusterState.PAUSED
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
    return ClusterState.FULL if beyond else ClusterState.COMPLETE
