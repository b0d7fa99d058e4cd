"""What neighbours say to each other so that both end with the same heads. Correctness rests on this alone; pubsub only
makes it faster.

Each pair compares digests on connecting, when heads change (at most once a second) and every 45 s or so. News goes to a
few neighbours at once; the others hear of it within a second, unless they say meanwhile that they have it, so that in a
crowd it crosses each link about once. Where digests differ, both tell their heads; whoever is behind asks for pages,
one session from one neighbour at a time, and asks for more only when the last page came (that is the credit: a slow
reader is never sent what it did not ask for). A claim that a neighbour cannot make good is forgotten until it makes it
again.

Whoever holds the proof that a session is forked shows it, once on each link, to a neighbour that holds as much of that
session: it may know of one branch only. To one that holds less it would be the losing branch, and it is not sent.

No I/O, no clock: ``now`` is given, frames go in and come out. Events only note what is known; ``evaluate`` looks at
the whole and decides. When the same peer appears twice, the later link replaces the earlier one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import chain
from random import Random
from typing import Protocol

from pincrew import limits
from pincrew.base_sync import BaseHolder, BaseSync
from pincrew.errors import PeerFault
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
from pincrew.gate import Received, Screening
from pincrew.values import Dependency, Envelope, Head, SessionId


class Pinset(BaseHolder, Protocol):
    """What sync needs of this peer's replica and trust."""

    def standing(self) -> Standing: ...
    def heads(self) -> dict[SessionId, Head]: ...
    def head(self, session: SessionId) -> Head: ...
    def is_open(self, session: SessionId) -> bool:
        """Whether the session's author is a curator here and the session was not stopped."""
        ...

    def contiguous(self, session: SessionId) -> int:
        """The last number held, applied or waiting, without a gap."""
        ...

    def is_blocked(self, session: SessionId) -> bool:
        """Whether the session's next envelope is here and waits for another session."""
        ...

    def differs(self, session: SessionId, head: Head) -> bool:
        """Whether a claimed head, not beyond ours, is of another branch than the envelope of that number here."""
        ...

    def waiting(self) -> list[Dependency]: ...
    def backlog(self) -> int:
        """Bytes received and not yet applied."""
        ...

    def page(self, session: SessionId, after: int) -> tuple[int, list[bytes], bytes] | None: ...
    def receive_page(
        self,
        session: SessionId,
        bodies: tuple[bytes, ...],
        signature: bytes,
        envelopes: tuple[Envelope, ...] = (),
    ) -> Received:
        """Take in envelopes; ``envelopes`` are the bodies where they were read already."""
        ...

    def proven(self) -> Mapping[SessionId, int]:
        """The sessions of which there is a proof that they are forked, each with the number from which on it counts."""
        ...

    def proof(self, session: SessionId) -> list[Proof]: ...
    def receive_proof(
        self,
        session: SessionId,
        bodies: tuple[bytes, ...],
        signature: bytes,
        envelopes: tuple[Envelope, ...] = (),
    ) -> Received:
        """Take in a part of a proof, as ``receive_page`` does, if it proves anything here."""
        ...

    def trust_records(self, first: int) -> list[bytes]: ...
    def receive_trust(self, records: tuple[bytes, ...]) -> str | None:
        """Take in records; return what is wrong with them, if anything."""
        ...

    def receive_announcement(self, announcement: bytes) -> bool:
        """Take in a signed announcement; return whether it was news. Raises Malformed or Forged."""
        ...

    def announcements(self) -> list[bytes]: ...


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


_NOWHERE = Standing(0, b"", 0, b"")


@dataclass(slots=True)
class _Link:
    greeted: bool = False
    heads: dict[SessionId, Head] = field(default_factory=dict)
    ahead: dict[SessionId, None] = field(default_factory=dict)  # claims to look at, so that nobody looks at all of them
    forked: set[SessionId] = field(default_factory=set)
    wants: dict[SessionId, tuple[int, float]] = field(default_factory=dict)  # after, deadline
    overdue: dict[SessionId, None] = field(default_factory=dict)  # given up lately; a slow neighbour may yet answer
    told: dict[SessionId, Head] = field(default_factory=dict)
    told_standing: Standing | None = None
    standing: Standing = _NOWHERE  # when its claims were made
    shown: dict[SessionId, int] = field(default_factory=dict)  # the forked ones that it knows of, with our base then
    heads_due: bool = False
    must_tell: bool = False
    awaits_heads: bool = False
    next_heads: float = 0.0
    next_digest: float = 0.0
    trust_wanted: float = 0.0
    news: dict[bytes, None] = field(default_factory=dict)  # announcements that it was not told and did not tell us
    next_news: float = 0.0


class Sync:
    """One peer's side of all its sync streams in one cluster."""

    def __init__(self, pinset: Pinset, cluster: bytes, random: Random) -> None:
        self._pinset = pinset
        self._cluster = cluster
        self._random = random
        self._links: dict[str, _Link] = {}
        self._bases = BaseSync(pinset, random)
        self._next_proof = 0.0
        self._may_show_more = False

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
        return peer in self._links and session in self._links[peer].wants

    def best_heads(self) -> dict[SessionId, Head]:
        """Return the highest head that any neighbour, or we, claim per open session."""
        best = dict(self._pinset.heads())
        for link in self._links.values():
            for session, head in link.heads.items():
                if self._pinset.is_open(session) and head.number > best.get(session, Head(0, b"")).number:
                    best[session] = head
        return best

    # ---- events -----------------------------------------------------------------------------------------------

    def linked(self, peer: str, now: float) -> list[Effect]:
        """A stream to ``peer`` is open."""
        link = self._links[peer] = _Link(news=dict.fromkeys(self._pinset.announcements()))
        link.next_digest = now + self._interval()
        link.told_standing = self._pinset.standing()
        return [Send(peer, Hello(limits.WIRE_VERSION, self._cluster, link.told_standing))]

    def unlinked(self, peer: str, now: float) -> list[Effect]:
        """The stream to ``peer`` ended; what it was asked for is asked of others."""
        self._links.pop(peer, None)
        self._bases.unlinked(peer)
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
        link = self._links.get(peer)
        if link is not None and link.heads.get(session, Head(0, b"")).number < number:
            self._claim(link, session, Head(number, b""))
        return self.evaluate(now)

    def announced(self, announcement: bytes, now: float) -> list[Effect]:
        """There is a new announcement of our own, which waits for nothing."""
        self._spread(announcement, None)
        for link in self._links.values():
            link.next_news = now
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
        if not link.greeted:
            return [Blame(peer, "it did not say hello", fatal=True)]
        effects: list[Effect] = []
        match frame:
            case Hello(_, _, standing) | Digest(standing):
                effects = self._compare(peer, link, standing, now)
            case Heads(heads):
                link.awaits_heads = False
                for session, head in heads:
                    self._claim(link, session, head)
            case Want(session, after):
                effects = [self._serve(peer, session, after)]
            case Page():
                effects = self._page(peer, link, frame, now)
            case Proof():
                effects = self._proof(peer, link, frame)
            case Absent(session, after):
                if link.wants.get(session, (-1, 0.0))[0] == after:
                    del link.wants[session]
                    self._forget(link, session)
                    self._bases.absent(peer, session)
            case TrustWant(first):
                records = self._pinset.trust_records(first)[: limits.TRUST_RECORDS_PER_FRAME_MAX]
                effects = [Send(peer, TrustRecords(tuple(records)))]
            case TrustRecords(records):
                link.trust_wanted = 0.0
                fault = self._pinset.receive_trust(records)
                effects = [] if fault is None else [Blame(peer, fault)]
                return effects + self.changed(now)
            case AnnouncementsFrame(announcements):
                effects = self._announcements(peer, announcements)
            case BaseWant() | BaseFrame() | BlobWant() | Blob():
                answer = self._bases.received(peer, frame, now)
                if answer is not None:
                    effects = [Blame(peer, answer) if isinstance(answer, str) else Send(peer, answer)]
        return effects + self.evaluate(now)

    # ---- the decision -----------------------------------------------------------------------------------------

    def evaluate(self, now: float) -> list[Effect]:
        """Say what is to be sent, given all that is known; call it at every event and once a second."""
        effects: list[Effect] = []
        self._expire_wants(now)
        effects += [Send(peer, frame) for peer, frame in self._bases.evaluate(now)]
        if not self._bases.holds_back(now):
            effects += self._ask(now)
        for peer, link in self._links.items():
            if not link.greeted:
                continue
            if link.heads_due and now >= link.next_heads:
                effects += self._tell(peer, link, now)
            if now >= link.next_digest:
                link.next_digest = now + self._interval()
                effects.append(Send(peer, Digest(self._pinset.standing())))
            if link.news and now >= link.next_news:
                effects += self._pass_on(peer, link, now)
        if now >= self._next_proof:
            effects += self._show(now)
        return effects

    def next_due(self) -> float:
        """Return when ``evaluate`` next has something to say by itself."""
        times = [link.next_digest for link in self._links.values()]
        times += [link.next_heads for link in self._links.values() if link.heads_due]
        times += [link.next_news for link in self._links.values() if link.news]
        times += [deadline for link in self._links.values() for _, deadline in link.wants.values()]
        times.append(self._bases.next_due())
        if self._may_show_more:
            times.append(self._next_proof)
        return min(times, default=float("inf"))

    def _ask(self, now: float) -> list[Effect]:
        """Ask for what neighbours have and we lack: first what verified envelopes wait for."""
        effects: list[Effect] = []
        asked = {session for link in self._links.values() for session in link.wants}
        needed = {dependency.session for dependency in self._pinset.waiting()}
        lacking: dict[SessionId, list[str]] = {}
        for peer, link in self._links.items():
            if not link.greeted or len(link.wants) >= limits.WANTS_IN_FLIGHT_MAX:
                continue
            for session in self._worth_asking(link, needed, asked):
                lacking.setdefault(session, []).append(peer)
        room = self._pinset.backlog() < limits.WINDOW_BYTES_MAX
        for session in sorted(lacking, key=lambda one: (one not in needed, one)):
            if not room and session not in needed:
                continue
            able = [p for p in lacking[session] if len(self._links[p].wants) < limits.WANTS_IN_FLIGHT_MAX]
            if not able:
                continue
            # Who lets us wait is asked last: claiming everything and sending nothing must not hold up a list for long.
            peer = min(
                able,
                key=lambda one: (len(self._links[one].overdue), len(self._links[one].wants), self._random.random()),
            )
            link = self._links[peer]
            after = min(self._pinset.contiguous(session), link.heads[session].number - 1)
            link.wants[session] = (after, now + limits.WANT_TIMEOUT_S)
            effects.append(Send(peer, Want(session, after)))
        return effects

    def _worth_asking(
        self, link: _Link, needed: Collection[SessionId], asked: Collection[SessionId]
    ) -> list[SessionId]:
        """Return some sessions of which a neighbour has more, needed ones first: who claims thousands that nobody has
        must not make us look at all of them at every event."""
        enough = limits.WANTS_IN_FLIGHT_MAX * min(len(self._links), limits.NEIGHBOURS_MAX)
        found: dict[SessionId, None] = {}
        done = []
        for session in chain((one for one in needed if one in link.ahead), link.ahead):
            if not self._is_ahead(link, session):
                done.append(session)
            elif session not in asked and not self._pinset.is_blocked(session):
                found[session] = None
                if len(found) == enough:
                    break
        for session in done:
            link.ahead.pop(session, None)
        return list(found)

    def _is_ahead(self, link: _Link, session: SessionId) -> bool:
        """Return whether a neighbour claims something new of a session, or another branch of what we have."""
        head = link.heads.get(session)
        if head is None or not self._pinset.is_open(session):
            return False
        return head.number > self._pinset.contiguous(session) or session in link.forked

    def _tell(self, peer: str, link: _Link, now: float) -> list[Effect]:
        """Tell a neighbour which of our heads it does not have yet; and where digests differ, also where it said the
        same first, for only so it learns how far we are."""
        link.heads_due = False
        link.next_heads = now + limits.HEADS_INTERVAL_S
        news = [
            (session, head)
            for session, head in self._pinset.heads().items()
            if link.told.get(session) != head
            and (link.must_tell or link.heads.get(session) not in (head, Head(head.number, b"")))
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

    def _show(self, now: float) -> list[Effect]:
        """Show one neighbour the proof that a session is forked, if there is one that it may not know of."""
        proven = self._pinset.proven()
        self._may_show_more = bool(proven)
        if not proven:
            return []
        self._next_proof = now + limits.PROOF_INTERVAL_S
        ours = self._pinset.standing()
        for peer, link in self._links.items():
            # Under another trust record, or on another base, it might not be able to judge.
            if not link.greeted or link.standing[:3] != ours[:3]:
                continue
            for session, number in proven.items():
                if link.shown.get(session) != ours.base and self._held_by(link, session, ours) >= number:
                    link.shown[session] = ours.base
                    return [Send(peer, part) for part in self._pinset.proof(session)]
        self._may_show_more = False
        return []

    def _held_by(self, link: _Link, session: SessionId, ours: Standing) -> int:
        """Return how far a neighbour is known to have applied a session."""
        if link.standing.digest == ours.digest:
            return self._pinset.head(session).number
        claim = link.heads.get(session)
        return claim.number if claim is not None and claim.hash else 0  # what pubsub hinted is not applied yet

    # ---- parts of events --------------------------------------------------------------------------------------

    def _compare(self, peer: str, link: _Link, theirs: Standing, now: float) -> list[Effect]:
        ours = self._pinset.standing()
        effects: list[Effect] = []
        self._bases.stands(peer, theirs.base)
        if theirs.base != link.standing.base:  # an owner's base may have made void what it claimed to have
            link.heads.clear()
            link.forked.clear()
        link.standing = theirs
        if theirs.trust >= ours.trust and theirs.trust_hash != ours.trust_hash and now >= link.trust_wanted:
            link.trust_wanted = now + limits.WANT_TIMEOUT_S
            first = ours.trust + 1 if theirs.trust > ours.trust else ours.trust
            effects.append(Send(peer, TrustWant(first)))
        if theirs.digest != ours.digest:
            # Whatever was told before, the neighbour may have lost or forgotten it, unless it says the same.
            link.told = {session: head for session, head in link.told.items() if link.heads.get(session) == head}
            link.heads = {session: head for session, head in link.heads.items() if head.hash}  # not what pubsub hinted
            link.heads_due = link.must_tell = link.awaits_heads = True
        else:
            link.awaits_heads = False
        return effects

    def _serve(self, peer: str, session: SessionId, after: int) -> Effect:
        page = self._pinset.page(session, after)
        if page is None:
            return Send(peer, Absent(session, after))
        return Send(peer, Page(session, tuple(page[1]), page[2]))

    def _page(self, peer: str, link: _Link, page: Page, now: float) -> list[Effect]:
        if link.wants.pop(page.session, None) is None:
            if page.session not in link.overdue:
                return [Blame(peer, "it sent a page that nobody asked for")]
            del link.overdue[page.session]
        before = self._pinset.contiguous(page.session)
        received = self._pinset.receive_page(*page)
        if received.fault is not None:
            self._forget(link, page.session)
            return [Blame(peer, received.fault)]
        if received.screening is Screening.NEWER_TRUST and now >= link.trust_wanted:
            link.trust_wanted = now + limits.WANT_TIMEOUT_S
            self._forget(link, page.session)
            return [Send(peer, TrustWant(self._pinset.standing().trust + 1))]
        if received.screening is Screening.NEWER_BASE:
            self._bases.absent(peer, page.session)
        if received.screening is not Screening.CHECK or self._pinset.contiguous(page.session) == before:
            # Asking again at once would bring the same again.
            self._forget(link, page.session)
        return []

    def _proof(self, peer: str, link: _Link, proof: Proof) -> list[Effect]:
        received = self._pinset.receive_proof(*proof)
        if received.fault is not None:
            return [Blame(peer, received.fault)]
        if proof.session in self._pinset.heads():  # whoever shows it to us has stopped that session
            link.shown[proof.session] = self._pinset.standing().base
        return []

    def _claim(self, link: _Link, session: SessionId, head: Head) -> None:
        """Note what a neighbour says that it has, as far as it can ever be of use."""
        if session not in link.heads:
            # What goes beyond is told again, once some of it is here.
            claims_max = min(len(self._pinset.heads()) + limits.CLAIMS_BEYOND_OURS_MAX, limits.SESSIONS_MAX)
            is_of_use = self._pinset.is_open(session) or session in self._pinset.proven()
            if len(link.heads) >= claims_max or not is_of_use:
                return
        link.heads[session] = head
        if self._pinset.differs(session, head):
            link.forked.add(session)
        link.ahead[session] = None

    def _forget(self, link: _Link, session: SessionId) -> None:
        """Forget a claim that a neighbour did not make good, until it makes it again."""
        link.heads.pop(session, None)
        link.ahead.pop(session, None)
        link.forked.discard(session)

    def _announcements(self, peer: str, announcements: tuple[bytes, ...]) -> list[Effect]:
        link = self._links[peer]
        for announcement in announcements:
            link.news.pop(announcement, None)
            try:
                if self._pinset.receive_announcement(announcement):
                    self._spread(announcement, peer)
            except PeerFault as error:
                return [Blame(peer, f"its announcement is bad: {error}")]
        return []

    def _spread(self, announcement: bytes, origin: str | None) -> None:
        for peer, link in self._links.items():
            if peer != origin and len(link.news) < limits.ANNOUNCED_PEERS_MAX:
                link.news[announcement] = None

    def _pass_on(self, peer: str, link: _Link, now: float) -> list[Effect]:
        """Tell a neighbour all announcements that came since the last time."""
        link.next_news = now + limits.ANNOUNCEMENTS_PASSED_ON_INTERVAL_S * (0.5 + self._random.random())
        news = tuple(link.news)
        link.news.clear()
        step = limits.ANNOUNCEMENTS_PER_FRAME_MAX
        return [Send(peer, AnnouncementsFrame(news[at : at + step])) for at in range(0, len(news), step)]

    def _expire_wants(self, now: float) -> None:
        for link in self._links.values():
            for session, (_, deadline) in list(link.wants.items()):
                if now >= deadline:
                    del link.wants[session]
                    if len(link.overdue) >= limits.OVERDUE_WANTS_MAX:
                        del link.overdue[next(iter(link.overdue))]
                    link.overdue[session] = None
                    self._forget(link, session)

    def _interval(self) -> float:
        return limits.ANTI_ENTROPY_INTERVAL_S * (0.7 + 0.6 * self._random.random())
