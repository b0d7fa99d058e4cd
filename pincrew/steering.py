"""Steers a node that has no limit of its own towards one, by when it is asked to fetch and when not. Pure.

It watches the node's own count of what it received, which includes what it fetches for others: an account is paid into
at the limit's rate and drawn on by what arrives. Overdrawn, nothing more is asked for until it is half full again. So
the limit holds on average, and only there: over seconds the node takes what the line gives.
"""

from __future__ import annotations

from pincrew.limits import STEERING_ACCOUNT_S


class Steering:
    """One node's account. ``is_open`` says whether it may be asked to fetch."""

    def __init__(self, bytes_per_s: int, now: float, received: int) -> None:
        self.bytes_per_s = bytes_per_s
        self.is_open = True
        self._at = now
        self._received = received
        self._account = self._full / 2

    @property
    def _full(self) -> float:
        return self.bytes_per_s * STEERING_ACCOUNT_S

    def look(self, now: float, received: int) -> bool:
        """Take note of how much it has received in all; return whether it may be asked to fetch.

        A count that fell is a node that was started anew.
        """
        came = received - self._received if received >= self._received else received
        self._account = min(self._full, self._account + (now - self._at) * self.bytes_per_s - came)
        self._at, self._received = now, received
        if self._account < 0:
            self.is_open = False
        elif self._account >= self._full / 2:
            self.is_open = True
        return self.is_open
