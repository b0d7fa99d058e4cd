"""A membership on disk: trust only moves forward and survives, whatever a document or a neighbour says."""

from __future__ import annotations

import pytest

from pincrew.errors import Forged
from pincrew.frames import Page
from pincrew.member import Member
from pincrew.store.database import Database
from pincrew.trust import TrustChain, TrustRecord, first_record
from sim.forge import Author, put
from sim.swarm import key_of
from unit.golden.vectors import cid

OWNER = key_of("owner")


def chain(*curators: tuple[str, ...], salt: bytes = b"s" * 16) -> TrustChain:
    """Records 0, 1, ... each with its curators."""
    first, *later = curators
    made = TrustChain.from_records(
        [first_record([OWNER.public], [key_of(one).public for one in first], salt, shard_bits=2).signed(OWNER)]
    )
    for names in later:
        keys = frozenset(key_of(one).public for one in names)
        record = TrustRecord(made.head.n + 1, made.head.hash, made.head.owners, keys)
        made = made.extended(record.signed(OWNER))
    return made


def member(database: Database, known: TrustChain) -> Member:
    return Member(database, known, now_ms=lambda: 5, now=lambda: 0.0)


@pytest.fixture
def disk() -> Database:
    return Database(None)


def test_trust_is_remembered_when_the_document_is_older(disk: Database) -> None:
    member(disk, chain(("a",), ("a", "b")))
    again = member(disk, chain(("a",)))
    assert again.chain.head.n == 1 and again.standing().trust == 1
    assert again.replica.gate.trust == 1 and key_of("b").public in again.replica.gate.curators


def test_a_document_of_another_cluster_is_refused(disk: Database) -> None:
    member(disk, chain(("a",)))
    with pytest.raises(Forged):
        member(disk, chain(("a",), salt=b"t" * 16))


def test_a_document_moves_trust_on_and_never_back(disk: Database) -> None:
    one = member(disk, chain(("a",)))
    assert one.adopt(chain(("a",), ("b",))) and one.chain.head.n == 1
    assert not one.adopt(chain(("a",)))
    assert one.standing().trust == 1 and member(disk, chain(("a",))).chain.head.n == 1


def test_neighbours_records(disk: Database) -> None:
    one, longer = member(disk, chain(("a",))), chain(("a",), ("a", "b"), ("b",))
    assert one.trust_records(0) == chain(("a",)).encoded()
    assert one.receive_trust((b"nonsense",)) is not None
    gap = one.receive_trust(tuple(longer.encoded()[2:]))
    assert gap is not None and one.chain.head.n == 0
    before = one.standing().digest
    assert one.receive_trust(tuple(longer.encoded()[1:])) is None
    assert one.chain.head.n == 2 and one.standing().digest != before
    assert member(disk, chain(("a",))).chain.head.n == 2


def test_whoever_moves_trust_is_told(disk: Database) -> None:
    one, longer = member(disk, chain(("a",))), chain(("a",), ("a", "b"))
    moved: list[tuple[int, int]] = []
    one.on_trust = lambda before: moved.append((before.head.n, one.chain.head.n))
    assert one.receive_trust(tuple(longer.encoded())) is None and moved == [(0, 1)]
    assert one.receive_trust(tuple(longer.encoded())) is None and moved == [(0, 1)]
    one.adopt(chain(("a",), ("a", "b"), ("b",)))
    assert moved == [(0, 1), (1, 2)]
    assert [one.was_curator(key_of(name).public) for name in ("a", "b", "c")] == [True, True, False]


def test_an_envelope_of_a_curator_to_be_waits_for_its_record(disk: Database) -> None:
    one = member(disk, chain(("a",)))
    new, stranger = Author(key_of("b"), one.chain.cluster_id), Author(key_of("c"), one.chain.cluster_id)
    new.trust = 1
    early = new.sign(put(cid(1))).sealed
    assert one.is_beyond_our_trust(early)
    assert not one.is_beyond_our_trust(stranger.sign(put(cid(1))).sealed)
    assert not one.is_beyond_our_trust(b"nonsense")
    one.adopt(chain(("a",), ("a", "b")))
    assert not one.is_beyond_our_trust(early)


def test_a_halted_peer_and_one_that_is_not_differ(disk: Database) -> None:
    one, two = member(disk, chain(("a",), ("b",))), member(Database(None), chain(("a",), ("b",)))
    assert one.standing() == two.standing()
    assert one.receive_trust(tuple(chain(("a",), ("c",)).encoded()[1:])) is None
    assert one.standing().trust_hash != two.standing().trust_hash
    assert two.receive_trust(tuple(one.trust_records(1))) is None
    assert one.standing() == two.standing()


def test_a_conflict_is_kept_passed_on_and_survives(disk: Database) -> None:
    one, rival = member(disk, chain(("a",), ("b",))), chain(("a",), ("c",))
    assert one.receive_trust(tuple(rival.encoded()[1:])) is None
    assert one.chain.conflict is not None and one.chain.is_curator(key_of("b").public)
    other_disk = Database(None)
    two = member(other_disk, chain(("a",)))
    assert two.receive_trust(tuple(one.trust_records(1))) is None
    assert two.chain.conflict is not None
    assert member(disk, chain(("a",))).chain.conflict is not None
    assert one.receive_trust(tuple(chain(("a",), ("b",), ("d",)).encoded()[2:])) is None
    assert one.chain.head.n == 1, "no further record is taken"


def test_a_session_is_open_while_its_author_is_trusted(disk: Database) -> None:
    one = member(disk, chain(("a",)))
    author = Author(key_of("a"), one.chain.cluster_id)
    assert one.is_open(author.session) and one.head(author.session).number == 0
    assert not one.is_open(Author(key_of("b"), one.chain.cluster_id).session)
    assert one.replica.receive(author.sign(put(cid(1))).sealed).fault is None
    assert one.contiguous(author.session) == 1 and one.backlog() > 0 and one.heads() == {}
    one.adopt(chain(("a",), ("b",)))
    assert not one.is_open(author.session)


def test_a_page_that_was_read_ahead_counts_as_one_that_was_not(disk: Database) -> None:
    known = chain(("a",))
    made = Author(key_of("a"), known.cluster_id)
    envelopes = [made.sign(put(cid(number))) for number in range(3)]
    page = Page(made.session, tuple(one.body for one in envelopes), envelopes[-1].signature)
    one, two = member(disk, known), member(Database(None), known)
    ahead = one.read_ahead(page)
    assert [envelope.body for envelope in ahead.envelopes] == list(page.bodies)
    assert one.receive_page(*ahead) == two.receive_page(*page)
    assert one.contiguous(made.session) == two.contiguous(made.session) == 3


def test_a_page_that_cannot_be_read_is_refused_in_words(disk: Database) -> None:
    known = chain(("a",))
    one = member(disk, known)
    page = Page(Author(key_of("a"), known.cluster_id).session, (b"x",), bytes(64))
    ahead = one.read_ahead(page)
    assert ahead == page
    assert one.receive_page(*ahead).fault
