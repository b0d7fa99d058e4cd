"""Which announced nodes the node is connected to next, and when again. No I/O, no clock of its own.

A node that cannot be reached now may be in a minute, and a connection that came up may be gone in an hour: nodes drop
connections that they do not use. So every address is tried again for as long as it is wanted, soon after a failure and
ever more rarely, and now and then after a success, where it costs the node a glance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pincrew.limits import (
    ANNOUNCED_NODES_CONNECTED_MAX,
    NODE_RECONNECT_DELAY_S_MAX,
    NODE_RECONNECT_DELAY_S_MIN,
    NODE_RECONNECT_INTERVAL_S,
)


@dataclass(slots=True)
class _Known:
    due: float
    failures: int = 0


class Acquaintance:
    """The addresses that are wanted, each with its next turn."""

    def __init__(self, luck: Callable[[], float]) -> None:
        """``luck`` gives numbers from 0 to 1: delays are spread, so that a crew does not dial in step."""
        self._luck = luck
        self._known: dict[str, _Known] = {}

    def want(self, addresses: Sequence[str], now: float) -> None:
        """Want these from now on, the first ANNOUNCED_NODES_CONNECTED_MAX of them; new ones have their turn at once."""
        wanted = dict.fromkeys(addresses)
        kept = list(wanted)[:ANNOUNCED_NODES_CONNECTED_MAX]
        self._known = {address: self._known.get(address) or _Known(now) for address in kept}

    def begin_anew(self, now: float) -> None:
        """Give each its turn at once: the node has come up, and knows nobody."""
        self._known = {address: _Known(now) for address in self._known}

    def take(self, now: float, count: int) -> list[str]:
        """Return up to ``count`` addresses whose turn it is; say afterwards how it went."""
        due = [address for address, known in self._known.items() if known.due <= now][:count]
        for address in due:
            self._known[address].due = float("inf")
        return due

    def succeeded(self, address: str, now: float) -> None:
        """Note that there is a connection."""
        if address in self._known:
            self._known[address] = _Known(now + NODE_RECONNECT_INTERVAL_S * self._spread())

    def failed(self, address: str, now: float) -> None:
        """Note that there is none."""
        known = self._known.get(address)
        if known is not None:
            delay = min(NODE_RECONNECT_DELAY_S_MAX, NODE_RECONNECT_DELAY_S_MIN * 2.0 ** min(known.failures, 16))
            known.failures += 1
            known.due = now + delay * self._spread()

    @property
    def next_turn(self) -> float:
        """When the next one is due; infinity for never."""
        return min((known.due for known in self._known.values()), default=float("inf"))

    def _spread(self) -> float:
        return 0.75 + 0.5 * self._luck()
