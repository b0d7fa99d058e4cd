"""When `--wait` has waited long enough. Pure."""

from __future__ import annotations

from pincrew.limits import CTL_WAIT_UNREACHABLE_MAX
from pincrew.rest.shapes import GlobalPinInfo

PINNED, UNPINNED = "pinned", "unpinned"
_SHARDED = "sharded"
_FAILED = ("pin_error", "unpin_error")
_UNREACHABLE = ("cluster_error", "undefined")


class Failing(Exception):
    """A peer failed at what is waited for."""


class Wait:
    """Looks at one status after the other.

    ``limit`` peers must have reached ``target``; 0 or less: all of them, where for pins those that need not keep it do
    not count. A peer that failed ends it at once; one that could not be asked only when it could not several times
    running (ipfs-cluster-ctl gives up at the first).
    """

    def __init__(self, target: str, limit: int) -> None:
        self._target = target
        self._limit = limit
        self._unreachable = 0

    def is_over(self, info: GlobalPinInfo) -> bool:
        """Look at a status. Raises Failing."""
        found = [peer.status for peer in info.peer_map.values()]
        if found and all(status == _SHARDED for status in found):
            return self._target == PINNED  # nobody ever pins it
        lost = any(status in _UNREACHABLE for status in found)
        self._unreachable = self._unreachable + 1 if lost else 0
        if self._unreachable >= CTL_WAIT_UNREACHABLE_MAX or any(status in _FAILED for status in found):
            raise Failing(f"error has occurred while attempting to reach status: {self._target}")
        if self._limit > 0 and found:
            return found.count(self._target) >= min(self._limit, len(found))
        passable = (self._target, "remote") if self._target == PINNED else (self._target,)
        return all(status in passable for status in found)
