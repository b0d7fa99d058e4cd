"""Which envelopes are asked of whom: what neighbours claim to have, and the pages that are on their way.

Whoever is behind asks for pages, one session from one neighbour at a time, and asks for more only when the last page
came (that is the credit: a slow reader is never sent what it did not ask for). A claim that a neighbour cannot make
good is forgotten until it makes it again. Claims are unverified: only those that can be of use are kept, and no event
looks at all of them.

Part of ``pincrew.sync``: no I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import chain
from random import Random
from typing import Protocol

from pincrew import limits
from pincrew.frames import Absent, Page, Want
from pincrew.gate import Received, Screening
from pincrew.values import Dependency, Envelope, Head, SessionId


class PageHolder(Protocol):
    """What this needs of the peer's member."""

    def heads(self) -> dict[SessionId, Head]: ...
    def is_open(self, session: SessionId) -> bool:
        """Whether the session's author is a curator here and the session was not stopped."""
        ...

    def proven(self) -> Mapping[SessionId, int]:
        """The stopped sessions of which claims still matter: there is a proof to show that they are forked."""
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


@dataclass(slots=True)
class _Link:
    is_greeted: bool = False
    base: int = 0
    claims: dict[SessionId, Head] = field(default_factory=dict)
    ahead: dict[SessionId, None] = field(default_factory=dict)  # claims to look at, so that nobody looks at all of them
    forked: set[SessionId] = field(default_factory=set)
    wants: dict[SessionId, tuple[int, float]] = field(default_factory=dict)  # after, deadline
    overdue: dict[SessionId, None] = field(default_factory=dict)  # given up lately; a slow neighbour may yet answer


class PageSync:
    """One peer's side of fetching and serving envelopes."""

    def __init__(self, holder: PageHolder, random: Random) -> None:
        self._holder = holder
        self._random = random
        self._links: dict[str, _Link] = {}

    def claims(self, peer: str) -> Mapping[SessionId, Head]:
        """Return what a neighbour claims to have; of what pubsub hinted the hash is not known."""
        return self._links[peer].claims

    def awaits(self, peer: str, session: SessionId) -> bool:
        """Whether a page of a session was asked of a neighbour: another one is not worth reading."""
        return peer in self._links and session in self._links[peer].wants

    def best_heads(self) -> dict[SessionId, Head]:
        """Return the highest head that any neighbour, or we, claim per open session."""
        best = dict(self._holder.heads())
        for link in self._links.values():
            for session, head in link.claims.items():
                if self._holder.is_open(session) and head.number > best.get(session, Head(0, b"")).number:
                    best[session] = head
        return best

    # ---- events -----------------------------------------------------------------------------------------------

    def linked(self, peer: str) -> None:
        """There is a new neighbour, which is asked for nothing before it has said hello."""
        self._links[peer] = _Link()

    def greeted(self, peer: str) -> None:
        """A neighbour said hello."""
        self._links[peer].is_greeted = True

    def unlinked(self, peer: str) -> None:
        """A neighbour is gone; what it was asked for is asked of others."""
        self._links.pop(peer, None)

    def stands(self, peer: str, base: int) -> None:
        """A neighbour says which base it stands on: an owner's may have made void what it claimed to have."""
        link = self._links[peer]
        if base != link.base:
            link.base = base
            link.claims.clear()
            link.forked.clear()

    def claimed(self, peer: str, session: SessionId, head: Head) -> None:
        """Note what a neighbour says that it has, as far as it can ever be of use."""
        link = self._links[peer]
        if session not in link.claims:
            # What goes beyond is told again, once some of it is here.
            claims_max = min(len(self._holder.heads()) + limits.CLAIMS_BEYOND_OURS_MAX, limits.SESSIONS_MAX)
            is_of_use = self._holder.is_open(session) or session in self._holder.proven()
            if len(link.claims) >= claims_max or not is_of_use:
                return
        link.claims[session] = head
        if self._holder.differs(session, head):
            link.forked.add(session)
        link.ahead[session] = None

    def hinted(self, peer: str, session: SessionId, number: int) -> None:
        """Pubsub brought an envelope by way of ``peer``, which therefore should have those before it."""
        link = self._links.get(peer)
        if link is not None and link.claims.get(session, Head(0, b"")).number < number:
            self.claimed(peer, session, Head(number, b""))

    def differed(self, peer: str) -> None:
        """A neighbour's digest is not ours: what pubsub hinted that it has counts for nothing."""
        link = self._links[peer]
        link.claims = {session: head for session, head in link.claims.items() if head.hash}

    def received(self, peer: str, page: Page) -> Received | None:
        """A neighbour sent a page; return what became of it, None where nobody asked for it."""
        link = self._links[peer]
        if link.wants.pop(page.session, None) is None:
            if page.session not in link.overdue:
                return None
            del link.overdue[page.session]
        before = self._holder.contiguous(page.session)
        received = self._holder.receive_page(*page)
        is_sound = received.fault is None and received.screening is Screening.CHECK
        if not is_sound or self._holder.contiguous(page.session) == before:
            # Asking again at once would bring the same again.
            self._forget(link, page.session)
        return received

    def absent(self, peer: str, session: SessionId, after: int) -> bool:
        """A neighbour does not have what comes after a number; return whether that was asked of it."""
        link = self._links[peer]
        if link.wants.get(session, (-1, 0.0))[0] != after:
            return False
        del link.wants[session]
        self._forget(link, session)
        return True

    def _forget(self, link: _Link, session: SessionId) -> None:
        """Forget a claim that a neighbour did not make good, until it makes it again."""
        link.claims.pop(session, None)
        link.ahead.pop(session, None)
        link.forked.discard(session)

    def answer(self, want: Want) -> Page | Absent:
        """Return the page that a neighbour wants, if it is here."""
        page = self._holder.page(*want)
        return Absent(*want) if page is None else Page(want.session, tuple(page[1]), page[2])

    # ---- the decision -----------------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Give up what neighbours let us wait for."""
        for link in self._links.values():
            for session, (_, deadline) in list(link.wants.items()):
                if now >= deadline:
                    del link.wants[session]
                    if len(link.overdue) >= limits.OVERDUE_WANTS_MAX:
                        del link.overdue[next(iter(link.overdue))]
                    link.overdue[session] = None
                    self._forget(link, session)

    def evaluate(self, now: float) -> list[tuple[str, Want]]:
        """Ask for what neighbours have and we lack: first what verified envelopes wait for."""
        wants: list[tuple[str, Want]] = []
        asked = {session for link in self._links.values() for session in link.wants}
        needed = {dependency.session: None for dependency in self._holder.waiting()}  # in an order, for replays
        lacking: dict[SessionId, list[str]] = {}
        for peer, link in self._links.items():
            if not link.is_greeted or len(link.wants) >= limits.WANTS_IN_FLIGHT_MAX:
                continue
            for session in self._worth_asking(link, needed, asked):
                lacking.setdefault(session, []).append(peer)
        room = self._holder.backlog() < limits.WINDOW_BYTES_MAX
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
            after = min(self._holder.contiguous(session), link.claims[session].number - 1)
            link.wants[session] = (after, now + limits.WANT_TIMEOUT_S)
            wants.append((peer, Want(session, after)))
        return wants

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
            elif session not in asked and not self._holder.is_blocked(session):
                found[session] = None
                if len(found) == enough:
                    break
        for session in done:
            link.ahead.pop(session, None)
        return list(found)

    def _is_ahead(self, link: _Link, session: SessionId) -> bool:
        """Return whether a neighbour claims something new of a session, or another branch of what we have."""
        head = link.claims.get(session)
        if head is None or not self._holder.is_open(session):
            return False
        return head.number > self._holder.contiguous(session) or session in link.forked

    def next_due(self) -> float:
        """Return when something that was asked for is given up."""
        deadlines = (deadline for link in self._links.values() for _, deadline in link.wants.values())
        return min(deadlines, default=float("inf"))
