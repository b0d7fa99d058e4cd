"""Answers that are made while the body is read: a caller who hangs up, and one who says nothing back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import trio

from pincrew.rest.exchange import Emit, Exchange


async def exchange(work: Any, *messages: dict[str, Any], streams: bool = True) -> list[dict[str, Any]]:
    """Run one with these messages from its caller; return what was sent."""
    waiting = list(messages)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(dict(message))

    with trio.fail_after(5):
        await Exchange(work, streams=streams)({"type": "http", "http_version": "1.1"}, receive, send)
    return sent


def request(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


async def length(body: AsyncIterator[bytes], emit: Emit) -> None:
    """Say how much came."""
    total = 0
    async for piece in body:
        total += len(piece)
        await emit(total)  # type: ignore[arg-type] # a line is whatever can be JSON


def test_each_line_is_a_piece_and_the_trailer_is_last() -> None:
    sent = trio.run(exchange, length, request(b"abc", more=True), request(b"de"))
    assert sent[0]["type"] == "http.response.start" and sent[0]["trailers"]
    assert [one["body"] for one in sent[1:-1]] == [b"3\n", b"5\n", b""]
    assert sent[-1] == {"type": "http.response.trailers", "headers": [(b"x-stream-error", b"")]}


def test_a_caller_who_hangs_up_gets_nothing_more() -> None:
    sent = trio.run(exchange, length, request(b"abc", more=True), {"type": "http.disconnect"})
    assert [one["type"] for one in sent] == ["http.response.start", "http.response.body"]


def test_a_caller_who_is_gone_or_too_slow_before_the_first_line_is_told_so() -> None:
    sent = trio.run(exchange, length, {"type": "http.disconnect"})
    assert [one.get("status") for one in sent] == [408, None], "and not hypercorn's 500"


def test_nothing_to_say_is_204() -> None:
    async def nothing(body: AsyncIterator[bytes], emit: Emit) -> None:
        return

    sent = trio.run(exchange, nothing, request(b""))
    assert sent[0]["status"] == 204


def test_what_was_not_read_is_read_before_the_answer_ends() -> None:
    async def refuses(body: AsyncIterator[bytes], emit: Emit) -> None:
        await emit(1)  # type: ignore[arg-type]

    sent = trio.run(exchange, refuses, request(b"a", more=True), request(b"b", more=True), request(b"c"))
    assert sent[-1]["type"] == "http.response.trailers"
