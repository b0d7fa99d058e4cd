"""Proofs as a script: where neighbours stand and what they claim, and who is shown which proof."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pincrew import limits
from pincrew.frames import Proof, Standing
from pincrew.gate import Received, Screening
from pincrew.proof_sync import Claims, ProofSync
from pincrew.values import Envelope, Head, SessionId

HERE, THERE = b"h" * 32, b"t" * 32
STEP_S = limits.PROOF_INTERVAL_S


def session(number: int) -> SessionId:
    return SessionId(b"a" * 32, number.to_bytes(16))


def stands(digest: bytes = HERE, *, trust: int = 1, base: int = 0) -> Standing:
    return Standing(trust, bytes([trust]) * 32, base, digest)


class Holder:
    """A peer that stopped sessions, having applied envelope 2 of each."""

    def __init__(self) -> None:
        self.base = 0
        self.known: dict[SessionId, Head] = {}
        self.forks: dict[SessionId, int] = {}
        self.fault: str | None = None

    def forked(self, *numbers: int, at: int = 2) -> None:
        """It saw two envelopes with number ``at``."""
        for number in numbers:
            self.known[session(number)] = Head(2, b"x" * 32)
            self.forks[session(number)] = at

    def standing(self) -> Standing:
        return stands(base=self.base)

    def heads(self) -> dict[SessionId, Head]:
        return self.known

    def head(self, one: SessionId) -> Head:
        return self.known.get(one, Head(0, b""))

    def proven(self) -> Mapping[SessionId, int]:
        return self.forks

    def proof(self, one: SessionId) -> list[Proof]:
        return [Proof(one, (body,), bytes(64)) for body in (b"left", b"right")]

    def receive_proof(
        self, one: SessionId, bodies: tuple[bytes, ...], signature: bytes, envelopes: tuple[Envelope, ...] = ()
    ) -> Received:
        return Received(Screening.CHECK, one, 1, self.fault)


class Talk:
    """A ``ProofSync`` with its neighbours' claims."""

    def __init__(self) -> None:
        self.holder = Holder()
        self.sync = ProofSync(self.holder)
        self.claims: dict[str, dict[SessionId, Head]] = {}

    def linked(self, *peers: str, at: Standing | None = None) -> None:
        """Neighbours come, and say where they stand: where we do, if nothing else is said."""
        for peer in peers:
            self.claims[peer] = {}
            self.sync.linked(peer)
            self.sync.stands(peer, at or stands())

    def claims_of(self, peer: str) -> Claims:
        return self.claims[peer]

    def shown(self, now: float) -> list[tuple[str, SessionId]]:
        """To whom which proof goes now; each is of two runs."""
        proofs = [(peer, proof.session) for peer, proof in self.sync.evaluate(self.claims_of, now)]
        assert proofs[::2] == proofs[1::2]
        return proofs[::2]


@pytest.fixture
def talk() -> Talk:
    return Talk()


def test_a_proof_is_shown_once_on_a_link(talk: Talk) -> None:
    talk.linked("p")
    assert talk.shown(0.0) == [] and talk.sync.next_due() == float("inf")
    talk.holder.forked(1)
    assert talk.shown(1.0) == [("p", session(1))]
    assert talk.shown(1.0 + STEP_S) == [] and talk.sync.next_due() == float("inf")
    talk.linked("p")
    assert talk.shown(1.0 + STEP_S) == [], "proofs are shown one by one"
    assert talk.shown(1.0 + 2 * STEP_S) == [("p", session(1))], "the link is another"


def test_who_has_not_said_where_it_stands_or_is_gone_is_shown_nothing(talk: Talk) -> None:
    talk.holder.forked(1)
    talk.sync.linked("silent")
    talk.linked("gone")
    talk.sync.unlinked("gone")
    assert talk.shown(1.0) == []


def test_a_proof_is_shown_to_who_claims_as_much(talk: Talk) -> None:
    talk.holder.forked(1, at=3)
    talk.linked("p", at=stands(THERE))
    for at, claim in enumerate((Head(2, b"x" * 32), Head(5, b""))):  # the latter is what pubsub hinted
        talk.claims["p"][session(1)] = claim
        assert talk.shown(at * STEP_S) == []
    talk.claims["p"][session(1)] = Head(5, b"y" * 32)
    assert talk.shown(2 * STEP_S) == [("p", session(1))]


def test_who_stands_alike_and_holds_less_than_the_fork_is_shown_nothing(talk: Talk) -> None:
    """It would take the branch that it is shown first."""
    talk.holder.forked(1, at=3)
    talk.linked("p")
    assert talk.shown(5.0) == []


@pytest.mark.parametrize("other", [stands(trust=2), stands(base=1)], ids=["trust", "base"])
def test_who_is_under_another_trust_record_or_on_another_base_waits(talk: Talk, other: Standing) -> None:
    talk.holder.forked(1)
    talk.linked("p", at=other)
    talk.claims["p"][session(1)] = Head(2, b"y" * 32)
    assert talk.shown(1.0) == []
    talk.sync.stands("p", stands())
    assert talk.shown(1.0 + STEP_S) == [("p", session(1))]


def test_a_session_that_is_forked_again_on_a_later_base_is_shown_again(talk: Talk) -> None:
    """An owner settled the first fork. What a neighbour says of its base does not make us repeat ourselves."""
    talk.holder.forked(1)
    talk.linked("p")
    assert talk.shown(0.0) == [("p", session(1))]
    for at, base in enumerate((1, 0, 1, 0), 1):
        talk.sync.stands("p", stands(base=base))
        assert talk.shown(at * STEP_S) == []
    talk.holder.base = 1
    talk.sync.stands("p", stands(base=1))
    assert talk.shown(9 * STEP_S) == [("p", session(1))]


def test_proofs_are_shown_one_at_a_time(talk: Talk) -> None:
    """A curator may have hundreds of neighbours, and each proof is read from the store."""
    talk.holder.forked(1, 2)
    talk.linked(*"pqrs")
    now, shown = 0.0, talk.shown(0.0)
    assert len(shown) == 1
    while (due := talk.sync.next_due()) < float("inf"):
        assert due == now + STEP_S
        now = due
        more = talk.shown(now)
        assert len(more) <= 1
        shown += more
    assert sorted(shown) == [(peer, session(number)) for peer in "pqrs" for number in (1, 2)]


def test_who_shows_a_proof_is_not_shown_it(talk: Talk) -> None:
    talk.linked("p", "q")
    talk.holder.known[session(1)] = Head(2, b"x" * 32)
    assert talk.sync.received("p", Proof(session(1), (b"right",), bytes(64))) is None
    talk.holder.forked(1)
    assert [one for at in range(1, 9) for one in talk.shown(at * STEP_S)] == [("q", session(1))]


def test_of_a_session_that_is_not_here_nothing_is_noted(talk: Talk) -> None:
    """A stranger could name sessions without end."""
    talk.linked("p")
    assert talk.sync.received("p", Proof(session(1), (b"right",), bytes(64))) is None
    talk.holder.forked(1)
    assert talk.shown(1.0) == [("p", session(1))]


def test_a_bad_proof_is_said(talk: Talk) -> None:
    talk.linked("p")
    talk.holder.fault = "a signature is forged"
    assert talk.sync.received("p", Proof(session(1), (b"bad",), bytes(64))) == "a signature is forged"
