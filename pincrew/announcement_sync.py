"""How announcements spread: each neighbour hears what is new, but for what it said itself, gathered over a while.

What a peer announces of itself goes out at once; what it heard of others waits for more of that, and is not told to
whoever tells it meanwhile, so that in a crowd news crosses each link about once.

Part of ``pincrew.sync``: no I/O, no clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from pincrew import limits
from pincrew.errors import PeerFault
from pincrew.frames import AnnouncementsFrame


class AnnouncementHolder(Protocol):
    """What this needs of the peer's member."""

    def receive_announcement(self, announcement: bytes) -> bool:
        """Take in a signed announcement; return whether it was news. Raises Malformed or Forged."""
        ...

    def announcements(self) -> list[bytes]: ...
    @property
    def announced_peers(self) -> int:
        """About how many peers there are."""
        ...


@dataclass(slots=True)
class _Link:
    news: dict[bytes, None] = field(default_factory=dict)  # what it was not told and did not tell us
    next_news: float = 0.0


class AnnouncementSync:
    """One peer's side of passing on announcements."""

    def __init__(self, holder: AnnouncementHolder, random: Random) -> None:
        self._holder = holder
        self._random = random
        self._links: dict[str, _Link] = {}

    # ---- events -----------------------------------------------------------------------------------------------

    def linked(self, peer: str) -> None:
        """There is a new neighbour, to whom everything is news."""
        self._links[peer] = _Link(dict.fromkeys(self._holder.announcements()))

    def unlinked(self, peer: str) -> None:
        """A neighbour is gone."""
        self._links.pop(peer, None)

    def announced(self, announcement: bytes, now: float) -> None:
        """There is a new announcement of our own, which waits for nothing."""
        self._spread(announcement, None)
        for link in self._links.values():
            link.next_news = now

    def received(self, peer: str, announcements: tuple[bytes, ...]) -> str | None:
        """A neighbour passes on what it heard; return what is wrong with that, if anything."""
        link = self._links[peer]
        for announcement in announcements:
            link.news.pop(announcement, None)
            try:
                if self._holder.receive_announcement(announcement):
                    self._spread(announcement, peer)
            except PeerFault as error:
                return f"its announcement is bad: {error}"
        return None

    def _spread(self, announcement: bytes, origin: str | None) -> None:
        for peer, link in self._links.items():
            if peer != origin and len(link.news) < limits.ANNOUNCED_PEERS_MAX:
                link.news[announcement] = None

    # ---- the decision -----------------------------------------------------------------------------------------

    def evaluate(self, peer: str, now: float) -> list[AnnouncementsFrame]:
        """Say what a neighbour is to be told: all announcements that came since the last time."""
        link = self._links[peer]
        if not link.news or now < link.next_news:
            return []
        crowd_s = self._holder.announced_peers * limits.ANNOUNCEMENTS_PASSED_ON_PER_PEER_S
        interval_s = min(
            max(limits.ANNOUNCEMENTS_PASSED_ON_INTERVAL_S, crowd_s), limits.ANNOUNCEMENTS_PASSED_ON_INTERVAL_S_MAX
        )
        link.next_news = now + interval_s * (0.5 + self._random.random())
        news = tuple(link.news)
        link.news.clear()
        step = limits.ANNOUNCEMENTS_PER_FRAME_MAX
        return [AnnouncementsFrame(news[at : at + step]) for at in range(0, len(news), step)]

    def next_due(self) -> float:
        """Return when ``evaluate`` next has something to say by itself."""
        return min((link.next_news for link in self._links.values() if link.news), default=float("inf"))
