"""Crews that keep parts: how many copies there are after settling, what moves, and what liars can do (nothing).

The figures stand in docs/benchmarks.md, "Keeping a part"; the crews of all sizes, with more seeds, run with
`PINCREW_KEEPING_SEEDS=5 pytest -m long tests/sim/test_keeping.py`.
"""

from __future__ import annotations

import os

import pytest

from pincrew.coverage import Crew
from pincrew.part import ALL
from sim.keeping import Keeping, Peer, moved

SEEDS = range(int(os.environ.get("PINCREW_KEEPING_SEEDS", "1")))


def settled_crew(seed: int, *, peers: int, pins: int) -> Keeping:
    """Honest peers whose limits differ by 25 times, with room for three copies together; two days on."""
    crew = Keeping(seed, peers=peers, pins=pins, times=3.0)
    crew.settle()
    crew.settle()
    return crew


@pytest.fixture(scope="module")
def hundred() -> Keeping:
    return settled_crew(0, peers=100, pins=6_000)


@pytest.fixture(scope="module")
def thirty() -> Keeping:
    return settled_crew(0, peers=30, pins=1_500)


@pytest.mark.slow
def test_three_times_the_room_gives_every_cid_copies(hundred: Keeping) -> None:
    assert hundred.share_with(0) == 0.0
    assert hundred.share_with(1) < 0.01
    assert all(peer.used <= peer.limit for peer in hundred.peers)


@pytest.mark.slow
def test_the_estimate_is_near_and_on_the_low_side(hundred: Keeping) -> None:
    """What was rescued is not announced, so the truth is more."""
    true = hundred.copies()
    crew = hundred.crew()
    apart = [true[cid] - crew.copies(cid, size).all for cid, size in hundred.sizes.items()]
    assert 0.0 < sum(apart) / len(apart) < 1.0
    assert min(apart) > -0.7, "a part that is not all here may miss any of its pins"


@pytest.mark.slow
def test_the_largest_peer_that_goes_moves_little(hundred: Keeping) -> None:
    """What it and nobody or one more had is rescued."""
    before = hundred.holdings()
    largest = max(hundred.peers, key=lambda peer: peer.limit)
    after = hundred.copy()
    after.peers = [peer for peer in after.peers if peer.name != largest.name]
    after.settle()
    fetched, dropped = moved(before, after.holdings(), hundred.sizes)
    assert fetched + dropped < 0.02
    assert after.share_with(0) < 0.001


@pytest.mark.slow
def test_a_peer_that_comes_moves_little(hundred: Keeping) -> None:
    before = hundred.holdings()
    after = hundred.copy()
    after.peers.append(Peer("newcomer", max(peer.limit for peer in hundred.peers)))
    after.settle()
    fetched, dropped = moved(before, after.holdings(), hundred.sizes)
    assert fetched + dropped < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("threshold", [ALL, ALL - 2**50, 2**63, 1], ids=["all", "nearly all", "half", "nothing"])
def test_no_lie_makes_anybody_drop_anything(thirty: Keeping, threshold: int) -> None:
    """Beside the same crew without liars: each honest peer has the same part, and drops nothing that the other has."""
    honest, beset = thirty.copy(), thirty.copy()
    beset.lie(20, threshold)
    before = thirty.holdings()
    honest.settle()
    beset.settle()
    for with_liars, without in zip(beset.peers, honest.peers, strict=True):
        assert with_liars.part == without.part
        assert with_liars.kept == without.kept
        assert before[with_liars.name] - with_liars.holds == before[without.name] - without.holds
        assert with_liars.used <= with_liars.limit


@pytest.mark.slow
def test_a_set_that_grows_moves_no_more_than_must(thirty: Keeping) -> None:
    grown = thirty.copy()
    before, sizes = grown.holdings(), dict(grown.sizes)
    grown.add_pins(150)
    for day in range(1, 4):
        grown.settle()
        of_old = {name: {cid for cid in has if cid in sizes} for name, has in grown.holdings().items()}
        assert moved(before, of_old, sizes)[1] < min(0.11, 0.06 * day), "a twentieth a day, and a tenth at most"
    assert grown.share_with(0) < 0.005


@pytest.mark.slow
def test_in_a_churning_crew_nothing_is_lost_for_long(thirty: Keeping) -> None:
    """Five weeks in each of which one peer in fifteen goes for good and another comes."""
    crew = thirty.copy()
    for week in range(5):
        leaving = set(crew.random.sample([peer.name for peer in crew.peers], 2))
        crew.peers = [peer for peer in crew.peers if peer.name not in leaving]
        crew.peers += [Peer(f"week {week} {number}", thirty.peers[number].limit) for number in range(2)]
        crew.settle(days=7)
        assert crew.share_with(0) < 0.01
    assert crew.share_with(1) < 0.06


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_ten_peers(seed: int) -> None:
    crew = settled_crew(seed, peers=10, pins=2_000)
    assert crew.share_with(0) == 0.0
    assert crew.share_with(1) < 0.05


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("peers", "pins"), [(30, 4_000), (100, 10_000), (300, 20_000), (1_000, 60_000)])
def test_crews_of_all_sizes(peers: int, pins: int, seed: int) -> None:
    crew = settled_crew(seed, peers=peers, pins=pins)
    shares = [f"{crew.share_with(copies):.2%}" for copies in range(5)]
    print(f"{peers} peers, {pins} pins, seed {seed}: {', '.join(shares)} with 0, 1, ... copies; full {crew.fill()}")
    # Of the largest set a few pins in a hundred thousand are so large that all who are asked have no room for them.
    assert crew.share_with(0) <= (1e-4 if pins > 20_000 else 0.0)
    assert crew.share_with(1) < (0.01 if peers >= 100 else 0.03)


def test_the_crew_of_the_simulation_answers_as_the_products() -> None:
    crew = Keeping(3, peers=20, pins=200, times=3.0)
    crew.settle()
    cached = crew.crew()
    plain = Crew(cached.keepers)
    for cid, size in crew.sizes.items():
        assert cached.copies(cid, size) == plain.copies(cid, size)
        for key in (0.5, 5.0, 50.0):
            assert cached.turn(cid, size, key, 4) == plain.turn(cid, size, key, 4)
