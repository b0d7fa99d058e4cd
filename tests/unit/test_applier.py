"""The applier: others run between its steps, blocking ones leave the loop, and a disk that refuses is asked again."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Generator

import pytest
import trio
import trio.testing

from pincrew import limits
from pincrew.applier import Applier
from pincrew.errors import StoreFault
from pincrew.steps import Step
from pincrew.store.window import WindowChanges
from pincrew.windows import Applied
from sim.forge import Author, put
from unit.golden.vectors import cid
from unit.test_replica import CLUSTER, A, replica


def ignore(_: Applied) -> None:
    pass


def busy(slices: int) -> Generator[Step, None, int]:
    """Work for so many slices, with a place to let others run every tenth of one."""
    for _ in range(slices * 10):
        ends = time.perf_counter() + limits.APPLY_SLICE_S_MAX / 10
        while time.perf_counter() < ends:
            pass
        yield None
    return slices


def test_others_run_after_every_slice() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async def test() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            await trio.lowlevel.checkpoint()
            assert await Applier(replica(), ignore).drive(busy(20)) == 20
            nursery.cancel_scope.cancel()

    trio.run(test)
    assert turns >= 20


def test_blocking_steps_run_in_a_thread_and_no_garbage_is_collected() -> None:
    seen: list[tuple[bool, bool]] = []

    def look() -> None:
        seen.append((threading.current_thread() is threading.main_thread(), gc.isenabled()))

    def steps() -> Generator[Step, None, None]:
        look()
        yield look
        raise StoreFault("The disk is gone")

    async def test() -> None:
        with pytest.raises(StoreFault):
            await Applier(replica(), ignore).drive(steps())

    trio.run(test)
    assert seen == [(True, False), (False, False)]
    assert gc.isenabled()


def test_what_was_received_is_applied_once_the_disk_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    one, author = replica(), Author(A, CLUSTER)
    commit = WindowChanges.commit

    def failing(self: WindowChanges, *_: object) -> int:
        monkeypatch.setattr(WindowChanges, "commit", commit)
        raise StoreFault("There is no room for the state")

    async def test() -> None:
        applied = trio.Event()
        applier = Applier(one, lambda _: applied.set())
        async with trio.open_nursery() as nursery:
            await nursery.start(applier.run)
            one.receive(author.sign(put(cid(1))).sealed)
            applier.wake()
            while applier.fault is None:
                await trio.lowlevel.checkpoint()
            assert not one.heads
            await applied.wait()
            assert applier.fault is None and one.heads[author.session].number == 1
            nursery.cancel_scope.cancel()

    monkeypatch.setattr(WindowChanges, "commit", failing)
    trio.run(test, clock=trio.testing.MockClock(autojump_threshold=0))
