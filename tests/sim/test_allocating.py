"""Losing a curator, partitions, clocks that differ, two who allocate one pin; the last copy of a pin is never let go.

`PINCREW_SIM_SEEDS=100 pytest tests/sim/test_allocating.py` runs more of them.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace

import pytest

from pincrew import limits
from pincrew.values import Pin
from sim.allocating import FETCH_S, RULES, Allocating
from sim.swarm import cid_of

SEEDS = range(int(os.environ.get("PINCREW_SIM_SEEDS", "2")))
PINS = 30
# From the last word of a peer until it is replaced by all who wait for it, and two looks.
GONE_S = limits.REPIN_AFTER_S + 2 * limits.ALLOCATION_LOOK_INTERVAL_S
TWO_LOOKS_S = 2 * limits.ALLOCATION_LOOK_INTERVAL_S
HEARD_S = 5.0  # for announcements and envelopes to get around

pytestmark = pytest.mark.slow
seeds = pytest.mark.parametrize("seed", SEEDS)


def crew(seed: int, least: int = 2, most: int = 2, **rules: object) -> Allocating:
    """Four curators, connected, and a list that names two of them for each pin."""
    made = Allocating(seed, rules=replace(RULES, **rules))  # type: ignore[arg-type]
    made.live(40.0)
    made.add(made.nodes[0], range(PINS), least, most)
    made.live(40.0)
    assert len(made.agree()) == PINS and not made.writes
    return made


def within(made: Allocating, pins: dict[bytes, Pin]) -> None:
    """Nobody above the maximum, everybody at the minimum, and who is named has it."""
    for cid, pin in pins.items():
        assert pin.replication_min <= len(pin.allocations) <= pin.replication_max, f"seed {made.swarm.seed}"
        assert all(cid in made.kept[made.named(peer).name] for peer in pin.allocations)


@seeds
def test_one_of_four_dies_and_others_keep_what_it_kept(seed: int) -> None:
    made = crew(seed)
    dead = made.nodes[seed % 4]
    its = {cid for cid, pin in made.agree().items() if made.id_of(dead) in pin.allocations}
    assert its, "nobody was given anything"
    made.kill(dead)
    made.live(limits.REPIN_AFTER_S - limits.ANNOUNCEMENT_INTERVAL_S - TWO_LOOKS_S)
    assert not made.writes, "too early"
    made.live(limits.ANNOUNCEMENT_INTERVAL_S + 2 * TWO_LOOKS_S)
    assert {cid for _, _, cid in made.writes} == its
    for cid in its:
        standing = [peer for peer in made.pins(made.up()[0])[cid].allocations if peer != made.id_of(dead)]
        assert len(standing) == 2
    made.live(FETCH_S + TWO_LOOKS_S + HEARD_S)
    settled = made.agree()
    within(made, settled)
    assert all(made.id_of(dead) not in pin.allocations for pin in settled.values()), "it is off the list"
    authors = Counter(cid for cid, _ in {(cid, name) for _, name, cid in made.writes})
    assert set(authors.values()) == {1}, "exactly one looked after each pin"
    assert len({name for _, name, _ in made.writes}) > 1, "they share the work"
    count = len(made.writes)
    made.restart(dead)
    made.live(200.0)
    within(made, made.agree())
    assert len(made.writes) == count and not made.kept[dead.name]


@seeds
def test_who_comes_back_before_others_have_it_keeps_it(seed: int) -> None:
    """Nobody else has the pins of two who are gone: they are on their disks, and nowhere else."""
    made = crew(seed)
    gone = made.nodes[:2]
    theirs = {cid for cid, pin in made.agree().items() if set(pin.allocations) == {made.id_of(node) for node in gone}}
    for node in gone:
        made.kill(node)
    made.live(GONE_S + 2 * TWO_LOOKS_S)
    for cid in theirs:
        assert len(made.agree()[cid].allocations) == 4, "those who are here try, the others still have it"
    for node in gone:
        made.restart(node)
    made.live(TWO_LOOKS_S + HEARD_S)
    made.live(FETCH_S + 2 * TWO_LOOKS_S)
    within(made, made.agree())


@seeds
@pytest.mark.parametrize(("least", "most"), [(1, 1), (1, 2), (2, 2), (2, 3), (3, 4)])
def test_a_partition_heals_and_nobody_is_above_the_maximum_within_two_looks(seed: int, least: int, most: int) -> None:
    made = crew(seed, least, most)
    made.part(made.nodes[:2], made.nodes[2:])
    made.live(GONE_S + 2 * TWO_LOOKS_S + FETCH_S)
    sides = {int(name[-1]) // 2 for _, name, _ in made.writes}
    assert sides == ({0, 1} if most < 4 else set()), "both sides go on, where there is anybody to choose"
    made.heal()
    # They hear of each other, and what was written meanwhile gets around; from then on two looks.
    made.live(HEARD_S + limits.ANNOUNCEMENT_INTERVAL_S)
    made.live(TWO_LOOKS_S)
    for pin in made.agree().values():
        assert len(pin.allocations) <= pin.replication_max, f"seed {seed}"
    made.live(FETCH_S + 2 * TWO_LOOKS_S)
    within(made, made.agree())


@seeds
@pytest.mark.parametrize("is_parted", [False, True])
def test_two_curators_who_allocate_one_pin_end_with_one_list(seed: int, is_parted: bool) -> None:
    made = crew(seed)
    if is_parted:
        made.part(made.nodes[:2], made.nodes[2:])
        made.live(5.0)
    for node in (made.nodes[0], made.nodes[2]):
        made.add(node, range(100, 110), 2, 3)
    made.heal()
    made.live(HEARD_S + TWO_LOOKS_S + FETCH_S + limits.ANNOUNCEMENT_INTERVAL_S)
    within(made, made.agree())


@seeds
def test_clocks_ten_minutes_apart_make_nobody_vanish(seed: int) -> None:
    made = crew(seed)
    for node, minutes in zip(made.nodes, (-10, 0, 0, 10), strict=True):
        node.clock_ms = minutes * 60_000
    for node in made.nodes:
        made.kill(node)
        made.restart(node)
    made.live(2 * GONE_S)
    assert not made.writes
    assert all(len(made.facts(node).crew) == 4 for node in made.nodes)
    expire_ms = made.swarm._now_ms(made.nodes[1]) + 120_000
    made.add(made.nodes[0], [200], -1, -1, expire_ms=expire_ms)
    made.live(60.0)
    assert cid_of(200) in made.agree(), "whose clock is ahead deletes nothing early"
    made.live(60.0 + TWO_LOOKS_S + HEARD_S)
    assert cid_of(200) not in made.agree()
    assert [cid for _, _, cid in made.writes] == [cid_of(200)], "by one of them"


@seeds
def test_expired_pins_are_deleted_by_one_and_by_the_next_where_that_is_gone(seed: int) -> None:
    made = crew(seed)
    expire_ms = made.swarm._now_ms(made.nodes[0]) + 60_000
    numbers = range(300, 320)
    made.add(made.nodes[1], numbers, -1, -1, expire_ms=expire_ms)
    made.live(45.0)
    assert set(map(cid_of, numbers)) <= made.agree().keys()
    made.kill(made.nodes[3])  # the others do not know it yet
    made.live(15.0 + 3 * limits.ALLOCATION_LOOK_INTERVAL_S + HEARD_S)
    assert not set(map(cid_of, numbers)) & made.agree().keys()
    assert {len({name for _, name, cid in made.writes if cid == cid_of(number)}) for number in numbers} == {1}
    assert len({name for _, name, _ in made.writes}) > 1


@seeds
def test_all_restart_at_once_and_nothing_moves(seed: int) -> None:
    made = crew(seed)
    before = made.agree()
    for node in made.nodes:
        made.kill(node)
    made.live(3 * limits.REPIN_AFTER_S)
    for node in made.nodes[:3]:
        made.restart(node)
    made.live(limits.REPIN_AFTER_S - TWO_LOOKS_S)
    assert made.agree() == before, "the fourth takes a little longer"
    made.restart(made.nodes[3])
    made.live(2 * GONE_S)
    assert made.agree() == before and not made.writes


@seeds
def test_who_lost_its_own_line_replaces_nobody(seed: int) -> None:
    made = crew(seed, 1, 2)
    made.part(made.nodes[:1], made.nodes[1:])
    made.live(2 * GONE_S)
    assert "curator0" not in {name for _, name, _ in made.writes}
    made.heal()
    made.live(GONE_S)
    within(made, made.agree())


@seeds
def test_a_liar_about_free_space_holds_nothing_that_an_honest_one_does_not(seed: int) -> None:
    made = Allocating(seed)
    made.free["curator3"] = 2**63 - 1
    made.live(40.0)
    made.add(made.nodes[0], range(400), 2, 2)
    made.live(10.0)
    liar = made.id_of(made.nodes[3])
    given = [pin for pin in made.agree().values() if liar in pin.allocations]
    assert all(set(pin.allocations) - {liar} for pin in given)
    assert len(given) < 400, "it does not get a copy of everything"


@seeds
def test_never_means_never(seed: int) -> None:
    made = crew(seed, repin_after_s=None)
    made.kill(made.nodes[1])
    made.live(2 * GONE_S)
    assert not made.writes
