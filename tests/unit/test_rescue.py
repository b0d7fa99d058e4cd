"""Rescues: who is asked, in which order, and what finds room."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pincrew import limits
from pincrew.coverage import Crew, Keeper, lack, rescue_key, usual_copies
from pincrew.part import ALL, rank
from pincrew.rescue import Candidate, Needed, choose, scan

LUCK = random.Random(9)
CIDS = [LUCK.getrandbits(64) for _ in range(1_200)]
PEERS = [Keeper(LUCK.getrandbits(64), LUCK.getrandbits(64), ALL // 40, 1_000, 1.0) for _ in range(40)]
CREW = Crew(PEERS)
CANDIDATES = [Candidate(cid, 10) for cid in CIDS]
MANY = 10**9


def asked_of(peer: Keeper) -> dict[int, Needed]:
    return {one.cid: one for one in scan(CANDIDATES, CREW, peer, 500, MANY).needed}


def test_the_first_twice_as_many_as_lack_are_asked_and_nobody_else() -> None:
    asked = [asked_of(peer) for peer in PEERS]
    for cid in CIDS[:400]:
        lacking = lack(CREW.copies(cid, 10).all)
        order = sorted(
            (rescue_key(cid, one.rescue, 1 / 40), at)
            for at, one in enumerate(PEERS)
            if rank(cid, one.part) >= one.threshold
        )
        expected = [at for _, at in order[: 2 * lacking]]
        assert {at for at, of in enumerate(asked) if cid in of} == set(expected)
        for turn, at in enumerate(expected):
            assert asked[at][cid] == Needed(cid, 10, lacking, turn)
            assert asked[at][cid].is_second_line is (turn >= lacking)


def test_own_parts_and_what_is_larger_than_the_slice_are_no_rescues() -> None:
    own = [cid for cid in CIDS if rank(cid, PEERS[0].part) < PEERS[0].threshold]
    assert own and not scan([Candidate(cid, 10) for cid in own], CREW, PEERS[0], 500, MANY).needed
    assert not scan([Candidate(cid, 501) for cid in CIDS], CREW, PEERS[0], 500, MANY).needed
    assert scan([Candidate(cid, None) for cid in CIDS], CREW, PEERS[0], 500, MANY).needed


def test_who_keeps_everything_or_nothing_rescues_nothing() -> None:
    for threshold in (0, ALL):
        peer = Keeper(1, 2, threshold, 1_000, 1.0)
        assert scan(CANDIDATES, Crew([*PEERS, peer]), peer, 500, MANY).needed == []


def test_a_budget_ends_a_look_and_work_does_not_grow_with_the_crew() -> None:
    short = scan(CANDIDATES, CREW, PEERS[0], 500, 2_000)
    assert 0 < short.looked_at < len(CANDIDATES) and short.mixes < 2_000 + 3 * len(CREW) + 2
    whole = scan(CANDIDATES, CREW, PEERS[0], 500, MANY)
    luck = random.Random(1)
    crowd = [Keeper(luck.getrandbits(64), luck.getrandbits(64), ALL // 800, 1_000, 1.0) for _ in range(800)]
    assert scan(CANDIDATES, Crew(crowd), crowd[0], 500, MANY).mixes < 3 * whole.mixes


def needed(cid: int, size: int | None, lacking: int = 1, turn: int = 0) -> Needed:
    return Needed(cid, size, lacking, turn)


def test_the_front_line_then_what_lacks_more_then_the_smaller() -> None:
    front, none_left, second = needed(1, 10), needed(2, 30, lacking=2, turn=1), needed(3, 1, turn=1)
    small = needed(4, 5)
    assert choose([second, front, small, none_left], 0, 0, 1_000, 99) == [none_left, small, front, second]
    assert choose([second, front, small, none_left], 0, 0, 1_000, 2) == [none_left, small]


def test_where_nothing_seems_to_lack_the_lowest_are_helped_with_half_of_the_slice() -> None:
    """Two liars that keep everything, as they say: what has the fewest copies is what had them before."""
    honest = [replace(one, threshold=ALL // 16) for one in PEERS]
    liars = [Keeper(LUCK.getrandbits(64), LUCK.getrandbits(64), ALL, None, 1.0) for _ in range(2)]
    beset = Crew([*honest, *liars])
    usual = usual_copies([beset.copies(cid, 10).all for cid in CIDS])
    assert scan(CANDIDATES, beset, honest[0], 500, MANY).needed == []
    found = scan(CANDIDATES, beset, honest[0], 500, MANY, usual).needed
    assert found and all(one.is_lowest and not one.is_second_line for one in found)
    assert all(beset.copies(one.cid, 10).all < usual for one in found)
    chosen = choose([*found, needed(1, 10)], 0, 0, 500, 10_000)
    assert chosen[0] == needed(1, 10), "what lacks comes first"
    assert len(chosen) == min(25, len(found) + 1) > 5


def test_the_slice_is_a_bound_and_its_last_is_for_the_front_line() -> None:
    later = int(100 * limits.RESCUE_LATER_SHARE)
    assert choose([needed(1, later, turn=1)], 0, 0, 100, 9) and not choose([needed(1, later + 1, turn=1)], 0, 0, 100, 9)
    assert choose([needed(1, 100)], 0, 0, 100, 9) and not choose([needed(1, 100)], 0, 1, 100, 9)
    assert len(choose([needed(1, None), needed(2, None)], 60, 0, 100, 9)) == 1


@given(
    st.lists(st.tuples(st.none() | st.integers(0, 50), st.integers(1, 2), st.integers(0, 3)), max_size=30),
    st.integers(0, 50),
    st.integers(0, 200),
    st.integers(0, 200),
)
def test_what_is_chosen_always_fits(pins: list[tuple[int | None, int, int]], mean: int, used: int, room: int) -> None:
    asked = [Needed(cid, *pin) for cid, pin in enumerate(pins)]
    chosen = choose(asked, mean, used, room, 1_000)
    more = sum(mean if one.size is None else one.size for one in chosen)
    assert used + more <= room or more == 0
    assert len({one.cid for one in chosen}) == len(chosen)
