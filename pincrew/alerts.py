"""Alerts: whose announcement expired, told once for each of its metrics until that peer is heard again. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from pincrew import limits
from pincrew.announcement import Heard
from pincrew.crew_metrics import Metric, is_alive, metrics_of


class Alert(NamedTuple):
    """A metric that expired, and when that was noticed (Unix milliseconds)."""

    metric: Metric
    triggered_ms: int


class Alerts:
    """The last alerts of one cluster. They are kept in memory alone: after a restart nobody was heard yet."""

    def __init__(self) -> None:
        self._kept: deque[Alert] = deque(maxlen=limits.ALERTS_KEPT_MAX)
        self._told: dict[bytes, int] = {}  # the time of the announcement whose end was told

    def look(self, heard: Iterable[Heard], now: float, now_ms: int) -> list[Alert]:
        """Notice who has expired since the last look; return what is new.

        ``heard`` is the newest of every peer, expired or not. Who is heard again may expire again: that is a new alert.
        """
        new: list[Alert] = []
        told: dict[bytes, int] = {}
        for one in heard:
            said = one.announcement
            if is_alive(one, now):
                continue
            told[said.key] = said.time_ms
            if self._told.get(said.key) != said.time_ms:
                new += [Alert(metric, now_ms) for metric in metrics_of(one, now, now_ms)]
        self._told = told
        self._kept.extend(new)
        return new

    def newest_first(self) -> list[Alert]:
        """Return what is kept."""
        return list(reversed(self._kept))
