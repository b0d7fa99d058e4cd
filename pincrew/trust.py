"""Who may write: the chain of a cluster's trust records.

A trust record names the owners of a cluster, its curators and its keeper. Record 0 is signed by its own owners and its
hash *is* the cluster's id; record n+1 is signed by enough owners of record n and names the hash of record n. So a
replica that knows the id can check every later record, whoever hands it over (invariant 2). What never happens:

1. A chain never gets shorter and never exchanges a record that it holds.
2. Record n+1 enters only with ``threshold`` signatures of record n's owners, and no other signature beside them.
3. Two different validly signed records of one number on one predecessor are a ``TrustConflict``: the chain keeps the
   one that it saw first, keeps the other as proof, and takes no further record. A person must decide.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from pincrew import domains, limits
from pincrew.errors import Conflict, Forged, Malformed
from pincrew.keys import peer_id, verify
from pincrew.trust_record import (
    SIGNATURE_BYTES,
    Cut,
    Genesis,
    LastGood,
    TrustRecord,
    fault_of,
    first_record,
)

__all__ = [
    "Cut",
    "Genesis",
    "LastGood",
    "TrustChain",
    "TrustConflict",
    "TrustRecord",
    "differences",
    "first_record",
]


@dataclass(frozen=True)
class TrustConflict:
    """Proof that owners signed two different records of one number on one predecessor."""

    held: TrustRecord
    rival: TrustRecord

    @property
    def n(self) -> int:
        """The number that both records claim."""
        return self.held.n


@dataclass(frozen=True)
class TrustChain:
    """Checked records 0..head of one cluster; a value that is replaced, never changed.

    Made by ``from_records`` or ``from_encoded`` only, so that whoever holds one may rely on every record in it.
    ``conflict`` halts it: the records up to the head stay in force and no other is taken.
    """

    records: tuple[TrustRecord, ...]
    conflict: TrustConflict | None = None

    @classmethod
    def from_records(cls, records: Iterable[TrustRecord]) -> TrustChain:
        """Check records 0, 1, 2, ... and return their chain. Raises Malformed or Forged."""
        chain: TrustChain | None = None
        for record in records:
            chain = _begun(record) if chain is None else chain.extended(record)
        if chain is None:
            raise Malformed("a trust chain has no record")
        return chain

    @classmethod
    def from_encoded(cls, records: Iterable[bytes]) -> TrustChain:
        """Read a chain, and the rival of a conflict after it, as ``encoded`` and ``evidence`` write them."""
        decoded = [TrustRecord.decode(record) for record in records]
        chain = cls.from_records(decoded[:1])
        return chain.merge(decoded[1:])

    @property
    def cluster_id(self) -> bytes:
        """The hash of record 0: 32 bytes."""
        return self.records[0].hash

    @property
    def genesis(self) -> Genesis:
        """What record 0 fixed for ever."""
        genesis = self.records[0].genesis
        assert genesis is not None, "fault_of lets no record 0 without one into a chain"
        return genesis

    @property
    def head(self) -> TrustRecord:
        """The record in force."""
        return self.records[-1]

    @property
    def owners(self) -> frozenset[bytes]:
        """Who may sign the next record."""
        return self.head.owners

    @property
    def curators(self) -> frozenset[bytes]:
        """Who may write the pinset."""
        return self.head.curators

    @property
    def keeper(self) -> bytes | None:
        """The curator that makes bases, where one is named."""
        return self.head.keeper

    def is_curator(self, public: bytes) -> bool:
        """Say whether the record in force lets ``public`` write."""
        return public in self.head.curators

    @property
    def standing(self) -> bytes:
        """Return the hash by which neighbours compare: the head's, or one that all peers halted there have in common.

        So a halted peer differs from each that has not seen the proof yet, whichever of the two records either holds.
        """
        if self.conflict is None:
            return self.head.hash
        return hashlib.sha256(domains.TRUST_CONFLICT + self.conflict.held.previous).digest()

    def encoded(self) -> list[bytes]:
        """Return the signed records from 0 to the head, as they travel and are kept."""
        return [record.encode() for record in self.records]

    def evidence(self) -> list[bytes]:
        """Return the rival record of a conflict, if any: sent and kept after ``encoded()``."""
        return [self.conflict.rival.encode()] if self.conflict else []

    def extended(self, record: TrustRecord) -> TrustChain:
        """Return this chain with its next record.

        Raises Conflict when the chain is halted, Malformed when ``record`` is not the next one or has no sound form,
        Forged when it is not signed by enough owners of the head.
        """
        self._check_next(record)
        _check_signatures(record, self.head)
        return replace(self, records=_bounded((*self.records, record)))

    def signatures_missing(self, record: TrustRecord) -> int:
        """Return how many owners must still sign ``record`` to make it the next one. Raises as ``extended`` does."""
        self._check_next(record)
        _check_signers(record, self.head)
        _bounded((*self.records, record))
        return max(0, self.head.threshold - len(record.signatures))

    def _check_next(self, record: TrustRecord) -> None:
        """Raise unless ``record`` could be the next one, whoever signed it."""
        if self.conflict:
            raise Conflict(
                f"Two different trust records {self.conflict.n} were signed",
                means="No further change of owners or curators is taken",
                next_step="Ask the owners of the cluster which one they mean",
            )
        fault = fault_of(record)
        if fault:
            raise Malformed(fault)
        if record.n != self.head.n + 1:
            raise Malformed(f"trust record {record.n} does not follow record {self.head.n}")
        if record.previous != self.head.hash:
            raise Malformed(f"trust record {record.n} does not name the record before it")

    def conflict_with(self, record: TrustRecord) -> TrustConflict | None:
        """Return the proof, if ``record`` is a validly signed other record of a number that this chain holds.

        A record on another predecessor proves nothing: the same owners may have a second cluster.
        """
        if not 0 < record.n <= self.head.n or record.hash == self.records[record.n].hash:
            return None
        before = self.records[record.n - 1]
        if record.previous != before.hash or fault_of(record):
            return None
        try:
            _check_signatures(record, before)
        except Forged:
            return None
        return TrustConflict(self.records[record.n], record)

    def merge(self, records: Iterable[TrustRecord]) -> TrustChain:
        """Return this chain after hearing ``records`` from a peer or a document, whatever it already holds of them.

        Records that continue it are taken, a proof of conflict halts it, records already held change nothing. Raises
        Malformed or Forged when they belong to another cluster, leave a gap or are not properly signed; then nothing
        is taken.
        """
        chain = self
        for record in sorted(records, key=lambda each: each.n):
            if chain.conflict:
                return chain
            if record.n > chain.head.n:
                chain = chain.extended(record)
            elif record.hash != chain.records[record.n].hash:
                conflict = chain.conflict_with(record)
                if conflict is None:
                    raise Forged(f"trust record {record.n} is of another cluster or not signed by its owners")
                chain = replace(chain, conflict=conflict)
        return chain

    def describe(self) -> tuple[str, ...]:
        """Say in lines for a person who owns and who curates."""
        head = self.head
        needed = f"owners ({head.threshold} of {len(head.owners)} sign)"
        kind = "open" if self.genesis.is_open else "closed"
        return (
            f"cluster {self.cluster_id.hex()} ({kind}), trust record {head.n}",
            f"{needed}: {', '.join(peer_id(key) for key in sorted(head.owners))}",
            f"curators: {', '.join(peer_id(key) for key in sorted(head.curators)) or 'nobody'}",
            f"keeper: {peer_id(head.keeper) if head.keeper else 'nobody'}",
        )


def differences(old: TrustChain, new: TrustChain) -> tuple[str, ...]:
    """Say in lines for a person what the head of ``new`` changes against the head of ``old``."""
    before, after = old.head, new.head
    lines = []
    for word, had, has in (("curator", before.curators, after.curators), ("owner", before.owners, after.owners)):
        lines += [f"{word} added: {peer_id(key)}" for key in sorted(has - had)]
        lines += [f"{word} removed: {peer_id(key)}" for key in sorted(had - has)]
    if before.threshold != after.threshold:
        lines.append(f"signatures of owners needed: {before.threshold} before, {after.threshold} now")
    if before.keeper != after.keeper:
        lines.append(f"keeper: {peer_id(after.keeper) if after.keeper else 'nobody'}")
    for cut in after.cuts:
        if cut not in before.cuts:
            count = sum(last.number for last in cut.sessions)
            lines.append(f"of what {peer_id(cut.author)} wrote, {count} envelopes still count")
    if new.conflict and not old.conflict:
        lines.append(f"two different trust records {new.conflict.n} were signed: trust changes stop")
    return tuple(lines)


def _begun(record: TrustRecord) -> TrustChain:
    """Return the chain of a record 0 alone, checked."""
    fault = fault_of(record)
    if fault:
        raise Malformed(fault)
    if record.n != 0:
        raise Malformed(f"a trust chain starts with record {record.n} instead of record 0")
    _check_signatures(record, record)
    return TrustChain((record,))


def _check_signatures(record: TrustRecord, before: TrustRecord) -> None:
    """Raise Forged unless enough of ``before``'s owners, and nobody else, signed ``record``."""
    _check_signers(record, before)
    if len(record.signatures) < before.threshold:
        raise Forged(f"trust record {record.n} has {len(record.signatures)} of {before.threshold} signatures")


def _check_signers(record: TrustRecord, before: TrustRecord) -> None:
    """Raise Forged where somebody who is no owner signed ``record``, or a signature does not fit it."""
    for owner, signature in record.signatures:
        if owner not in before.owners:
            raise Forged(f"trust record {record.n} is signed by somebody who was no owner")
        try:
            verify(owner, domains.TRUST, record.body, signature)
        except Forged as error:
            raise Forged(f"a signature of trust record {record.n} does not fit it") from error


def _bounded(records: tuple[TrustRecord, ...]) -> tuple[TrustRecord, ...]:
    """Return ``records`` if they are still few enough to travel in a config document."""
    size = sum(len(record.body) + 2 * SIGNATURE_BYTES * len(record.signatures) for record in records)
    if len(records) > limits.TRUST_RECORDS_MAX or size > limits.TRUST_CHAIN_BYTES_MAX:
        raise Malformed("the trust chain is longer than 1,000 records or 160 KiB")
    return records
