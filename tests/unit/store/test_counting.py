"""The figures are set right, and rows that no put is go."""

from __future__ import annotations

import pytest

from pincrew.store.counting import miscounts, recount
from pincrew.store.statuses import Statuses
from pincrew.tracker import StatusUpdate
from pincrew.values import PinState
from support.stored_cluster import KEY, NOW_MS, SHARD_BITS, StoredCluster, one_keeper
from unit.golden.vectors import cid


@pytest.fixture
def stored() -> StoredCluster:
    """Ten pins, of which one is pinned, one failed and one is leaving."""
    stored = StoredCluster(None, one_keeper(), KEY)
    stored.write(range(10))
    statuses = Statuses(stored.database, SHARD_BITS)
    statuses.settle(
        [
            StatusUpdate(cid(1), PinState.PINNED, updated_ms=NOW_MS, size=77),
            StatusUpdate(cid(2), PinState.ERROR, updated_ms=NOW_MS, tries=1),
        ],
        None,
    )
    stored.remove([3])
    statuses.settle([StatusUpdate(cid(3), PinState.UNPINNING, updated_ms=NOW_MS, leaving_ms=NOW_MS)], None)
    return stored


def figures(stored: StoredCluster) -> list[object]:
    db = stored.database.writer
    return [*db.execute("SELECT * FROM counters ORDER BY state"), *db.execute("SELECT * FROM meta ORDER BY key")]


def test_right_figures_stay(stored: StoredCluster) -> None:
    before = figures(stored)
    assert miscounts(stored.database.writer) == []
    with stored.database.transaction() as db:
        assert recount(db) == []
    assert figures(stored) == before


def test_wrong_ones_are_set_right(stored: StoredCluster) -> None:
    before = figures(stored)
    with stored.database.transaction() as db:
        db.execute("UPDATE counters SET pins=99, bytes=98, sized=97")
        db.execute("DELETE FROM counters WHERE state=3")
        db.execute("UPDATE meta SET value='x' WHERE key IN ('change', 'item', 'pin', 'items')")
    with stored.database.transaction() as db:
        wrong = recount(db)
    assert set(wrong) == {one.value for one in PinState} | {"change", "item", "pin", "items"}
    after = figures(stored)
    # The change of what was removed last was the highest, and rises no less for being counted anew.
    assert after == before and miscounts(stored.database.writer) == []


def test_numbers_given_out_are_never_given_again(stored: StoredCluster) -> None:
    with stored.database.transaction() as db:
        db.execute("UPDATE meta SET value=1000 WHERE key IN ('change', 'pin', 'item')")
        assert recount(db) == []
    assert [stored.database.counter(key) for key in ("change", "pin", "item")] == [1000] * 3


def test_a_row_that_no_put_is_goes(stored: StoredCluster) -> None:
    with stored.database.transaction() as db:
        db.execute("UPDATE items SET pin=NULL WHERE pin=5")
        assert recount(db)[0] == "rows"
        assert db.execute("SELECT count(*) FROM pins").fetchone() == (8,)
    assert miscounts(stored.database.writer) == []
