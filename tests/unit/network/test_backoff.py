"""Redial delays."""

from __future__ import annotations

from random import Random

from pincrew import limits
from pincrew.network.backoff import Backoff, Congestion


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


def test_a_peer_that_was_there_is_tried_quickly_for_as_long_as_a_restart_takes() -> None:
    backoff = Backoff(Random(3))
    for _ in range(9):
        backoff.failed()
    backoff.lost()
    delays = [backoff.failed() for _ in range(limits.REDIAL_QUICK_TRIES_MAX)]
    assert [delay <= most for delay, most in zip(delays, [0.2, 0.5, *[1.0] * 18], strict=True)] == [True] * 20
    assert sum(delays[:2]) < 1 and sum(delays) > 10
    assert 1.0 <= backoff.failed() <= 2.0, "then like any other"
    assert 2.0 <= backoff.failed() <= 4.0


def test_what_is_hopeless_is_tried_slowly_until_something_is_new() -> None:
    backoff = Backoff(Random(3))
    backoff.lost()
    backoff.hopeless()
    assert backoff.failed() >= limits.REDIAL_DELAY_S_MAX / 2
    backoff.renewed()
    assert backoff.failed() <= limits.REDIAL_DELAY_S_MIN


def test_peers_do_not_redial_in_step() -> None:
    assert len({Backoff(Random(seed)).failed() for seed in range(50)}) == 50


def test_congestion_doubles_up_to_a_bound_halves_with_each_success_and_is_forgotten() -> None:
    congestion = Congestion(Random(1))
    assert not congestion.is_felt and congestion.wait_s(0.0) == 0.0
    for _ in range(10):
        congestion.failed(100.0)
    assert congestion.is_felt
    assert 0.5 * limits.CONGESTION_DELAY_S_MAX <= congestion.wait_s(100.0) <= limits.CONGESTION_DELAY_S_MAX
    assert congestion.wait_s(100.0 + limits.CONGESTION_DELAY_S_MAX) == 0.0
    successes = 0
    while congestion.is_felt:
        congestion.passed()
        assert congestion.wait_s(100.0) == 0.0
        successes += 1
    assert successes == 5
