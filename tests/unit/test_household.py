"""What works on one home: the clusters that are expected, the line's limits, the news; and the files are let go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
import trio.testing

from pincrew.household import Household
from pincrew.paths import Home
from pincrew.settings import Settings
from unit.test_roster import home, made, runs, trio_test, until

__all__ = ["home"]


@trio_test
async def test_only_what_is_expected_is_brought_up(home: Home) -> None:
    made(home, "one", "two")
    household = Household(home, Settings(mdns=False), {}, "unix:/nowhere", expected=["one"])
    async with trio.open_nursery() as nursery:
        await nursery.start(household.run)
        assert household.roster.names() == ["one"]
        household.roster.bring_up()
        await until(lambda: runs(household.roster, "one"))
        assert [one.name for one in household.roster.summaries()] == ["one"]
        assert household.network.info().download_now is None
        cluster = household.roster.cluster("one")
        await household.stop()
        assert not cluster.peer.is_running
        nursery.cancel_scope.cancel()
    household.close()


def test_a_cluster_that_does_not_end_holds_nobody_up_for_long(home: Home) -> None:
    async def stop() -> float:
        household = Household(home, Settings(mdns=False), {}, "", expected=())
        household.roster.stop_all = trio.sleep_forever  # type: ignore[method-assign]
        await household.stop()
        household.close()
        return trio.current_time()

    home.root.mkdir()
    clock = trio.testing.MockClock(autojump_threshold=0)
    assert trio.run(_elapsed, stop, clock=clock) == 10


async def _elapsed(work: Callable[[], Awaitable[float]]) -> float:
    began = trio.current_time()
    return await work() - began
