"""What doctor says of trust."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from pincrew.trusted.creation import Created, create

from pincrew.api.shapes import Check
from pincrew.cli.trust_checks import trust_checks
from pincrew.files import write_file
from pincrew.identity import load_key
from pincrew.paths import Home
from pincrew.settings import ClusterSettings, Role
from pincrew.settings_files import load_cluster
from pincrew.store.database import Database
from pincrew.store.trust_store import TrustStore
from pincrew.trust import TrustChain
from pincrew.trust_change import with_keeper, with_more
from pincrew.trust_proposal import propose, render_proposal
from pincrew.trust_view import kept_trust
from support.signers import SECOND_CURATOR, SECOND_OWNER


@pytest.fixture
def made(tmp_path: Path) -> Created:
    return create(Home(tmp_path / "home"), "books", now_s=0)


def keep(made: Created, chain: TrustChain) -> None:
    with closing(Database(made.paths.state, cluster=made.cluster_id)) as database:
        TrustStore(database).keep(chain)


def checks(made: Created, settings: ClusterSettings | None = None) -> list[Check]:
    return list(trust_checks(made.paths, settings or load_cluster(made.paths.settings)))


def results(made: Created) -> list[str]:
    return [check.result for check in checks(made)]


def test_it_reminds_until_a_second_curator_or_owner_is_named(made: Created) -> None:
    (reminder,) = checks(made)
    assert reminder.result == "note" and "trust add" in (reminder.fix or "")
    owner, chain = load_key(made.paths.owner), kept_trust(made.paths)
    keep(made, chain.extended(with_more(chain, curators=[SECOND_CURATOR.public]).signed(owner)))
    assert results(made) == ["ok"]


def test_a_second_owner_stills_it_too(made: Created) -> None:
    owner, chain = load_key(made.paths.owner), kept_trust(made.paths)
    keep(made, chain.extended(with_more(chain, owners=[SECOND_OWNER.public]).signed(owner)))
    assert results(made) == ["ok"]


def test_a_follower_is_not_reminded_of_what_only_owners_can_do(made: Created) -> None:
    made.paths.owner.unlink()
    follower = ClusterSettings(cluster_id=made.cluster_id.hex(), role=Role.FOLLOWER)
    assert [check.result for check in checks(made, follower)] == ["ok"]


def test_a_conflict_fails_and_says_what_to_do(made: Created) -> None:
    owner, chain = load_key(made.paths.owner), kept_trust(made.paths)
    one, other = with_keeper(chain, None), with_more(chain, curators=[SECOND_CURATOR.public])
    keep(made, chain.extended(one.signed(owner)).merge([other.signed(owner)]))
    (failure,) = checks(made)
    assert failure.result == "FAIL" and "records 1" in failure.text and "Ask the owners" in (failure.fix or "")


def test_a_waiting_record_is_noted(made: Created) -> None:
    owner, chain = load_key(made.paths.owner), kept_trust(made.paths)
    two = chain.extended(with_more(chain, owners=[SECOND_OWNER.public], threshold=2).signed(owner))
    keep(made, two)
    record = with_keeper(two, None).signed(owner)
    write_file(made.paths.trust_waiting, render_proposal(propose("books", two, record)))
    assert [(check.result, "record 2 waits" in check.text) for check in checks(made)] == [("note", True), ("ok", False)]
