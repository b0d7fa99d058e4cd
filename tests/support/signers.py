"""Owners, curators and chains made from fixed seeds, for tests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from pincrew.keys import SigningKey
from pincrew.trust import Cut, TrustChain, TrustRecord, first_record


def key(name: str) -> SigningKey:
    """Return the same key for the same name, always."""
    return SigningKey.from_seed(hashlib.sha256(name.encode()).digest())


OWNER, SECOND_OWNER, THIRD_OWNER = key("owner"), key("second owner"), key("third owner")
CURATOR, SECOND_CURATOR, STRANGER = key("curator"), key("second curator"), key("stranger")
SALT = bytes(range(16))


def first(
    *,
    owners: Iterable[SigningKey] = (OWNER,),
    curators: Iterable[SigningKey] = (CURATOR,),
    threshold: int = 1,
    salt: bytes = SALT,
    is_open: bool = True,
) -> TrustRecord:
    """Return a record 0, signed by all its owners."""
    owners = tuple(owners)
    curators = tuple(curators)
    record = first_record(
        [owner.public for owner in owners],
        [curator.public for curator in curators],
        salt,
        threshold=threshold,
        keeper=curators[0].public,
        is_open=is_open,
    )
    return record.signed(*owners)


def following(
    record: TrustRecord,
    *signers: SigningKey,
    owners: Iterable[SigningKey] | None = None,
    curators: Iterable[SigningKey] | None = None,
    cuts: tuple[Cut, ...] = (),
) -> TrustRecord:
    """Return the record after ``record``, signed by ``signers`` (OWNER where none is named)."""
    curator_keys = record.curators if curators is None else frozenset(each.public for each in curators)
    after = replace(
        record,
        n=record.n + 1,
        previous=record.hash,
        owners=record.owners if owners is None else frozenset(each.public for each in owners),
        curators=curator_keys,
        keeper=record.keeper if record.keeper in curator_keys else None,
        cuts=cuts,
        genesis=None,
        signatures=(),
    )
    return after.signed(*(signers or (OWNER,)))


def chain(*records: TrustRecord) -> TrustChain:
    """Return the chain of ``records``, or of the usual record 0."""
    return TrustChain.from_records(records or (first(),))
