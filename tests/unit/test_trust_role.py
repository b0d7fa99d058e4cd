"""What this peer is: its user's will and the owners' word together."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from pincrew.trusted.creation import Created, create

from pincrew.errors import NotFound
from pincrew.identity import load_key
from pincrew.paths import Home
from pincrew.settings import Role
from pincrew.settings_files import load_cluster, save
from pincrew.store.database import Database
from pincrew.store.trust_store import TrustStore
from pincrew.trust import Cut
from pincrew.trust_change import undone, without
from pincrew.trust_role import appoint, role_here
from pincrew.trust_view import kept_trust


@pytest.fixture
def made(tmp_path: Path) -> Created:
    return create(Home(tmp_path / "home"), "books", now_s=0)


def put_in_force(made: Created, *, is_named: bool) -> None:
    chain = kept_trust(made.paths)
    record = undone(chain) if is_named else without(chain, Cut(load_key(made.paths.identity).public))
    with closing(Database(made.paths.state, cluster=made.cluster_id)) as database:
        TrustStore(database).keep(chain.extended(record.signed(load_key(made.paths.owner))))


def wants(made: Created, role: Role) -> None:
    save(made.paths.settings, replace(load_cluster(made.paths.settings), role=role))


def test_whoever_is_named_follows_until_its_user_asks(made: Created) -> None:
    wants(made, Role.FOLLOWER)
    assert role_here(made.paths) is Role.FOLLOWER
    assert appoint(made.paths) is Role.CURATOR
    assert load_cluster(made.paths.settings).role is Role.CURATOR and role_here(made.paths) is Role.CURATOR


def test_whoever_was_revoked_follows_and_is_a_curator_again_when_that_is_undone(made: Created) -> None:
    put_in_force(made, is_named=False)
    assert role_here(made.paths) is Role.FOLLOWER
    assert appoint(made.paths) is Role.FOLLOWER
    assert load_cluster(made.paths.settings).role is Role.CURATOR, "its user's will stays"
    put_in_force(made, is_named=True)
    assert role_here(made.paths) is Role.CURATOR


def test_asking_does_not_make_a_curator_of_who_is_not_named(made: Created) -> None:
    put_in_force(made, is_named=False)
    wants(made, Role.FOLLOWER)
    assert appoint(made.paths) is Role.FOLLOWER
    assert load_cluster(made.paths.settings).role is Role.FOLLOWER


def test_a_store_that_was_never_finished_is_no_reason_to_fail(made: Created) -> None:
    made.paths.state.write_bytes(b"")
    assert role_here(made.paths) is Role.CURATOR
    made.paths.identity.unlink()
    with pytest.raises(NotFound):
        role_here(made.paths)
