"""A follower's part at work: fitted to what its list says, remembered, and rescues beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio
import trio.testing
from pincrew.follow.keeping import InForce, Keeping
from pincrew.trusted.author import Author, WriteRequest

from pincrew import limits
from pincrew.announcement import Announcement, Announcements, KeptPart
from pincrew.crew_watch import CrewWatch
from pincrew.errors import StoreFault
from pincrew.keys import SigningKey
from pincrew.part import ALL, cid_value, part_room, part_value, rank, rescue_room
from pincrew.record import encode_record
from pincrew.replica import Replica
from pincrew.settings import PartMode
from pincrew.steps import finish
from pincrew.store.database import Database
from pincrew.store.part_rows import PartRows
from pincrew.store.statuses import Statuses
from pincrew.tracker import DENIED, StatusUpdate
from pincrew.values import Pin, PinState
from sim.swarm import key_of
from support.pinner_bench import cid_of

CURATOR = SigningKey.from_seed(b"keep" * 8)
OWN = key_of("keeper")
CLUSTER = b"c" * 32
SIZE, COUNT = 1_000, 400
DAY_MS = 86_400_000


class Scene:
    """One follower's keeping, its store, and a crew that it hears of."""

    def __init__(self, folder: Path, *, pins: int = COUNT) -> None:
        self.database = Database(folder / "state.db")
        replica = Replica(
            self.database, cluster=CLUSTER, curators={CURATOR.public}, trust=0, shard_bits=4, now_ms=lambda: 5
        )
        self._author = Author(replica, CURATOR, now_ms=lambda: 5, nonce=lambda: b"n" * 16)
        self.rows = PartRows(self.database)
        self.statuses = Statuses(self.database, 4)
        self.limit: int | None = COUNT * SIZE // 2
        self.wish = PartMode.AUTO
        self.now_ms = 1_700_000_000_000
        self.is_current = True
        self.used: list[InForce | None] = []
        self.events: list[str] = []
        self.heard = Announcements(CLUSTER)
        self.watch = CrewWatch(self.rows, self.heard, is_listening=lambda: True, vouched=lambda: ())
        self.add(*(Pin(cid_of(number), size=SIZE) for number in range(pins)))
        self.keeping = self.restarted()

    def restarted(self) -> Keeping:
        return Keeping(
            self.rows,
            self.watch,
            OWN.public,
            limit=lambda: self.limit,
            wish=lambda: self.wish,
            now_ms=lambda: self.now_ms,
            is_current=lambda: self.is_current,
            use=self.used.append,
            ready=lambda: self.events.append("ready") if "ready" not in self.events else None,
            on_event=lambda kind, _fields: self.events.append(kind),
        )

    def add(self, *pins: Pin) -> None:
        finish(self._author.write([WriteRequest(pin.cid, encode_record(pin)) for pin in pins]))

    def say(self, name: str, part: KeptPart) -> None:
        key = key_of(name)
        self.heard.accept(Announcement(CLUSTER, key.public, part=part, time_ms=1).sealed(key), trio.current_time())

    def keeps(self, *numbers: int) -> list[int]:
        part = self.used[-1]
        assert part is not None
        return [number for number in numbers or range(COUNT) if part.keeps(Pin(cid_of(number), size=SIZE))]

    async def settle(self, until: Callable[[], object]) -> None:
        """Let it work until something holds."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.keeping.run)
            with trio.fail_after(100_000):
                while not until():  # noqa: ASYNC110 - of the mock clock
                    await trio.sleep(5)
            nursery.cancel_scope.cancel()


def run(main: Callable[[], Any]) -> None:
    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.002))


def test_a_part_that_fits_is_kept_and_remembered(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    assert scene.limit is not None
    run(lambda: scene.settle(lambda: scene.used))
    kept = scene.keeps()
    assert 0.9 * part_room(scene.limit) <= len(kept) * SIZE <= part_room(scene.limit)
    settled = scene.keeping.settled()
    assert settled is not None and settled.pins == len(kept)
    value = part_value(OWN.public)
    assert kept == [n for n in range(COUNT) if rank(cid_value(cid_of(n)), value) < settled.threshold]
    assert scene.events == ["part_changed", "ready"]
    scene.used.clear()
    again = scene.restarted().settled()
    assert again is not None and again.threshold == settled.threshold
    assert scene.keeps() == kept, "before the first pass of a new start"


def test_all_is_kept_where_it_fits_is_wished_or_nothing_limits_it(tmp_path: Path) -> None:
    scene = Scene(tmp_path)

    async def main() -> None:
        scene.limit = COUNT * SIZE
        await scene.settle(lambda: scene.used)
        assert len(scene.keeps()) == COUNT and scene.keeping.settled() is None
        scene.wish = PartMode.PART
        await scene.settle(lambda: scene.keeping.settled())
        assert len(scene.keeps()) < COUNT
        scene.wish = PartMode.ALL
        await scene.settle(lambda: scene.used[-1] is None)
        assert scene.keeping.settled() is None and scene.rows.part() is None
        scene.wish, scene.limit = PartMode.AUTO, None
        with trio.move_on_after(50):
            await scene.settle(lambda: False)
        assert scene.used[-1] is None

    run(main)


def test_a_change_of_limit_or_list_is_followed_by_itself(tmp_path: Path) -> None:
    scene = Scene(tmp_path)

    async def main() -> None:
        await scene.settle(lambda: scene.used)
        before = len(scene.keeps())
        scene.limit = COUNT * SIZE // 4
        await scene.settle(lambda: len(scene.keeps()) < before)
        assert len(scene.keeps()) * SIZE <= part_room(COUNT * SIZE // 4)
        fewer = len(scene.keeps())
        scene.add(*(Pin(cid_of(number), size=SIZE) for number in range(COUNT, 2 * COUNT)))
        await scene.settle(lambda: len(scene.keeps()) < fewer)

    run(main)


def test_a_first_part_waits_for_the_whole_list_though_not_for_ever(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.is_current = False

    async def main() -> None:
        assert scene.keeping.is_waiting
        with trio.move_on_after(limits.PART_WAIT_S_MAX / 2):
            await scene.settle(lambda: False)
        assert not scene.events and not scene.used
        await scene.settle(lambda: "ready" in scene.events)
        assert not scene.keeping.is_waiting and not scene.restarted().is_waiting, "there is one from before"

    run(main)


def test_pins_that_name_this_peer_are_kept_and_others_concerns_are_not_counted(tmp_path: Path) -> None:
    scene = Scene(tmp_path, pins=0)
    scene.limit = 10 * SIZE
    named = [Pin(cid_of(number), size=SIZE, allocations=("me",)) for number in range(10)]
    elsewhere = [Pin(cid_of(number), size=SIZE, allocations=("you",)) for number in range(10, 500)]
    scene.add(*named, *elsewhere, *(Pin(cid_of(number), size=SIZE) for number in range(500, 530)))
    scene.statuses.settle([StatusUpdate(pin.cid, PinState.REMOTE) for pin in elsewhere], None)
    scene.statuses.settle(
        [StatusUpdate(cid_of(number), PinState.SKIPPED, cause=DENIED) for number in range(500, 515)], None
    )
    run(lambda: scene.settle(lambda: scene.used))
    part = scene.used[-1]
    assert part is not None and part.part.threshold == 0, "what names this peer has all the room already"
    assert all(part.keeps(pin) for pin in named)
    assert not part.keeps(Pin(cid_of(520), size=SIZE))


def test_what_too_few_keep_is_rescued_into_the_slice_and_stays(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    assert scene.limit is not None
    room = rescue_room(scene.limit)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(scene.watch.run)
            await scene.settle(lambda: scene.used)
            own = set(scene.keeps())
            await scene.settle(lambda: "rescued" in scene.events)
            kept = set(scene.keeps())
            assert own < kept, "alone in its crew, it is asked for everything"
            full = scene.keeping.slice()
            assert full is not None and full.is_full and full.pins == len(kept - own)
            assert full.bytes == full.pins * SIZE <= room == full.room
            for number in range(20):
                scene.say(f"generous {number}", KeptPart(None, None, COUNT, 0, 0))
            with trio.move_on_after(3 * limits.RESCUE_INTERVAL_S):
                await scene.settle(lambda: False)
            assert set(scene.keeps()) == kept, "no claim has it dropped"
            nursery.cancel_scope.cancel()
        scene.used.clear()
        scene.restarted()
        assert set(scene.keeps()) == kept

    run(main)


def test_where_others_keep_enough_nothing_is_rescued(tmp_path: Path) -> None:
    scene = Scene(tmp_path)

    async def main() -> None:
        for name in "ab":
            scene.say(name, KeptPart(None, None, COUNT, 0, 0))
        async with trio.open_nursery() as nursery:
            await nursery.start(scene.watch.run)
            with trio.move_on_after(limits.RESCUE_DELAY_S + 2 * limits.RESCUE_INTERVAL_S):
                await scene.settle(lambda: False)
            nursery.cancel_scope.cancel()
        found = scene.keeping.slice()
        assert found is not None and (found.pins, found.is_full) == (0, False)

    run(main)


def test_a_rescue_ends_when_its_pin_leaves_the_list_or_comes_into_the_part(tmp_path: Path) -> None:
    scene = Scene(tmp_path)

    async def main() -> None:
        await scene.settle(lambda: scene.used)
        inside = scene.keeps()[0]
        outside = next(number for number in range(COUNT) if number not in scene.keeps())
        scene.rows.save_rescued({cid_value(cid_of(inside)), cid_value(cid_of(outside)), 77})
        scene.keeping = scene.restarted()
        await scene.settle(lambda: scene.rows.rescued() == {cid_value(cid_of(outside))})
        assert outside in scene.keeps()

    run(main)


def test_a_list_that_grows_has_little_of_what_is_pinned_leave_in_a_day(tmp_path: Path) -> None:
    scene = Scene(tmp_path)

    async def main() -> None:
        await scene.settle(lambda: scene.used)
        kept = scene.keeps()
        scene.statuses.settle([StatusUpdate(cid_of(one), PinState.PINNED, size=SIZE) for one in kept], None)
        scene.now_ms += 2 * DAY_MS
        scene.add(*(Pin(cid_of(number), size=SIZE) for number in range(COUNT, 20 * COUNT)))
        await scene.settle(lambda: scene.events.count("part_changed") == 2)
        stayed = len(scene.keeps(*kept))
        assert 0.94 * len(kept) <= stayed < len(kept)

    run(main)


def test_a_plan_says_what_would_leave_and_is_carried_out(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.limit, scene.wish = COUNT * SIZE * 2, PartMode.ALL
    limit = COUNT * SIZE // 4

    async def main() -> None:
        everything = [StatusUpdate(cid_of(one), PinState.PINNED, size=SIZE) for one in range(COUNT)]
        scene.statuses.settle(everything, None)
        assert await scene.keeping.plan(None, PartMode.AUTO) is None
        assert await scene.keeping.plan(limit, PartMode.ALL) is None
        assert await scene.keeping.plan(COUNT * SIZE, PartMode.AUTO) is None, "it fits"
        plan = await scene.keeping.plan(limit, PartMode.AUTO)
        assert plan is not None and not scene.used, "it is only a plan"
        await scene.keeping.carry_out(plan)
        kept = scene.keeps()
        assert 0.9 * part_room(limit) <= len(kept) * SIZE <= part_room(limit)
        assert (plan.pins, plan.bytes) == (COUNT - len(kept), (COUNT - len(kept)) * SIZE)
        scene.limit, scene.wish = limit, PartMode.AUTO
        with trio.move_on_after(50):
            await scene.settle(lambda: False)
        assert scene.keeps() == kept, "what was carried out is what is fitted from then on"

    run(main)


def test_what_was_pinned_without_a_part_stays_at_first_whatever_its_size(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    large = Pin(cid_of(COUNT), size=COUNT * SIZE // 3)
    scene.add(large)

    async def main() -> None:
        pinned = [(cid_of(one), SIZE) for one in range(COUNT // 10)] + [(large.cid, large.size)]
        scene.statuses.settle([StatusUpdate(cid, PinState.PINNED, size=size) for cid, size in pinned], None)
        await scene.settle(lambda: scene.used)
        assert scene.keeps(*range(COUNT // 10)) == list(range(COUNT // 10))
        part = scene.used[-1]
        assert part is not None and part.keeps(large)

    run(main)


def test_a_store_that_fails_is_said_and_tried_again(tmp_path: Path, monkeypatch: Any) -> None:
    scene = Scene(tmp_path)
    save = scene.rows.save_part
    failures = iter([True, True])

    def failing(part: Any) -> None:
        if next(failures, False):
            raise StoreFault("There is no room for the state")
        save(part)

    monkeypatch.setattr(scene.rows, "save_part", failing)
    run(lambda: scene.settle(lambda: scene.used))
    assert scene.events == ["part_not_settled", "part_not_settled", "part_changed", "ready"]


def test_everything_in_force_keeps_pins_of_any_size(tmp_path: Path) -> None:
    from pincrew.part import ANY_SIZE, Part

    everything = InForce(Part(ALL, ANY_SIZE, 0, 0), 1, frozenset())
    assert everything.keeps(Pin(cid_of(1), size=2**60))
    nothing = InForce(Part(0, 5, 0, 0), 1, frozenset({cid_value(cid_of(2))}))
    assert not nothing.keeps(Pin(cid_of(1)))
    assert nothing.keeps(Pin(cid_of(1), allocations=("me",))) and nothing.keeps(Pin(cid_of(2)))
