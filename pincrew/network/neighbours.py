"""Who is a neighbour: a peer with whom a sync stream is up. There is never more than one such stream per peer.

Two peers often open streams to each other at the same moment, and a peer that restarted opens one while its old one
still looks alive here. The rules, the same at both ends:

1. The peer that already had opened the present stream may open another: it lost the old one, so the new one counts.
2. If both opened within ``SYNC_TIE_S`` of each other, the one with the lower peer id wins.
3. Otherwise the newcomer wins: who dials after such a time has lost the stream that we still hold.

The loser is told ``DUPLICATE`` and waits for the winner's stream.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import trio

from pincrew import limits
from pincrew.network.contract import Connection
from pincrew.network.streams import FrameStream


class Greeting(IntEnum):
    """The one byte that answers a newly opened sync stream."""

    WELCOME = 0
    FULL = 1
    DUPLICATE = 2


@dataclass(eq=False, slots=True)
class Link:
    """A sync stream at work. ``opener`` is the peer id of the side that opened it."""

    connection: Connection
    opener: str
    stream: FrameStream
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    ended: trio.Event = field(default_factory=trio.Event)


class Neighbours:
    """The table of links, and what was opened but not answered yet."""

    def __init__(self, me: str) -> None:
        self._me = me
        self._links: dict[str, Link] = {}
        self._opening: set[str] = set()
        self._changed = trio.Event()
        self._changed_of: dict[str, trio.Event] = {}

    def __len__(self) -> int:
        return len(self._links)

    def __contains__(self, peer: str) -> bool:
        return peer in self._links

    def connections(self) -> list[Connection]:
        """Return the neighbours, longest first."""
        return sorted((link.connection for link in self._links.values()), key=lambda each: each.since)

    def link(self, peer: str) -> Link | None:
        """Return the link with ``peer``."""
        return self._links.get(peer)

    async def change(self) -> None:
        """Wait until a neighbour comes or goes."""
        await self._changed.wait()

    async def change_of(self, peer: str) -> None:
        """Wait until this very peer comes or goes: in a crowd, a change of any must not wake everybody."""
        event = self._changed_of.setdefault(peer, trio.Event())
        try:
            await event.wait()
        finally:
            if self._changed_of.get(peer) is event and not event.statistics().tasks_waiting:
                del self._changed_of[peer]

    def opening(self, peer: str) -> None:
        """Note that we open a stream to ``peer`` now; end it with ``opened``."""
        self._opening.add(peer)

    def opened(self, peer: str) -> None:
        """Note that our opening was answered or failed."""
        self._opening.discard(peer)

    def prefers(self, peer: str, opener: str, now: float) -> bool:
        """Tell whether a stream just opened by ``opener`` counts, rather than the one that is there or on its way."""
        lower = opener < (peer if opener == self._me else self._me)
        present = self._links.get(peer)
        if present is not None:
            if present.opener == opener:
                return True
            return lower or now - present.connection.since >= limits.SYNC_TIE_S
        return lower or opener == self._me or peer not in self._opening

    async def take(self, link: Link) -> None:
        """Put a link in the place of the one that is there, whose end is waited for."""
        peer = link.connection.peer
        while (present := self._links.get(peer)) is not None:
            present.scope.cancel()
            await present.ended.wait()
        self._links[peer] = link
        self.notice(peer)

    def remove(self, link: Link) -> None:
        """Forget a link that has ended."""
        if self._links.get(link.connection.peer) is link:
            del self._links[link.connection.peer]
        link.ended.set()
        self.notice(link.connection.peer)

    def notice(self, peer: str = "") -> None:
        """Make everybody look again who waits for a change, of any peer or of this one."""
        self._changed.set()
        self._changed = trio.Event()
        event = self._changed_of.pop(peer, None)
        if event is not None:
            event.set()
