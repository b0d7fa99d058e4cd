"""A base that may come into force: who signed it, what it consists of, and what of that is still to be fetched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from pincrew.base_form import Base, ShardRows, blob_hash, decode_rows, encode_rows
from pincrew.store.staging import Staged
from pincrew.trust import TrustChain
from pincrew.values import Head, SessionId

_EMPTY_ROWS = encode_rows((), ())
EMPTY_HASH = blob_hash(_EMPTY_ROWS)


class Signer(Enum):
    """Who signed a base, under the trust record that it names."""

    KEEPER = "keeper"
    OWNER = "owner"
    FORMER = "a keeper of then, who is none now: what it signed must be recomputed, and is never taken"


@dataclass
class Candidate:
    """A base that may come into force. ``wanted`` are the shards whose rows are taken as they are, once that is known.

    ``is_taken``: nobody waits for this replica to hold the cut. ``is_refuted``: it does not follow from the base in
    force here, as one or more lie between the two; it can only be taken.
    """

    base: Base
    signer: Signer
    cut: dict[SessionId, Head] | None = None
    shards: list[bytes] | None = None
    is_taken: bool = False
    is_refuted: bool = False
    wanted: list[int] | None = None
    looked_at: object = None
    is_held: bool = False
    lacks: dict[bytes, None] = field(default_factory=dict)  # the blobs of these that are not here, in their order


def signer_of(base: Base, chain: TrustChain) -> Signer | None:
    """Return whose right a base was signed by: it must have had it then, and an owner must have it still."""
    record = chain.records[base.trust]
    if base.signer in record.owners & chain.owners:
        return Signer.OWNER
    if base.signer != record.keeper:
        return None
    return Signer.KEEPER if base.signer == chain.keeper else Signer.FORMER


class ReplacedRows(Mapping[int, ShardRows]):
    """The rows of the shards that are taken, read one at a time."""

    def __init__(self, candidate: Candidate, staged: Staged, shard_bits: int) -> None:
        assert candidate.wanted is not None and candidate.shards is not None and candidate.cut is not None
        self._names = {shard: candidate.shards[shard] for shard in candidate.wanted}
        self._staged = staged
        self._shard_bits = shard_bits
        self._sessions = len(candidate.cut)

    def __getitem__(self, shard: int) -> ShardRows:
        name = self._names[shard]
        blob = _EMPTY_ROWS if name == EMPTY_HASH else self._staged[name]
        return decode_rows(blob, shard, self._shard_bits, self._sessions)

    def __iter__(self) -> Iterator[int]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
