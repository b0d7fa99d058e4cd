"""The shapes of re-reading what is pinned."""

from __future__ import annotations

import msgspec


class VerifyOrder(msgspec.Struct, frozen=True):
    """What to re-read: the pins of ``cids``, or without any a ``sample`` of all, or ``all``."""

    cids: list[str] = []
    which: str | None = None


class Verified(msgspec.Struct, frozen=True):
    """What re-reading one pin came to. ``result``: sound, repaired (it was damaged and is whole again), damaged (it
    still is), absent (it is not pinned here). ``blocks`` and ``bytes`` were read, ``damaged`` and ``missing`` blocks
    found so; ``text`` says more where not all is well. ``checked`` is when all of it was found sound."""

    cluster: str
    cid: str
    name: str
    result: str
    blocks: int
    bytes: int
    damaged: int
    missing: int
    text: str | None
    checked: str | None
