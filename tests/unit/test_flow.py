"""What comes and goes, a figure per step; what is not known is null and never a guess."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from trio.testing import MockClock

from pincrew import limits
from pincrew.errors import NodeDown
from pincrew.flow import Flow
from pincrew.node_client import Traffic
from pincrew.rates import Arrivals

STEP_S = limits.SERIES_STEP_S


class OwnNode:
    """The one answer that is asked for."""

    def __init__(self) -> None:
        self.sent: int | None = 1_000

    async def traffic(self) -> Traffic:
        if self.sent is None:
            raise NodeDown
        return Traffic(0, self.sent)


def flowing(test: Callable[[Flow, Arrivals, OwnNode], Awaitable[None]], *, is_kubo: bool = False) -> None:
    async def main() -> None:
        arrivals, node = Arrivals(0.0), OwnNode()
        flow = Flow(lambda: arrivals, None if is_kubo else node)  # type: ignore[arg-type]
        async with trio.open_nursery() as nursery:
            await nursery.start(flow.run)
            await trio.sleep(STEP_S / 2)
            await test(flow, arrivals, node)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_what_came_and_went_in_each_step() -> None:
    async def test(flow: Flow, arrivals: Arrivals, node: OwnNode) -> None:
        assert list(flow.down) == list(flow.up) == [] and flow.upload_rate is None
        arrivals.add(1.0, 3, 10_000)
        node.sent = 1_500
        await trio.sleep(STEP_S)
        assert (list(flow.down), list(flow.up)) == ([10_000 // STEP_S], [500 // STEP_S])
        await trio.sleep(STEP_S)
        assert (list(flow.down), flow.upload_rate) == ([10_000 // STEP_S, 0], 0)

    flowing(test)


def test_a_node_that_is_away_or_started_anew_sends_nobody_knows_what() -> None:
    async def test(flow: Flow, arrivals: Arrivals, node: OwnNode) -> None:
        node.sent = None
        await trio.sleep(STEP_S)
        node.sent = 400
        await trio.sleep(STEP_S)
        node.sent = 900
        await trio.sleep(STEP_S)
        node.sent = 10
        await trio.sleep(STEP_S)
        assert list(flow.up) == [None, None, 500 // STEP_S, None]

    flowing(test)


def test_a_kubo_says_nothing_of_what_it_serves_and_an_old_one_counts_no_bytes() -> None:
    async def test(flow: Flow, arrivals: Arrivals, _node: OwnNode) -> None:
        arrivals.add(1.0, 3, 0)
        await trio.sleep(STEP_S)
        assert (list(flow.down), list(flow.up)) == ([None], [None])

    flowing(test, is_kubo=True)


def test_only_the_last_are_kept() -> None:
    async def test(flow: Flow, arrivals: Arrivals, node: OwnNode) -> None:
        await trio.sleep(STEP_S * (limits.SERIES_SAMPLES_KEPT + 20))
        assert len(flow.down) == len(flow.up) == limits.SERIES_SAMPLES_KEPT

    flowing(test)
