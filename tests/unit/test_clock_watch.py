"""Missing time is noticed, whether the machine slept or its clock was set."""

from __future__ import annotations

import trio
import trio.testing

from pincrew.clock_watch import missing_s, watch_clock


def test_what_is_missing() -> None:
    assert missing_s(0, 5_000, 5.0) is None
    assert missing_s(0, 64_000, 5.0) is None  # a machine that has much to do
    assert missing_s(0, 86_405_000, 5.0) == 86_400
    assert missing_s(86_405_000, 0, 5.0) == -86_410


def test_each_jump_is_told_once() -> None:
    jumps: list[int] = []
    offset_ms = 0

    def now_ms() -> int:
        return round(trio.current_time() * 1_000) + offset_ms

    async def main() -> None:
        nonlocal offset_ms
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch_clock, now_ms, jumps.append)
            await trio.sleep(31)
            assert jumps == []
            offset_ms = 3_600_000
            await trio.sleep(31)
            offset_ms = 0
            await trio.sleep(31)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert jumps == [3_600, -3_600]
