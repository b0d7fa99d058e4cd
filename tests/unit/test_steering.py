"""Steering holds a node to its limit on average, whatever the line gives, and lets it work in between."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pincrew.limits import STEERING_ACCOUNT_S
from pincrew.steering import Steering


@given(st.integers(1_000, 10**8), st.floats(0.1, 40.0))
def test_on_average_the_limit_holds(limit: int, line: float) -> None:
    """``line``: how many times the limit it gives."""
    steering, received, seconds, opened = Steering(limit, 0.0, 0), 0, 2_000, 0
    for second in range(1, seconds + 1):
        received += int(limit * line) if steering.is_open else 0
        steering.look(float(second), received)
        opened += steering.is_open
    allowed = limit * (seconds + STEERING_ACCOUNT_S + line)
    assert received <= allowed * 1.01 + limit
    wanted = min(limit, limit * line) * seconds
    assert received >= 0.85 * wanted - limit * STEERING_ACCOUNT_S, "and it is made use of"
    assert opened > 0


def test_it_does_not_flutter() -> None:
    steering = Steering(100, 0.0, 0)
    assert steering.look(1.0, 700) is False, "beyond what was saved"
    assert steering.look(2.0, 700) is False, "a little is not enough to go on"
    assert [steering.look(float(at), 700) for at in range(3, 8)] == [False, False, False, False, True]
    assert steering.look(1_000.0, 700) is True
    assert steering.look(1_001.0, 1_700) is True, "after a rest there is so much at once"
    assert steering.look(1_002.0, 2_000) is False, "and no more, however long the rest was"


def test_a_node_that_was_started_anew_counts_from_0() -> None:
    steering = Steering(100, 0.0, 10**9)
    assert steering.look(1.0, 50) is True
    assert steering.look(2.0, 5_000) is False
