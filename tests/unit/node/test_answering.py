"""Answers on their way out: what is sent when, and what becomes of failures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import trio
import trio.testing

from pincrew.node.answering import Answer, Body, Gone, answering, printable

REQUEST_END = {"type": "http.request", "body": b"", "more_body": False}


class Caller:
    """The other end: what it says, and what it has heard."""

    def __init__(self, said: Sequence[dict[str, Any]] = (REQUEST_END,)) -> None:
        self.said = list(said)
        self.heard: list[dict[str, Any]] = []
        self.listens = trio.Event()
        self.listens.set()

    async def receive(self) -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        if not self.said:
            await trio.sleep_forever()
        return self.said.pop(0)

    async def send(self, message: dict[str, Any]) -> None:
        await self.listens.wait()
        self.heard.append(message)

    @property
    def status(self) -> int:
        return int(self.heard[0]["status"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.heard)

    @property
    def got_all(self) -> bool:
        return self.heard[-1].get("more_body") is False


def answered(
    work: Callable[[Answer, Body], Awaitable[None]], *, reads_body: bool = False, caller: Caller | None = None
) -> Caller:
    caller = caller or Caller()
    trio.run(lambda: answering(caller.receive, caller.send, work, reads_body=reads_body))
    return caller


def test_one_object_and_lists() -> None:
    async def one(answer: Answer, _: Body) -> None:
        await answer.one({"a": 1})

    assert answered(one).body == b'{"a":1}\n'

    async def lines(answer: Answer, _: Body) -> None:
        await answer.line({"a": 1})
        await answer.lines([{"b": 2}, {"c": 3}])

    heard = answered(lines)
    assert heard.body == b'{"a":1}\n{"b":2}\n{"c":3}\n' and heard.got_all
    assert (b"x-chunked-output", b"1") in heard.heard[0]["headers"]

    async def nothing(answer: Answer, _: Body) -> None:
        answer.begin_lines()

    assert answered(nothing).status == 200


def test_what_fails_before_anything_is_out_has_a_status_of_its_own() -> None:
    async def work(answer: Answer, _: Body) -> None:
        answer.begin_bytes({"Content-Type": "x/y"})
        answer.fail("no", 500)

    heard = answered(work)
    assert heard.status == 500 and heard.body == b'{"Message":"no","Code":0,"Type":"error"}\n' and heard.got_all

    async def wrong(answer: Answer, _: Body) -> None:
        answer.fail("no such option", 400)

    heard = answered(wrong)
    assert heard.status == 400 and heard.body == b"no such option\n"


def test_what_fails_later_is_the_last_line_or_cuts_the_connection() -> None:
    async def lines(answer: Answer, _: Body) -> None:
        await answer.line({"a": 1})
        answer.fail("no", 500)

    heard = answered(lines)
    assert heard.status == 200 and heard.body.splitlines()[1] == b'{"Message":"no","Code":0,"Type":"error"}'
    assert heard.got_all

    async def some(answer: Answer, _: Body) -> None:
        answer.begin_bytes({})
        await answer.write(b"half")
        answer.fail("no", 500)

    heard = answered(some)
    assert heard.body == b"half" and not heard.got_all


def test_a_slow_reader_makes_the_writer_wait() -> None:
    written = 0

    async def work(answer: Answer, _: Body) -> None:
        nonlocal written
        answer.begin_bytes({})
        for _ in range(10):
            await answer.write(bytes(600_000))
            written += 1

    async def main() -> None:
        caller = Caller()
        caller.listens = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: answering(caller.receive, caller.send, work))
            await trio.testing.wait_all_tasks_blocked()
            assert written < 4
            caller.listens.set()
        assert len(caller.body) == 6_000_000

    trio.run(main)


def test_hanging_up_cancels_the_work() -> None:
    ended = False

    async def work(answer: Answer, _: Body) -> None:
        nonlocal ended
        try:
            await trio.sleep_forever()
        finally:
            ended = True

    heard = answered(work, caller=Caller([REQUEST_END, {"type": "http.disconnect"}]))
    assert ended and heard.heard == []


def test_who_reads_the_body_learns_that_the_caller_is_gone() -> None:
    read: list[bytes] = []

    async def work(answer: Answer, body: Body) -> None:
        try:
            async for chunk in body:
                read.append(chunk)
        except Gone:
            read.append(b"gone")

    said = [{"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.disconnect"}]
    assert answered(work, reads_body=True, caller=Caller(said)).heard == []
    assert read == [b"a", b"gone"]


def test_what_was_not_read_of_a_body_is_drained() -> None:
    async def work(answer: Answer, body: Body) -> None:
        answer.fail("no", 500)

    caller = Caller([{"type": "http.request", "body": b"a", "more_body": True}] * 3 + [REQUEST_END])
    assert answered(work, reads_body=True, caller=caller).got_all and not caller.said


def test_names_that_are_no_unicode() -> None:
    assert printable("a\udcff") == "a\ufffd" and printable("ä") == "ä"
