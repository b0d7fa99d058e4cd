"""A record that travels from owner to owner: nothing in the file is believed but what its records prove."""

from __future__ import annotations

import base64

import pytest

from pincrew import limits
from pincrew.errors import Conflict, Forged, Malformed
from pincrew.keys import peer_id
from pincrew.trust_change import with_keeper, with_more
from pincrew.trust_proposal import Proposal, parse_proposal, propose, render_proposal
from support.signers import OWNER, SECOND_CURATOR, SECOND_OWNER, STRANGER, chain, first, following

TWO_OWNERS = chain(first(owners=[OWNER, SECOND_OWNER], threshold=2))
CHANGE = with_more(TWO_OWNERS, curators=[SECOND_CURATOR.public])


def proposal() -> Proposal:
    return propose("books", TWO_OWNERS, CHANGE.signed(OWNER))


def test_a_proposal_survives_its_file_with_its_signatures() -> None:
    read = parse_proposal(render_proposal(proposal()))
    assert read == proposal() and read.missing == 1
    assert read.record.signatures == CHANGE.signed(OWNER).signatures
    signed = propose(read.name, read.chain, read.record.signed(SECOND_OWNER))
    assert signed.missing == 0 and TWO_OWNERS.extended(signed.record).head.n == 1


def test_the_words_on_top_say_what_changes_and_who_signed() -> None:
    text = render_proposal(proposal()).decode()
    words = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    for part in (f"curator added: {peer_id(SECOND_CURATOR.public)}", peer_id(OWNER.public), "2 of 2", "trust sign"):
        assert part in words
    assert peer_id(SECOND_OWNER.public) not in words


def test_words_prove_nothing() -> None:
    text = render_proposal(proposal()).decode().replace("# curator added", "# curator removed")
    assert parse_proposal(text.encode()).changes == (f"curator added: {peer_id(SECOND_CURATOR.public)}",)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"format = 1",
        b"x" * (limits.TRUST_PROPOSAL_BYTES_MAX + 1),
        render_proposal(proposal()).replace(b"format = 1", b"format = 2"),
        render_proposal(proposal()).replace(b'name = "books"', b"name = 1"),
        render_proposal(proposal()).replace(b'name = "books"', b'name = "\\u001b[2J"'),
        render_proposal(proposal()).replace(b'record = "', b'record = "*'),
        render_proposal(proposal()).replace(b"trust = [", b'trust = ["AAAA",'),
    ],
)
def test_what_is_no_proposal_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_proposal(data)


def test_a_signature_of_nobody_who_owns_is_refused() -> None:
    forged = Proposal("books", TWO_OWNERS, CHANGE.signed(STRANGER), 1)
    with pytest.raises(Forged):
        parse_proposal(render_proposal(forged))


def test_a_record_that_does_not_follow_is_refused() -> None:
    longer = TWO_OWNERS.extended(with_keeper(TWO_OWNERS, None).signed(OWNER, SECOND_OWNER))
    with pytest.raises(Malformed, match="does not follow"):
        propose("books", longer, CHANGE)
    halted = chain(first(), following(first())).merge([following(first(), curators=[STRANGER])])
    with pytest.raises(Conflict):
        propose("books", halted, CHANGE)


def test_the_records_are_base64_of_what_travels() -> None:
    assert base64.b64encode(CHANGE.signed(OWNER).encode()) in render_proposal(proposal())
