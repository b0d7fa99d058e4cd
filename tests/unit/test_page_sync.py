"""Asking for envelopes as a script: what neighbours claim goes in, what is asked of whom comes out."""

from __future__ import annotations

from random import Random

import pytest

from pincrew import limits
from pincrew.frames import Absent, Page, Want
from pincrew.gate import Received, Screening
from pincrew.page_sync import PageSync
from pincrew.values import Dependency, Envelope, Head, SessionId

AUTHOR = b"a" * 32
LATE = limits.WANT_TIMEOUT_S
NO_HEAD = Head(0, b"")


def session(number: int) -> SessionId:
    return SessionId(AUTHOR, number.to_bytes(16))


def claim(number: int) -> Head:
    return Head(number, bytes(32))


class Holder:
    """A peer that takes every page of the sessions it has open."""

    def __init__(self) -> None:
        self.known: dict[SessionId, Head] = {}
        self.closed: set[SessionId] = set()
        self.held_up: set[SessionId] = set()
        self.parked: dict[SessionId, int] = {}
        self.needs: list[Dependency] = []
        self.bytes_waiting = 0
        self.answer: Received | None = None
        self.forks: dict[SessionId, int] = {}
        self.looks = 0

    def heads(self) -> dict[SessionId, Head]:
        return self.known

    def head(self, one: SessionId) -> Head:
        return self.known.get(one, NO_HEAD)

    def is_open(self, one: SessionId) -> bool:
        return one.author == AUTHOR and one not in self.closed

    def proven(self) -> dict[SessionId, int]:
        return self.forks

    def contiguous(self, one: SessionId) -> int:
        self.looks += 1
        return max(self.head(one).number, self.parked.get(one, 0))

    def is_blocked(self, one: SessionId) -> bool:
        return one in self.held_up

    def differs(self, one: SessionId, head: Head) -> bool:
        ours = self.head(one)
        return bool(head.hash) and head.number == ours.number and head.hash != ours.hash

    def waiting(self) -> list[Dependency]:
        return self.needs

    def backlog(self) -> int:
        return self.bytes_waiting

    def page(self, one: SessionId, after: int) -> tuple[int, list[bytes], bytes] | None:
        return (after + 1, [b"body"], bytes(64)) if self.head(one).number > after else None

    def receive_page(
        self, one: SessionId, bodies: tuple[bytes, ...], signature: bytes, envelopes: tuple[Envelope, ...] = ()
    ) -> Received:
        if self.answer is not None:
            return self.answer
        self.parked[one] = self.contiguous(one) + len(bodies)
        return Received(Screening.CHECK, one, self.parked[one])


@pytest.fixture
def holder() -> Holder:
    return Holder()


@pytest.fixture
def pages(holder: Holder) -> PageSync:
    return PageSync(holder, Random(1))


def greet(pages: PageSync, *peers: str) -> None:
    for peer in peers:
        pages.linked(peer)
        pages.greeted(peer)


def page(number: int, *bodies: bytes) -> Page:
    return Page(session(number), bodies or (b"x",), bytes(64))


def test_whoever_is_behind_asks_one_neighbour(pages: PageSync) -> None:
    greet(pages, "p", "q")
    pages.claimed("p", session(1), claim(5))
    assert pages.evaluate(0.0) == [("p", Want(session(1), 0))]
    assert pages.awaits("p", session(1)) and not pages.awaits("p", session(2)) and not pages.awaits("q", session(1))
    pages.claimed("q", session(1), claim(5))
    assert pages.evaluate(0.0) == [] and pages.next_due() == LATE


def test_who_has_not_said_hello_is_asked_for_nothing(pages: PageSync) -> None:
    pages.linked("p")
    pages.hinted("p", session(1), 5)
    assert pages.evaluate(0.0) == []
    pages.greeted("p")
    assert pages.evaluate(0.0) == [("p", Want(session(1), 0))]


def test_the_next_page_is_asked_for_when_the_last_one_came(pages: PageSync) -> None:
    greet(pages, "p")
    pages.claimed("p", session(1), claim(3))
    pages.evaluate(0.0)
    assert pages.received("p", page(1, b"1", b"2")) is not None
    assert pages.evaluate(0.0) == [("p", Want(session(1), 2))]
    assert pages.received("p", page(1, b"3")) is not None
    assert pages.evaluate(0.0) == [] and pages.next_due() == float("inf")


def test_a_few_wants_in_flight_per_neighbour(pages: PageSync) -> None:
    greet(pages, "p")
    for number in range(50):
        pages.claimed("p", session(number), claim(1))
    assert len(pages.evaluate(0.0)) == limits.WANTS_IN_FLIGHT_MAX
    assert pages.evaluate(0.0) == []


def test_what_is_needed_is_asked_for_first_and_even_without_room(pages: PageSync, holder: Holder) -> None:
    greet(pages, "p")
    holder.bytes_waiting = limits.WINDOW_BYTES_MAX
    holder.needs = [Dependency(session(9), 1, bytes(32))]
    for number in range(10):
        pages.claimed("p", session(number), claim(1))
    assert pages.evaluate(0.0) == [("p", Want(session(9), 0))]


def test_what_waits_for_another_session_is_not_asked_for(pages: PageSync, holder: Holder) -> None:
    greet(pages, "p")
    holder.held_up.add(session(1))
    pages.claimed("p", session(1), claim(9))
    assert pages.evaluate(0.0) == []
    holder.held_up.clear()
    assert pages.evaluate(0.0) == [("p", Want(session(1), 0))]


def test_a_page_that_brings_nothing_is_not_asked_for_again(pages: PageSync, holder: Holder) -> None:
    """Else a full inbox, or a neighbour that sends something else, makes a loop at the speed of the line."""
    greet(pages, "p")
    pages.claimed("p", session(1), claim(3))
    pages.evaluate(0.0)
    holder.answer = Received(Screening.CHECK, session(1), 99)
    assert pages.received("p", page(1)) == holder.answer
    assert pages.evaluate(1.0) == [] and not pages.claims("p")


UNUSABLE = [
    *(Received(screening, session(1), 1) for screening in Screening if screening is not Screening.CHECK),
    Received(Screening.CHECK, session(1), fault="a signature is forged"),
]


@pytest.mark.parametrize("answer", UNUSABLE, ids=lambda answer: answer.fault or answer.screening.name)
def test_a_page_that_cannot_be_used_ends_the_asking(pages: PageSync, holder: Holder, answer: Received) -> None:
    greet(pages, "p")
    pages.claimed("p", session(1), claim(3))
    pages.evaluate(0.0)
    holder.answer = answer
    assert pages.received("p", page(1)) == answer
    assert pages.evaluate(1.0) == []
    pages.claimed("p", session(1), claim(3))
    assert pages.evaluate(1.0) == [("p", Want(session(1), 0))], "it says so again"


def test_a_page_that_nobody_asked_for_is_not_looked_at(pages: PageSync, holder: Holder) -> None:
    greet(pages, "p", "q")
    pages.claimed("q", session(1), claim(3))
    pages.evaluate(0.0)
    assert pages.received("p", page(1)) is None and holder.parked == {}


def test_absent_and_silence_move_the_question_to_another(pages: PageSync) -> None:
    greet(pages, "p", "q")
    pages.claimed("p", session(1), claim(3))
    pages.evaluate(0.0)
    pages.claimed("q", session(1), claim(3))
    assert not pages.absent("p", session(1), 7), "the answer to another question"
    assert pages.evaluate(0.0) == []
    assert pages.absent("p", session(1), 0)
    assert pages.evaluate(0.0) == [("q", Want(session(1), 0))]
    pages.claimed("p", session(1), claim(3))
    pages.expire(LATE - 1)
    assert pages.evaluate(LATE - 1) == []
    pages.expire(LATE)
    assert pages.evaluate(LATE) == [("p", Want(session(1), 0))]


def test_an_answer_that_comes_too_late_is_taken_once(pages: PageSync, holder: Holder) -> None:
    """A neighbour that serves a whole crowd may need longer than anybody waits; cut off for that, it never could."""
    greet(pages, "p")
    pages.claimed("p", session(1), claim(3))
    pages.evaluate(0.0)
    pages.expire(LATE)
    assert pages.received("p", page(1)) is not None and holder.parked == {session(1): 1}
    assert pages.received("p", page(1)) is None


def test_what_was_given_up_is_bounded(pages: PageSync) -> None:
    greet(pages, "p")
    asked: list[SessionId] = []
    for number in range(limits.OVERDUE_WANTS_MAX + 1):
        pages.claimed("p", session(number), claim(3))
        asked += [want.session for _, want in pages.evaluate(0.0)]
        pages.expire(LATE)
    assert len(asked) == limits.OVERDUE_WANTS_MAX + 1
    assert pages.received("p", Page(asked[0], (b"x",), bytes(64))) is None
    assert pages.received("p", Page(asked[1], (b"x",), bytes(64))) is not None


def test_a_lost_link_moves_the_question_to_another(pages: PageSync) -> None:
    greet(pages, "p", "q")
    pages.claimed("p", session(1), claim(3))
    pages.evaluate(0.0)
    pages.claimed("q", session(1), claim(3))
    pages.unlinked("p")
    assert pages.evaluate(0.0) == [("q", Want(session(1), 0))]


def test_what_is_wanted_is_served_or_absent(pages: PageSync, holder: Holder) -> None:
    holder.known[session(1)] = claim(2)
    assert pages.answer(Want(session(1), 1)) == Page(session(1), (b"body",), bytes(64))
    assert pages.answer(Want(session(1), 2)) == Absent(session(1), 2)


def test_a_fork_at_our_own_head_is_asked_for(pages: PageSync, holder: Holder) -> None:
    greet(pages, "p")
    holder.known[session(1)] = Head(2, b"x" * 32)
    pages.claimed("p", session(1), Head(2, b"y" * 32))
    assert pages.evaluate(0.0) == [("p", Want(session(1), 1))]
    pages.absent("p", session(1), 1)
    holder.closed.add(session(1))
    pages.claimed("p", session(1), Head(2, b"y" * 32))
    assert pages.evaluate(0.0) == []


def test_claims_are_bounded_and_only_of_use(pages: PageSync, holder: Holder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Heads and hints are unverified: strangers' sessions are forgotten at once, the others are bounded."""
    monkeypatch.setattr(limits, "SESSIONS_MAX", 20)
    greet(pages, "p")
    for number in range(90):
        stranger = SessionId(bytes([number]) * 32, bytes(16))
        pages.claimed("p", stranger, claim(9))
        pages.hinted("p", stranger, 9)
    assert pages.best_heads() == {} and not pages.claims("p")
    holder.closed.add(session(0))
    pages.claimed("p", session(0), claim(9))
    assert not pages.claims("p")
    holder.forks[session(0)] = 1
    pages.claimed("p", session(0), claim(9))
    assert list(pages.claims("p")) == [session(0)], "it says whether the proof is for it"
    for number in range(1, 60):
        pages.hinted("p", session(number), 5)
    for number in range(60, 120):
        pages.claimed("p", session(number), claim(1))
    assert len(pages.claims("p")) == 20 and len(pages.best_heads()) == 19


def test_the_best_heads_are_the_highest_of_all(pages: PageSync, holder: Holder) -> None:
    holder.known = {session(1): claim(4), session(2): claim(4)}
    greet(pages, "p", "q")
    for peer, one, number in (("p", 1, 3), ("q", 1, 5), ("p", 2, 3), ("q", 3, 1), ("p", 3, 2)):
        pages.claimed(peer, session(one), claim(number))
    assert pages.best_heads() == {session(1): claim(5), session(2): claim(4), session(3): claim(2)}


def test_who_claims_everything_and_sends_nothing_is_asked_last(pages: PageSync) -> None:
    greet(pages, "liar")
    pages.claimed("liar", session(1), claim(9))
    pages.evaluate(0.0)
    greet(pages, "honest")
    pages.expire(LATE)
    for number in range(2, 2 + limits.WANTS_IN_FLIGHT_MAX):
        pages.claimed("liar", session(number), claim(9))
        pages.claimed("honest", session(number), claim(9))
    asked = pages.evaluate(LATE)
    assert len(asked) == limits.WANTS_IN_FLIGHT_MAX and {peer for peer, _ in asked} == {"honest"}


def test_who_claims_thousands_that_nobody_has_costs_little(pages: PageSync, holder: Holder) -> None:
    """Each of its answers would have us look at all of its claims again, and they would take our memory."""
    greet(pages, "p")
    for number in range(3 * limits.CLAIMS_BEYOND_OURS_MAX):
        pages.claimed("p", session(number), claim(9))
    assert len(pages.claims("p")) == limits.CLAIMS_BEYOND_OURS_MAX
    asked = pages.evaluate(0.0)
    holder.looks = 0
    for _ in range(20):
        (peer, want), *asked = asked
        assert pages.absent(peer, *want)
        asked += pages.evaluate(0.0)
    assert holder.looks < 20 * 20


def test_hints_ask_whoever_passed_the_envelope_on(pages: PageSync) -> None:
    greet(pages, "p")
    pages.hinted("p", session(1), 4)
    pages.hinted("nobody", session(2), 4)
    assert pages.evaluate(0.0) == [("p", Want(session(1), 0))]
    pages.hinted("p", session(1), 3)
    assert pages.claims("p") == {session(1): Head(4, b"")}, "it is known to have more"


def test_what_pubsub_hinted_counts_for_nothing_where_digests_differ(pages: PageSync) -> None:
    greet(pages, "p")
    pages.hinted("p", session(1), 4)
    pages.claimed("p", session(2), claim(4))
    pages.differed("p")
    assert pages.claims("p") == {session(2): claim(4)}
    assert pages.evaluate(0.0) == [("p", Want(session(2), 0))]


def test_what_a_neighbour_claimed_on_another_base_is_forgotten(pages: PageSync, holder: Holder) -> None:
    greet(pages, "p")
    holder.known[session(1)] = Head(2, b"x" * 32)
    pages.stands("p", 0)
    pages.claimed("p", session(1), Head(2, b"y" * 32))
    pages.stands("p", 0)
    assert pages.claims("p")
    pages.stands("p", 1)
    assert not pages.claims("p") and pages.evaluate(0.0) == []
    pages.claimed("p", session(1), Head(2, b"x" * 32))
    assert pages.evaluate(0.0) == [], "it is on our branch now"
