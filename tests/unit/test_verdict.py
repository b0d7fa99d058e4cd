"""What becomes of a document that is fetched again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pincrew.config_document import ConfigDocument, parse, render
from pincrew.keys import SigningKey
from pincrew.trust import TrustChain
from pincrew.verdict import (
    NeedsConsent,
    NotCovered,
    Older,
    OtherCluster,
    Same,
    TrustForked,
    Update,
    judge,
)
from support.signers import CURATOR, OWNER, SECOND_CURATOR, STRANGER, chain, first, following


def made(signing_key: SigningKey = CURATOR, trust: TrustChain | None = None, **changes: Any) -> ConfigDocument:
    values: dict[str, Any] = {"name": "crew", "revision": 5, "issued": 1_700_000_000, **changes}
    return parse(render(signing_key, trust or chain(), **values))


def test_the_same_document_is_no_news() -> None:
    assert judge(made(), chain(), made()) == Same(chain())


def test_a_higher_revision_of_a_curator_is_taken_and_its_changes_named() -> None:
    new = made(revision=6, name="new name", peers=["/ip4/203.0.113.7/tcp/4001"])
    verdict = judge(made(), chain(), new)
    assert isinstance(verdict, Update)
    assert verdict.document == new
    assert "name: 'crew' before, 'new name' now" in verdict.changes
    assert "address added: /ip4/203.0.113.7/tcp/4001" in verdict.changes


def test_a_lower_revision_is_ignored_and_named() -> None:
    assert judge(made(), chain(), made(revision=4)) == Older(chain(), 4, 5)


def test_another_document_of_the_same_revision_is_ignored() -> None:
    assert judge(made(), chain(), made(name="other")) == Older(chain(), 5, 5)


def test_another_cluster_is_refused() -> None:
    other = made(trust=chain(first(salt=bytes(16))), revision=9)
    assert judge(made(), chain(), other) == OtherCluster(chain(), other.cluster_id)


def test_trust_records_that_continue_the_chain_are_taken_with_the_document() -> None:
    longer = chain().extended(following(first(), curators=[CURATOR, SECOND_CURATOR]))
    verdict = judge(made(), chain(), made(SECOND_CURATOR, longer, revision=6))
    assert isinstance(verdict, Update)
    assert verdict.chain == longer
    assert any(line.startswith("curator added") for line in verdict.changes)


def test_trust_records_of_an_older_document_still_count() -> None:
    longer = chain().extended(following(first(), curators=[CURATOR, SECOND_CURATOR]))
    verdict = judge(made(), chain(), made(trust=longer, revision=1))
    assert isinstance(verdict, Older)
    assert verdict.chain == longer


def test_a_document_of_a_revoked_curator_is_not_covered() -> None:
    in_force = chain().extended(following(first(), curators=[SECOND_CURATOR]))
    replayed = made(CURATOR, chain(), revision=99)
    verdict = judge(made(SECOND_CURATOR, in_force), in_force, replayed)
    assert isinstance(verdict, NotCovered)
    assert verdict.chain == in_force
    assert verdict.document == replayed


def test_a_document_with_records_that_do_not_fit_is_not_covered() -> None:
    far = chain().extended(following(first())).extended(following(following(first())))
    gap = replace(made(trust=far, revision=9), trust=TrustChain((first(), far.records[2])))
    verdict = judge(made(), chain(), gap)
    assert isinstance(verdict, NotCovered)
    assert verdict.chain == chain()
    assert verdict.document is None


def test_a_fork_of_the_trust_records_halts_and_is_kept() -> None:
    one, other = following(first(), curators=[CURATOR]), following(first(), curators=[CURATOR, STRANGER])
    in_force = chain().extended(one)
    verdict = judge(made(trust=in_force), in_force, made(STRANGER, chain().extended(other), revision=9))
    assert isinstance(verdict, TrustForked)
    assert verdict.chain.head == one
    assert verdict.conflict.rival == other


def test_a_halted_chain_still_takes_names_and_addresses() -> None:
    one, other = following(first(), curators=[CURATOR]), following(first(), curators=[CURATOR, STRANGER])
    halted = chain().extended(one).merge([other])
    verdict = judge(made(), halted, made(OWNER, chain().extended(one), revision=9))
    assert isinstance(verdict, Update)
    assert verdict.chain == halted


def test_another_consensus_asks() -> None:
    new = replace(made(revision=6), consensus="raft")
    verdict = judge(made(), chain(), new)
    assert isinstance(verdict, NeedsConsent)
    assert "consensus: crdt before, raft now" in verdict.changes


def test_another_network_key_asks() -> None:
    closed = chain(first(is_open=False))
    old = made(trust=closed)
    new = made(trust=closed, revision=6, secret=bytes(32), is_secret_forced=True)
    verdict = judge(old, closed, new)
    assert isinstance(verdict, NeedsConsent)
    assert not any("00" in line for line in verdict.changes)
