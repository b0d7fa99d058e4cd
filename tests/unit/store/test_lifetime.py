"""Figures that only grow."""

from __future__ import annotations

from pincrew.store.database import Database
from pincrew.store.lifetime import LifetimeStore, Work


def test_a_new_store_knows_nothing() -> None:
    assert LifetimeStore(Database(None)).read() == (None, Work())


def test_work_is_added_and_the_beginning_stays() -> None:
    store = LifetimeStore(Database(None))
    store.add(5, Work(pins=1, fetched=10))
    store.add(9, Work(pins=2, served=7))
    assert store.read() == (5, Work(pins=3, fetched=10, served=7))


def test_work_can_be_added_up() -> None:
    assert Work(1, 2, 3) + Work(1, 1, 1) - Work(2, 3, 4) == Work()
    assert not Work()
    assert Work(served=1)
