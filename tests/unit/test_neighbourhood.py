"""Who may speak on pubsub, also in the moment in which a trust record is on its way."""

from __future__ import annotations

from random import Random

from pincrew.gate import Screening
from pincrew.keys import SigningKey
from pincrew.member import Member
from pincrew.neighbourhood import _VERDICTS, Neighbourhood
from pincrew.network import Verdict
from pincrew.requests import Answer, Request
from pincrew.store.database import Database
from pincrew.sync import Sync
from pincrew.trust import TrustChain
from sim.forge import Author, put
from sim.swarm import key_of
from unit.golden.vectors import cid
from unit.test_member import chain


def neighbourhood(known: TrustChain) -> Neighbourhood:
    member = Member(Database(None), known, now_ms=lambda: 5, now=lambda: 0.0)

    async def answer(request: Request) -> Answer:
        raise AssertionError("nobody asks")

    return Neighbourhood(
        member,
        Sync(member, known.cluster_id, Random(1)),
        wake=lambda: None,
        answer=answer,
        on_neighbours=lambda: None,
        on_announcements=lambda: None,
        on_handshake_failed=lambda address, peer, reason: None,
    )


def said(name: str, known: TrustChain, trust: int = 0) -> tuple[SigningKey, bytes]:
    author = Author(key_of(name), known.cluster_id)
    author.trust = trust
    return key_of(name), author.sign(put(cid(1))).sealed


def test_only_curators_speak() -> None:
    here = neighbourhood(chain(("a",)))
    curator, envelope = said("a", chain(("a",)))
    assert here.validate(curator.public, envelope) is Verdict.ACCEPT
    assert here.validate(curator.public, b"nonsense") is Verdict.REJECT
    stranger, of_stranger = said("c", chain(("a",)))
    assert here.validate(stranger.public, of_stranger) is Verdict.REJECT
    assert here.validate(stranger.public, envelope) is Verdict.REJECT, "another's words"


def test_a_curator_whose_record_is_not_here_yet_does_not_misbehave() -> None:
    longer = chain(("a",), ("a", "b"))
    new, envelope = said("b", longer, trust=1)
    assert neighbourhood(chain(("a",))).validate(new.public, envelope) is Verdict.DUPLICATE
    assert neighbourhood(longer).validate(new.public, envelope) is Verdict.ACCEPT


def test_a_curator_that_has_not_heard_of_its_end_does_not_misbehave_and_is_not_believed() -> None:
    here = neighbourhood(chain(("a", "b"), ("a",)))
    former, envelope = said("b", chain(("a", "b")))
    assert here.validate(former.public, envelope) is Verdict.DUPLICATE


def test_there_is_an_answer_to_whatever_is_said_of_an_envelope() -> None:
    assert set(_VERDICTS) == set(Screening)
