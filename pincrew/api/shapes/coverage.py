"""Shapes of coverage: how many copies there may be of what is listed, and how that is known."""

from __future__ import annotations

import msgspec


class CopiesBar(msgspec.Struct, frozen=True):
    """How many of the pins looked at have so many copies, rounded, by all peers and by vouched ones alone.

    The last bar stands for all with as many or more.
    """

    copies: int
    pins: int
    vouched: int


class CoveragePin(msgspec.Struct, frozen=True):
    """A pin with few copies. ``error``: the standard deviation of the estimate."""

    cid: str
    name: str
    size: int | None
    copies: float
    vouched: float
    error: float


class CoverageBasis(msgspec.Struct, frozen=True):
    """What the estimate stands on: the peers that count, and how many pins of the list were looked at.

    ``error``: of each bar, as a share of the list, at 95 %; 0 where all was looked at. ``named_pins`` name the peers
    that keep them and are left out.
    """

    peers: int
    peers_vouched: int
    peers_with_a_part: int
    silent_days_max: float
    pins: int
    looked_at: int
    named_pins: int
    error: float


class RescueState(msgspec.Struct, frozen=True):
    """What this peer keeps because too few others do. ``is_full``: more was asked for than found room."""

    pins: int
    bytes: int
    room: int
    is_full: bool


class SpotCheck(msgspec.Struct, frozen=True):
    """What one peer answered: of the CIDs that it should have by what it announces, so many it says it has."""

    peer: str
    name: str
    asked: int
    pinned: int


class Coverage(msgspec.Struct, frozen=True):
    """An estimate, and never more; nothing is dropped or declined because of it.

    ``part``: the share of the list that this peer keeps, null where it is all. ``spot_checks``: null where this peer
    may not ask others.
    """

    schema: int
    cluster: str
    is_estimate: bool
    wanted: int
    mean: float
    bars: list[CopiesBar]
    worst: list[CoveragePin]
    basis: CoverageBasis
    part: float | None
    rescue: RescueState | None
    spot_checks: list[SpotCheck] | None
