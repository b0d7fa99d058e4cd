"""Counting bytes by protocol."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pincrew.limits import TRAFFIC_WINDOW_S
from pincrew.network.traffic import Passed, Traffic


class Clock:
    """Stands still unless it is set."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_bytes_are_counted_by_protocol_and_direction() -> None:
    clock = Clock()
    traffic = Traffic(clock)
    traffic.meter("/sync").came(100)
    traffic.meter("/sync").went(30)
    traffic.meter("/a").went(7)
    assert list(traffic.passed()) == ["/a", "/sync"]
    assert traffic.passed()["/sync"] == Passed(100, 30, 10.0, 3.0)
    clock.now += TRAFFIC_WINDOW_S - 1
    assert traffic.passed()["/sync"].rate_in == 10.0
    clock.now += 1
    assert traffic.passed()["/sync"] == Passed(100, 30, 0.0, 0.0)


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 10**9)), max_size=50))
def test_a_rate_is_that_of_the_last_seconds(steps: list[tuple[float, int]]) -> None:
    clock = Clock()
    meter = Traffic(clock).meter("/x")
    came: list[tuple[int, int]] = []
    for pause, size in steps:
        clock.now += pause
        meter.came(size)
        came.append((int(clock.now), size))
        recent = sum(size for second, size in came if second > int(clock.now) - TRAFFIC_WINDOW_S)
        assert meter.passed() == Passed(sum(size for _, size in came), 0, recent / TRAFFIC_WINDOW_S, 0.0)


def test_a_clock_that_goes_back_loses_nothing() -> None:
    clock = Clock()
    meter = Traffic(clock).meter("/x")
    meter.came(5)
    clock.now -= 100
    meter.came(5)
    assert meter.passed().total_in == 10
