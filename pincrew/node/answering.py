"""Answers on their way out, of the RPC and of the gateway, and the callers' bodies on their way in.

What is written waits and is sent in pieces as large as have gathered, so that thousands of short lines cost no
thousands of writes; and a client that reads slowly makes the writer wait once ``waiting_bytes_max`` is reached. The
status is sent with the first piece: what fails before has a status of its own. What fails behind it is the last line,
or, among bytes, the connection is cut without the end that HTTP would put there, so that nobody takes a part for the
whole.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from enum import Enum, auto
from typing import Any

import msgspec
import trio

from pincrew.limits import RPC_DRAINED_BYTES_MAX, RPC_DRAINED_S_MAX, RPC_WAITING_BYTES_MAX

_encode = msgspec.json.Encoder().encode
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[Any], Awaitable[None]]


class _Kind(Enum):
    NOTHING = auto()
    LINES = auto()
    BYTES = auto()


class Answer:
    """Written by one task; `run` runs beside it and returns after `finish`."""

    def __init__(self, send: Send) -> None:
        self.waiting_bytes_max = RPC_WAITING_BYTES_MAX
        self._send = send
        self._kind = _Kind.NOTHING
        self._status = 200
        self._headers: dict[str, str] = {}
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._is_out = False
        self._has_ended = False
        self._was_cut = False
        self._news = trio.Event()
        self._room = trio.Event()

    # ---- for the writer ---------------------------------------------------------------------------------------------
    async def one(self, value: Any) -> None:
        """Answer with a single object."""
        self._begin(_Kind.LINES, {"Content-Type": "application/json"})
        await self.write(_encode(value) + b"\n")

    def begin_lines(self) -> None:
        """Begin a list, which may stay empty."""
        if self._kind is _Kind.NOTHING:
            self._begin(_Kind.LINES, {"Content-Type": "application/json", "X-Chunked-Output": "1"})

    async def line(self, value: Any) -> None:
        """Add an object to the list."""
        self.begin_lines()
        await self.write(_encode(value) + b"\n")

    async def lines(self, values: Sequence[Any]) -> None:
        """Add objects to the list."""
        self.begin_lines()
        await self.write(b"".join([_encode(value) + b"\n" for value in values]))

    def begin_object(self) -> None:
        """Begin a single object that is written piece by piece, unless it was begun."""
        if self._kind is _Kind.NOTHING:
            self._begin(_Kind.BYTES, {"Content-Type": "application/json"})

    def begin_bytes(self, headers: Mapping[str, str], status: int = 200) -> None:
        """Begin an answer of bytes."""
        self._begin(_Kind.BYTES, dict(headers), status)

    async def write(self, data: bytes) -> None:
        """Add bytes to an answer that has begun."""
        while self._waiting_bytes and self._waiting_bytes + len(data) > self.waiting_bytes_max:
            self._room = trio.Event()
            await self._room.wait()
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        self._news.set()

    def put_last(self, data: bytes) -> None:
        """Add what is said at the end; it waits for nothing."""
        self._waiting.append(data)

    def restart(self) -> bool:
        """Forget what was begun, if none of it is out; else say so."""
        if self._is_out or self._waiting:
            return False
        self._kind = _Kind.NOTHING
        return True

    def cut(self) -> None:
        """Let the connection end without an end to the answer."""
        self._was_cut = True

    def fail(self, message: str, status: int) -> None:
        """Say in Kubo's form that it failed, in the way that is left."""
        line = _encode({"Message": message, "Code": 0, "Type": "error"}) + b"\n"
        if self.restart():
            # Kubo says in plain text what is wrong with the request itself.
            is_plain = status < 500
            kind = "text/plain; charset=utf-8" if is_plain else "application/json"
            self._begin(_Kind.LINES, {"Content-Type": kind}, status)
            self.put_last(message.encode() + b"\n" if is_plain else line)
        elif self._kind is _Kind.BYTES:
            self.cut()
        else:
            self.put_last(line)

    # ---- for `answering` ---------------------------------------------------------------------------------------------
    def finish(self) -> None:
        """Say that nothing more comes."""
        self.begin_lines()
        self._has_ended = True
        self._news.set()

    async def run(self) -> None:
        """Send until the end."""
        while True:
            await self._news.wait()
            self._news = trio.Event()
            waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
            self._room.set()
            if not self._is_out:
                self._is_out = True
                headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in self._headers.items()]
                await self._send({"type": "http.response.start", "status": self._status, "headers": headers})
            if waiting:
                await self._send({"type": "http.response.body", "body": b"".join(waiting), "more_body": True})
            if self._has_ended and not self._waiting:
                return

    async def end(self) -> None:
        """Send the end that HTTP has, unless what was sent is not the whole. (hypercorn then closes the connection.)"""
        if not self._was_cut:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def _begin(self, kind: _Kind, headers: dict[str, str], status: int = 200) -> None:
        assert self._kind is _Kind.NOTHING, "an answer begins once"
        self._kind, self._headers, self._status = kind, headers, status


async def answering(
    receive: Receive, send: Send, work: Callable[[Answer, Body], Awaitable[None]], *, reads_body: bool = False
) -> None:
    """Let ``work`` answer one request; it is cancelled when the caller hangs up.

    With ``reads_body`` it reads the body, and learns by `Gone` that the caller hung up meanwhile.
    """
    answer, body = Answer(send), Body(receive)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer.run)
        async with trio.open_nursery() as watching:
            if not reads_body:
                watching.start_soon(body.watch, watching.cancel_scope)
            await work(answer, body)
            watching.cancel_scope.cancel()
        if body.is_gone:
            nursery.cancel_scope.cancel()
        answer.finish()
        await body.drain()
    if not body.is_gone:
        await answer.end()


class Gone(Exception):
    """The caller hung up."""


class Body(AsyncIterator[bytes]):
    """The request's body, piece by piece; one reader at a time."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._has_ended = False
        self.is_gone = False

    async def __anext__(self) -> bytes:
        if self._has_ended:
            raise StopAsyncIteration
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._has_ended = self.is_gone = True
            raise Gone
        self._has_ended = not message.get("more_body", False)
        return bytes(message.get("body", b""))

    async def watch(self, scope: trio.CancelScope) -> None:
        """Cancel ``scope`` when the caller hangs up; throws the body away."""
        while (message := await self._receive())["type"] != "http.disconnect":
            self._has_ended = self._has_ended or not message.get("more_body", False)
        self._has_ended = self.is_gone = True
        scope.cancel()

    async def drain(self) -> None:
        """Read what is left, so that a caller who sends first and reads then gets to read; within bounds."""
        left = RPC_DRAINED_BYTES_MAX
        with trio.move_on_after(RPC_DRAINED_S_MAX):
            try:
                async for chunk in self:
                    left -= len(chunk)
                    if left < 0:
                        break
            except Gone:
                pass


def printable(name: str) -> str:
    """Return a name as it can stand in JSON: what is not Unicode becomes U+FFFD, as in Kubo's answers."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
