"""Answers that are made while the request's body is still being read: what was added, line by line.

Starlette's own streaming answers read the request meanwhile, to learn that the client is gone, and would take the body
away from who adds it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import trio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pincrew import limits
from pincrew.errors import PincrewError
from pincrew.node.answering import Body, Gone
from pincrew.rest import answers

Emit = Callable[[Any], Awaitable[None]]
Work = Callable[[AsyncIterator[bytes], Emit], Awaitable[None]]
_HEADERS = [
    (b"content-type", b"application/json"),
    (b"x-chunked-output", b"1"),
    (b"trailer", b"X-Stream-Error"),
    (b"cache-control", b"no-cache"),
]


class Exchange(Response):
    """JSON Lines, or with ``streams=False`` an array at the end.

    Lines wait for clients that read nothing before they have sent all, up to REST_ADDED_LINES_WAITING_MAX. What fails
    before the first line has a status of its own.
    """

    def __init__(self, work: Work, *, streams: bool) -> None:
        super().__init__()
        self._work = work
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = Body(receive)
        sender, receiver = trio.open_memory_channel[Any](limits.REST_ADDED_LINES_WAITING_MAX)
        trouble: Response | None = None
        message = ""

        async def work() -> None:
            nonlocal trouble, message
            async with sender:
                try:
                    await self._work(body, sender.send)
                except Gone:
                    return
                except PincrewError as fault:
                    trouble, message = answers.fault(fault), answers.message_of(fault)
                except Exception:  # a bug: the caller gets a sentence, the log gets the trace, the daemon lives
                    trouble, message = answers.bug(), answers.BUG
                await body.drain()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
            if self._streams:
                began = await self._send_lines(receiver, send)
            else:
                began = False
                lines = [line async for line in receiver]
        if body.is_gone:
            if not began:  # one who is only slow still hears it
                await answers.out_of_time()(scope, receive, send)
            return
        if trouble is not None and not began:
            await trouble(scope, receive, send)
        elif self._streams and not began:
            await answers.nothing()(scope, receive, send)
        elif self._streams:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            await send({"type": "http.response.trailers", "headers": [answers.trailer(message)]})
        else:
            await answers.one(lines)(scope, receive, send)

    async def _send_lines(self, lines: trio.MemoryReceiveChannel[Any], send: Send) -> bool:
        """Send lines as they come; return whether there were any."""
        began = False
        async for line in lines:
            if not began:
                await send({"type": "http.response.start", "status": 200, "headers": _HEADERS, "trailers": True})
                began = True
            content = msgspec.json.encode(line) + b"\n"
            await send({"type": "http.response.body", "body": content, "more_body": True})
        return began
