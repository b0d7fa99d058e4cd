"""The rules K1 to K3 on their own; that they suffice is what test_collecting.py shows."""

from __future__ import annotations

import pytest

from pincrew.errors import Conflict
from pincrew.node.store.keeping import Keeping


def test_what_comes_during_a_collection_is_beyond_its_horizon_and_needs_no_mark() -> None:
    """K1."""
    keeping = Keeping()
    lease = keeping.open()
    running = keeping.begin(50)
    assert running.horizon == 50
    keeping.count_on(lease, [49, 50])
    assert 49 in running.marks and 50 not in running.marks
    assert 49 in lease.marks and 50 in lease.marks


def test_what_is_counted_on_is_marked_in_the_lease_and_in_the_collection() -> None:
    """K2."""
    keeping = Keeping()
    lease = keeping.open()
    keeping.count_on(lease, [1, 2])
    running = keeping.begin(100)
    assert [number for number in range(5) if number in running.marks] == [1, 2]
    keeping.count_on(lease, [3])
    keeping.count_on(None, [4])
    assert 3 in running.marks and 4 in running.marks
    keeping.end(running)
    later = keeping.begin(100)
    assert [number for number in range(5) if number in later.marks] == [1, 2, 3]
    keeping.end(later)
    keeping.close(lease)
    keeping.close(lease)
    assert 1 not in keeping.begin(100).marks


def test_a_pin_that_is_begun_is_a_root_of_the_collection_that_runs() -> None:
    """K3."""
    keeping = Keeping()
    keeping.pin_begun(b"before", recursive=True)
    running = keeping.begin(1)
    keeping.pin_begun(b"during", recursive=False)
    assert list(running.new_roots) == [(b"during", False)]
    keeping.end(running)
    keeping.pin_begun(b"after", recursive=True)
    assert len(running.new_roots) == 1


def test_one_collection_at_a_time() -> None:
    keeping = Keeping()
    running = keeping.begin(1)
    with pytest.raises(Conflict):
        keeping.begin(1)
    keeping.end(running)
    second = keeping.begin(1)
    keeping.end(running)
    with pytest.raises(Conflict):
        keeping.begin(1)
    keeping.end(second)
