"""What was done is counted once, survives restarts, and is asked of a real client of a (fake) node."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from pincrew import lifetime
from pincrew.api.shapes import Lifetime as Figures
from pincrew.errors import StoreFault
from pincrew.kubo_rpc import KuboRpc
from pincrew.lifetime import Lifetime
from pincrew.node_address import parse_address
from pincrew.store.database import Database
from pincrew.store.lifetime import LifetimeStore, Work
from support.fake_node import FakeKubo

DAY_MS = 86_400_000
BEGAN_MS = 1_700_000_000_000


class Clock:
    now_ms = BEGAN_MS


@pytest.fixture
def clock() -> Clock:
    return Clock()


def lived(made: Lifetime, test: Callable[[], Awaitable[None]]) -> None:
    """Let it run while the test acts; its end keeps what gathered."""

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(made.run)
            await test()
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_pins_that_were_fetched_count_once_and_survive(tmp_path: Path, clock: Clock) -> None:
    def opened() -> Lifetime:
        return Lifetime(LifetimeStore(Database(tmp_path / "state.db")), lambda: clock.now_ms, None)

    made = opened()
    assert made.figures() == Figures("2023-11-14T22:13:20.000Z", 0, 0, 0, None)

    async def fetch() -> None:
        made.heard("pinned", {"bytes": 1_000, "was_there": False})
        made.heard("pinned", {"bytes": None, "was_there": False})
        made.heard("pinned", {"bytes": 9_000, "was_there": True})  # the node had it: not our doing
        made.heard("unpinned", {"bytes": 1_000})
        assert (made.figures().pins, made.figures().fetched) == (2, 1_000)

    lived(made, fetch)
    clock.now_ms += 3 * DAY_MS
    again = opened()
    assert again.figures() == Figures("2023-11-14T22:13:20.000Z", 3, 2, 1_000, None)
    lived(again, fetch_nothing)
    clock.now_ms = BEGAN_MS - DAY_MS  # a clock that was set back
    assert opened().figures().days == 0


async def fetch_nothing() -> None:
    await trio.lowlevel.checkpoint()


def test_what_the_own_node_serves_is_added_up_over_its_restarts(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifetime, "LIFETIME_INTERVAL_S", 0.0)
    fake = FakeKubo()
    fake.sent = 500

    async def main() -> None:
        async with fake.served(), KuboRpc(parse_address(fake.url)) as node:
            made = Lifetime(LifetimeStore(Database(tmp_path / "state.db")), lambda: clock.now_ms, node)

            async def until_served(count: int) -> None:
                with trio.fail_after(20):
                    while made.figures().served != count:
                        await trio.lowlevel.checkpoint()

            async with trio.open_nursery() as nursery:
                await nursery.start(made.run)
                await fake.until(lambda: fake.asked("stats/bw") >= 2)
                assert made.figures().served == 0  # what it served before we looked is not of our time
                fake.sent = 800
                await until_served(300)
                fake.sent = 50  # it was started anew
                await until_served(350)
                nursery.cancel_scope.cancel()
        assert LifetimeStore(Database(tmp_path / "state.db")).read() == (BEGAN_MS, Work(served=350))

    trio.run(main)


def test_what_a_node_serves_that_we_see_come_up_is_all_of_our_time(clock: Clock) -> None:
    """And at the end it is asked once more."""
    fake = FakeKubo()
    fake.sent = 70
    nowhere = KuboRpc(parse_address("/ip4/127.0.0.1/tcp/1"))

    async def main() -> None:
        store = LifetimeStore(Database(None))
        async with fake.served(), KuboRpc(parse_address(fake.url)) as node, nowhere:
            made = Lifetime(store, lambda: clock.now_ms, nowhere)
            async with trio.open_nursery() as nursery:
                await nursery.start(made.run)
                while store.read()[0] is None:
                    await trio.lowlevel.checkpoint()
                made._own_node = node
                nursery.cancel_scope.cancel()
        assert store.read() == (BEGAN_MS, Work(served=70))

    trio.run(main)


def test_a_disk_that_takes_nothing_costs_nothing(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    class Full(LifetimeStore):
        is_full = True

        def add(self, since_ms: int, work: Work) -> None:
            if self.is_full:
                raise StoreFault("The disk is full")
            super().add(since_ms, work)

    store = Full(Database(None))
    made = Lifetime(store, lambda: clock.now_ms, None)

    async def fetch() -> None:
        made.heard("pinned", {"bytes": 7})

    lived(made, fetch)
    assert "The disk is full" in caplog.text
    store.is_full = False
    lived(made, fetch_nothing)
    assert store.read() == (BEGAN_MS, Work(pins=1, fetched=7))
