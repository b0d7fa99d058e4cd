"""Rates are of what was seen, forget in time, and cost nothing to keep; the time left is a range or an honest word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew.limits import RATE_SLOTS
from pincrew.rates import Arrivals, Rates, Ring, Senders, TimeLeft, time_left


@given(st.floats(0, 1e6), st.integers(1, 10**9), st.sampled_from([10.0, 600.0, 21_600.0]))
def test_a_steady_stream_has_its_own_rate(began: float, count: int, span_s: float) -> None:
    ring = Ring(span_s, began)
    steps = 4 * RATE_SLOTS
    for step in range(1, steps + 1):
        ring.add(began + step * span_s / RATE_SLOTS, count)
    wanted = count * RATE_SLOTS / span_s
    assert wanted * 0.96 <= ring.per_s(began + steps * span_s / RATE_SLOTS) <= wanted * 1.04


@given(st.lists(st.tuples(st.floats(0, 50), st.integers(0, 1_000)), max_size=80))
def test_a_ring_counts_what_came_in_its_span_and_nothing_else(steps: list[tuple[float, int]]) -> None:
    ring, now, came = Ring(60.0, 0.0), 0.0, []
    for wait_s, count in steps:
        now += wait_s
        ring.add(now, count)
        came.append((now, count))
    counted = ring.per_s(now) * min(60.0, max(now, 1.0))
    surely = sum(count for at, count in came if at > now - 59.0)
    perhaps = sum(count for at, count in came if at >= now - 60.0)
    assert surely - 1e-6 <= counted <= perhaps + 1e-6


def test_what_is_over_is_forgotten() -> None:
    arrivals = Arrivals(0.0)
    arrivals.add(1.0, 10, 5_000)
    assert arrivals.bytes_per_s(5.0) == Rates(1_000.0, 5_000 / 10.0, 5_000 / 360.0), "over what was seen of each"
    assert arrivals.blocks_per_s(5.0) == 2.0 and arrivals.last_at == 1.0
    after = arrivals.bytes_per_s(20.0)
    assert (after.short, after.middle) == (0.0, 250.0)
    assert arrivals.bytes_per_s(86_400.0) == Rates(), "a process that was stopped for a day"
    assert arrivals.seen_s(20.0) == 20.0
    arrivals.add(90_000.0, 0, 0)
    assert arrivals.last_at == 1.0, "nothing came"


def left(**changes: object) -> TimeLeft:
    known: dict[str, object] = {"pins": 10, "sized": 10, "size": 1_000, "arrived": 0}
    known |= {"rates": Rates(5.0, 10.0, 2.0), "seen_s": 60.0}
    return time_left(**{**known, **changes})  # type: ignore[arg-type]


def test_the_time_left_is_a_range() -> None:
    assert left() == TimeLeft(100, 500)
    assert left(arrived=500) == TimeLeft(50, 250)
    assert left(sized=9, size=900) == TimeLeft(100, 500), "one of unknown size counts as large as the others"
    assert left(arrived=5_000) == TimeLeft(0, 0), "larger than said"
    assert left(pins=0, sized=0, size=0) == TimeLeft(0, 0)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"sized": 8}, "too few sizes are known"),
        ({"sized": 0, "size": 0}, "too few sizes are known"),
        ({"seen_s": 19.0}, "it has only just begun"),
        ({"rates": Rates()}, "nothing arrives"),
        ({"rates": Rates(0.0, 0.0, 5.0)}, "next to nothing arrives"),
        ({"size": 10**15}, "next to nothing arrives"),
    ],
)
def test_where_nobody_can_know_words_say_why(changes: dict[str, object], why: str) -> None:
    assert left(**changes) == TimeLeft(why=why)


def test_who_sent_lately_is_counted_once_and_forgotten() -> None:
    senders = Senders()
    senders.heard(0.0, ["a", "b"])
    senders.heard(6.0, ["b", "c"])
    assert [senders.count(now) for now in (6.0, 9.9, 10.0, 15.9, 16.0)] == [3, 3, 2, 2, 0]


def test_a_crowd_of_senders_takes_no_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pincrew.rates.SENDERS_REMEMBERED_MAX", 3)
    senders = Senders()
    senders.heard(1.0, map(str, range(100)))
    assert senders.count(1.0) == 3
