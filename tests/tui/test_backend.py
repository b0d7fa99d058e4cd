"""Questions run in threads, a bounded number at a time, and nobody waits for those that nobody waits for."""

from __future__ import annotations

import asyncio
import threading

import pytest
from pincrew.tui.backend import Backend

from pincrew import limits
from pincrew.errors import DaemonLost, Misuse
from support.fake_client import FakeClient


async def test_answers_and_errors_come_back() -> None:
    backend = Backend(FakeClient())

    def refuse(_: object) -> None:
        raise Misuse("No")

    assert await backend.ask(lambda client: client.pin_page("x", limit=3).total) == 1_204_311
    with pytest.raises(Misuse, match="No"):
        await backend.ask(refuse)


async def test_few_at_a_time() -> None:
    backend, gate, full = Backend(FakeClient()), threading.Event(), threading.Event()
    running: list[int] = []

    def wait(_: object) -> int:
        running.append(1)
        if len(running) == limits.VIEW_QUESTIONS_AT_ONCE_MAX:
            full.set()
        gate.wait(10)
        return len(running)

    questions = [asyncio.ensure_future(backend.ask(wait)) for _ in range(3 * limits.VIEW_QUESTIONS_AT_ONCE_MAX)]
    await asyncio.to_thread(full.wait, 10)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(running) == limits.VIEW_QUESTIONS_AT_ONCE_MAX
    gate.set()
    await asyncio.gather(*questions)


async def test_who_is_cancelled_gives_its_turn_back_when_its_thread_ends() -> None:
    backend, gate = Backend(FakeClient()), threading.Event()
    for _ in range(limits.VIEW_QUESTIONS_AT_ONCE_MAX):
        question = asyncio.ensure_future(backend.ask(lambda _: gate.wait(10)))
        await asyncio.sleep(0)
        question.cancel()
    late = asyncio.ensure_future(backend.ask(lambda _: "late"))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not late.done()
    gate.set()
    assert await late == "late"


async def test_an_answer_that_never_comes_is_an_error() -> None:
    backend, gate = Backend(FakeClient()), threading.Event()
    try:
        with pytest.raises(DaemonLost, match="does not answer in time"):
            await backend.ask(lambda _: gate.wait(10), timeout_s=0.01)
    finally:
        gate.set()
