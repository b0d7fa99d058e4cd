"""Neighbours' talk as a script: a frame in, the exact effects out; the other side is a fake pinset of dictionaries."""

from __future__ import annotations

from random import Random

import pytest

from pincrew import limits
from pincrew.errors import Malformed
from pincrew.frames import (
    Absent,
    AnnouncementsFrame,
    BaseWant,
    Blob,
    Digest,
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
from pincrew.sync import Blame, Effect, Send, Sync
from pincrew.values import Envelope, Head, SessionId
from unit.test_base_sync import Choice
from unit.test_page_sync import Holder, session

CLUSTER = bytes(32)
HERE, THERE = b"h" * 32, b"t" * 32
QUIET_S = 2 * limits.ANNOUNCEMENTS_PASSED_ON_INTERVAL_S  # after which news is told the moment it is there


class Pins(Holder):
    """A pinset that takes every page of the sessions it has open."""

    def __init__(self) -> None:
        super().__init__()
        self.digest = HERE
        self.trust = 1
        self.base = 0
        self.bases = Choice()
        self.heard = {b"old"}
        self.taken: list[SessionId] = []

    def base_sealed(self, n: int) -> bytes | None:
        return None

    def base_offered(self, sealed: bytes) -> str | None:
        return None

    def blob_piece(self, name: bytes, offset: int) -> Blob:
        return Blob(name, offset, 0, b"")

    def keep_blob(self, name: bytes, packed: bytes) -> bool:
        return False

    def standing(self) -> Standing:
        return Standing(self.trust, bytes([self.trust]) * 32, self.base, self.digest)

    def proof(self, one: SessionId) -> list[Proof]:
        return [Proof(one, (body,), bytes(64)) for body in (b"left", b"right")]

    def receive_proof(
        self, one: SessionId, bodies: tuple[bytes, ...], signature: bytes, envelopes: tuple[Envelope, ...] = ()
    ) -> Received:
        self.taken.append(one)
        return self.answer or Received(Screening.CHECK, one, 1)

    def trust_records(self, first: int) -> list[bytes]:
        return [b"record%d" % number for number in range(first, self.trust + 1)]

    def receive_trust(self, records: tuple[bytes, ...]) -> str | None:
        return "bad" if b"bad" in records else None

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


@pytest.fixture
def pins() -> Pins:
    return Pins()


@pytest.fixture
def sync(pins: Pins) -> Sync:
    return Sync(pins, CLUSTER, Random(1))


def greet(sync: Sync, *peers: str, digest: bytes = HERE, trust: int = 1) -> list[Effect]:
    effects: list[Effect] = []
    for peer in peers:
        sync.linked(peer, 0.0)
        effects += sync.received(
            peer, Hello(limits.WIRE_VERSION, CLUSTER, Standing(trust, bytes([trust]) * 32, 0, digest)), 0.0
        )
    return effects


def sent(effects: list[Effect], kind: type) -> list[Send]:
    return [effect for effect in effects if isinstance(effect, Send) and isinstance(effect.frame, kind)]


def test_hello_comes_first_in_each_direction(sync: Sync, pins: Pins) -> None:
    assert sync.linked("p", 0.0) == [Send("p", Hello(limits.WIRE_VERSION, CLUSTER, pins.standing()))]
    assert sync.received("p", Heads(()), 0.0) == [Blame("p", "it did not say hello", fatal=True)]
    assert greet(sync, "p") == [Send("p", AnnouncementsFrame((b"held",)))]


@pytest.mark.parametrize("hello", [Hello(2, CLUSTER, Pins().standing()), Hello(1, b"x" * 32, Pins().standing())])
def test_another_version_or_cluster_ends_the_link(sync: Sync, hello: Hello) -> None:
    sync.linked("p", 0.0)
    (effect,) = sync.received("p", hello, 0.0)
    assert isinstance(effect, Blame) and effect.fatal


def test_who_has_no_link_says_nothing(sync: Sync) -> None:
    assert sync.received("ghost", Heads(()), 0.0) == []


def test_whoever_is_behind_asks_one_neighbour(sync: Sync) -> None:
    greet(sync, "p", "q")
    asked = sync.received("p", Heads(((session(1), Head(5, bytes(32))),)), 0.0)
    assert asked == [Send("p", Want(session(1), 0))]
    assert sync.awaits("p", session(1)) and not sync.awaits("p", session(2)) and not sync.awaits("q", session(1))
    assert sync.received("q", Heads(((session(1), Head(5, bytes(32))),)), 0.0) == []


def test_a_page_under_newer_trust_asks_for_the_record(sync: Sync, pins: Pins) -> None:
    greet(sync, "p")
    sync.received("p", Heads(((session(1), Head(3, bytes(32))),)), 0.0)
    pins.answer = Received(Screening.NEWER_TRUST, session(1), 1)
    assert sync.received("p", Page(session(1), (b"x",), bytes(64)), 0.0) == [Send("p", TrustWant(2))]


def test_bad_and_unasked_pages_are_blamed(sync: Sync, pins: Pins) -> None:
    greet(sync, "p")
    page = Page(session(1), (b"x",), bytes(64))
    assert sync.received("p", page, 0.0) == [Blame("p", "it sent a page that nobody asked for")]
    sync.received("p", Heads(((session(1), Head(3, bytes(32))),)), 0.0)
    pins.answer = Received(Screening.CHECK, session(1), fault="a signature is forged")
    assert sync.received("p", page, 0.0) == [Blame("p", "a signature is forged")]
    assert sync.evaluate(1.0) == [], "it is not asked again until it says so again"


def test_absent_and_silence_move_the_question_to_another(sync: Sync) -> None:
    greet(sync, "p", "q")
    head = Heads(((session(1), Head(3, bytes(32))),))
    sync.received("p", head, 0.0)
    sync.received("q", head, 0.0)
    assert sync.received("p", Absent(session(1), 7), 0.0) == [], "the answer to another question"
    assert sync.received("p", Absent(session(1), 0), 0.0) == [Send("q", Want(session(1), 0))]
    assert sync.evaluate(limits.WANT_TIMEOUT_S - 1) == []
    sync.received("p", head, 1.0)
    assert sent(sync.evaluate(limits.WANT_TIMEOUT_S + 0.1), Want) == [Send("p", Want(session(1), 0))]


def test_a_lost_link_moves_the_question_to_another(sync: Sync) -> None:
    greet(sync, "p", "q")
    head = Heads(((session(1), Head(3, bytes(32))),))
    sync.received("p", head, 0.0)
    sync.received("q", head, 0.0)
    assert sync.unlinked("p", 0.0) == [Send("q", Want(session(1), 0))]
    assert sync.neighbours == ["q"]


def test_what_is_wanted_is_served_or_absent(sync: Sync, pins: Pins) -> None:
    greet(sync, "p")
    pins.known[session(1)] = Head(2, bytes(32))
    assert sync.received("p", Want(session(1), 1), 0.0) == [Send("p", Page(session(1), (b"body",), bytes(64)))]
    assert sync.received("p", Want(session(1), 2), 0.0) == [Send("p", Absent(session(1), 2))]


def test_equal_digests_end_the_talk_and_others_start_it(sync: Sync, pins: Pins) -> None:
    pins.known[session(1)] = Head(2, bytes(32))
    assert sent(greet(sync, "p"), Heads) == []
    effects = sync.received("p", Digest(Standing(1, b"\x01" * 32, 0, THERE)), 0.0)
    assert sent(effects, Heads) == [Send("p", Heads(((session(1), Head(2, bytes(32))),)))]


def test_heads_are_told_at_most_once_a_second(sync: Sync, pins: Pins) -> None:
    greet(sync, "p", digest=THERE)
    told = 0
    for tick in range(50):
        pins.known[session(1)] = Head(tick + 1, bytes(32))
        told += len(sent(sync.changed(tick / 10), Heads))
    assert 4 <= told <= 6


def test_a_neighbours_own_heads_are_not_told_back(sync: Sync, pins: Pins) -> None:
    greet(sync, "p", digest=THERE)
    pins.known[session(1)] = Head(2, bytes(32))
    sync.received("p", Heads(((session(1), Head(2, bytes(32))),)), 0.0)
    assert not any(session(1) in dict(effect.frame.heads) for effect in sent(sync.changed(5.0), Heads))  # type: ignore[union-attr]


def test_what_a_neighbour_claimed_on_another_base_is_told_to_it_again(sync: Sync, pins: Pins) -> None:
    """An owner's base may have made it void there, while it counts here."""
    greet(sync, "ann")
    pins.known[session(1)] = Head(1, b"1" * 32)
    sync.received("ann", Heads(((session(1), Head(1, b"1" * 32)),)), 1.0)
    step = 2 * limits.HEADS_INTERVAL_S
    told = sent(sync.received("ann", Digest(Standing(1, b"\1" * 32, 0, THERE)), 1.0 + step), Heads)
    assert told == [Send("ann", Heads(((session(1), Head(1, b"1" * 32)),)))], "it said so first: now it knows of us"
    later = 1.0 + 2 * step
    assert not sent(sync.received("ann", Digest(Standing(1, b"\1" * 32, 0, THERE)), later), Heads)[0].frame.heads  # type: ignore[union-attr]
    later += 2 * limits.HEADS_INTERVAL_S
    (told,) = sent(sync.received("ann", Digest(Standing(1, b"\1" * 32, 1, THERE)), later), Heads)
    assert told.frame == Heads(((session(1), Head(1, b"1" * 32)),))


def test_newer_trust_is_asked_for_once_at_a_time(sync: Sync) -> None:
    effects = greet(sync, "p", trust=3)
    assert sent(effects, TrustWant) == [Send("p", TrustWant(2))]
    standing = Standing(3, b"\x03" * 32, 0, HERE)
    assert sent(sync.received("p", Digest(standing), 1.0), TrustWant) == []
    assert sync.received("p", TrustRecords((b"bad",)), 1.0)[0] == Blame("p", "bad")
    assert sent(sync.received("p", Digest(standing), 2.0), TrustWant) == [Send("p", TrustWant(2))]


def test_another_record_of_our_number_is_asked_for(sync: Sync) -> None:
    greet(sync, "p")
    effects = sync.received("p", Digest(Standing(1, b"x" * 32, 0, HERE)), 0.0)
    assert sent(effects, TrustWant) == [Send("p", TrustWant(1))]
    older = sync.received("p", Digest(Standing(0, b"x" * 32, 0, HERE)), 99.0)
    assert sent(older, TrustWant) == []


def test_trust_records_are_served(sync: Sync, pins: Pins) -> None:
    greet(sync, "p")
    pins.trust = 200
    (effect,) = sent(sync.received("p", TrustWant(0), 0.0), TrustRecords)
    assert len(effect.frame.records) == limits.TRUST_RECORDS_PER_FRAME_MAX  # type: ignore[union-attr]


def test_news_goes_to_all_but_whom_it_came_from(sync: Sync) -> None:
    greet(sync, "p", "q")
    effects = sync.received("p", AnnouncementsFrame((b"new", b"old")), QUIET_S)
    assert effects == [Send("q", AnnouncementsFrame((b"new",)))]
    assert {effect.peer for effect in sent(sync.announced(b"own", QUIET_S), AnnouncementsFrame)} == {"p", "q"}
    blamed = sync.received("p", AnnouncementsFrame((b"bad",)), QUIET_S)
    assert isinstance(blamed[0], Blame) and not blamed[0].fatal


def test_a_few_hear_of_news_at_once_and_the_others_unless_they_say_it_first(sync: Sync, pins: Pins) -> None:
    crowd = [f"peer{number}" for number in range(40)]
    greet(sync, *crowd)
    head = pins.known[session(1)] = Head(1, b"x")
    at_once = {effect.peer for effect in sync.changed(5.0)}
    assert len(at_once) == limits.HEADS_AT_ONCE_MAX
    others = [peer for peer in crowd if peer not in at_once]
    for peer in others[:30]:
        assert sync.received(peer, Heads(((session(1), head),)), 5.1) == []
    assert sync.hinted(others[30], session(1), 1, 5.1) == [], "who passed it on has it"
    later = sent(sync.evaluate(5.0 + limits.HEADS_INTERVAL_S), Heads)
    assert sorted(effect.peer for effect in later) == sorted(others[31:])


def test_news_on_news_does_not_keep_a_neighbour_waiting(sync: Sync, pins: Pins) -> None:
    crowd = [f"peer{number}" for number in range(40)]
    greet(sync, *crowd)
    told = set()
    for tenth in range(10):
        pins.known[session(1)] = Head(tenth + 1, b"x")
        told |= {effect.peer for effect in sync.changed(5.0 + tenth * limits.HEADS_INTERVAL_S / 10)}
    assert told | {effect.peer for effect in sync.evaluate(5.0 + limits.HEADS_INTERVAL_S)} == set(crowd)


def test_what_pubsub_hinted_counts_for_nothing_where_digests_differ(sync: Sync, pins: Pins) -> None:
    """Who passed number 1 on may hold another envelope of that number."""
    greet(sync, "p")
    head = pins.known[session(1)] = Head(1, b"x")
    sync.hinted("p", session(1), 1, 5.0)
    assert sent(sync.changed(5.0), Heads) == []
    effects = sync.received("p", Digest(Standing(1, HERE, 0, THERE)), 10.0)
    assert sent(effects, Heads) == [Send("p", Heads(((session(1), head),)))]


def test_digests_are_compared_now_and_then_with_jitter(sync: Sync) -> None:
    greet(sync, "p", "q")
    times: dict[str, list[int]] = {"p": [], "q": []}
    for second in range(600):
        for effect in sent(sync.evaluate(float(second)), Digest):
            times[effect.peer].append(second)
    assert all(9 <= len(each) <= 20 for each in times.values()) and times["p"] != times["q"]


def test_the_same_peer_again_replaces_its_link(sync: Sync) -> None:
    greet(sync, "p")
    sync.received("p", Heads(((session(1), Head(3, bytes(32))),)), 0.0)
    sync.linked("p", 1.0)
    assert sync.received("p", Heads(()), 1.0)[0] == Blame("p", "it did not say hello", fatal=True)
    assert sent(greet(sync, "p"), Want) == []


def test_it_says_when_it_is_next_due(sync: Sync) -> None:
    assert sync.next_due() == float("inf")
    greet(sync, "p")
    assert 30 <= sync.next_due() <= 60
    sync.received("p", Heads(((session(1), Head(3, bytes(32))),)), 0.0)
    assert sync.next_due() == limits.WANT_TIMEOUT_S


def test_a_newcomer_asks_for_envelopes_after_all_when_no_base_is_shown(sync: Sync, pins: Pins) -> None:
    pins.bases.is_new, pins.bases.wanted = True, 0
    sync.linked("liar", 0.0)
    liar = Standing(1, bytes([1]) * 32, 5, HERE)
    effects = sync.received("liar", Hello(limits.WIRE_VERSION, CLUSTER, liar), 0.0) + greet(sync, "p")
    effects += sync.received("p", Heads(((session(1), Head(3, bytes(32))),)), 0.0)
    effects += sync.evaluate(limits.WANT_TIMEOUT_S - 1)
    assert sent(effects, BaseWant) == [Send("liar", BaseWant(0))] and sent(effects, Want) == []
    assert sent(sync.evaluate(limits.WANT_TIMEOUT_S), Want) == [Send("p", Want(session(1), 0))]


# ---- proofs of forks ------------------------------------------------------------------------------------------------


def shown(effects: list[Effect]) -> list[tuple[str, SessionId]]:
    """To whom which proof went; each is of two runs."""
    proofs = [(one.peer, one.frame.session) for one in sent(effects, Proof) if isinstance(one.frame, Proof)]
    assert proofs[::2] == proofs[1::2]
    return proofs[::2]


def forked(pins: Pins, *numbers: int, at: int = 2) -> None:
    """Sessions that this peer stopped, having applied envelope 2 and seen two with number ``at``."""
    for number in numbers:
        pins.known[session(number)] = Head(2, b"x" * 32)
        pins.closed.add(session(number))
        pins.forks[session(number)] = at


def test_a_proof_is_shown_to_who_claims_as_much(sync: Sync, pins: Pins) -> None:
    forked(pins, 1, at=3)
    assert shown(greet(sync, "p", digest=THERE)) == []
    assert shown(sync.received("p", Heads(((session(1), Head(2, b"x" * 32)),)), 1.0)) == [], "it holds less"
    assert shown(sync.hinted("p", session(1), 5, 2.0)) == [], "what pubsub hinted may not have taken effect"
    assert shown(sync.received("p", Heads(((session(1), Head(5, b"y" * 32)),)), 3.0)) == [("p", session(1))]


def test_a_proof_is_taken_in_and_a_bad_one_is_blamed(sync: Sync, pins: Pins) -> None:
    greet(sync, "p", "q")
    pins.known[session(1)] = Head(2, b"x" * 32)
    assert sync.received("p", Proof(session(1), (b"right",), bytes(64)), 0.0) == []
    assert pins.taken == [session(1)]
    forked(pins, 1)
    effects = [effect for at in range(1, 9) for effect in sync.evaluate(float(at))]
    assert shown(effects) == [("q", session(1))], "not to whom it came from"
    pins.answer = Received(Screening.CHECK, session(1), fault="a signature is forged")
    bad = sync.received("q", Proof(session(1), (b"bad",), bytes(64)), 9.0)
    assert bad[0] == Blame("q", "a signature is forged")
