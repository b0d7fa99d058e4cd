"""Who sends too much that is of no use, and who is kept out for it. Pure: the caller brings the time.

Two counts per peer over a sliding window: messages that must not have been sent (rejected), and messages that were
needless (duplicates and control messages). Valid new messages never count. On the contrary: in a mesh every neighbour
may rightly hand on every new message once, so each accepted message, from whomever, allows every peer one duplicate.
"""

from __future__ import annotations

from collections import OrderedDict, deque

from pincrew import limits


class Window:
    """Counts of the last ``FLOOD_WINDOW_S`` seconds, in steps of one second."""

    __slots__ = ("_steps",)

    def __init__(self) -> None:
        self._steps: deque[tuple[int, int]] = deque()

    def add(self, now: float, count: int) -> int:
        """Add ``count`` and return the sum over the window."""
        step = int(now)
        if count:
            if self._steps and self._steps[-1][0] == step:
                self._steps[-1] = (step, self._steps[-1][1] + count)
            else:
                self._steps.append((step, count))
        while self._steps and self._steps[0][0] <= now - limits.FLOOD_WINDOW_S:
            self._steps.popleft()
        return sum(count for _, count in self._steps)


class FloodGuard:
    """Says who has to be cut off now, and who still is."""

    def __init__(self) -> None:
        self._accepted = Window()
        self._rejected: OrderedDict[str, Window] = OrderedDict()
        self._needless: OrderedDict[str, Window] = OrderedDict()
        self._out_until: OrderedDict[str, float] = OrderedDict()

    def accepted(self, now: float) -> None:
        """Count a valid new message."""
        self._accepted.add(now, 1)

    def count(self, peer: str, now: float, *, rejected: int = 0, needless: int = 0) -> bool:
        """Count against ``peer``; True if this is the moment to cut it off."""
        if self.is_out(peer, now):
            return False
        bad = _window(self._rejected, peer).add(now, rejected) if rejected else 0
        idle = _window(self._needless, peer).add(now, needless) if needless else 0
        allowance = limits.DUPLICATES_PER_SECOND_MAX * limits.FLOOD_WINDOW_S
        if bad <= limits.REJECTED_PER_WINDOW_MAX and idle <= allowance + self._accepted.add(now, 0):
            return False
        self.cut_off(peer, now)
        return True

    def cut_off(self, peer: str, now: float) -> None:
        """Keep ``peer`` out for ``FLOOD_BAN_S``."""
        self._rejected.pop(peer, None)
        self._needless.pop(peer, None)
        self._out_until[peer] = now + limits.FLOOD_BAN_S
        self._out_until.move_to_end(peer)
        while len(self._out_until) > limits.FLOOD_PEERS_MAX:
            self._out_until.popitem(last=False)

    def is_out(self, peer: str, now: float) -> bool:
        """Tell whether ``peer`` is kept out at ``now``."""
        until = self._out_until.get(peer)
        if until is None:
            return False
        if now >= until:
            del self._out_until[peer]
            return False
        return True


def _window(windows: OrderedDict[str, Window], peer: str) -> Window:
    """Return the peer's window; the one unused for longest makes room."""
    if peer not in windows:
        windows[peer] = Window()
        while len(windows) > limits.FLOOD_PEERS_MAX:
            windows.popitem(last=False)
    windows.move_to_end(peer)
    return windows[peer]
