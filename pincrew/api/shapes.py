"""The shapes that server and clients share: what `--json` prints is what travels (docs/json.md).

Keys are always present, unknown is null, bytes are integers, times are RFC 3339 UTC. Shapes only ever gain fields.

Routes, on the daemon's unix socket (all JSON; lists are JSON Lines):

    GET    /api/v1/daemon                              DaemonInfo
    POST   /api/v1/daemon/stop                         {}
    GET    /api/v1/status                              Status
    POST   /api/v1/offers              OfferRequest    fetch a source and check it, join nothing: Offer
    POST   /api/v1/offers/accept       AcceptRequest   join what was offered and run it (again: harmless): Followed
    POST   /api/v1/clusters            {"name", "publish": null | "HOST:PORT"}
                                                       load a cluster's folder and run it (harmless when it runs), and
                                                       offer its config document over HTTP: Summary
    DELETE /api/v1/clusters/{name}                     stop running it, keep everything: {}
    GET    /api/v1/clusters/{name}/summary             Summary
    GET    /api/v1/clusters/{name}/ready               Ready: where a running cluster is reached
    GET    /api/v1/clusters/{name}/pins                PinLine per line; query: state, name, find, sort, limit, offset;
                                                       headers X-Total, X-Rev
    POST   /api/v1/clusters/{name}/pins                PinRequest per line in; PinsWritten
    GET    /api/v1/clusters/{name}/pinset              PinObject per line (ipfs-cluster's Pin); query: cid (repeatable)
    GET    /api/v1/clusters/{name}/pins/status         GlobalPinInfo per line; query: cid (repeatable), local=1
    GET    /api/v1/clusters/{name}/peers               PeerLine per line
    GET    /api/v1/clusters/{name}/errors              ErrorLine per line (grouped by cause)
    GET    /api/v1/clusters/{name}/events              EventLine per line; query: after, follow=1 (never ends)
    POST   /api/v1/clusters/{name}/retry               {"cid": null (every pin in error) | CID}: Retried
    GET    /api/v1/clusters/{name}/removals            Removals
    POST   /api/v1/clusters/{name}/removals            {"decision": "accept" | "reject"}: Removals
    POST   /api/v1/clusters/{name}/publish             {"force_secret": false}: Published (the document as text)
    GET    /api/v1/clusters/{name}/source              SourceInfo
    POST   /api/v1/clusters/{name}/source              {"decision": "accept" | "reject" | "check"}: SourceInfo
    POST   /api/v1/clusters/{name}/leave               {"dry_run": bool}: Left
    POST   /api/v1/clusters/{name}/node                {"ipfs": "embedded" | "kubo" | ADDRESS, "keep_old": bool}:
                                                       NodeSwitched
    GET    /api/v1/clusters/{name}/doctor              Check per line

An error is ``{"error": {"code", "what", "where", "means", "next_step"}}`` with its HTTP status.
"""

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
    """Bytes pinned and in all, as far as sizes are known."""

    pinned: int
    total: int | None
    size_known_pins: int
    limit: int | None


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


class Summary(msgspec.Struct, frozen=True):
    """One cluster at a glance. ``state`` is one of the words of cli.md."""

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


class OfferRequest(msgspec.Struct, frozen=True):
    """A source as the user typed it; a relative path starts at ``folder``."""

    source: str
    folder: str


class Offer(msgspec.Struct, frozen=True):
    """What a source offers, for a person to take or leave. ``offer`` names it for `AcceptRequest`: the SHA-256 of the
    document, so that what is joined is what was shown. ``joined_as``: the name under which it is joined already."""

    offer: str
    cluster_id: str
    name: str
    title: str
    description: str
    source: str
    revision: int
    issued: str
    curators: list[str]
    peers: int
    pins_hint: int | None
    bytes_hint: int | None
    is_closed: bool
    needs_secret: bool
    joined_as: str | None
    warnings: list[str]


class AcceptRequest(msgspec.Struct, frozen=True):
    """What a volunteer chose (empty: the default). ``secret_file`` is an absolute path.

    ``routers`` and ``gateways`` are URLs where pincrew's own node looks for content besides the crew.
    """

    offer: str
    name: str = ""
    ipfs: str = ""
    secret_file: str | None = None
    obey: bool = False
    unlisted: bool = False
    peer_name: str = ""
    listen: list[str] = []
    announce: list[str] = []
    routers: list[str] = []
    gateways: list[str] = []


class Followed(msgspec.Struct, frozen=True):
    """A cluster that was joined. ``was_joined``: it had been before, and nothing changed."""

    cluster: str
    id: str
    peer_id: str
    home: str
    was_joined: bool


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


class PinLine(msgspec.Struct, frozen=True):
    """A pin and how far this peer got with it."""

    cluster: str
    cid: str
    name: str
    state: str
    cause: str | None
    error: str | None
    tries: int
    next_try: str | None
    size: int | None
    bytes_done: int | None
    blocks_done: int | None
    updated: str


class PinRequest(msgspec.Struct, frozen=True):
    """One line of a batch: a pin to add, or with ``remove`` to take out. Names are those of ipfs-cluster's export;
    what is missing takes the defaults (recursive, everywhere). Unknown names are ignored, as the Go import does."""

    cid: str
    name: str = ""
    mode: str = "recursive"
    replication_factor_min: int = -1
    replication_factor_max: int = -1
    allocations: list[str] | None = None
    metadata: dict[str, str] | None = None
    origins: list[str] | None = None
    expire_at: str | None = None
    size: int | None = None
    pin_update: str | None = None
    remove: bool = False


class PinsWritten(msgspec.Struct, frozen=True):
    """What a batch did: durable at the curator when this is sent."""

    added: int
    removed: int
    absent: list[str]


class Retried(msgspec.Struct, frozen=True):
    """How many pins are tried again now."""

    pins: int


class PinObject(msgspec.Struct, frozen=True):
    """ipfs-cluster's Pin, field for field and in its order."""

    replication_factor_min: int
    replication_factor_max: int
    name: str
    mode: str
    shard_size: int
    user_allocations: list[str] | None
    expire_at: str
    metadata: dict[str, str] | None
    pin_update: str | None
    origins: list[str]
    cid: str
    type: str
    allocations: list[str]
    max_depth: int
    reference: str | None
    timestamp: str


class PinInfo(msgspec.Struct, frozen=True):
    """ipfs-cluster's PinInfoShort: one peer's state of one pin, in ipfs-cluster's words."""

    peername: str
    ipfs_peer_id: str
    ipfs_peer_addresses: list[str]
    status: str
    timestamp: str
    error: str
    attempt_count: int
    priority_pin: bool


class GlobalPinInfo(msgspec.Struct, frozen=True):
    """ipfs-cluster's GlobalPinInfo: one pin at every peer that answered."""

    cid: str
    name: str
    allocations: list[str]
    origins: list[str]
    created: str
    metadata: dict[str, str] | None
    peer_map: dict[str, PinInfo]


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


class ErrorLine(msgspec.Struct, frozen=True):
    """Pins in error, grouped by cause."""

    cluster: str
    cause: str
    pins: int
    oldest: str | None
    next_try: str | None
    example: str | None


class EventLine(msgspec.Struct, frozen=True):
    """Something that happened. ``id`` rises by one; at most 10,000 are kept."""

    id: int
    cluster: str
    time: str
    kind: str
    text: str
    fields: dict[str, Any]


class Removals(msgspec.Struct, frozen=True):
    """Pins that left the list and that this peer still holds. ``state``: none, waiting (grace) or consent (held).
    ``decided``: the user's word on them where it was given and is being carried out, accept or reject."""

    cluster: str
    state: str
    pins: int
    bytes: int | None
    reason: str | None
    since: str | None
    until: str | None
    examples: list[str]
    decided: str | None


class Published(msgspec.Struct, frozen=True):
    """A config document just made."""

    document: str
    sha256: str
    revision: int


class SourceInfo(msgspec.Struct, frozen=True):
    """Where a follower's config document comes from. ``state``: current, cached, older, changed, unreachable."""

    cluster: str
    source: str | None
    state: str
    revision: int | None
    fetched: str | None
    text: str | None
    differences: list[str]


class Left(msgspec.Struct, frozen=True):
    """What leaving unpins and removes; ``rest`` says what remains, ``owner_key`` where that is moved to."""

    cluster: str
    dry_run: bool
    pins: int
    bytes: int | None
    kept: int
    removed: list[str]
    rest: str | None
    owner_key: str | None = None


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
