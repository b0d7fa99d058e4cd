"""Shapes of the list: pins, how far they are, batches that write, what left it."""

from __future__ import annotations

import msgspec

from pincrew.values import PinType


class PinLine(msgspec.Struct, frozen=True):
    """A pin and how far this peer got with it. ``checked``: when it last re-read all of it and found it sound."""

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
    checked: str | None = None


class PinDetail(msgspec.Struct, frozen=True):
    """All that is known of one pin: its `PinLine`, what the list says of it, and how it comes while it is fetched.

    ``added`` is when it was put on the list, by the peer ``added_by`` (who calls itself ``added_by_name``); ``expires``
    null: never. ``choice`` is the user's own word, skip or next. ``copies`` is an estimate of how many peers keep it,
    null where nobody was heard of or certain peers are to keep it. ``rate`` are bytes a second over 10 s, ``serving``
    peers that sent blocks of it in that time (null where the node does not say), ``last_block`` when one last came:
    null for what is not being fetched.
    """

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
    checked: str | None
    mode: str
    added: str | None
    added_by: str | None
    added_by_name: str | None
    expires: str | None
    metadata: dict[str, str]
    allocations: list[str]
    choice: str | None
    copies: float | None
    next_step: str | None
    last_block: str | None
    serving: int | None
    rate: int | None


class PinPlace(msgspec.Struct, frozen=True):
    """At which offset of a filter and order a pin stands; null where it is not among them, or where to count that
    takes long. ``rev`` is that of the rows as they were counted."""

    cluster: str
    offset: int | None
    rev: int


class PinRequest(msgspec.Struct, frozen=True):
    """One line of a batch: a pin to add, or with ``remove`` to take out. Names are those of ipfs-cluster's export;
    what is missing takes the defaults: recursive, and with replication 0 as many copies as the cluster usually has
    (`replication_min` and `replication_max` in cluster.toml). Unknown names are ignored, as the Go import does.
    ``timestamp``: when it was put on the list; null is now. ``user_allocations`` are preferred where peers are chosen
    to keep it; ``allocations`` say who is to, and choose nobody else.

    ``type``, ``max_depth`` and ``reference`` are those of content in shards. What removes its root removes all of its
    pins; with ``only`` a removal is of that one pin, whatever it is a part of."""

    cid: str
    name: str = ""
    mode: str = "recursive"
    replication_factor_min: int = 0
    replication_factor_max: int = 0
    allocations: list[str] | None = None
    metadata: dict[str, str] | None = None
    origins: list[str] | None = None
    expire_at: str | None = None
    size: int | None = None
    pin_update: str | None = None
    timestamp: str | None = None
    remove: bool = False
    user_allocations: list[str] | None = None
    type: str = "pin"
    max_depth: int | None = None
    reference: str | None = None
    only: bool = False


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

    def rewritten(self) -> PinRequest:
        """Return the request that writes it as it is; its size, for which ipfs-cluster's Pin has a place only where it
        is that of a shard, is lost."""
        return PinRequest(
            cid=self.cid,
            name=self.name,
            mode=self.mode,
            replication_factor_min=self.replication_factor_min,
            replication_factor_max=self.replication_factor_max,
            allocations=self.user_allocations or self.allocations or None,
            metadata=self.metadata,
            origins=self.origins or None,
            expire_at=None if self.expire_at.startswith("0001-") else self.expire_at,
            pin_update=self.pin_update,
            timestamp=self.timestamp,
            size=self.shard_size or None if self.type == PinType.SHARD else None,
            type=self.type,
            max_depth=self.max_depth,
            reference=self.reference,
        )


class PinInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """ipfs-cluster's PinInfoShort: one peer's state of one pin, in ipfs-cluster's words. `ipfs_peer_id` and
    `ipfs_peer_addresses` are missing where they are not known: to ipfs-cluster's clients, an empty id is an error."""

    peername: str
    ipfs_peer_id: str = ""
    ipfs_peer_addresses: list[str] = []
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
