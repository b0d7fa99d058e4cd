"""When a keeper should make a base."""

from __future__ import annotations

from pincrew.base_due import is_due
from pincrew.limits import BASE_LOG_BYTES_MIN, BASE_TOMBSTONES_MIN


def due(*, log_bytes: int = 0, base_bytes: int = 0, items: int = 0, pins: int = 0, is_quiet: bool = True) -> bool:
    return is_due(log_bytes=log_bytes, base_bytes=base_bytes, items=items, pins=pins, is_quiet=is_quiet)


def test_the_log_outgrows_the_list() -> None:
    assert not due(log_bytes=BASE_LOG_BYTES_MIN), "small lists wait"
    assert due(log_bytes=BASE_LOG_BYTES_MIN + 1)
    large = 10 * BASE_LOG_BYTES_MIN
    assert not due(log_bytes=large, base_bytes=large)
    assert due(log_bytes=large + 1, base_bytes=large)


def test_puts_that_no_longer_hold_pile_up() -> None:
    assert not due(items=BASE_TOMBSTONES_MIN)
    assert due(items=BASE_TOMBSTONES_MIN + 1)
    pins = 10 * BASE_TOMBSTONES_MIN
    assert not due(items=pins + pins // 2, pins=pins)
    assert due(items=pins + pins // 2 + 1, pins=pins)


def test_a_busy_writer_is_left_alone_for_a_while() -> None:
    assert not due(log_bytes=4 * BASE_LOG_BYTES_MIN, is_quiet=False)
    assert due(log_bytes=4 * BASE_LOG_BYTES_MIN + 1, is_quiet=False)
