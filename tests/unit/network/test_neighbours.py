"""One sync stream per peer: both ends decide alike."""

from __future__ import annotations

import itertools

import pytest
import trio
import trio.testing

from pincrew import limits
from pincrew.network.contract import Connection
from pincrew.network.neighbours import Link, Neighbours
from pincrew.network.streams import FrameStream

LOW, HIGH = "12D3KooWA", "12D3KooWB"


def link(peer: str, opener: str, since: float) -> Link:
    return Link(Connection(peer, "in", "", since), opener, FrameStream(peer, None))


def table(me: str, present: Link | None = None) -> Neighbours:
    neighbours = Neighbours(me)
    if present is not None:
        trio.run(neighbours.take, present)
    return neighbours


def test_the_first_stream_is_welcome_whoever_opens_it() -> None:
    for me, peer in ((LOW, HIGH), (HIGH, LOW)):
        assert table(me).prefers(peer, peer, 0.0)
        assert table(me).prefers(peer, me, 0.0)


def test_of_two_on_their_way_the_lower_ids_stream_wins_at_both_ends() -> None:
    low, high = table(LOW), table(HIGH)
    low.opening(HIGH)
    high.opening(LOW)
    assert not low.prefers(HIGH, HIGH, 0.0)
    assert high.prefers(LOW, LOW, 0.0)
    low.opened(HIGH)
    assert low.prefers(HIGH, HIGH, 0.0)


@pytest.mark.parametrize("age", [0.0, limits.SYNC_TIE_S - 1, limits.SYNC_TIE_S, 1e6])
def test_both_ends_decide_alike_about_a_newcomer(age: float) -> None:
    for present, new in itertools.product((LOW, HIGH), repeat=2):
        at_low = table(LOW, link(HIGH, present, 0.0)).prefers(HIGH, new, age)
        at_high = table(HIGH, link(LOW, present, 0.0)).prefers(LOW, new, age)
        assert at_low == at_high
        # The same opener lost its stream; the lower id wins a tie; after a while the newcomer does.
        assert at_low == (present == new or new == LOW or age >= limits.SYNC_TIE_S)


def test_a_link_takes_its_place_only_after_the_old_one_has_ended() -> None:
    async def main() -> None:
        neighbours = Neighbours(LOW)
        old, new = link(HIGH, HIGH, 0.0), link(HIGH, HIGH, 1.0)
        await neighbours.take(old)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(neighbours.take, new)
            await trio.testing.wait_all_tasks_blocked()
            assert old.scope.cancel_called and neighbours.link(HIGH) is old
            neighbours.remove(old)
        assert neighbours.link(HIGH) is new
        # The end of a link that was replaced does not remove its successor.
        neighbours.remove(old)
        assert neighbours.connections() == [new.connection]

    trio.run(main)
