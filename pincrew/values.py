"""The nouns of the pinset as immutable values. Nothing here does anything.

``bytes`` are binary CIDs, keys and hashes; text forms exist only at the edges (``pincrew.cid``, ``pincrew.keys``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class SessionId(NamedTuple):
    """One process life of one author: Ed25519 public key (32 bytes) and a random nonce (16 bytes)."""

    author: bytes
    nonce: bytes


class OperationId(NamedTuple):
    """The n-th put (from 0) of a session in the shard of its key."""

    session: SessionId
    n: int


class Head(NamedTuple):
    """How far a session got: number of its last envelope (0 = none) and that envelope's hash (b"" = none)."""

    number: int
    hash: bytes


class Dependency(NamedTuple):
    """A head of another session that an envelope's author had applied."""

    session: SessionId
    number: int
    hash: bytes


class Put(NamedTuple):
    """Set the record of a CID. ``origin`` is the operation on the same key that it overwrites, where there was one."""

    cid: bytes
    record: bytes
    origin: OperationId | None = None


class Delete(NamedTuple):
    """Remove what the ``targets``, puts on the same key, had set."""

    cid: bytes
    targets: tuple[OperationId, ...]


Operation = Put | Delete


class Part(NamedTuple):
    """An envelope's operations in one shard; its puts have the ids ``first_n``, ``first_n + 1``, ..."""

    shard: int
    first_n: int
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Envelope:
    """A numbered batch of operations of one session. ``body`` are the exact bytes that are hashed and signed."""

    cluster: bytes
    base: int
    trust: int
    session: SessionId
    number: int
    previous: bytes
    time_ms: int
    dependencies: tuple[Dependency, ...]
    parts: tuple[Part, ...]
    body: bytes = field(repr=False)
    hash: bytes = field(repr=False)

    @property
    def operations(self) -> int:
        """How many operations it carries."""
        return sum(len(part.operations) for part in self.parts)


class PinMode(StrEnum):
    """How deep a pin goes: the whole DAG or its root block alone."""

    RECURSIVE = "recursive"
    DIRECT = "direct"


class PinType(StrEnum):
    """What a pin is of. All but the first are of content that was added in shards (docs/protocol.md)."""

    DATA = "pin"
    META = "meta-pin"  # the content's root: nobody keeps it, the shards are kept instead
    CLUSTER_DAG = "clusterdag-pin"  # the list of the shards
    SHARD = "shard-pin"  # a list of blocks, with the blocks


NOBODY = ("",)


@dataclass(frozen=True, slots=True)
class Pin:
    """What the pinset says of one CID.

    ``replication_min`` and ``replication_max`` are counts, -1 = everywhere. ``allocations`` and ``origins`` are text
    (peer ids, multiaddrs). ``size`` is the curator's hint in bytes, a claim. ``added_ms`` and ``expire_ms`` are Unix
    milliseconds. ``depth`` says how many levels a shard's DAG has below its root, and ``reference`` is another pin of
    the same content: of a meta pin its cluster DAG, of a cluster DAG the meta pin, of a shard the one before.
    """

    cid: bytes
    name: str = ""
    mode: PinMode = PinMode.RECURSIVE
    replication_min: int = -1
    replication_max: int = -1
    allocations: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    origins: tuple[str, ...] = ()
    size: int | None = None
    added_ms: int = 0
    expire_ms: int | None = None
    update_of: bytes | None = None
    type: PinType = PinType.DATA
    depth: int | None = None
    reference: bytes | None = None

    @property
    def keepers(self) -> tuple[str, ...]:
        """The peers that are to keep it: none stands for everybody."""
        return NOBODY if self.type is PinType.META else self.allocations


class PinState(StrEnum):
    """How far this peer got with one pin (words of cli.md)."""

    QUEUED = "queued"
    PINNING = "pinning"
    PINNED = "pinned"
    ERROR = "error"
    SKIPPED = "skipped"
    REMOTE = "remote"
    UNPINNING = "unpinning"


class Choice(StrEnum):
    """What a user said of one pin: not to keep it, or to fetch it before others (and to keep it, part or not)."""

    SKIP = "skip"
    NEXT = "next"
