"""The shapes of trust: who owns a cluster and who may write it, and the records that say so."""

from __future__ import annotations

import msgspec


class TrustedPeer(msgspec.Struct, frozen=True):
    """A curator. ``name`` is what it announced; ``connected``: null without the daemon, and of this peer itself."""

    peer_id: str
    name: str | None
    connected: bool | None


class FormerCurator(msgspec.Struct, frozen=True):
    """Who was a curator until record ``record``. ``counts``: how many of its envelopes count, null: all."""

    peer_id: str
    record: int
    counts: int | None


class TrustConflict(msgspec.Struct, frozen=True):
    """Two records of one number that owners signed. ``held``, ``other``: in lines, what each changes; the first holds
    here."""

    record: int
    held: list[str]
    other: list[str]


class WaitingRecord(msgspec.Struct, frozen=True):
    """The next record, which more owners must sign: ``signed`` did, ``missing`` must. ``file``: a copy of it here."""

    record: int
    file: str
    signed: list[str]
    missing: int
    changes: list[str]


class TrustInfo(msgspec.Struct, frozen=True):
    """What `trust ls` prints. ``record`` is the number of the trust record in force; ``threshold`` owners must sign the
    next one."""

    cluster: str
    id: str
    record: int
    owners: list[str]
    threshold: int
    curators: list[TrustedPeer]
    keeper: str | None
    former: list[FormerCurator]
    conflict: TrustConflict | None
    waiting: WaitingRecord | None


class TrustRecords(msgspec.Struct, frozen=True):
    """Every signed trust record in force as base64, by number, and after them the other record of a conflict."""

    records: list[str]


class TrustRecordSigned(msgspec.Struct, frozen=True):
    """A trust record, base64, that enough owners signed."""

    record: str


class SessionHead(msgspec.Struct, frozen=True):
    """How far a session of an author was taken in here: nonce and hash as hex, and the number of its last envelope."""

    nonce: str
    number: int
    hash: str
