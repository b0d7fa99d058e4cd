"""How much one peer may owe, how long it may take, and what is said to it."""

from __future__ import annotations

import pytest

from pincrew import limits
from pincrew.node.bitswap.partner import Kind, Partner, Wanted

MIB = 1024 * 1024


def want(number: int = 0) -> Wanted:
    multihash = b"\x12\x20" + number.to_bytes(32)
    return Wanted(multihash, b"\x01\x55" + multihash, 1)


def measured(rate: float, block_bytes: int) -> Partner:
    partner = Partner("a", True, 0.0)
    partner.rate, partner.block_bytes = rate, block_bytes
    return partner


@pytest.mark.parametrize(
    ("rate", "block_bytes", "window"),
    [
        (50 * MIB, 256 * 1024, 32),  # 8 MiB is the most
        (2 * MIB, 256 * 1024, 16),  # two seconds of it
        (10_000, 256 * 1024, 4),  # the least is 1 MiB
        (10_000, 2 * MIB, 4),  # and four blocks
        (10_000, 256, 256),
    ],
)
def test_the_window_is_what_the_peer_sends_in_two_seconds(rate: float, block_bytes: int, window: int) -> None:
    assert measured(rate, block_bytes).window == window


def test_before_the_rate_is_known_large_blocks_make_the_window_small() -> None:
    partner = Partner("a", True, 0.0)
    assert partner.window == limits.BITSWAP_WINDOW_WANTS_START
    partner.count(1_000, 0.0)
    assert partner.window == limits.BITSWAP_WINDOW_WANTS_START
    partner.count(MIB, 0.0)
    assert partner.window == limits.BITSWAP_WINDOW_BYTES_MAX // MIB


def test_what_a_block_is_expected_to_weigh_and_who_is_quick() -> None:
    partner = Partner("a", True, 0.0)
    assert partner.expected_bytes == limits.BITSWAP_UNMEASURED_BLOCK_BYTES
    partner.count(1_000, 0.0)
    assert partner.expected_bytes == limits.BITSWAP_UNMEASURED_BLOCK_BYTES
    partner.count(MIB, 0.0)
    assert partner.expected_bytes == MIB
    assert not partner.is_quick
    assert measured(MIB, 1_000).expected_bytes == 1_000
    assert measured(MIB, 1_000).is_quick
    assert not measured(100_000, 1_000).is_quick


def test_a_full_window_opens_again_when_a_quarter_is_free() -> None:
    partner = Partner("a", True, 0.0)
    wants = [want(number) for number in range(limits.BITSWAP_WINDOW_WANTS_START)]
    for each in wants:
        assert partner.load < 1.0
        partner.ask(each, Kind.BLOCK, 0.0)
    assert partner.load == 1.0
    quarter = len(wants) // 4
    for each in wants[: quarter - 1]:
        partner.answered(each.multihash, 1.0)
        assert partner.load == 1.0
    partner.answered(wants[quarter - 1].multihash, 1.0)
    assert partner.load == 0.75


def test_the_time_out_follows_what_was_measured_within_bounds() -> None:
    partner = Partner("a", True, 0.0)
    assert partner.timeout_s == limits.BITSWAP_TIMEOUT_S_MIN
    for expected, answer_s in ((8.0, 2.0), (limits.BITSWAP_TIMEOUT_S_MAX, 1_000.0)):
        partner.ask(want(), Kind.BLOCK, 0.0)
        partner.answered(want().multihash, answer_s)
        assert partner.timeout_s == pytest.approx(expected)


def test_what_was_never_said_is_not_taken_back_aloud() -> None:
    partner, one = Partner("a", True, 0.0), want()
    partner.ask(one, Kind.BLOCK, 0.0)
    partner.take_back(one)
    assert not partner.outbox
    partner.ask(one, Kind.BLOCK, 0.0)
    partner.outbox.clear()
    partner.told.add(one.multihash)
    partner.take_back(one)
    assert partner.outbox == {one.multihash: (one.cid, Kind.CANCEL)}
    assert one.multihash in partner.forgotten


def test_what_may_still_come_is_remembered_within_a_bound() -> None:
    partner = Partner("a", True, 0.0)
    for number in range(limits.BITSWAP_FORGOTTEN_MAX + 10):
        partner.told.add(want(number).multihash)
        partner.take_back(want(number))
    assert len(partner.forgotten) == limits.BITSWAP_FORGOTTEN_MAX


def test_blocks_that_nobody_asked_for_drain_with_time() -> None:
    partner = Partner("a", True, 0.0)
    half = limits.BITSWAP_UNSOLICITED_BYTES_MAX // 2
    assert not partner.sent_unasked(half, 0.0)
    assert not partner.sent_unasked(half, 1.0)
    assert partner.sent_unasked(half, 1.0)
    assert not partner.sent_unasked(half, 1_000.0)


def test_the_rate_is_measured_while_something_is_asked() -> None:
    partner = Partner("a", True, 0.0)
    partner.ask(want(), Kind.BLOCK, 100.0)
    partner.answered(want().multihash, 101.0)
    partner.count(MIB, 101.0)
    assert partner.rate == pytest.approx(MIB)
    assert partner.block_bytes == MIB
