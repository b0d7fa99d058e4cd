"""What hypercorn's connections lack: an upper number, an end with their server, and trailers on HTTP/1.1.

Hypercorn has no parameter for either, so that `settle_server` puts our classes in the place of its own.
"""

from __future__ import annotations

import importlib
import logging
import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import h11
import trio
from hypercorn.protocol import events, http_stream
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.http_stream import ASGIHTTPState, HTTPStream
from hypercorn.trio.tcp_server import TCPServer

from pincrew import limits

_log = logging.getLogger(__name__)
_TRAILERS = "http.response.trailers"
_VERSION = "1.1"
_VERSION_BEFORE = "1.0"


class Room:
    """How many connections a door has at once; who comes beyond that is hung up on."""

    def __init__(self, connections_max: int) -> None:
        self._left = connections_max
        self._has_told = False

    def enter(self) -> bool:
        """Say whether there is room for one more, and take it."""
        if self._left:
            self._left -= 1
            return True
        if not self._has_told:  # once: whoever is outside must not fill the log
            _log.warning("somebody was hung up on: there are too many connections at once")
        self._has_told = True
        return False

    def leave(self) -> None:
        """Give it back."""
        self._left += 1


class Connection(TCPServer):  # type: ignore[misc] # hypercorn's trio side has no types
    """A connection that ends with its server.

    hypercorn shields what it sends from being cancelled: one client that stops reading, a paused download, would keep
    the process from ending. And it does not shield its close, which the end of an answer itself can cancel: whoever
    waits for it to learn that the answer is over, as HTTP/1.0 has it, would wait for ever. And it waits for the next
    request of a client that has hung up, until its patience ends: such a connection would take the room of another.
    """

    _has_hung_up = False
    _sending_since: float | None = None

    async def run(self) -> None:
        room: Room | None = getattr(self.config, "room", None)
        if room is None:
            await self._serve()
        elif room.enter():
            try:
                await self._serve()
            finally:
                room.leave()
        else:
            await trio.aclose_forcefully(self.stream)

    async def _serve(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._close_at_the_end)
            await super().run()
            nursery.cancel_scope.cancel()

    async def _read_data(self) -> None:
        await super()._read_data()
        self._has_hung_up = True
        await self.idle_task.stop()

    async def _idle_timeout(self) -> None:
        if not self._has_hung_up:
            await super()._idle_timeout()

    async def _close(self) -> None:
        with trio.move_on_after(limits.HTTP_CLOSE_TIMEOUT_S, shield=True):
            await super()._close()

    async def protocol_send(self, event: Any) -> None:
        self._sending_since = trio.current_time()
        try:
            await super().protocol_send(event)
        finally:
            self._sending_since = None

    async def _close_at_the_end(self) -> None:
        """Close it once the server ends, or a client takes nothing of an answer for too long where that is bounded."""
        stall_s = getattr(self.config, "stall_s", math.inf)
        try:
            while (  # noqa: ASYNC110 (a look now and then costs less than a timer for each piece that is sent)
                self._sending_since is None or trio.current_time() < self._sending_since + stall_s
            ):
                await trio.sleep(stall_s / 4)
        finally:
            stream: Any = self.stream
            getattr(stream, "transport_stream", stream).socket.close()  # it wakes a send that is stuck


class _Stream(HTTPStream):  # type: ignore[misc]
    """An answer that may end with trailers (RFC 9112, 7.1.2), whether the client asked for them or not.

    ipfs-cluster's clients read `X-Stream-Error` there, and send no `TE`. HTTP/1.0 has no place for it.

    What comes in waits for the application in a short channel. hypercorn waits there for room even when the application
    has answered and reads no more, and lets it tell itself that the client is gone: one body in many pieces that nobody
    reads would keep its connection for ever. Here such waiting ends with the application.
    """

    app_put: Any

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._waiting: set[trio.CancelScope] = set()
        self._has_ended = False

    async def handle(self, event: Any) -> None:
        await super().handle(event)
        if isinstance(event, events.Request) and self.app_put is not None:
            self.app_put = partial(self._tell, self.app_put)

    async def _tell(self, put: Callable[[Any], Awaitable[None]], message: Any) -> None:
        if message["type"] == "http.disconnect":
            self.task_group.spawn(self._put, put, message)
        else:
            await self._put(put, message)

    async def _put(self, put: Callable[[Any], Awaitable[None]], message: Any) -> None:
        if self._has_ended:
            return
        with trio.CancelScope() as scope:
            self._waiting.add(scope)
            try:
                await put(message)
            finally:
                self._waiting.discard(scope)

    async def app_send(self, message: Any) -> None:
        if message is None:
            self._has_ended = True
            for scope in self._waiting:
                scope.cancel()
        is_end = message is not None and message["type"] == _TRAILERS and self.state is ASGIHTTPState.TRAILERS
        if is_end and self.scope["http_version"] in (_VERSION, _VERSION_BEFORE):
            if self.scope["http_version"] == _VERSION and self.scope["method"] != "HEAD":
                await self.send(events.Trailers(stream_id=self.stream_id, headers=list(message["headers"])))
            await self._send_closed()
        else:
            await super().app_send(message)


class _Protocol(H11Protocol):  # type: ignore[misc]
    """HTTP/1.1 and nothing else, whose end of a chunked answer carries the trailers that were said before it."""

    _trailers: list[tuple[bytes, bytes]] | None = None

    async def _check_protocol(self, event: Any) -> None:
        """Change to no HTTP/2, whatever a client offers without TLS: what is bounded here is HTTP/1.1."""

    async def stream_send(self, event: Any) -> None:
        if isinstance(event, events.Trailers):
            self._trailers = list(event.headers)
        elif isinstance(event, events.EndBody) and self._trailers is not None:
            trailers, self._trailers = self._trailers, None
            await self._send_h11_event(h11.EndOfMessage(headers=trailers))
        else:
            await super().stream_send(event)


def settle_server() -> None:
    """Let hypercorn use our connections. Again does no harm."""
    running: Any = importlib.import_module("hypercorn.trio.run")
    running.TCPServer = Connection
    wrapping: Any = importlib.import_module("hypercorn.protocol")
    wrapping.H11Protocol = _Protocol
    speaking: Any = importlib.import_module("hypercorn.protocol.h11")
    speaking.HTTPStream = _Stream
    http_stream.TRAILERS_VERSIONS.add(_VERSION)
