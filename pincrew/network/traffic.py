"""How many bytes come and go by each protocol that is spoken here. Pure: the clock is given.

Counted is what streams carry once they speak a protocol, not what carries them (handshakes, frames, encryption). There
are as many counts as protocols that we speak: a stranger's words make none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pincrew.limits import TRAFFIC_WINDOW_S


@dataclass(frozen=True, slots=True)
class Passed:
    """Bytes, since the host began and per second of the last `TRAFFIC_WINDOW_S`."""

    total_in: int
    total_out: int
    rate_in: float
    rate_out: float


class Meter:
    """What passes by one protocol."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._in = _Count()
        self._out = _Count()

    def came(self, size: int) -> None:
        """Count bytes that were read."""
        self._in.add(size, int(self._clock()))

    def went(self, size: int) -> None:
        """Count bytes that were written."""
        self._out.add(size, int(self._clock()))

    def passed(self) -> Passed:
        """Return how much that is."""
        now = int(self._clock())
        return Passed(self._in.total, self._out.total, self._in.rate(now), self._out.rate(now))


class Traffic:
    """The meters of a host."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._meters: dict[str, Meter] = {}

    def meter(self, protocol: str) -> Meter:
        """Return the one of a protocol."""
        return self._meters.setdefault(protocol, Meter(self._clock))

    def passed(self) -> dict[str, Passed]:
        """Return how much passed by each protocol that was spoken."""
        return {protocol: meter.passed() for protocol, meter in sorted(self._meters.items())}


class _Count:
    """Bytes in one direction: all of them, and those of each of the last seconds."""

    def __init__(self) -> None:
        self.total = 0
        self._seconds = [0] * TRAFFIC_WINDOW_S
        self._newest = 0

    def add(self, size: int, second: int) -> None:
        self._turn(second)
        self.total += size
        self._seconds[second % TRAFFIC_WINDOW_S] += size

    def rate(self, second: int) -> float:
        self._turn(second)
        return sum(self._seconds) / TRAFFIC_WINDOW_S

    def _turn(self, second: int) -> None:
        """Empty the seconds that begin anew."""
        for begun in range(max(self._newest + 1, second - TRAFFIC_WINDOW_S + 1), second + 1):
            self._seconds[begun % TRAFFIC_WINDOW_S] = 0
        self._newest = max(self._newest, second)
