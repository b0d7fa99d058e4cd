"""Redial delays."""

from __future__ import annotations

from random import Random

from pincrew import limits
from pincrew.network.backoff import Backoff


def test_delays_double_up_to_the_most_with_jitter() -> None:
    backoff = Backoff(Random(1))
    ceiling = limits.REDIAL_DELAY_S_MIN
    for _ in range(20):
        assert ceiling / 2 <= backoff.failed() <= ceiling
        ceiling = min(2 * ceiling, limits.REDIAL_DELAY_S_MAX)
    assert ceiling == limits.REDIAL_DELAY_S_MAX


def test_the_first_tries_come_within_a_few_seconds() -> None:
    backoff = Backoff(Random(2))
    assert sum(backoff.failed() for _ in range(3)) < 5


def test_a_steady_peer_is_redialled_quickly_and_a_hopeless_one_slowly() -> None:
    backoff = Backoff(Random(3))
    backoff.hopeless()
    assert backoff.failed() >= limits.REDIAL_DELAY_S_MAX / 2
    backoff.steady()
    assert backoff.failed() <= limits.REDIAL_DELAY_S_MIN


def test_peers_do_not_redial_in_step() -> None:
    assert len({Backoff(Random(seed)).failed() for seed in range(50)}) == 50
