"""Flood accounting."""

from __future__ import annotations

from pincrew import limits
from pincrew.network.flood import FloodGuard


def test_rejected_messages_are_counted_over_the_window() -> None:
    guard = FloodGuard()
    assert not guard.count("a", 0.0, rejected=limits.REJECTED_PER_WINDOW_MAX)
    assert guard.count("a", 9.0, rejected=1)
    assert guard.is_out("a", 9.0)


def test_what_is_older_than_the_window_is_forgiven() -> None:
    guard = FloodGuard()
    assert not guard.count("a", 0.0, rejected=limits.REJECTED_PER_WINDOW_MAX)
    assert not guard.count("a", limits.FLOOD_WINDOW_S + 1, rejected=limits.REJECTED_PER_WINDOW_MAX)


def test_peers_are_counted_apart() -> None:
    guard = FloodGuard()
    for peer in "abc":
        assert not guard.count(peer, 0.0, rejected=limits.REJECTED_PER_WINDOW_MAX)


def test_two_hundred_needless_messages_a_second_are_allowed_and_no_more() -> None:
    guard = FloodGuard()
    for second in range(10):
        assert not guard.count("a", float(second), needless=limits.DUPLICATES_PER_SECOND_MAX)
    assert guard.count("a", 9.5, needless=1)


def test_each_accepted_message_allows_every_peer_one_duplicate() -> None:
    guard = FloodGuard()
    for _ in range(5_000):
        guard.accepted(0.0)
    allowed = int(limits.DUPLICATES_PER_SECOND_MAX * limits.FLOOD_WINDOW_S) + 5_000
    assert not guard.count("a", 0.0, needless=allowed)
    assert not guard.count("b", 0.0, needless=allowed)
    assert guard.count("a", 0.0, needless=1)
    assert not guard.is_out("b", 0.0)


def test_a_peer_is_out_for_ten_minutes_and_then_begins_anew() -> None:
    guard = FloodGuard()
    guard.cut_off("a", 0.0)
    assert guard.is_out("a", limits.FLOOD_BAN_S - 1)
    assert not guard.count("a", limits.FLOOD_BAN_S - 1, rejected=10_000)
    assert not guard.is_out("a", limits.FLOOD_BAN_S)
    assert not guard.count("a", limits.FLOOD_BAN_S, rejected=1)


def test_strangers_cannot_make_the_tables_grow() -> None:
    guard = FloodGuard()
    for number in range(limits.FLOOD_PEERS_MAX + 100):
        guard.count(f"peer {number}", 0.0, rejected=1, needless=1)
        guard.cut_off(f"out {number}", 0.0)
    assert len(guard._rejected) == len(guard._needless) == len(guard._out_until) == limits.FLOOD_PEERS_MAX
