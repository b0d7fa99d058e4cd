"""When a keeper should make a base. Pure."""

from __future__ import annotations

from pincrew.limits import BASE_LOG_BYTES_MIN, BASE_TOMBSTONES_MIN

_BUSY_PATIENCE = 4


def is_due(*, log_bytes: int, base_bytes: int, items: int, pins: int, is_quiet: bool) -> bool:
    """Say whether a keeper should make a base.

    It should when the log since the last one outgrows that base's rows, or puts that no longer hold pass half of those
    that do; small lists wait until it is worth the work of everybody. While a list is being written in bulk it waits
    for a quiet moment, up to four times as long.
    """
    patience = 1 if is_quiet else _BUSY_PATIENCE
    dead = items - pins
    return log_bytes > patience * max(BASE_LOG_BYTES_MIN, base_bytes) or dead > patience * max(
        BASE_TOMBSTONES_MIN, pins // 2
    )
