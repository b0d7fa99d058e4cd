"""News as a script: an announcement in, what is told to whom; the other side is a fake holder."""

from __future__ import annotations

from random import Random

from pincrew import limits
from pincrew.announcement_sync import AnnouncementSync
from pincrew.errors import Malformed
from pincrew.frames import AnnouncementsFrame

QUIET_S = 2 * limits.ANNOUNCEMENTS_PASSED_ON_INTERVAL_S  # after which news is told the moment it is there


class Holder:
    """A peer that has heard one announcement and holds another one worth passing on."""

    def __init__(self) -> None:
        self.heard = {b"old"}

    def receive_announcement(self, announcement: bytes) -> bool:
        if announcement == b"bad":
            raise Malformed("bad")
        is_news = announcement not in self.heard
        self.heard.add(announcement)
        return is_news

    @property
    def announced_peers(self) -> int:
        return 1

    def announcements(self) -> list[bytes]:
        return [b"held"]


def linked(*peers: str) -> AnnouncementSync:
    """Neighbours that were told what is held."""
    sync = AnnouncementSync(Holder(), Random(1))
    for peer in peers:
        sync.linked(peer)
    assert told(sync, 0.0) == {peer: [b"held"] for peer in peers}
    return sync


def told(sync: AnnouncementSync, now: float) -> dict[str, list[bytes]]:
    """Who is told what, of all that have a link."""
    said = {peer: [one for frame in sync.evaluate(peer, now) for one in frame.announcements] for peer in sync._links}
    return {peer: announcements for peer, announcements in said.items() if announcements}


def test_news_goes_to_all_but_whom_it_came_from() -> None:
    sync = linked("p", "q", "r")
    assert sync.received("p", (b"new", b"old")) is None
    assert told(sync, QUIET_S) == {"q": [b"new"], "r": [b"new"]}


def test_what_is_bad_is_said_and_what_came_before_it_counts() -> None:
    sync = linked("p", "q")
    assert sync.received("p", (b"new", b"bad", b"newer")) == "its announcement is bad: bad."
    assert told(sync, QUIET_S) == {"q": [b"new"]}


def test_news_of_others_is_gathered_and_our_own_waits_for_nothing() -> None:
    sync = linked("p", "q")
    assert sync.received("p", (b"1",)) is None and told(sync, 0.0) == {}
    due = sync.next_due()
    assert 0.0 < due <= QUIET_S and told(sync, due) == {"q": [b"1"]}
    sync.announced(b"own", due)
    assert sync.next_due() == due and told(sync, due) == {"p": [b"own"], "q": [b"own"]}
    assert sync.next_due() == float("inf"), "there is nothing to tell"


def test_nobody_is_told_what_it_tells_meanwhile() -> None:
    sync = linked("p", "q", "r")
    for announcement in (b"1", b"2"):
        sync.received("p", (announcement,))
    sync.received("q", (b"1",))
    assert told(sync, QUIET_S) == {"q": [b"2"], "r": [b"1", b"2"]}


def test_what_waits_is_bounded_and_told_in_frames_of_a_few() -> None:
    sync = linked("p", "slow")
    for number in range(limits.ANNOUNCED_PEERS_MAX + 9):
        sync.received("p", (b"%d" % number,))
    frames = sync.evaluate("slow", QUIET_S)
    assert all(isinstance(frame, AnnouncementsFrame) for frame in frames)
    sizes = [len(frame.announcements) for frame in frames]
    assert sum(sizes) == limits.ANNOUNCED_PEERS_MAX and max(sizes) <= limits.ANNOUNCEMENTS_PER_FRAME_MAX


def test_who_is_gone_is_told_nothing_and_who_comes_again_everything() -> None:
    sync = linked("p", "q")
    sync.unlinked("q")
    sync.received("p", (b"new",))
    assert sync.next_due() == float("inf") and told(sync, QUIET_S) == {}
    sync.linked("q")
    assert told(sync, QUIET_S) == {"q": [b"held"]}
