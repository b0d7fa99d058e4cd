"""Shapes of the daemon and of a cluster at a glance: state, counts, peers, errors, events, checks."""

from __future__ import annotations

from typing import Any

import msgspec


class Reason(msgspec.Struct, frozen=True):
    """Why a cluster is in its state, or what somebody should look at."""

    code: str
    text: str
    since: str | None


# The field `list` of a summary hides the built-in name from its neighbours.
Reasons = list[Reason]


class ListProgress(msgspec.Struct, frozen=True):
    """Envelopes' operations had, and expected by the best heads seen."""

    have: int
    expected: int | None


class PinCounts(msgspec.Struct, frozen=True):
    """Pins by state; total = all but unpinning."""

    total: int
    pinned: int
    pinning: int
    queued: int
    error: int
    skipped: int
    remote: int
    unpinning: int


class ByteCounts(msgspec.Struct, frozen=True):
    """Bytes pinned and in all, as far as sizes are known; the user's limit; and what is free of the volume with the
    IPFS node's data, null where that is not on this machine."""

    pinned: int
    total: int | None
    size_known_pins: int
    limit: int | None
    volume_free: int | None = None


class PeerCounts(msgspec.Struct, frozen=True):
    """Peers with a connection, and peers heard of."""

    connected: int
    known: int


class CuratorCounts(msgspec.Struct, frozen=True):
    """Curators with a connection, in all, and when one was last seen."""

    connected: int
    total: int
    last_seen: str | None


class NodeInfo(msgspec.Struct, frozen=True):
    """The IPFS node that a cluster drives. ``state``: up, down or starting."""

    kind: str
    address: str | None
    state: str
    version: str | None
    peer_id: str | None


class Lifetime(msgspec.Struct, frozen=True):
    """What this peer did for the cluster since it joined, over all restarts: pins that it fetched, their bytes, and
    bytes that its node sent to others (null where that is not pincrew's own)."""

    since: str
    days: int
    pins: int
    fetched: int
    served: int | None


class Flight(msgspec.Struct, frozen=True):
    """A pin that is being fetched: blocks and bytes so far (null where the node does not count them), what is known of
    its size, when its last block came (null: none yet), bytes a second over 10 s, and how many peers sent blocks of it
    in that time (null where the node does not say)."""

    cid: str
    name: str
    blocks: int
    bytes: int | None
    size: int | None
    last_block: str | None
    rate: int = 0
    serving: int | None = None


class Progress(msgspec.Struct, frozen=True):
    """How fast it goes: bytes per second over 10 s, 10 min and 6 h, blocks per second over 10 s; seconds left at the
    better and at the worse of the last two, null where nobody can know (``no_eta`` says why); when a block last came;
    how many pins are in flight, and the first few of them. ``upload_rate`` are bytes a second that the node sends to
    others, for all clusters together; ``serving`` the peers that sent blocks within 10 s: null where the node does not
    say (a Kubo)."""

    rate: int
    rate_10min: int
    rate_6h: int
    blocks_rate: int
    eta_low: int | None
    eta_high: int | None
    no_eta: str | None
    last_block: str | None
    in_flight: int
    flights: list[Flight]
    upload_rate: int | None = None
    serving: int | None = None


class Summary(msgspec.Struct, frozen=True):
    """One cluster at a glance. ``state`` is one of the words of cli.md. ``rev`` moves whenever a row of the list may
    have moved, or how far a pin is; ``db_bytes`` is how large the files of its store are. Both are null where it does
    not run, the second also in its first moments."""

    name: str
    id: str
    role: str
    consensus: str
    state: str
    reasons: Reasons
    list: ListProgress
    pins: PinCounts
    bytes: ByteCounts
    peers: PeerCounts
    curators: CuratorCounts
    last_change: str | None
    paused_until: str | None
    node: NodeInfo
    lifetime: Lifetime | None = None
    progress: Progress | None = None
    rev: int | None = None
    db_bytes: int | None = None


class Series(msgspec.Struct, frozen=True):
    """Bytes a second that came (``down``) and went (``up``), one figure per ``step_s`` seconds, the newest last; null
    where that is not known. Kept in memory since the start, at most the last 120."""

    cluster: str
    step_s: int
    down: list[int | None]
    up: list[int | None]


class Status(msgspec.Struct, frozen=True):
    """What `status --json` prints."""

    schema: int
    clusters: list[Summary]


class DaemonInfo(msgspec.Struct, frozen=True):
    """The daemon itself."""

    schema: int
    version: str
    pid: int
    home: str
    clusters: list[str]


class Ready(msgspec.Struct, frozen=True):
    """Where a running cluster is reached; ``line`` is what `serve` prints."""

    cluster: str
    peer: str
    p2p: list[str]
    api: str | None
    publish: str | None

    @property
    def line(self) -> str:
        """The one line that says that a cluster is served; values hold no spaces."""
        parts = [f"ready {self.cluster}", f"peer={self.peer}", f"p2p={','.join(self.p2p)}", f"api={self.api or ''}"]
        return " ".join([*parts, f"publish={self.publish}"] if self.publish else parts)


class PeerLine(msgspec.Struct, frozen=True):
    """A peer of the cluster as this one knows it."""

    cluster: str
    id: str
    name: str
    role: str
    connected: bool
    via: str | None
    last_seen: str | None
    version: str | None
    node_id: str | None
    pins: int | None
    free: int | None
    tags: dict[str, str] = {}


class ErrorLine(msgspec.Struct, frozen=True):
    """Pins in error, grouped by cause; ``next_step``: what somebody can do about them."""

    cluster: str
    cause: str
    pins: int
    oldest: str | None
    next_try: str | None
    example: str | None
    next_step: str = ""


class EventLine(msgspec.Struct, frozen=True):
    """Something that happened. ``id`` rises by one; at most 10,000 are kept."""

    id: int
    cluster: str
    time: str
    kind: str
    text: str
    fields: dict[str, Any]


class NodeSwitched(msgspec.Struct, frozen=True):
    """A cluster that moves to another IPFS node. ``was_there``: it was at that one already, and nothing changed."""

    cluster: str
    node: str
    before: str
    was_there: bool


class Check(msgspec.Struct, frozen=True):
    """One line of doctor. ``result``: ok, note or FAIL."""

    cluster: str | None
    check: str
    result: str
    text: str
    fix: str | None
