"""How much may still be put onto the disk: never above the limit, whatever is claimed and whatever comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pincrew.limits import NODE_FULL_RETRY_S
from pincrew.room import Bound, Room, Volume
from pincrew.tracker import LARGER_THAN_SAID, NO_ROOM

CIDS = [bytes([number]) for number in range(8)]


def test_without_bounds_everything_fits() -> None:
    room = Room()
    assert not room.is_bounded and room.free is None and room.bound is None
    assert room.reserve(b"a", 10**18) and room.reserve(b"b", None)
    assert room.grow(b"b", 10**18) is None and not room.is_full


def test_a_claim_is_reserved_until_it_is_settled() -> None:
    room = Room(1_000)
    assert room.reserve(b"a", 600)
    assert not room.reserve(b"b", 401)
    assert room.reserve(b"b", 400)
    assert (room.kept, room.reserved, room.free) == (0, 1_000, 0)
    # It was smaller than said; and its bytes never count twice, nor not at all.
    room.grow(b"a", 50)
    room.settled(50, [b"a"])
    assert (room.kept, room.reserved, room.free) == (50, 400, 550)


def test_what_grows_beyond_its_claim_goes_on_while_there_is_room() -> None:
    room = Room(1_000)
    assert room.reserve(b"a", 100) and room.reserve(b"b", None)
    assert room.grow(b"a", 700) is None and room.claimed(b"a") == 700
    assert room.grow(b"b", 300) is None
    larger, unknown = room.grow(b"a", 701), room.grow(b"b", 301)
    assert larger is not None and larger.cause == LARGER_THAN_SAID
    assert unknown is not None and unknown.cause == NO_ROOM
    assert room.reserved == 1_000


def test_one_that_is_too_large_keeps_nothing_else_out() -> None:
    room = Room(1_000)
    assert not room.admits(b"a", 10**12)
    assert not room.is_full and room.admits(b"b", 900)


def test_once_full_it_stays_so_until_a_share_is_free() -> None:
    room = Room(1_000)
    room.settled(980)
    assert not room.is_full
    assert not room.admits(b"a", 21) and room.is_full
    assert not room.admits(b"b", 1), "rule 4: else each that goes lets in the next smallest"
    room.settled(971)
    assert room.is_full
    room.settled(970)
    assert not room.is_full and room.admits(b"b", 1)


def test_an_unknown_size_needs_something_free() -> None:
    room = Room(1_000)
    room.settled(1_000)
    assert not room.reserve(b"a", None)
    room.settled(900)
    assert room.reserve(b"a", None) and room.reserved == 0


def test_what_is_kept_and_looked_at_again_counts_all_the_time_and_is_never_turned_away() -> None:
    room = Room(1_000)
    room.settled(800)
    room.hold(b"a", 800)
    room.settled(0)
    assert room.free == 200 and not room.admits(b"b", 300)
    room.set_rules(100, 0)
    assert room.admits(b"a", 800) and room.reserve(b"a", 800) and room.grow(b"a", 800) is None
    assert room.under_way(b"a") is None and room.claimed(b"a") == 800


def test_a_lower_limit_leaves_less_than_nothing() -> None:
    room = Room(1_000)
    room.settled(500)
    assert room.reserve(b"a", 300)
    room.set_rules(600, 0)
    assert room.free == -200 and not room.admits(b"b", 0) and room.under_way(b"a") == 300


def test_so_much_of_the_volume_stays_free() -> None:
    room = Room(None, 10)
    room.measured(Volume(total=1_000, free=400))
    assert room.is_bounded and room.free == 300
    assert room.reserve(b"a", 200) and not room.reserve(b"b", 101)
    # What arrives leaves the reservation and is not seen on the volume before that is measured again.
    assert room.grow(b"a", 150) is None and room.free == 100
    room.measured(Volume(total=1_000, free=250))
    assert room.free == 100 and room.bound is Bound.VOLUME and not room.is_volume_low
    room.measured(Volume(total=1_000, free=99))
    assert room.is_volume_low and room.free == -51
    assert room.fault().cause == NO_ROOM and "volume" in room.fault().error
    room.measured(None)
    assert room.free is None


def test_a_node_without_room_is_believed_for_a_while() -> None:
    room = Room()
    room.settled(500)
    room.node_refused(now=100.0)
    assert room.is_full and room.bound is Bound.NODE and not room.admits(b"a", 1)
    room.settled(600)
    room.looked(100.0 + NODE_FULL_RETRY_S - 1)
    assert room.is_full
    room.looked(100.0 + NODE_FULL_RETRY_S)
    assert not room.is_full
    room.node_refused(now=0.0)
    room.settled(599)
    assert not room.is_full, "something has gone"
    room.node_refused(now=0.0)
    room.set_rules(None, 0)
    assert not room.is_full, "there are other rules"


def test_what_was_just_taken_out_does_not_come_back_at_once() -> None:
    room = Room(1_000)
    room.settled(990)
    room.fill()
    assert not room.admits(b"a", 5)
    room.settled(900)
    assert room.admits(b"a", 5)


@given(
    st.integers(1, 10**15), st.integers(0, 95), st.integers(1, 10**15), st.integers(0, 10**15), st.integers(0, 10**15)
)
def test_what_is_admitted_leaves_the_volume_its_share(
    limit: int, percent: int, total: int, free: int, size: int
) -> None:
    room = Room(limit, percent)
    room.measured(Volume(total, min(free, total)))
    if room.reserve(b"a", size) and size:
        assert min(free, total) - size >= total * percent // 100
        assert size <= limit


class Pins(RuleBasedStateMachine):
    """Pins come, grow, end and go in any order; sizes that are claimed have nothing to do with those that come."""

    @initialize(limit=st.integers(1, 1_000))
    def begin(self, limit: int) -> None:
        self.room = Room(limit)
        self.arrived: dict[bytes, int] = {}
        self.pinned: dict[bytes, int] = {}

    @rule(cid=st.sampled_from(CIDS), size=st.none() | st.integers(0, 2_000))
    def start(self, cid: bytes, size: int | None) -> None:
        if cid not in self.arrived and cid not in self.pinned and self.room.reserve(cid, size):
            self.arrived[cid] = 0

    @rule(cid=st.sampled_from(CIDS), more=st.integers(0, 1_500))
    def grow(self, cid: bytes, more: int) -> None:
        if cid in self.arrived:
            if self.room.grow(cid, self.arrived[cid] + more) is None:
                self.arrived[cid] += more
            else:
                del self.arrived[cid]
                self.room.settled(sum(self.pinned.values()), [cid])

    @rule(cid=st.sampled_from(CIDS))
    def complete(self, cid: bytes) -> None:
        if cid in self.arrived:
            self.pinned[cid] = self.arrived.pop(cid)
            self.room.settled(sum(self.pinned.values()), [cid])

    @rule(cid=st.sampled_from(CIDS))
    def look_again(self, cid: bytes) -> None:
        if cid in self.pinned:
            size = self.pinned.pop(cid)
            self.room.hold(cid, size)
            self.arrived[cid] = size
            self.room.settled(sum(self.pinned.values()))

    @rule(cid=st.sampled_from(CIDS))
    def remove(self, cid: bytes) -> None:
        self.pinned.pop(cid, None)
        self.room.settled(sum(self.pinned.values()))

    @invariant()
    def the_limit_holds(self) -> None:
        if hasattr(self, "room"):
            assert self.room.limit is not None
            assert self.room.kept + self.room.reserved <= self.room.limit
            assert sum(self.pinned.values()) + sum(self.arrived.values()) <= self.room.limit
            assert self.room.reserved >= sum(self.arrived.values())


TestPins = Pins.TestCase


@pytest.mark.parametrize("limit", [1, 100])
def test_bounds_are_inclusive(limit: int) -> None:
    room = Room(limit)
    assert room.reserve(b"a", limit) and room.free == 0


def test_a_node_that_had_no_disk_is_asked_again_once_much_of_the_volume_is_free() -> None:
    room = Room()
    room.measured(Volume(1_000, 20))
    room.node_refused(0.0)
    room.measured(Volume(1_000, 10))
    room.measured(Volume(1_000, 55))
    assert room.is_full, "so much the node may have freed itself"
    room.measured(Volume(1_000, 60))
    assert not room.is_full


def test_what_was_begun_without_a_bound_counts_once_there_is_one() -> None:
    room = Room()
    room.set_rules(100, 0)
    room.begun(b"huge", 1_000, 5)
    room.begun(b"unknown", None, 7)
    assert (room.reserved, room.under_way(b"huge"), room.free) == (1_007, 1_000, 100 - 1_007)
    room.release(b"huge")
    assert room.free == 93
