"""The shapes of repairs: what `doctor --repair` asks of the daemon."""

from __future__ import annotations

import msgspec


class MendOrder(msgspec.Struct, frozen=True):
    """Recount the figures, and fetch these shards of the base in force anew."""

    shards: list[int]


class Mended(msgspec.Struct, frozen=True):
    """What was done. ``figures`` names what was wrong and is right now; ``shards`` of base ``base`` are being fetched,
    from ``peers`` that are connected."""

    cluster: str
    figures: list[str]
    base: int
    shards: int
    peers: int
