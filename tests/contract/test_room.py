"""A limit that holds, on a node on the wire: hints that lie by ten times both ways, none at all, and what grows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from pincrew.kubo_rpc import KuboRpc
from pincrew.node_address import parse_address
from pincrew.room import Room, Volume
from pincrew.selection import Selection
from pincrew.tracker import DENIED, LARGER_THAN_SAID, NO_ROOM, NOT_PART, SKIPPED_BY_USER
from pincrew.values import Choice, Pin, PinState
from support.fake_node import FakeKubo, Orders
from support.pinner_bench import RULES, Bench, cid_of, ownership_at, pin_of, pinner_at_work

QUEUED, PINNING, PINNED, SKIPPED = PinState.QUEUED, PinState.PINNING, PinState.PINNED, PinState.SKIPPED
LIMIT = 100_000


@pytest.fixture(autouse=True)
def quick_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the root of a pin whose content the node does not have."""
    monkeypatch.setattr("pincrew.attempts.CLAIM_TIMEOUT_S", 0.02)


@asynccontextmanager
async def work(fake: FakeKubo, tmp_path: Path, room: Room, selection: Selection | None = None) -> AsyncIterator[Bench]:
    async with (
        fake.served(),
        KuboRpc(parse_address(fake.url), no_progress_timeout_s=5, request_timeout_s=5) as node,
        ownership_at(tmp_path / "holdings.db") as ownership,
        pinner_at_work(node, ownership, rules=RULES, room=room, selection=selection) as bench,
    ):
        yield bench


def with_room(
    tmp_path: Path,
    test: Callable[[FakeKubo, Bench, Room], Awaitable[None]],
    *,
    room: Room | None = None,
    selection: Selection | None = None,
) -> None:
    room = room or Room(LIMIT)

    async def main() -> None:
        fake = FakeKubo()
        async with work(fake, tmp_path, room, selection) as bench:
            await test(fake, bench, room)

    trio.run(main)


def states(bench: Bench) -> dict[PinState, int]:
    return {state: count for state, count in bench.book.counts().items() if count}


def cause(bench: Bench, number: int) -> str | None:
    return bench.book.rows[cid_of(number)].status.cause


@pytest.mark.parametrize("hint", [None, 10_000, 1_000, 100_000], ids=["none", "true", "too small", "too large"])
def test_the_limit_holds_whatever_is_said_of_sizes(tmp_path: Path, hint: int | None) -> None:
    async def test(fake: FakeKubo, bench: Bench, room: Room) -> None:
        highest = 0

        async def watch() -> None:
            nonlocal highest
            while True:
                highest = max(highest, room.kept + room.reserved, bench.book.kept_bytes())
                await trio.lowlevel.checkpoint()

        for number in range(30):
            fake.orders[cid_of(number)] = Orders(blocks=10, bytes=10_000, block_delay_s=0.002)
            if hint is not None:
                # One that is stopped at its very end may turn out to be there when it is tried again.
                fake.blocks[cid_of(number)] = bytes(10_000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            bench.put(*(pin_of(number, size=hint) for number in range(30)))
            # Hints that are too large keep room free that nobody needs; else it is filled, to within the share that has
            # to be free before anything is fetched again.
            pinned = 1 if hint == 100_000 else 10
            await bench.until(lambda: states(bench) == {PINNED: pinned, SKIPPED: 30 - pinned})
            nursery.cancel_scope.cancel()
        assert highest <= LIMIT
        found = states(bench)
        assert {bench.book.rows[cid_of(n)].status.cause for n in range(30)} <= {None, NO_ROOM, LARGER_THAN_SAID}
        assert bench.book.pinned_bytes() == 10_000 * found[PINNED]

    with_room(tmp_path, test)


def test_a_pin_that_is_larger_than_said_is_stopped_and_leaves_nothing(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench, room: Room) -> None:
        fake.orders[cid_of(1)] = Orders(blocks=300, bytes=300_000, block_delay_s=0.0005)
        bench.put(pin_of(1, size=20_000))
        await bench.until_state(SKIPPED, cid_of(1))
        assert cause(bench, 1) == LARGER_THAN_SAID
        assert not fake.pins
        await bench.until(lambda: room.reserved == 0)
        # What is known now keeps it from being tried again, until there is room for that much.
        known = bench.book.rows[cid_of(1)].size
        assert known is not None and LIMIT < known <= 300_000
        asked = fake.asked("pin/add")
        bench.put(pin_of(2, size=10_000))
        await bench.until_state(PINNED, cid_of(2))
        assert fake.asked("pin/add") == asked + 1
        bench.pinner.set_room_rules(500_000, 0)
        await bench.until_state(PINNED, cid_of(1))

    with_room(tmp_path, test)


def test_what_came_too_quickly_is_unpinned_again(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench, room: Room) -> None:
        fake.orders[cid_of(1)] = Orders(blocks=1, bytes=300_000)
        bench.put(pin_of(1, size=20_000))
        await bench.until_state(SKIPPED, cid_of(1))
        await bench.until(lambda: not fake.pins)
        assert cause(bench, 1) == LARGER_THAN_SAID

    with_room(tmp_path, test)


def test_a_list_beyond_the_limit_costs_the_node_nothing(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench, room: Room) -> None:
        for number in range(10):
            fake.orders[cid_of(number)] = Orders(bytes=9_900)
        bench.put(*(pin_of(number, size=9_900) for number in range(10)))
        await bench.until_state(PINNED, *map(cid_of, range(10)))
        before = len(fake.requests)
        bench.put(*(pin_of(number, size=9_900 if number % 2 else None) for number in range(10, 3_000)))
        await bench.until(lambda: states(bench).get(SKIPPED) == 2_990)
        # One or two of unknown size may be looked at before it is known to be full.
        assert len(fake.requests) - before < 20
        await bench.until(lambda: bench.pinner.summary().skipped_for == {NO_ROOM: 2_990})

    with_room(tmp_path, test)


def test_room_that_comes_back_is_filled_with_what_fits(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench, room: Room) -> None:
        for number in range(20):
            fake.orders[cid_of(number)] = Orders(bytes=10_000)
        bench.put(*(pin_of(number, size=10_000) for number in range(20)))
        await bench.until(lambda: states(bench) == {PINNED: 10, SKIPPED: 10})
        pinned = [number for number in range(20) if bench.book.state(cid_of(number)) is PINNED]
        bench.remove(*(cid_of(number) for number in pinned[:4]))
        bench.later(hours=25)
        await bench.until(lambda: states(bench) == {PINNED: 10, SKIPPED: 6} and room.kept == LIMIT)

    with_room(tmp_path, test)


def test_what_leaves_counts_until_it_is_unpinned(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench, room: Room) -> None:
        fake.orders[cid_of(1)] = fake.orders[cid_of(2)] = Orders(bytes=80_000)
        bench.put(pin_of(1, size=80_000))
        await bench.until_state(PINNED, cid_of(1))
        bench.remove(cid_of(1))
        bench.put(pin_of(2, size=80_000))
        await bench.until_state(SKIPPED, cid_of(2))
        assert fake.pins.keys() == {cid_of(1)}
        bench.later(hours=25)
        await bench.until_state(PINNED, cid_of(2))
        assert fake.pins.keys() == {cid_of(2)}

    with_room(tmp_path, test)


def test_a_changed_row_does_not_make_room_while_it_is_looked_at_again(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench, room: Room) -> None:
        fake.orders[cid_of(1)] = fake.orders[cid_of(2)] = Orders(bytes=80_000)
        bench.put(pin_of(1, size=80_000))
        await bench.until_state(PINNED, cid_of(1))
        bench.put(pin_of(2, size=80_000), Pin(cid_of(1), name="another name", added_ms=1))
        await bench.until_state(PINNED, cid_of(1))
        await bench.until_state(SKIPPED, cid_of(2))
        assert bench.book.rows[cid_of(1)].pin.name == "another name"
        await bench.until(lambda: room.kept + room.reserved == 80_000)

    with_room(tmp_path, test)


# ---- limits that change ---------------------------------------------------------------------------------------------
def test_a_lower_limit_stops_what_is_under_way_and_unpins_nothing(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench, room: Room) -> None:
        fake.orders[cid_of(1)] = Orders(bytes=50_000)
        fake.orders[cid_of(2)] = Orders(blocks=2, bytes=40_000, gate=(gate := trio.Event()))
        bench.put(pin_of(1, size=50_000))
        await bench.until_state(PINNED, cid_of(1))
        bench.put(pin_of(2, size=40_000))
        await fake.until(lambda: fake.pinning == 1)
        bench.pinner.set_room_rules(40_000, 0)
        await bench.until_state(SKIPPED, cid_of(2))
        assert fake.pins.keys() == {cid_of(1)}
        gate.set()
        bench.pinner.set_room_rules(None, 0)
        await bench.until_state(PINNED, cid_of(2))

    with_room(tmp_path, test)


def test_trimming_unpins_the_newest_first_and_at_once(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench, room: Room) -> None:
        for number in range(30):
            fake.orders[cid_of(number)] = Orders(bytes=3_000)
        bench.put(*(pin_of(number, size=3_000) for number in range(30)))
        await bench.until_state(PINNED, *map(cid_of, range(30)))
        assert bench.book.beyond(45_000) == (15, 45_000)
        bench.pinner.set_room_rules(45_000, 0)
        assert await bench.pinner.trim(45_000) == 15
        # It is the user's own word: no grace, and no removal of a curator's, however many there are.
        await bench.until(lambda: fake.pins.keys() == {cid_of(number) for number in range(15)})
        await bench.until(lambda: states(bench) == {PINNED: 15, SKIPPED: 15})
        assert "removals_held" not in bench.kinds()

    with_room(tmp_path, test)


# ---- the volume -----------------------------------------------------------------------------------------------------
def test_a_volume_filled_by_others_stops_fetching(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench, room: Room) -> None:
        bench.pinner.measured(Volume(total=1_000_000, free=200_000))
        fake.orders[cid_of(1)] = Orders(blocks=2, bytes=50_000, gate=trio.Event())
        bench.put(pin_of(1, size=50_000), pin_of(2, size=150_000))
        await fake.until(lambda: fake.pinning == 1)
        await bench.until_state(SKIPPED, cid_of(2))
        bench.pinner.measured(Volume(total=1_000_000, free=90_000))
        await bench.until_state(SKIPPED, cid_of(1))
        assert cause(bench, 1) == NO_ROOM and room.is_volume_low
        del fake.orders[cid_of(1)]
        bench.pinner.measured(Volume(total=1_000_000, free=400_000))
        await bench.until_state(PINNED, cid_of(1), cid_of(2))

    with_room(tmp_path, test, room=Room(None, 10))


# ---- what is selected -----------------------------------------------------------------------------------------------
def test_a_skipped_pin_is_unpinned_at_once_and_comes_back(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench, room: Room) -> None:
        bench.put(pin_of(1), pin_of(2))
        await bench.until_state(PINNED, cid_of(1), cid_of(2))
        await bench.pinner.choose([cid_of(1)], Choice.SKIP)
        await bench.until(lambda: fake.pins.keys() == {cid_of(2)})
        assert bench.book.state(cid_of(1)) is SKIPPED and cause(bench, 1) == SKIPPED_BY_USER
        # Neither the user's `retry` nor a change of the row brings back what he does not want.
        await bench.pinner.retry(cid_of(1))
        bench.put(Pin(cid_of(1), name="new name"))
        await bench.until_state(SKIPPED, cid_of(1))
        await bench.pinner.choose([cid_of(1)], None)
        await bench.until_state(PINNED, cid_of(1))

    with_room(tmp_path, test, room=Room())


def test_skipping_stops_a_pin_under_way(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench, room: Room) -> None:
        fake.orders[cid_of(1)] = Orders(blocks=2, gate=trio.Event())
        bench.put(pin_of(1))
        await fake.until(lambda: fake.pinning == 1)
        await bench.pinner.choose([cid_of(1)], Choice.SKIP)
        await bench.until_state(SKIPPED, cid_of(1))
        assert not fake.pins

    with_room(tmp_path, test, room=Room())


def test_what_the_user_had_before_stays_when_it_is_skipped(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench, room: Room) -> None:
        fake.pins[cid_of(1)] = ("recursive", "mine")
        bench.put(pin_of(1))
        await bench.until_state(PINNED, cid_of(1))
        await bench.pinner.choose([cid_of(1)], Choice.SKIP)
        await bench.until_state(SKIPPED, cid_of(1))
        await bench.until(lambda: not bench.book.left)
        assert fake.pins == {cid_of(1): ("recursive", "mine")}

    with_room(tmp_path, test, room=Room())


def test_next_is_fetched_before_all_others_and_part_or_not(tmp_path: Path) -> None:
    class Nothing:
        def keeps(self, pin: Pin) -> bool:
            return pin.cid != cid_of(5)

    async def test(fake: FakeKubo, bench: Bench, room: Room) -> None:
        gate = trio.Event()
        for number in range(100, 110):
            fake.orders[cid_of(number)] = Orders(blocks=2, gate=gate)
        bench.put(*(pin_of(number) for number in range(100, 110)))
        await fake.until(lambda: fake.pinning == 10)
        bench.put(*(pin_of(number) for number in range(10)))
        await bench.pinner.choose([cid_of(3), cid_of(5)], Choice.NEXT)
        gate.set()
        await bench.until_state(PINNED, *map(cid_of, range(10)))
        pinned = [fields["name"] for kind, fields in bench.events if kind == "pinned"][10:]
        assert set(pinned[:4]) >= {"pin 3", "pin 5"}

    with_room(tmp_path, test, room=Room(), selection=Selection(part=Nothing()))


def test_what_is_not_the_part_is_let_go_and_comes_back_with_it(tmp_path: Path) -> None:
    class Small:
        def keeps(self, pin: Pin) -> bool:
            return pin.cid < cid_of(1)

    async def test(fake: FakeKubo, bench: Bench, room: Room) -> None:
        bench.put(*(pin_of(number) for number in range(20)))
        await bench.until_state(PINNED, *map(cid_of, range(20)))
        bench.pinner.selection.part = Small()
        bench.pinner.reconsider()
        inside = {cid_of(number) for number in range(20) if cid_of(number) < cid_of(1)}
        await bench.until(lambda: fake.pins.keys() == inside)
        await bench.until(lambda: bench.pinner.summary().skipped_for == {NOT_PART: 20 - len(inside)})
        bench.pinner.selection.part = None
        bench.pinner.reconsider()
        await bench.until_state(PINNED, *map(cid_of, range(20)))
        assert DENIED not in bench.pinner.summary().skipped_for

    with_room(tmp_path, test, room=Room())
