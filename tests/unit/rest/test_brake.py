"""The brake on guessing: who is kept waiting, for how long, and that the table stays small."""

from __future__ import annotations

import pytest

from pincrew import limits
from pincrew.rest.brake import Brake

NOW_MS = 1_800_000_000_000
WINDOW_MS = int(limits.GUESS_WINDOW_S * 1_000)


def failed(brake: Brake, address: str, times: int = limits.GUESSES_MAX, now_ms: int = NOW_MS) -> None:
    for number in range(times):
        brake.failed(address, f"guess {number} of {now_ms}", now_ms)


def test_ten_within_a_minute_and_then_none_until_it_is_over() -> None:
    brake = Brake(bytes(32))
    failed(brake, "192.0.2.1", limits.GUESSES_MAX - 1)
    assert brake.wait_s("192.0.2.1", NOW_MS) == 0
    failed(brake, "192.0.2.1", 1, NOW_MS + 10_000)
    assert brake.wait_s("192.0.2.1", NOW_MS + 10_000) == 50
    assert brake.wait_s("192.0.2.1", NOW_MS + WINDOW_MS - 1) == 1
    assert brake.wait_s("192.0.2.1", NOW_MS + WINDOW_MS) == 0
    failed(brake, "192.0.2.1", 1, NOW_MS + WINDOW_MS)
    assert brake.wait_s("192.0.2.1", NOW_MS + WINDOW_MS) == 0, "it begins anew"


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("", "no address", True),
    ],
)
def test_what_counts_as_one(one: str, other: str, is_same: bool) -> None:
    brake = Brake(bytes(32))
    failed(brake, one)
    assert bool(brake.wait_s(other, NOW_MS)) is is_same


def test_of_many_addresses_the_latest_are_known() -> None:
    brake = Brake(bytes(32))
    failed(brake, "192.0.2.1")
    for number in range(limits.GUESSING_ADDRESSES_MAX - 1):
        failed(brake, f"10.0.{number // 256}.{number % 256}", 1)
    assert brake.wait_s("192.0.2.1", NOW_MS)
    failed(brake, "198.51.100.1", 1)
    assert not brake.wait_s("192.0.2.1", NOW_MS) and len(brake._failures) == limits.GUESSING_ADDRESSES_MAX


def test_one_wrong_password_again_and_again_is_no_guessing() -> None:
    brake = Brake(bytes(32))
    for _ in range(3 * limits.GUESSES_MAX):
        brake.failed("192.0.2.1", "that of yesterday", NOW_MS)
    assert brake.wait_s("192.0.2.1", NOW_MS) == 0
    failed(brake, "192.0.2.1", limits.GUESSES_MAX - 1)
    assert brake.wait_s("192.0.2.1", NOW_MS) == 60


def test_a_clock_that_was_set_back_keeps_nobody_waiting() -> None:
    brake = Brake(bytes(32))
    failed(brake, "192.0.2.1")
    assert brake.wait_s("192.0.2.1", NOW_MS - 1) == 0
