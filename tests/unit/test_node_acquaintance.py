"""When announced nodes are connected, and when again."""

from __future__ import annotations

import random

import pytest

from pincrew.limits import (
    ANNOUNCED_NODES_CONNECTED_MAX,
    NODE_RECONNECT_DELAY_S_MAX,
    NODE_RECONNECT_DELAY_S_MIN,
    NODE_RECONNECT_INTERVAL_S,
)
from pincrew.node_acquaintance import Acquaintance


@pytest.fixture
def acquaintance() -> Acquaintance:
    return Acquaintance(random.Random(1).random)


def test_new_ones_have_their_turn_at_once_and_only_so_many(acquaintance: Acquaintance) -> None:
    acquaintance.want([f"/a/{number}" for number in range(80)] * 2, 0)
    assert acquaintance.next_turn == 0
    taken = acquaintance.take(0, 4) + acquaintance.take(0, 1_000)
    assert taken == [f"/a/{number}" for number in range(ANNOUNCED_NODES_CONNECTED_MAX)]
    assert acquaintance.take(0, 4) == [] and acquaintance.next_turn == float("inf")


def test_a_failure_is_tried_again_ever_more_rarely(acquaintance: Acquaintance) -> None:
    acquaintance.want(["/a"], 0)
    now, delays = 0.0, []
    for _ in range(15):
        assert acquaintance.take(now, 4) == ["/a"]
        acquaintance.failed("/a", now)
        delays.append(acquaintance.next_turn - now)
        assert acquaintance.take(now, 4) == []
        now = acquaintance.next_turn
    assert delays[0] <= 1.25 * NODE_RECONNECT_DELAY_S_MIN
    assert max(delays) <= 1.25 * NODE_RECONNECT_DELAY_S_MAX
    assert delays[-1] >= 0.75 * NODE_RECONNECT_DELAY_S_MAX


def test_a_connection_is_made_sure_of_now_and_then(acquaintance: Acquaintance) -> None:
    acquaintance.want(["/a"], 0)
    acquaintance.take(0, 1)
    acquaintance.failed("/a", 0)
    acquaintance.take(10, 1)
    acquaintance.succeeded("/a", 10)
    assert 0.75 * NODE_RECONNECT_INTERVAL_S <= acquaintance.next_turn - 10 <= 1.25 * NODE_RECONNECT_INTERVAL_S
    now = acquaintance.next_turn
    acquaintance.take(now, 1)
    acquaintance.failed("/a", now)
    assert acquaintance.next_turn - now <= 1.25 * NODE_RECONNECT_DELAY_S_MIN, "earlier failures are forgotten"


def test_a_node_that_comes_up_meets_everybody_anew(acquaintance: Acquaintance) -> None:
    acquaintance.want(["/a", "/b"], 0)
    acquaintance.take(0, 2)
    acquaintance.succeeded("/a", 0)
    acquaintance.failed("/b", 0)
    acquaintance.begin_anew(1)
    assert acquaintance.take(1, 4) == ["/a", "/b"]


def test_what_is_not_wanted_any_more_is_forgotten(acquaintance: Acquaintance) -> None:
    acquaintance.want(["/a"], 0)
    acquaintance.take(0, 1)
    acquaintance.want(["/b"], 0)
    acquaintance.failed("/a", 0)
    acquaintance.succeeded("/a", 0)
    assert acquaintance.take(10_000, 4) == ["/b"]
