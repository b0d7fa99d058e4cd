"""A pause on a node on the wire: nothing new is fetched, what is under way is interrupted, and it ends in time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from pincrew import pausing
from pincrew.errors import StoreFault
from pincrew.kubo_rpc import KuboRpc
from pincrew.node_address import parse_address
from pincrew.pause import Pause
from pincrew.pausing import Pausing
from pincrew.values import PinState
from support.fake_node import FakeKubo, Orders
from support.pinner_bench import START_MS, Bench, cid_of, ownership_at, pin_of, pinner_at_work

HOUR_MS = 3_600_000
_INTERRUPTED_S = 10.0


class Kept:
    """What is kept for the next start; ``fault`` is a disk that refuses."""

    def __init__(self) -> None:
        self.pause: Pause | None = None
        self.fault: StoreFault | None = None

    def __call__(self, pause: Pause | None) -> None:
        if self.fault is not None:
            raise self.fault
        self.pause = pause


Test = Callable[[FakeKubo, Bench, Pausing, Kept], Awaitable[None]]


def paused(tmp_path: Path, test: Test, pause: Pause | None = None) -> None:
    async def main() -> None:
        fake, kept = FakeKubo(), Kept()
        async with (
            fake.served(),
            KuboRpc(parse_address(fake.url), no_progress_timeout_s=5, request_timeout_s=5) as node,
            ownership_at(tmp_path / "holdings.db") as ownership,
            pinner_at_work(node, ownership) as bench,
            trio.open_nursery() as nursery,
        ):
            told = bench.events
            made = Pausing(bench.pinner, lambda: bench.clock[0], lambda *event: told.append(event), pause, kept)
            await nursery.start(made.run)
            await test(fake, bench, made, kept)
            nursery.cancel_scope.cancel()

    trio.run(main)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pausing, "PAUSE_LOOK_INTERVAL_S", 0.01)


def test_what_is_under_way_is_interrupted_and_goes_on(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench, pausing: Pausing, kept: Kept) -> None:
        fake.orders[cid_of(1)] = Orders(blocks=1_000_000, bytes=10**9, block_delay_s=0.001)
        bench.put(pin_of(1))
        await bench.until(lambda: any(one.blocks for one in bench.pinner.summary().in_flight))
        await pausing.change(Pause())
        with trio.fail_after(_INTERRUPTED_S):
            await bench.until_state(PinState.QUEUED, cid_of(1))
            await bench.until(lambda: not bench.pinner.summary().in_flight)
        assert bench.book.rows[cid_of(1)].status.tries == 0 and kept.pause == Pause()
        bench.put(pin_of(2))
        bench.later(5)
        with trio.move_on_after(0.1):
            await bench.until(lambda: bool(bench.pinner.summary().in_flight))
        assert not bench.pinner.summary().in_flight and cid_of(2) not in fake.pins
        fake.orders[cid_of(1)] = Orders(blocks=3, bytes=300)
        await pausing.change(None)
        await bench.until_state(PinState.PINNED, cid_of(1), cid_of(2))
        assert [kind for kind in bench.kinds() if kind in ("paused", "resumed", "pin_failed")] == ["paused", "resumed"]
        assert kept.pause is None

    paused(tmp_path, test)


def test_it_holds_from_the_start_and_ends_by_itself(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench, pausing: Pausing, kept: Kept) -> None:
        bench.put(pin_of(1))
        bench.later(0.9)
        with trio.move_on_after(0.1):
            await bench.until_state(PinState.PINNED, cid_of(1))
        assert not fake.pins and pausing.pause is not None
        bench.later(0.2)
        await bench.until_state(PinState.PINNED, cid_of(1))
        assert pausing.pause is None

    paused(tmp_path, test, Pause(START_MS + HOUR_MS))


def test_a_clock_that_is_set_back_makes_it_no_longer(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench, pausing: Pausing, kept: Kept) -> None:
        await pausing.change(Pause(START_MS + HOUR_MS))
        bench.clock[0] -= 24 * HOUR_MS
        pausing.clock_jumped(-24 * 3_600)
        wanted = Pause(START_MS - 23 * HOUR_MS)
        await bench.until(lambda: kept.pause == wanted)
        bench.later(1.1)
        await bench.until(lambda: pausing.pause is None)

    paused(tmp_path, test)


def test_a_disk_that_refuses(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench, pausing: Pausing, kept: Kept) -> None:
        kept.fault = StoreFault("full")
        with pytest.raises(StoreFault):
            await pausing.change(Pause())
        assert pausing.pause is None, "what could not be kept does not hold"
        kept.fault = None
        await pausing.change(Pause(START_MS + HOUR_MS))
        kept.fault = StoreFault("full")
        bench.later(2)
        await bench.until(lambda: pausing.pause is None)
        bench.put(pin_of(1))
        await bench.until_state(PinState.PINNED, cid_of(1))

    paused(tmp_path, test)


def test_one_that_is_over_already_is_none(tmp_path: Path) -> None:
    async def test(fake: FakeKubo, bench: Bench, pausing: Pausing, kept: Kept) -> None:
        await pausing.change(Pause(START_MS - 1))
        assert pausing.pause is None and kept.pause is None

    paused(tmp_path, test)
