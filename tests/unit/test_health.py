"""The one word for how a cluster is doing: each state, and what wins over what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pincrew.health import ClusterState, Facts, silence_of, state_of

GOOD = Facts(
    is_curator=False,
    peers_connected=2,
    curators_connected=1,
    has_compared=True,
    envelopes=9,
    envelopes_expected=9,
    pins_ours=4,
    pins_pinned=4,
)


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (GOOD, ClusterState.COMPLETE),
        (replace(GOOD, pins_pinned=3), ClusterState.FOLLOWING),
        (replace(GOOD, pins_pinned=3, pins_no_room=1), ClusterState.FULL),
        (replace(GOOD, pins_pinned=3, pins_user_skipped=1), ClusterState.COMPLETE),
        (replace(GOOD, pins_pinned=3, pins_not_part=1), ClusterState.FULL),
        (replace(GOOD, pins_pinned=1, pins_not_part=1, pins_no_room=1, pins_user_skipped=1), ClusterState.FULL),
        (replace(GOOD, pins_pinned=2, pins_not_part=1), ClusterState.FOLLOWING),
        (replace(GOOD, pins_pinned=2, pins_no_room=1), ClusterState.FOLLOWING),
        (replace(GOOD, envelopes_expected=10), ClusterState.SYNCING),
        (replace(GOOD, has_compared=False), ClusterState.SYNCING),
        (replace(GOOD, has_compared=False, envelopes=0, envelopes_expected=0), ClusterState.JOINING),
        (replace(GOOD, peers_connected=0), ClusterState.WAITING),
        (replace(GOOD, node_is_up=False), ClusterState.WAITING),
        (replace(GOOD, removals_held=30), ClusterState.CONSENT),
        (replace(GOOD, is_leaving=True), ClusterState.LEAVING),
        (replace(GOOD, is_running=False), ClusterState.STOPPED),
        (replace(GOOD, failure="no"), ClusterState.FAILED),
        (replace(GOOD, is_curator=True, peers_connected=0, has_compared=False), ClusterState.COMPLETE),
        (replace(GOOD, is_curator=True, peers_connected=0, pins_pinned=0), ClusterState.FOLLOWING),
    ],
)
def test_states(facts: Facts, state: ClusterState) -> None:
    assert state_of(facts) is state


def test_what_stops_everything_comes_first() -> None:
    everything = replace(
        GOOD, failure="no", is_running=False, is_leaving=True, removals_held=1, node_is_up=False, peers_connected=0
    )
    order = []
    for mend in (
        {"failure": None},
        {"is_running": True},
        {"is_leaving": False},
        {"removals_held": 0},
        {"node_is_up": True, "peers_connected": 1},
    ):
        order.append(state_of(everything))
        everything = replace(everything, **mend)
    assert order == [
        ClusterState.FAILED,
        ClusterState.STOPPED,
        ClusterState.LEAVING,
        ClusterState.CONSENT,
        ClusterState.WAITING,
    ]


DAY_MS = 86_400_000


def test_silence_is_told_once_it_lasts_longer_than_the_curators_said() -> None:
    assert silence_of(None, 14, 99 * DAY_MS) is None, "nothing was heard at all"
    assert silence_of(5 * DAY_MS, None, 99 * DAY_MS) is None, "they said nothing"
    assert silence_of(5 * DAY_MS, 14, 19 * DAY_MS - 1) is None
    reason = silence_of(5 * DAY_MS, 14, 20 * DAY_MS)
    assert reason is not None and reason.code == "upstream_silent" and reason.since_ms == 19 * DAY_MS
    assert "for 15 days; they said that 14 days" in reason.text
    one = silence_of(0, 1, DAY_MS)
    assert one is not None and "for 1 day; they said that 1 day would" in one.text
    assert silence_of(99 * DAY_MS, 1, 5 * DAY_MS) is None, "a clock that was set back"
