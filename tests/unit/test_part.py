"""Which part of a set a peer keeps: ranks, sizes in their order, and a threshold that moves little."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pincrew import limits
from pincrew.part import (
    ALL,
    ANY_SIZE,
    Part,
    Tally,
    cid_value,
    fit,
    largest_for,
    largest_taken,
    part_room,
    part_value,
    rank,
    rescue_room,
    rescue_value,
)

DAY_MS = 86_400_000
NOW = 1_700_000_000_000
OLD = NOW - 30 * DAY_MS  # joined long ago
STEP = 1 << 48


def tally(*pins: tuple[int, int | None], largest: int = 10**9, pinned: bool = False) -> Tally:
    """A tally of (rank, size)."""
    made = Tally(largest)
    for order, size in pins:
        made.add(order, size, is_pinned=pinned)
    return made


def even(count: int, size: int = 100, *, pinned_below: int = 0, pinned_every: int = 1) -> Tally:
    """As many pins of one size, evenly over all ranks; up to a rank, one of so many is pinned."""
    made = Tally(10**9)
    for number in range(count):
        order = number * (ALL // count)
        made.add(order, size, is_pinned=order < pinned_below and number % pinned_every == 0)
    return made


def test_the_mix_is_that_of_splitmix64() -> None:
    """Its reference output for the seed 1234567: the finaliser of seed + n * the golden gamma."""
    gamma = 0x9E3779B97F4A7C15
    known = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert [rank((1234567 + n * gamma) % ALL, 0) for n in (1, 2, 3)] == known


def test_values_are_fixed_by_bytes_and_the_two_of_a_peer_are_apart() -> None:
    assert cid_value(b"cid") == cid_value(b"cid") != cid_value(b"cit")
    assert len({part_value(b"k"), rescue_value(b"k"), part_value(b"l"), rescue_value(b"l")}) == 4


def test_the_parts_of_peers_are_independent() -> None:
    luck = random.Random(1)
    first, second = luck.getrandbits(64), luck.getrandbits(64)
    cids = [luck.getrandbits(64) for _ in range(20_000)]
    half = ALL // 2
    both = sum(rank(cid, first) < half and rank(cid, second) < half for cid in cids)
    assert abs(both / len(cids) - 0.25) < 0.02


def test_a_limit_is_divided() -> None:
    assert part_room(1_000) + rescue_room(1_000) == 1_000 and rescue_room(1_000) == 200
    assert largest_taken(1_000) == 400


def test_an_unknown_size_counts_as_the_mean_of_the_known() -> None:
    made = tally((0, 100), (1 * STEP, 300), (2 * STEP, None))
    assert made.mean == 200 and made.below(ALL) == 600
    assert tally((0, None)).below(ALL) == 0, "nothing is known of any"


def test_a_pin_that_is_too_large_is_nobodys_and_moves_no_mean() -> None:
    made = tally((0, 100), (STEP, 10**13), (2 * STEP, None), largest=1_000)
    assert made.mean == 100 and made.below(ALL) == 200 and made.bytes_beyond == 10**13
    assert made.pins_below(ALL) == 2


def test_what_names_this_peer_takes_room_whatever_its_rank() -> None:
    made = even(100)
    made.add_fixed(2_000)
    assert made.below(0) == 2_000 and made.pins_below(0) == 1
    assert made.fitting(5_000) < even(100).fitting(5_000)
    assert made.fitting(1_000) == 0


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, ALL - 1), st.none() | st.integers(0, 10_000)), max_size=60), st.integers(0))
def test_what_fits_fits_and_nothing_larger_would(pins: list[tuple[int, int | None]], room: int) -> None:
    made = tally(*pins)
    threshold = made.fitting(room)
    assert made.below(threshold) <= room
    assert threshold == ALL or made.below(threshold + STEP) > room


def test_all_is_kept_where_all_fits_the_limit_and_not_only_the_part_of_it() -> None:
    assert fit(even(100), 10_000, None, NOW).threshold == ALL
    assert fit(even(100), 9_999, None, NOW).threshold < ALL
    always = fit(even(100), 10_000, None, NOW, is_always=True)
    assert always.threshold < ALL
    assert fit(even(100), 100 * 100 * 2, None, NOW, is_always=True).threshold == ALL
    beyond = fit(tally((0, 6_000), (STEP, 6_000), largest=4_000), 10_000, None, NOW)
    assert not beyond.is_everything and not beyond.keeps(0, 6_000), "both do not fit, and one is no part"
    alone = fit(tally((0, 6_000), largest=4_000), 10_000, None, NOW)
    assert alone.is_everything and alone.keeps(0, 6_000)


def test_a_part_leaves_the_rescue_slice_and_a_little_more() -> None:
    made = even(1_000)
    part = fit(made, 50_000, None, NOW)
    assert 0.96 * 40_000 <= made.below(part.threshold) <= 0.97 * 40_000
    assert part.since_ms == part.moved_ms == NOW


def test_it_stays_while_it_fills_its_room_well_enough() -> None:
    part = fit(even(1_000), 50_000, None, OLD)
    for count in (1_030, 960, 1_000, 935):
        assert fit(even(count), 50_000, part, NOW).threshold == part.threshold


def test_it_grows_where_much_of_its_room_is_empty() -> None:
    part = fit(even(1_000), 50_000, None, OLD)
    made = even(800)
    grown = fit(made, 50_000, part, NOW)
    assert grown.threshold > part.threshold and made.below(grown.threshold) <= 0.97 * 40_000


def test_of_what_is_pinned_a_twentieth_leaves_in_a_day() -> None:
    part = replace(fit(even(1_000), 50_000, None, OLD), moved_ms=NOW - 5 * DAY_MS)
    made = even(2_000, pinned_below=part.threshold, pinned_every=2)
    pinned = made.pinned_below(part.threshold)
    after = fit(made, 50_000, part, NOW)
    assert 0.94 * pinned <= made.pinned_below(after.threshold) < pinned
    assert after.moved_ms == NOW

    def leaving(before: Part, now_ms: int) -> int:
        return made.pinned_below(before.threshold) - made.pinned_below(fit(made, 50_000, before, now_ms).threshold)

    assert leaving(after, NOW) == 0, "the day has just begun"
    assert leaving(after, NOW + DAY_MS // 2) > 0
    assert leaving(replace(part, moved_ms=NOW + DAY_MS), NOW) == 0, "a clock set back"


def test_what_is_not_pinned_leaves_at_once() -> None:
    part = fit(even(1_000), 50_000, None, OLD)
    made = even(10_000)
    assert made.below(fit(made, 50_000, part, NOW).threshold) <= 40_000


def test_on_the_first_day_the_list_may_only_just_be_arriving() -> None:
    part = fit(even(10), 50_000, None, NOW)
    assert part.is_everything
    made = even(10_000, pinned_below=ALL // 25)
    assert made.below(fit(made, 50_000, part, NOW + 1).threshold) <= 40_000
    held = even(2_000, pinned_below=ALL, pinned_every=5)
    assert held.pinned_below(fit(held, 50_000, part, NOW + 1).threshold) < held.pinned_below(ALL)


def test_where_the_user_left_more_than_a_lower_limit_allows_nothing_leaves() -> None:
    part = replace(fit(even(1_000), 50_000, None, OLD), moved_ms=OLD)
    made = even(1_000, pinned_below=part.threshold)

    def stays(before: Part, limit: int) -> bool:
        return made.pinned_below(fit(made, limit, before, NOW).threshold) == made.pinned_below(part.threshold)

    assert stays(part, 10_000)
    assert stays(replace(part, since_ms=NOW - 1), 10_000), "on the first day, too"
    assert not stays(part, 45_000)


def test_what_was_pinned_before_there_was_a_part_leaves_by_and_by() -> None:
    full = even(1_000, pinned_below=ALL)
    first = fit(full, 110_000, None, NOW, is_always=True)
    assert full.pinned_below(first.threshold) == full.pinned_below(ALL), "nothing leaves at once"
    later = fit(full, 110_000, first, NOW + DAY_MS, is_always=True)
    assert 0.9 * first.threshold < later.threshold < first.threshold
    left = fit(full, 50_000, None, NOW)
    assert full.pinned_below(left.threshold) == full.pinned_below(ALL), "beyond the limit, where its user left it"


def test_what_its_user_wants_unpinned_leaves_at_once() -> None:
    full = even(1_000, pinned_below=ALL)
    limit = 50_000
    old = Part(ALL, ANY_SIZE, OLD, OLD)
    for before in (None, old, Part(int(0.9 * 2**16) << 48, 10**9, OLD, OLD)):
        told = fit(full, limit, before, NOW, is_told=True)
        assert 0.9 * part_room(limit) <= full.below(told.threshold) <= part_room(limit)
        assert fit(full, limit, told, NOW + 1).threshold == told.threshold, "and it stays so"


def test_the_largest_size_falls_only_once_nothing_kept_is_larger() -> None:
    part = Part(ALL // 2, 4_000, OLD, OLD)
    assert largest_for(1_000, part) == 4_000 and largest_for(1_000, None) == 400
    holding = tally((0, 3_000), (STEP, 10), largest=4_000, pinned=True)
    assert fit(holding, 1_000, part, NOW).largest == 3_000
    assert fit(tally((0, 10), largest=4_000, pinned=True), 1_000, part, NOW).largest == 400


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, ALL - 1), st.none() | st.integers(0, 10_000), st.booleans()), max_size=40),
    st.integers(1, 200_000),
    st.integers(0, 60),
)
def test_whatever_happens_little_that_is_pinned_leaves_in_a_day(
    pins: list[tuple[int, int | None, bool]], limit: int, days: int
) -> None:
    made = Tally(10**9)
    for order, size, is_pinned in pins:
        made.add(order, size, is_pinned=is_pinned)
    before = Part(ALL, ANY_SIZE, OLD, NOW - days * DAY_MS)
    after = fit(made, limit, before, NOW)
    left = made.pinned_below(ALL) - made.pinned_below(after.threshold)
    assert left <= limits.PART_LEAVES_PER_DAY * made.pinned_below(ALL)


def test_keeps() -> None:
    part = Part(100, 50, NOW, NOW)
    assert part.keeps(99, 50) and part.keeps(99, None)
    assert not part.keeps(100, 1) and not part.keeps(0, 51)
    assert Part(ALL, ANY_SIZE, NOW, NOW).keeps(ALL - 1, 10**12)
    assert not Part(ALL, 50, NOW, NOW).is_everything


@pytest.mark.parametrize("limit", [1, 5, 10])
def test_a_tiny_limit_is_no_trouble(limit: int) -> None:
    assert fit(even(10), limit, None, NOW).threshold in (0, ALL)
