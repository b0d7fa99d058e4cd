from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew.errors import NodeRefused, NoProgress, StoreFault
from pincrew.limits import CAUSE_CHARACTERS_MAX, ERROR_CHARACTERS_MAX, RETRY_DELAY_S_MAX, RETRY_DELAY_S_MIN
from pincrew.tracker import (
    NO_PROVIDER,
    NO_ROOM,
    TABLE,
    Event,
    Fault,
    IllegalEvent,
    Lane,
    Progress,
    Share,
    advance,
    fault_of,
    lanes,
    retry_delay_ms,
    wanted,
)
from pincrew.values import Pin, PinState, PinType

FAULT = Fault("no provider found", "no block arrived for 10 min, 0 blocks so far")
CID = bytes.fromhex("01551220") + bytes(32)
luck = st.floats(0, 1, exclude_max=True)


def script(*events: Event, held: bool = False) -> list[PinState | None]:
    """The states that these events lead through."""
    progress, states = Progress(), []
    for event in events:
        progress = advance(progress, event, fault=FAULT, held=held)
        states.append(progress.state)
    return states


def test_the_usual_ways() -> None:
    queued, pinning, pinned = PinState.QUEUED, PinState.PINNING, PinState.PINNED
    assert script(Event.WANTED, Event.STARTED, Event.COMPLETED) == [queued, pinning, pinned]
    assert script(Event.WANTED, Event.COMPLETED) == [queued, pinned]  # the node had it
    assert script(Event.WANTED, Event.STARTED, Event.FAILED, Event.STARTED) == [queued, pinning, "error", pinning]
    assert script(Event.WANTED, Event.STARTED, Event.INTERRUPTED) == [queued, pinning, queued]
    assert script(Event.ELSEWHERE, Event.WANTED, Event.ELSEWHERE) == ["remote", queued, "remote"]
    assert script(Event.WANTED, Event.COMPLETED, Event.VANISHED) == [queued, pinned, queued]
    assert script(Event.WANTED, Event.REFUSED, Event.RETRY) == [queued, "skipped", queued]
    assert script(Event.WANTED, Event.REMOVED) == [queued, None]
    assert script(Event.WANTED, Event.COMPLETED, Event.REMOVED, Event.RELEASED, held=True) == [
        queued,
        pinned,
        "unpinning",
        None,
    ]
    assert script(Event.WANTED, Event.COMPLETED, Event.REMOVED, Event.WANTED, held=True)[-1] is queued


@given(st.sampled_from([None, *PinState]), st.sampled_from(Event), st.integers(0, 10**6), luck, st.booleans())
def test_an_event_is_in_the_table_or_raises(
    state: PinState | None, event: Event, tries: int, chance: float, held: bool
) -> None:
    before = Progress(state, tries)
    if event not in TABLE[state]:
        with pytest.raises(IllegalEvent):
            advance(before, event, fault=FAULT, held=held)
        assert before == Progress(state, tries)
        return
    after = advance(before, event, now_ms=1_000, luck=chance, fault=FAULT, held=held)
    assert (after.next_try_ms is not None) == (event is Event.FAILED)
    assert after.tries == {Event.FAILED: tries + 1, Event.COMPLETED: 0, Event.VANISHED: 0}.get(event, after.tries)
    assert after.tries <= tries + 1
    if after.state is PinState.ERROR and event is Event.FAILED:
        assert after.cause == FAULT.cause and after.error == FAULT.error
    if after.state in (PinState.PINNED, PinState.REMOTE, PinState.UNPINNING, None):
        assert after.cause is None or event is Event.RETRY


@pytest.mark.parametrize("state", [None, *PinState])
def test_rows_may_change_in_any_state(state: PinState | None) -> None:
    assert {Event.WANTED, Event.ELSEWHERE, Event.REMOVED} <= TABLE[state].keys()


@pytest.mark.parametrize("event", [Event.FAILED, Event.REFUSED])
def test_a_failure_without_a_cause_is_illegal(event: Event) -> None:
    with pytest.raises(IllegalEvent):
        advance(Progress(PinState.PINNING), event)


@given(
    st.lists(
        st.tuples(st.sampled_from([Event.STARTED, Event.INTERRUPTED, Event.WANTED, Event.RETRY, Event.FAILED]), luck),
        max_size=60,
    )
)
def test_rule_1_only_failures_count(steps: list[tuple[Event, float]]) -> None:
    progress, failures = advance(Progress(), Event.WANTED), 0
    for event, chance in steps:
        if event not in TABLE[progress.state]:
            continue
        progress = advance(progress, event, luck=chance, fault=FAULT)
        failures += event is Event.FAILED
        assert progress.tries == failures


@given(st.integers(1, 10**9), luck)
def test_retry_delays_grow_to_a_bound(tries: int, chance: float) -> None:
    delay_s = retry_delay_ms(tries, chance) / 1_000
    assert 0.75 * RETRY_DELAY_S_MIN <= delay_s <= RETRY_DELAY_S_MAX
    assert delay_s >= min(0.75 * RETRY_DELAY_S_MAX, 0.75 * RETRY_DELAY_S_MIN * 2 ** min(tries - 1, 40)) - 0.001


@given(st.text(max_size=5_000), st.integers(0, 5), st.floats(1, 10**5))
def test_causes_and_errors_are_bounded(sentence: str, blocks: int, waited_s: float) -> None:
    for error in (NodeRefused(sentence), NoProgress(sentence), StoreFault(sentence)):
        fault = fault_of(error, blocks_done=blocks, waited_s=waited_s)
        assert 0 < len(fault.cause) <= CAUSE_CHARACTERS_MAX
        assert 0 < len(fault.error) <= ERROR_CHARACTERS_MAX


def test_causes_in_plain_words() -> None:
    def cause(error: NodeRefused | NoProgress, blocks: int = 0) -> str:
        return fault_of(error, blocks_done=blocks, waited_s=600).cause

    assert cause(NoProgress("x")) == NO_PROVIDER
    assert cause(NoProgress("x"), 3) == "no block arrived for 10 min"
    assert cause(NodeRefused("disk is\n full")) == "IPFS said: disk is full"
    assert cause(NodeRefused("pin: No room: the limit for the block store is reached (/x).")) == NO_ROOM
    assert cause(NodeRefused("write /x: no space left on device")) == NO_ROOM
    one = cause(NodeRefused("no bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4 here"))
    two = cause(NodeRefused("no QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn here"))
    assert one == two == "IPFS said: no … here"


def test_wanted_is_decided_by_allocations_alone() -> None:
    assert wanted(Pin(CID), "me") is Share.KEEP
    assert wanted(Pin(CID, allocations=("you", "me")), "me") is Share.KEEP
    assert wanted(Pin(CID, allocations=("you",)), "me") is Share.REMOTE
    assert wanted(Pin(CID, type=PinType.META), "me") is Share.REMOTE


@given(st.integers(0, 10**9))
def test_no_lane_starves(start: int) -> None:
    # What the user chose goes before everything else, however much it is.
    assert all(lanes(turn)[0] is Lane.CHOSEN for turn in range(start, start + 4))
    first = Counter(lanes(turn)[1] for turn in range(start, start + 4))
    assert first[Lane.FRESH] == 2 and first[Lane.BACKLOG] == 1 and first[Lane.RETRY] == 1
    assert all(set(lanes(turn)) == set(Lane) for turn in range(start, start + 4))
