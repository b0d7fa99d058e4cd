"""The shapes of bases: what a cluster's list was at one cut through its log."""

from __future__ import annotations

import msgspec


class BaseCandidate(msgspec.Struct, frozen=True):
    """A base that may come into force here. ``stage`` says what it waits for: `manifest`, `cut`, `check`, `rows` or
    `ready`; ``have`` of its ``pins`` were fetched, where its rows are."""

    n: int
    stage: str
    signer: str
    have: int
    pins: int


class BaseInfo(msgspec.Struct, frozen=True):
    """What `state base --show` prints. ``n`` 0: there is none yet, and ``hash`` is null. ``bytes`` is the size of its
    rows, ``log_bytes`` that of the log since."""

    cluster: str
    n: int
    hash: str | None
    pins: int
    bytes: int
    log_bytes: int
    keeper: str | None
    candidate: BaseCandidate | None


class BaseHeader(msgspec.Struct, frozen=True):
    """What an owner signs to make the next base, as base64."""

    header: str


class BaseSealed(msgspec.Struct, frozen=True):
    """A signed base as base64; null: this peer, as keeper, makes one."""

    sealed: str | None
