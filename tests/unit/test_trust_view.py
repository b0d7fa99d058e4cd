"""What is shown of trust: from the disk alone, and with what a daemon has seen."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from pincrew.trusted.creation import Created, create
from pincrew.trusted.cutting import cut_of

from pincrew.errors import NotFound
from pincrew.files import write_file
from pincrew.identity import load_key
from pincrew.keys import peer_id
from pincrew.paths import Home
from pincrew.store.database import Database
from pincrew.store.trust_store import TrustStore
from pincrew.trust import TrustChain
from pincrew.trust_change import with_keeper, with_more, without
from pincrew.trust_proposal import propose, render_proposal
from pincrew.trust_view import kept_trust, trust_info, waiting_proposal
from pincrew.values import Head, SessionId
from support.signers import SECOND_CURATOR, SECOND_OWNER


@pytest.fixture
def made(tmp_path: Path) -> Created:
    return create(Home(tmp_path / "home"), "books", now_s=0)


def grown(made: Created) -> TrustChain:
    owner, chain = load_key(made.paths.owner), kept_trust(made.paths)
    return chain.extended(with_more(chain, curators=[SECOND_CURATOR.public]).signed(owner))


def test_the_longer_of_document_and_store_holds(made: Created) -> None:
    assert kept_trust(made.paths).head.n == 0
    with closing(Database(made.paths.state, cluster=made.cluster_id)) as database:
        TrustStore(database).keep(grown(made))
    assert kept_trust(made.paths).head.n == 1
    made.paths.config.unlink()
    with pytest.raises(NotFound):
        kept_trust(made.paths)


def test_everybody_is_shown(made: Created) -> None:
    owner, chain = load_key(made.paths.owner), grown(made)
    gone = SECOND_CURATOR.public
    revoked = chain.extended(
        without(chain, cut_of(gone, {SessionId(gone, b"n" * 16): Head(4, bytes(32))})).signed(owner)
    )
    info = trust_info(made.paths, chain, lambda peer: ("Ana", None) if peer == made.peer_id else (None, True))
    assert {(one.peer_id, one.name, one.connected) for one in info.curators} == {
        (made.peer_id, "Ana", None),
        (peer_id(gone), None, True),
    }
    assert (info.cluster, info.id, info.record, info.threshold) == ("books", made.cluster_id.hex(), 1, 1)
    assert (info.owners, info.keeper) == ([peer_id(owner.public)], made.peer_id)
    assert (info.former, info.conflict, info.waiting) == ([], None, None)
    after = json.loads(msgspec.json.encode(trust_info(made.paths, revoked)))
    assert after["former"] == [{"peer_id": peer_id(gone), "record": 2, "counts": 4}]
    assert after["curators"] == [{"peer_id": made.peer_id, "name": None, "connected": None}]


def test_a_conflict_is_shown_with_both_sides(made: Created) -> None:
    owner, chain = load_key(made.paths.owner), kept_trust(made.paths)
    halted = grown(made).merge([with_keeper(chain, None).signed(owner)])
    conflict = trust_info(made.paths, halted).conflict
    assert conflict is not None and conflict.record == 1
    assert conflict.held == [f"curator added: {peer_id(SECOND_CURATOR.public)}"] and conflict.other == [
        "keeper: nobody"
    ]


def test_a_waiting_record_is_shown_until_it_can_follow_no_more(made: Created) -> None:
    owner, chain = load_key(made.paths.owner), kept_trust(made.paths)
    two = chain.extended(with_more(chain, owners=[SECOND_OWNER.public], threshold=2).signed(owner))
    assert waiting_proposal(made.paths, two) is None
    record = with_keeper(two, None)
    write_file(made.paths.trust_waiting, render_proposal(propose("books", two, record.signed(owner))))
    waiting = trust_info(made.paths, two).waiting
    assert waiting is not None and (waiting.record, waiting.missing, waiting.changes) == (2, 1, ["keeper: nobody"])
    assert (waiting.signed, waiting.file) == ([peer_id(owner.public)], str(made.paths.trust_waiting))
    later = two.extended(record.signed(owner, SECOND_OWNER))
    assert trust_info(made.paths, later).waiting is None
    write_file(made.paths.trust_waiting, b"damaged")
    assert trust_info(made.paths, two).waiting is None
