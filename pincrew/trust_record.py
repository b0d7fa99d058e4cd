"""One trust record: what it says, its only form as bytes, and what makes it unacceptable by itself.

    body    = [version, n, previous, owners, threshold, curators, keeper, cuts, genesis]
    cut     = [author, [[nonce, number, hash], ...]]     the last good envelope of each session of a revoked author
    genesis = [shard_bits, open, salt]                   in record 0; null in all others
    signed  = [body, [[owner, signature], ...]]          owners ascending, each once

A record is its body: the same body under other signatures of the same owners is the same record, and ``hash`` is
SHA-256(domain, body). Whether the signatures are good is the chain's question (``pincrew.trust``).
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import cbor2

from pincrew import domains, limits
from pincrew.errors import Malformed
from pincrew.keys import SigningKey
from pincrew.wire import load

HASH_BYTES = 32
KEY_BYTES = 32
SALT_BYTES = 16
NONCE_BYTES = 16
SIGNATURE_BYTES = 64
_INTEGER_MAX = 2**53
_BODY_FIELDS = 9


@dataclass(frozen=True)
class Genesis:
    """What record 0 fixes for ever. The salt keeps two clusters of the same keys apart."""

    salt: bytes
    shard_bits: int = limits.SHARD_BITS_DEFAULT
    is_open: bool = True


@dataclass(frozen=True)
class LastGood:
    """The last envelope of one session that still counts after its author was revoked."""

    nonce: bytes
    number: int
    hash: bytes


@dataclass(frozen=True)
class Cut:
    """Where a revoked author's writing ends. A session that is not listed counts for nothing."""

    author: bytes
    sessions: tuple[LastGood, ...] = ()


@dataclass(frozen=True)
class TrustRecord:
    """One statement of who owns and who curates. Keys are Ed25519 public keys of 32 bytes.

    ``signatures`` (owner, signature) are not part of its identity: see ``hash``.
    """

    n: int
    previous: bytes
    owners: frozenset[bytes]
    curators: frozenset[bytes]
    threshold: int = 1
    keeper: bytes | None = None
    cuts: tuple[Cut, ...] = ()
    genesis: Genesis | None = None
    signatures: tuple[tuple[bytes, bytes], ...] = field(default=(), compare=False, repr=False)
    body: bytes = field(init=False, compare=False, repr=False)
    hash: bytes = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        body = cbor2.dumps(_body_items(self), canonical=True)
        object.__setattr__(self, "body", body)
        object.__setattr__(self, "hash", hashlib.sha256(domains.TRUST + body).digest())

    def signed(self, *owners: SigningKey) -> TrustRecord:
        """Return this record with the signatures of ``owners`` added to those that it has."""
        by_owner = dict(self.signatures)
        by_owner.update((owner.public, owner.sign(domains.TRUST, self.body)) for owner in owners)
        return replace(self, signatures=tuple(sorted(by_owner.items())))

    def encode(self) -> bytes:
        """Return the signed record as one message."""
        pairs = [[owner, signature] for owner, signature in self.signatures]
        return cbor2.dumps([self.body, pairs], canonical=True)

    @classmethod
    def decode(cls, data: bytes) -> TrustRecord:
        """Read a signed record. Raises Malformed; says nothing yet of whether its signatures are good."""
        if len(data) > limits.TRUST_RECORD_BYTES_MAX:
            raise Malformed("a trust record is larger than 64 KiB")
        value = load(data)
        if not (isinstance(value, list) and len(value) == 2 and isinstance(value[1], list)):
            raise Malformed("a signed trust record is not a body with signatures")
        body = _bytes(value[0], "body")
        record = _decode_body(body, tuple(_signature(pair) for pair in value[1]))
        if record.body != body:
            raise Malformed("a trust record is not in its one deterministic form")
        fault = fault_of(record)
        if fault:
            raise Malformed(fault)
        return record


def first_record(
    owners: Iterable[bytes],
    curators: Iterable[bytes],
    salt: bytes,
    *,
    threshold: int = 1,
    keeper: bytes | None = None,
    shard_bits: int = limits.SHARD_BITS_DEFAULT,
    is_open: bool = True,
) -> TrustRecord:
    """Return an unsigned record 0. ``salt`` are 16 fresh random bytes."""
    genesis = Genesis(salt, shard_bits, is_open)
    record = TrustRecord(0, b"", frozenset(owners), frozenset(curators), threshold, keeper, (), genesis)
    fault = fault_of(record)
    assert fault is None, fault
    return record


def fault_of(record: TrustRecord) -> str | None:
    """Say what makes a record unacceptable whatever chain it is for, or None.

    Every bound here is a constant of the format: all replicas judge alike (invariant 9).
    """
    who = f"trust record {record.n}"
    keys = (*record.owners, *record.curators, *(cut.author for cut in record.cuts))
    sizes = (
        *((len(key), KEY_BYTES) for key in keys),
        *((len(last.nonce), NONCE_BYTES) for cut in record.cuts for last in cut.sessions),
        *((len(last.hash), HASH_BYTES) for cut in record.cuts for last in cut.sessions),
        *((len(signature), SIGNATURE_BYTES) for _, signature in record.signatures),
    )
    genesis = record.genesis
    checks = (
        (record.n >= 0, "has a negative number"),
        (all(is_ == must for is_, must in sizes), "holds a key, hash or signature of the wrong length"),
        (1 <= len(record.owners) <= limits.TRUST_KEYS_MAX, "names no owner or more than 256"),
        (len(record.curators) <= limits.TRUST_KEYS_MAX, "names more than 256 curators"),
        (1 <= record.threshold <= len(record.owners), "asks for an impossible number of signatures"),
        (record.keeper is None or record.keeper in record.curators, "names a keeper who is no curator"),
        (all(cut.author not in record.curators for cut in record.cuts), "cuts off one of its own curators"),
        (all(last.number >= 1 for cut in record.cuts for last in cut.sessions), "has a cut before envelope 1"),
        (_ascending([cut.author for cut in record.cuts]), "names a cut twice or out of order"),
        (
            all(_ascending([last.nonce for last in cut.sessions]) for cut in record.cuts),
            "names a session twice or out of order",
        ),
        (_ascending([owner for owner, _ in record.signatures]), "is signed twice by one key or out of order"),
        ((genesis is not None) == (record.n == 0), "has what only record 0 has, or lacks it"),
        (len(record.previous) == (HASH_BYTES if record.n else 0), "does not name the record before it"),
        (genesis is None or len(genesis.salt) == SALT_BYTES, "has a salt of the wrong length"),
        (genesis is None or 0 <= genesis.shard_bits <= limits.SHARD_BITS_MAX, "has absurd shard bits"),
        (record.n > 0 or bool(record.curators), "names no curator"),
        (record.n > 0 or not record.cuts, "cuts off an author before anybody wrote"),
        (len(record.encode()) <= limits.TRUST_RECORD_BYTES_MAX, "is larger than 64 KiB"),
    )
    return next((f"{who} {problem}" for holds, problem in checks if not holds), None)


def _ascending(items: list[bytes]) -> bool:
    return all(left < right for left, right in itertools.pairwise(items))


def _body_items(record: TrustRecord) -> list[Any]:
    genesis = record.genesis
    return [
        limits.TRUST_FORMAT_VERSION,
        record.n,
        record.previous,
        sorted(record.owners),
        record.threshold,
        sorted(record.curators),
        record.keeper,
        [[cut.author, [[s.nonce, s.number, s.hash] for s in cut.sessions]] for cut in record.cuts],
        None if genesis is None else [genesis.shard_bits, genesis.is_open, genesis.salt],
    ]


def _decode_body(body: bytes, signatures: tuple[tuple[bytes, bytes], ...]) -> TrustRecord:
    items = load(body)
    if not isinstance(items, list) or not items or type(items[0]) is not int:
        raise Malformed("a trust record does not start with a version")
    if items[0] > limits.TRUST_FORMAT_VERSION:
        raise Malformed(
            f"a trust record has format version {items[0]}; this pincrew reads up to {limits.TRUST_FORMAT_VERSION}",
            next_step="Upgrade pincrew",
        )
    if items[0] != limits.TRUST_FORMAT_VERSION or len(items) != _BODY_FIELDS:
        raise Malformed("a trust record does not have the fields of its version")
    _, n, previous, owners, threshold, curators, keeper, cuts, genesis = items
    return TrustRecord(
        n=_integer(n, "number"),
        previous=_bytes(previous, "previous hash"),
        owners=frozenset(_bytes(key, "owner") for key in _list(owners, "owners")),
        threshold=_integer(threshold, "threshold"),
        curators=frozenset(_bytes(key, "curator") for key in _list(curators, "curators")),
        keeper=None if keeper is None else _bytes(keeper, "keeper"),
        cuts=tuple(_cut(cut) for cut in _list(cuts, "cuts")),
        genesis=None if genesis is None else _genesis(genesis),
        signatures=signatures,
    )


def _genesis(value: Any) -> Genesis:
    shard_bits, is_open, salt = _list(value, "genesis", 3)
    if not isinstance(is_open, bool):
        raise Malformed("a trust record does not say whether its cluster is open")
    return Genesis(_bytes(salt, "salt"), _integer(shard_bits, "shard bits"), is_open)


def _cut(value: Any) -> Cut:
    author, sessions = _list(value, "cut", 2)
    parts = [_list(session, "cut", 3) for session in _list(sessions, "cut")]
    ends = [LastGood(_bytes(s[0], "nonce"), _integer(s[1], "number"), _bytes(s[2], "hash")) for s in parts]
    return Cut(_bytes(author, "author"), tuple(ends))


def _signature(value: Any) -> tuple[bytes, bytes]:
    owner, signature = _list(value, "signature", 2)
    return _bytes(owner, "owner"), _bytes(signature, "signature")


def _list(value: Any, what: str, length: int | None = None) -> list[Any]:
    if not isinstance(value, list) or (length is not None and len(value) != length):
        raise Malformed(f"a trust record has a {what} of the wrong form")
    return value


def _bytes(value: Any, what: str) -> bytes:
    if not isinstance(value, bytes):
        raise Malformed(f"a trust record has a {what} that is not bytes")
    return value


def _integer(value: Any, what: str) -> int:
    if type(value) is not int or not 0 <= value <= _INTEGER_MAX:
        raise Malformed(f"a trust record has a {what} that is not a plain number")
    return value
