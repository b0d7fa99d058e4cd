"""What neighbours say to each other so that both end with the same heads. Correctness rests on this alone; pubsub only
makes it faster.

Each pair compares digests on connecting, when heads change (at most once a second) and every 45 s or so. News goes to a
few neighbours at once; the others hear of it within a second, unless they say meanwhile that they have it, so that in a
crowd it crosses each link about once. Where digests differ, both tell their heads, and whoever is behind asks for what
it lacks (``pincrew.page_sync``). Bases, proofs of forks and announcements have rules of their own: ``base_sync``,
``proof_sync``, ``announcement_sync``.

No I/O, no clock: ``now`` is given, frames go in and come out. Events only note what is known; ``evaluate`` looks at
the whole and decides. When the same peer appears twice, the later link replaces the earlier one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from pincrew import limits
from pincrew.announcement_sync import AnnouncementHolder, AnnouncementSync
from pincrew.base_sync import BaseHolder, BaseSync
from pincrew.frames import (
    Absent,
    AnnouncementsFrame,
    BaseFrame,
    BaseWant,
    Blob,
    BlobWant,
    Digest,
    Frame,
    Heads,
    Hello,
    Page,
    Proof,
    Standing,
    TrustRecords,
    TrustWant,
    Want,
)
from pincrew.gate import Screening
from pincrew.page_sync import PageHolder, PageSync
from pincrew.proof_sync import ProofHolder, ProofSync
from pincrew.values import Head, SessionId


class Pinset(AnnouncementHolder, BaseHolder, PageHolder, ProofHolder, Protocol):
    """What sync needs of this peer's replica and trust."""

    def trust_records(self, first: int) -> list[bytes]: ...
    def receive_trust(self, records: tuple[bytes, ...]) -> str | None:
        """Take in records; return what is wrong with them, if anything."""
        ...


@dataclass(frozen=True, slots=True)
class Send:
    """Send a frame to a neighbour."""

    peer: str
    frame: Frame


@dataclass(frozen=True, slots=True)
class Blame:
    """A neighbour broke the rules. ``fatal`` ends the link."""

    peer: str
    reason: str
    fatal: bool = False


Effect = Send | Blame


@dataclass(slots=True)
class _Link:
    greeted: bool = False
    told: dict[SessionId, Head] = field(default_factory=dict)
    told_standing: Standing | None = None
    heads_due: bool = False
    must_tell: bool = False
    awaits_heads: bool = False
    next_heads: float = 0.0
    next_digest: float = 0.0
    trust_wanted: float = 0.0


class Sync:
    """One peer's side of all its sync streams in one cluster."""

    def __init__(self, pinset: Pinset, cluster: bytes, random: Random) -> None:
        self._pinset = pinset
        self._cluster = cluster
        self._random = random
        self._links: dict[str, _Link] = {}
        self._pages = PageSync(pinset, random)
        self._bases = BaseSync(pinset, random)
        self._proofs = ProofSync(pinset)
        self._announcements = AnnouncementSync(pinset, random)

    @property
    def neighbours(self) -> list[str]:
        """The peers with a link."""
        return list(self._links)

    @property
    def has_compared(self) -> bool:
        """Whether some neighbour said where it stands, and none owes us its heads."""
        greeted = [link for link in self._links.values() if link.greeted]
        return bool(greeted) and not any(link.awaits_heads for link in greeted)

    def awaits(self, peer: str, session: SessionId) -> bool:
        """Whether a page of a session was asked of a neighbour: another one is not worth reading."""
        return self._pages.awaits(peer, session)

    def best_heads(self) -> dict[SessionId, Head]:
        """Return the highest head that any neighbour, or we, claim per open session."""
        return self._pages.best_heads()

    # ---- events -----------------------------------------------------------------------------------------------

    def linked(self, peer: str, now: float) -> list[Effect]:
        """A stream to ``peer`` is open."""
        link = self._links[peer] = _Link()
        for part in (self._pages, self._proofs, self._announcements):
            part.linked(peer)
        link.next_digest = now + self._interval()
        link.told_standing = self._pinset.standing()
        return [Send(peer, Hello(limits.WIRE_VERSION, self._cluster, link.told_standing))]

    def unlinked(self, peer: str, now: float) -> list[Effect]:
        """The stream to ``peer`` ended; what it was asked for is asked of others."""
        self._links.pop(peer, None)
        for part in (self._pages, self._bases, self._proofs, self._announcements):
            part.unlinked(peer)
        return self.evaluate(now)

    def changed(self, now: float) -> list[Effect]:
        """Our heads, trust or inbox moved."""
        fresh = [link for link in self._links.values() if not link.heads_due]
        if len(fresh) > limits.HEADS_AT_ONCE_MAX:
            self._random.shuffle(fresh)
            for link in fresh[limits.HEADS_AT_ONCE_MAX :]:
                patience = limits.HEADS_INTERVAL_S * (0.5 + 0.5 * self._random.random())
                link.next_heads = max(link.next_heads, now + patience)
        for link in fresh:
            link.heads_due = True
        return self.evaluate(now)

    def hinted(self, peer: str, session: SessionId, number: int, now: float) -> list[Effect]:
        """Pubsub brought an envelope by way of ``peer``, which therefore should have those before it."""
        self._pages.hinted(peer, session, number)
        return self.evaluate(now)

    def announced(self, announcement: bytes, now: float) -> list[Effect]:
        """There is a new announcement of our own, which waits for nothing."""
        self._announcements.announced(announcement, now)
        return self.evaluate(now)

    def received(self, peer: str, frame: Frame, now: float) -> list[Effect]:
        """A neighbour said something."""
        link = self._links.get(peer)
        if link is None:
            return []
        if isinstance(frame, Hello):
            if frame.version != limits.WIRE_VERSION:
                return [Blame(peer, f"it speaks version {frame.version} of the protocol", fatal=True)]
            if frame.cluster != self._cluster:
                return [Blame(peer, "it belongs to another cluster", fatal=True)]
            link.greeted = True
            self._pages.greeted(peer)
        if not link.greeted:
            return [Blame(peer, "it did not say hello", fatal=True)]
        effects: list[Effect] = []
        match frame:
            case Hello(_, _, standing) | Digest(standing):
                effects = self._compare(peer, link, standing, now)
            case Heads(heads):
                link.awaits_heads = False
                for session, head in heads:
                    self._pages.claimed(peer, session, head)
            case Want():
                effects = [Send(peer, self._pages.answer(frame))]
            case Page():
                effects = self._page(peer, link, frame, now)
            case Proof():
                effects = _blamed(peer, self._proofs.received(peer, frame))
            case Absent(session, after):
                if self._pages.absent(peer, session, after):
                    self._bases.absent(peer, session)
            case TrustWant(first):
                records = self._pinset.trust_records(first)[: limits.TRUST_RECORDS_PER_FRAME_MAX]
                effects = [Send(peer, TrustRecords(tuple(records)))]
            case TrustRecords(records):
                link.trust_wanted = 0.0
                return _blamed(peer, self._pinset.receive_trust(records)) + self.changed(now)
            case AnnouncementsFrame(announcements):
                effects = _blamed(peer, self._announcements.received(peer, announcements))
            case BaseWant() | BaseFrame() | BlobWant() | Blob():
                answer = self._bases.received(peer, frame, now)
                if answer is not None:
                    effects = [Blame(peer, answer) if isinstance(answer, str) else Send(peer, answer)]
        return effects + self.evaluate(now)

    # ---- the decision -----------------------------------------------------------------------------------------

    def evaluate(self, now: float) -> list[Effect]:
        """Say what is to be sent, given all that is known; call it at every event and once a second."""
        effects: list[Effect] = []
        self._pages.expire(now)
        effects += [Send(peer, frame) for peer, frame in self._bases.evaluate(now)]
        if not self._bases.holds_back(now):
            effects += [Send(peer, want) for peer, want in self._pages.evaluate(now)]
        for peer, link in self._links.items():
            if not link.greeted:
                continue
            if link.heads_due and now >= link.next_heads:
                effects += self._tell(peer, link, now)
            if now >= link.next_digest:
                link.next_digest = now + self._interval()
                effects.append(Send(peer, Digest(self._pinset.standing())))
            effects += [Send(peer, news) for news in self._announcements.evaluate(peer, now)]
        effects += [Send(peer, proof) for peer, proof in self._proofs.evaluate(self._pages.claims, now)]
        return effects

    def next_due(self) -> float:
        """Return when ``evaluate`` next has something to say by itself."""
        times = [link.next_digest for link in self._links.values()]
        times += [link.next_heads for link in self._links.values() if link.heads_due]
        times += [part.next_due() for part in (self._pages, self._bases, self._proofs, self._announcements)]
        return min(times, default=float("inf"))

    def _tell(self, peer: str, link: _Link, now: float) -> list[Effect]:
        """Tell a neighbour which of our heads it does not have yet; and where digests differ, also where it said the
        same first, for only so it learns how far we are."""
        link.heads_due = False
        link.next_heads = now + limits.HEADS_INTERVAL_S
        claims = self._pages.claims(peer)
        news = [
            (session, head)
            for session, head in self._pinset.heads().items()
            if link.told.get(session) != head
            and (link.must_tell or claims.get(session) not in (head, Head(head.number, b"")))
        ]
        link.told.update(news)
        effects: list[Effect] = [
            Send(peer, Heads(tuple(news[at : at + limits.HEADS_PER_FRAME_MAX])))
            for at in range(0, max(len(news), int(link.must_tell)), limits.HEADS_PER_FRAME_MAX)
        ]
        link.must_tell = False
        standing = self._pinset.standing()
        if link.told_standing is not None and link.told_standing[:3] != standing[:3]:
            effects.append(Send(peer, Digest(standing)))
        link.told_standing = standing
        return effects

    # ---- parts of events --------------------------------------------------------------------------------------

    def _compare(self, peer: str, link: _Link, theirs: Standing, now: float) -> list[Effect]:
        ours = self._pinset.standing()
        effects: list[Effect] = []
        self._bases.stands(peer, theirs.base)
        self._pages.stands(peer, theirs.base)
        self._proofs.stands(peer, theirs)
        if theirs.trust >= ours.trust and theirs.trust_hash != ours.trust_hash and now >= link.trust_wanted:
            link.trust_wanted = now + limits.WANT_TIMEOUT_S
            first = ours.trust + 1 if theirs.trust > ours.trust else ours.trust
            effects.append(Send(peer, TrustWant(first)))
        if theirs.digest != ours.digest:
            # Whatever was told before, the neighbour may have lost or forgotten it, unless it says the same.
            claims = self._pages.claims(peer)
            link.told = {session: head for session, head in link.told.items() if claims.get(session) == head}
            self._pages.differed(peer)
            link.heads_due = link.must_tell = link.awaits_heads = True
        else:
            link.awaits_heads = False
        return effects

    def _page(self, peer: str, link: _Link, page: Page, now: float) -> list[Effect]:
        received = self._pages.received(peer, page)
        if received is None:
            return [Blame(peer, "it sent a page that nobody asked for")]
        if received.fault is not None:
            return [Blame(peer, received.fault)]
        if received.screening is Screening.NEWER_TRUST and now >= link.trust_wanted:
            link.trust_wanted = now + limits.WANT_TIMEOUT_S
            return [Send(peer, TrustWant(self._pinset.standing().trust + 1))]
        if received.screening is Screening.NEWER_BASE:
            self._bases.absent(peer, page.session)
        return []

    def _interval(self) -> float:
        return limits.ANTI_ENTROPY_INTERVAL_S * (0.7 + 0.6 * self._random.random())


def _blamed(peer: str, fault: str | None) -> list[Effect]:
    return [] if fault is None else [Blame(peer, fault)]
