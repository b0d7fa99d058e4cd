"""Estimates of copies: who counts, how much, and what is bounded because nobody verifies it."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew import limits
from pincrew.coverage import Copies, Crew, Keeper, Survey, lack, rescue_key, usual_copies
from pincrew.part import ALL, rank

LUCK = random.Random(5)
CIDS = [LUCK.getrandbits(64) for _ in range(4_000)]


def keeper(number: int, threshold: int = ALL, share: float = 1.0, **more: object) -> Keeper:
    luck = random.Random(number)
    return replace(Keeper(luck.getrandbits(64), luck.getrandbits(64), threshold, None, share), **more)  # type: ignore[arg-type]


def test_who_keeps_everything_is_a_copy_of_everything() -> None:
    crew = Crew([keeper(1), keeper(2), keeper(3)])
    assert crew.copies(CIDS[0], 10) == Copies(3.0, 0.0, 0.0) and len(crew) == 3


def test_a_part_is_a_copy_of_what_falls_into_it() -> None:
    one = keeper(1, ALL // 4)
    found = [Crew([one]).copies(cid, None).all for cid in CIDS]
    assert set(found) == {0.0, 1.0} and abs(sum(found) / len(found) - 0.25) < 0.03
    assert [rank(cid, one.part) < ALL // 4 for cid in CIDS] == [have == 1.0 for have in found]


def test_what_a_peer_misses_of_its_part_may_be_any_of_it() -> None:
    copies = Crew([keeper(1, share=0.5), keeper(2, share=0.5)]).copies(CIDS[0], None)
    assert copies.all == 1.0 and copies.deviation == pytest.approx(0.5**0.5)


def test_a_pin_that_is_too_large_for_a_peer_is_not_there() -> None:
    crew = Crew([keeper(1, largest=100)])
    assert crew.copies(CIDS[0], 101).all == 0.0 and crew.copies(CIDS[0], 100).all == 1.0
    assert crew.copies(CIDS[0], None).all == 1.0


def test_the_peers_of_one_public_network_are_one_copy_together() -> None:
    beside = [keeper(number, networks=("203.0.113.0/24",)) for number in range(10)]
    assert Crew(beside).copies(CIDS[0], None).all == limits.COPIES_PER_NETWORK_MAX
    alone = keeper(20, networks=("198.51.100.0/24",))
    behind_routers = [keeper(number) for number in (30, 31)]
    assert Crew([*beside, alone, *behind_routers]).copies(CIDS[0], None).all == 4.0
    shares_one = keeper(21, networks=("192.0.2.0/24", "203.0.113.0/24"))
    assert Crew([*beside, shares_one]).copies(CIDS[0], None).all == 1.0


def test_vouched_peers_are_counted_apart_and_need_no_bound() -> None:
    vouched = [keeper(number, networks=("203.0.113.0/24",), is_vouched=True) for number in range(3)]
    assert Crew([*vouched, keeper(9)]).copies(CIDS[0], None) == Copies(4.0, 3.0, 0.0)


@pytest.mark.parametrize(
    ("copies", "lacking"), [(0.0, 2), (0.49, 2), (0.5, 1), (1.0, 1), (1.49, 1), (1.5, 0), (9.0, 0)]
)
def test_what_lacks_is_rounded(copies: float, lacking: int) -> None:
    assert lack(copies) == lacking


def test_what_is_usual_is_what_all_but_the_lowest_third_have() -> None:
    assert usual_copies([]) == usual_copies([0.0, 1.0, 1.0]) == limits.COPIES_WANTED
    sample = [0.0] * 32 + [7.6] * 68
    assert usual_copies(sample) == usual_copies(sample[::-1]) == 8
    assert usual_copies([one + 5 for one in sample]) == 13, "who claims everything lifts all alike"
    assert lack(6.0, 8) == 2 and lack(1.0, 8) == limits.COPIES_WANTED and lack(8.0, 8) == 0


def test_the_order_of_rescuers_prefers_those_with_more_room() -> None:
    crew = Crew([keeper(1, ALL // 10), keeper(2, ALL // 20)])
    first = sum(
        rescue_key(cid, crew.keepers[0].rescue, 0.1) < rescue_key(cid, crew.keepers[1].rescue, 0.05) for cid in CIDS
    )
    assert abs(first / len(CIDS) - 2 / 3) < 0.03


def test_a_turn_counts_those_before_who_do_not_keep_it_and_could() -> None:
    able = [keeper(number, ALL // 100) for number in range(8)]
    everything, nothing, small = keeper(20), keeper(21, 0), keeper(22, ALL // 100, largest=10)
    crew = Crew([*able, everything, nothing, small])
    for cid in CIDS[:200]:
        keys = sorted(rescue_key(cid, one.rescue, 0.01) for one in able if rank(cid, one.part) >= one.threshold)
        for at, key in enumerate(keys):
            assert crew.turn(cid, 6, key, 100) == at
            assert crew.turn(cid, 6, key, 3) == min(at, 3)
    assert crew.weight_of_rescuers(6) == pytest.approx(0.08)
    assert crew.weight_of_rescuers(5) == pytest.approx(0.09), "twice its size is what a rescuer must take"
    assert crew.weight_of_rescuers(None) == pytest.approx(0.09)
    assert Crew([everything]).weight_of_rescuers(1) == 0.0


def test_a_survey_counts_rounded_copies_and_bounds_its_error() -> None:
    survey = Survey()
    for have in (0.0, 0.4, 1.0, 1.6, 7.0):
        survey.add(Copies(have, 0.0, 0.0))
    whole = survey.estimate(5)
    assert [bar.pins for bar in whole.bars] == [2, 1, 1, 0, 0, 1]
    assert whole.bars[0].vouched == 5 and whole.mean == pytest.approx(2.0)
    assert whole.error == 0.0 and whole.looked_at == survey.looked_at == 5
    assert 0.0 < survey.estimate(1_000).error < 1.0
    assert Survey().estimate(100).mean == 0.0


def test_a_sample_with_no_lacking_pin_is_no_proof_that_there_is_none() -> None:
    survey = Survey()
    for _ in range(400):
        survey.add(Copies(3.0, 0.0, 0.0))
    assert survey.estimate(100_000).error > 0.002


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, ALL), st.floats(0, 1)), max_size=12), st.integers(0, 50))
def test_one_more_peer_never_means_fewer_copies(peers: list[tuple[int, int, float]], cid: int) -> None:
    keepers = [keeper(number, threshold, share) for number, threshold, share in peers]
    for count in range(len(keepers)):
        fewer, more = Crew(keepers[:count]), Crew(keepers[: count + 1])
        assert fewer.copies(CIDS[cid], 5).all <= more.copies(CIDS[cid], 5).all + 1e-9
