"""Whose turn it is, who is gone, and what is done with a pin: by the numbers of `pincrew.repinning`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pincrew import limits
from pincrew.allocation import Allocator
from pincrew.repinning import (
    LATER,
    Ask,
    Change,
    Later,
    Outlook,
    Silence,
    crew_clock_ms,
    decide,
    is_looked_after,
    is_to_be_deleted,
    turn_of,
)
from pincrew.values import Pin
from unit.test_allocation import cid, mate

CREW = [mate(name) for name in "abcd"]
KEYS = {one.peer: one.key for one in CREW}
CID = cid(1)
FIRST = min(CREW, key=lambda one: turn_of(CID, one.key, KEYS.values())).peer
OTHERS = sorted(KEYS, key=lambda one: turn_of(CID, KEYS[one], KEYS.values()))
HOUR_S = 3_600.0


def pin(*holders: str, least: int = 2, most: int = 2) -> Pin:
    return Pin(CID, replication_min=least, replication_max=most, allocations=holders)


def outlook(*gone: str, own: str = "", since_s: float = 0.0) -> Outlook:
    """What one sees; by default it is the one whose turn it is."""
    alive = [one for one in KEYS if one not in gone]
    me = own or min(alive, key=lambda one: turn_of(CID, KEYS[one], [KEYS[each] for each in alive]))
    return Outlook(KEYS[me], {KEYS[one] for one in alive}, alive, dict.fromkeys(gone, since_s))


def decided(
    one: Pin, *gone: str, answers: Mapping[str, str] | None = None, own: str = "", since_s: float = 0.0
) -> Change | Ask | Later | None:
    crew = [mate(each) for each in KEYS if each not in gone]
    return decide(
        one, outlook(*gone, own=own, since_s=since_s), Allocator(crew, ("freespace",), blacklist=gone), answers
    )


def changed(*args: object, **more: object) -> tuple[str, ...]:
    decision = decided(*args, **more)  # type: ignore[arg-type]
    assert isinstance(decision, Change), decision
    return decision.allocations


# ---- whose turn it is ------------------------------------------------------------------------------------------------


def test_exactly_one_is_the_closest_and_everybody_is_for_some() -> None:
    firsts = set()
    for number in range(200):
        turns = {one.peer: turn_of(cid(number), one.key, KEYS.values()) for one in CREW}
        assert sorted(turns.values()) == [0, 1, 2, 3]
        firsts.add(min(turns, key=turns.__getitem__))
    assert firsts == set(KEYS)


def test_who_is_not_there_has_no_turn() -> None:
    left = [KEYS[one] for one in OTHERS[1:]]
    assert [turn_of(CID, KEYS[one], left) for one in OTHERS[1:]] == [0, 1, 2]


# ---- expiry ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", range(4))
def test_the_closest_deletes_at_once_and_each_further_one_a_look_later(turn: int) -> None:
    expiring = Pin(CID, expire_ms=1_000_000)
    look_ms = int(limits.ALLOCATION_LOOK_INTERVAL_S * 1_000)
    own = outlook(own=OTHERS[turn])
    at_ms = 1_000_000 + turn * look_ms
    assert not is_to_be_deleted(expiring, own, at_ms - 1, HOUR_S)
    assert is_to_be_deleted(expiring, own, at_ms, HOUR_S)
    assert is_to_be_deleted(expiring, own, at_ms + 10**9, turn * limits.ALLOCATION_LOOK_INTERVAL_S)
    assert turn == 0 or not is_to_be_deleted(expiring, own, at_ms + 10**9, 0.0), "after a start the closest goes first"


def test_what_does_not_expire_is_not_deleted() -> None:
    assert not is_to_be_deleted(Pin(CID), outlook(), 10**15, HOUR_S)


def test_one_clock_that_is_wrong_moves_nothing() -> None:
    ten_minutes = 600_000
    assert crew_clock_ms([100, 101], 100 + ten_minutes) == 101
    assert crew_clock_ms([100, 101], 100 - ten_minutes) == 100
    assert crew_clock_ms([], 77) == 77
    assert crew_clock_ms([100], 100 + ten_minutes) == 100, "of two the later one waits"


# ---- who is gone -----------------------------------------------------------------------------------------------------


def test_silence_counts_while_somebody_is_connected() -> None:
    silence = Silence()
    silence.look(0.0, is_listening=False)
    assert silence.of(None, 900.0) == 0.0 == silence.of(5.0, 900.0)
    silence.look(1_000.0, is_listening=True)
    silence.look(1_100.0, is_listening=True)
    assert silence.of(None, 1_300.0) == 300.0, "never heard: since we listen"
    assert silence.of(500.0, 1_300.0) == 300.0, "heard before we were cut off"
    assert silence.of(1_200.0, 1_300.0) == 100.0
    silence.look(1_400.0, is_listening=False)
    assert silence.of(1_200.0, 1_500.0) == 0.0, "it is we who were cut off"
    silence.look(1_500.0, is_listening=True)
    assert silence.of(1_200.0, 1_510.0) == 10.0


# ---- what is done with a pin -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "one",
    [
        Pin(CID),
        Pin(CID, allocations=("a", "x")),
        Pin(CID, replication_min=2, replication_max=2),
        Pin(CID, replication_min=2, replication_max=1, allocations=("x",)),
        Pin(CID, replication_min=0, replication_max=1, allocations=("x",)),
    ],
)
def test_what_names_nobody_or_no_numbers_is_left_alone(one: Pin) -> None:
    assert not is_looked_after(one) and decided(one, "x") is None


def test_1_at_or_above_the_minimum_nobody_is_added() -> None:
    assert decided(pin("a", "b")) is None
    assert decided(pin("a", "b", least=1)) is None
    assert decided(pin("a", "b", least=1, most=3)) is None
    assert isinstance(decided(pin("a", "b", least=1), "b"), Ask), "it may only be taken off the list"


def test_1_silence_that_is_short_is_none() -> None:
    """Not among the gone: it counts, although it is not alive."""
    crew = [mate(each) for each in "ab"]
    own = Outlook(KEYS["a"], {KEYS["a"], KEYS["b"]}, ["a", "b"])
    assert decide(pin("a", "c"), own, Allocator(crew, ("freespace",))) is None


def test_2_others_are_chosen_up_to_the_maximum_and_nobody_who_is_gone() -> None:
    found = changed(pin("a", "b"), "b")
    assert found[0] == "a" and found[1] in "cd" and found[2:] == ("b",)
    found = changed(pin("a", "b", most=3), "b")
    assert found[0] == "a" and set(found[1:3]) == {"c", "d"} and found[3:] == ("b",)


def test_2_also_where_it_never_had_enough() -> None:
    found = changed(pin("a"))
    assert len(found) == 2 and found[0] == "a"


def test_3_who_is_gone_stays_until_enough_others_have_it() -> None:
    one = pin("a", "c", "b")
    asked = decided(one, "b")
    assert isinstance(asked, Ask) and asked.peers == ("a", "c")
    assert decided(one, "b", answers={}) is LATER
    assert decided(one, "b", answers={"a": "pinned", "c": "pinning"}) is LATER
    assert decided(one, "b", answers={"a": "pinned"}) is LATER
    assert changed(one, "b", answers={"a": "pinned", "c": "pinned"}) == ("a", "c")


def test_3_where_nobody_is_left_those_who_may_come_back_keep_it() -> None:
    found = changed(pin("c", "d"), "c", "d")
    assert set(found[:2]) == {"a", "b"} and found[2:] == ("c", "d")


def test_4_after_a_partition_the_surplus_goes_those_first_that_do_not_have_it() -> None:
    one = pin("a", "b", "c", "d")
    asked = decided(one)
    assert isinstance(asked, Ask) and asked.peers == ("a", "b", "c", "d")
    assert changed(one, answers=dict.fromkeys("abcd", "pinned")) == ("a", "b")
    assert changed(one, answers={"a": "pinning", "b": "queued", "c": "pinned", "d": "pinned"}) == ("c", "d")
    assert changed(one, answers={"a": "pinned", "b": "queued", "c": "error", "d": "pinned"}) == ("a", "d")


def test_4_nobody_is_sent_away_who_may_be_the_only_one_to_have_it() -> None:
    one = pin("a", "b", "c", least=1, most=2)
    assert decided(one, answers={}) is LATER, "nobody answers"
    assert changed(one, answers={"a": "queued", "b": "queued"}) == ("a", "c")
    assert changed(one, answers={"a": "pinned", "b": "pinned"}) == ("a", "b"), "enough have it"
    assert changed(pin("a", "b", "c"), answers={"a": "pinned", "b": "queued"}) == ("a", "c")


def test_5_where_nobody_can_be_added_nothing_changes() -> None:
    assert decided(pin("a", "b", "c", "d", least=4, most=4), "d") is LATER


def test_only_the_closest_of_those_that_are_alive_does_it() -> None:
    gone = OTHERS[3]
    one = pin(OTHERS[0], gone)
    assert isinstance(decided(one, gone, own=OTHERS[0]), Change)
    assert decided(one, gone, own=OTHERS[1]) is LATER and decided(one, gone, own=OTHERS[2]) is LATER
    first_is_gone = pin(OTHERS[1], OTHERS[0])
    assert isinstance(decided(first_is_gone, OTHERS[0], own=OTHERS[1]), Change)


def test_the_next_one_does_it_when_it_has_waited_for_long() -> None:
    gone, one = OTHERS[3], pin(OTHERS[0], OTHERS[3])
    for turn in (1, 2):
        wait_s = turn * limits.REPIN_TAKEOVER_S
        assert decided(one, gone, own=OTHERS[turn], since_s=wait_s - 1) is LATER
        assert isinstance(decided(one, gone, own=OTHERS[turn], since_s=wait_s), Change)


STATES = st.sampled_from(["pinned", "pinning", "queued", "error", "unpinned", None])


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from("abcdxy"), unique=True, min_size=1),
    st.integers(1, 4),
    st.integers(0, 3),
    st.sets(st.sampled_from("bcd")),
    st.fixed_dictionaries(dict.fromkeys("abcd", STATES)),
)
def test_what_holds_of_any_pin(
    holders: list[str], least: int, more: int, gone: set[str], said: dict[str, str | None]
) -> None:
    """`x` and `y` are silent, and not gone yet."""
    one = pin(*holders, least=least, most=least + more)
    missing = sorted(gone)
    answers = {peer: state for peer, state in said.items() if state is not None and peer not in gone}
    before = set(holders)
    standing = [peer for peer in holders if peer not in gone]
    for _ in range(4):  # decisions come to rest
        decision = decided(one, *missing)
        if isinstance(decision, Ask):
            assert set(decision.peers) <= set(standing) - {"x", "y"}
            decision = decided(one, *missing, answers=answers)
        if not isinstance(decision, Change):
            break
        after = decision.allocations
        assert after != one.allocations and len(after) == len(set(after))
        added = set(after) - set(one.allocations)
        assert not added & gone, "2"
        assert not added or len(standing) < least, "1"
        lost = set(one.allocations) - set(after)
        if lost:
            has_it = [peer for peer in after if answers.get(peer) == "pinned" and peer not in gone]
            for peer in lost:
                known = peer in answers and answers[peer] != "pinned" and peer not in gone
                assert known or len(has_it) >= least, "3, 4"
        still = [peer for peer in after if peer not in gone]
        assert len(still) <= max(least + more, len(standing)), "never more than allowed is added"
        assert len(still) >= min(least, len(standing)), "never below the minimum"
        one, standing = replace(one, allocations=after), still
    else:
        raise AssertionError("it goes on for ever")
    assert before or one.allocations


def test_its_hash_is_of_a_domain_of_its_own() -> None:
    near = int.from_bytes(hashlib.sha256(b"pincrew/turn/v1\0" + CID).digest())
    distances = {
        peer: near ^ int.from_bytes(hashlib.sha256(b"pincrew/turn/v1\0" + key).digest()) for peer, key in KEYS.items()
    }
    assert sorted(distances, key=distances.__getitem__) == OTHERS and OTHERS[0] == FIRST
