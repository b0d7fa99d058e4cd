"""The trust chain on disk."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from pincrew.errors import StoreFault
from pincrew.store.database import Database
from pincrew.store.trust_store import TrustStore
from support.signers import STRANGER, chain, first, following


def test_a_chain_is_kept_with_the_proof_of_a_conflict() -> None:
    store = TrustStore(Database(None))
    assert store.chain() is None
    held = chain(first(), following(first()))
    store.keep(held)
    assert store.chain() == held
    halted = held.merge([following(first(), curators=[STRANGER])])
    store.keep(halted)
    assert store.chain() == halted


def test_a_record_that_is_kept_never_changes() -> None:
    store = TrustStore(Database(None))
    held = chain(first(), following(first()))
    store.keep(held)
    store.keep(chain(first(), following(first(), curators=[STRANGER])))
    assert store.chain() == held


def test_read_only_it_reads(tmp_path: Path) -> None:
    with closing(Database(tmp_path / "state.db")) as database:
        TrustStore(database).keep(chain())
        with closing(Database(tmp_path / "state.db", read_only=True)) as reader:
            assert TrustStore(reader).chain() == chain()
            with pytest.raises(StoreFault):
                TrustStore(reader).keep(chain(first(), following(first())))
