"""What a walk through a DAG has still to visit: depth first, so that it stays small, and bounded where that fails.

A DAG can be made so that every block on the way down links to tens of thousands of others. Then the links that will be
needed last are forgotten, all but the CID of the block that they stand in and how far they were taken: the block is
here, and can be read again when its turn comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pincrew.limits import WALK_LINKS_HELD_MAX


@dataclass(slots=True)
class _Frame:
    """The links of one block, ``links`` from ``at`` on; None: forgotten."""

    cid: bytes
    links: Sequence[bytes] | None
    at: int = 0


class Frontier:
    """A stack of links to be visited."""

    def __init__(self, root: bytes, links_held_max: int = WALK_LINKS_HELD_MAX) -> None:
        self._frames = [_Frame(root, (root,))]
        self._held = 1
        self._held_max = links_held_max
        self._forgotten = 0  # how many frames, from the bottom, have been looked through for links to forget

    def __bool__(self) -> bool:
        """Say whether anything is left."""
        return bool(self._frames)

    def push(self, cid: bytes, links: Sequence[bytes]) -> None:
        """Visit the links of the block ``cid``, which is in the store, before all others."""
        if not links:
            return
        self._frames.append(_Frame(cid, links))
        self._held += len(links)
        while self._held > self._held_max and self._forgotten < len(self._frames) - 1:
            frame = self._frames[self._forgotten]
            if frame.links is not None:
                self._held -= len(frame.links)
                frame.links = None
            self._forgotten += 1

    def take(self, count: int) -> list[bytes]:
        """Return up to ``count`` CIDs to visit next; none when nothing is left, or ``forgotten`` names a block."""
        taken: list[bytes] = []
        while self._frames and len(taken) < count:
            frame = self._frames[-1]
            if frame.links is None:
                break
            some = frame.links[frame.at : frame.at + count - len(taken)]
            taken += some
            frame.at += len(some)
            if frame.at == len(frame.links):
                self._frames.pop()
                self._held -= len(frame.links)
                self._forgotten = min(self._forgotten, len(self._frames))
        return taken

    @property
    def forgotten(self) -> bytes | None:
        """The block whose links must be given again with ``remind`` before anything can be taken."""
        return self._frames[-1].cid if self._frames and self._frames[-1].links is None else None

    def remind(self, links: Sequence[bytes]) -> None:
        """Give the links of the block that ``forgotten`` names."""
        frame = self._frames[-1]
        assert frame.links is None and frame.at < len(links)
        frame.links = links
        self._held += len(links)
        self._forgotten = min(self._forgotten, len(self._frames) - 1)
