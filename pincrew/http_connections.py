"""What hypercorn's connections lack: they end with their server, and their answers may have trailers on HTTP/1.1.

Hypercorn has no parameter for either, so that `settle_server` puts our classes in the place of its own.
"""

from __future__ import annotations

import importlib
from typing import Any

import h11
import trio
from hypercorn.protocol import events, http_stream
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.http_stream import ASGIHTTPState, HTTPStream
from hypercorn.trio.tcp_server import TCPServer

from pincrew import limits

_TRAILERS = "http.response.trailers"
_VERSION = "1.1"
_VERSION_BEFORE = "1.0"


class _Connection(TCPServer):  # type: ignore[misc] # hypercorn's trio side has no types
    """A connection that ends with its server.

    hypercorn shields what it sends from being cancelled: one client that stops reading, a paused download, would keep
    the process from ending. And it does not shield its close, which the end of an answer itself can cancel: whoever
    waits for it to learn that the answer is over, as HTTP/1.0 has it, would wait for ever.
    """

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._close_at_the_end)
            await super().run()
            nursery.cancel_scope.cancel()

    async def _close(self) -> None:
        with trio.move_on_after(limits.HTTP_CLOSE_TIMEOUT_S, shield=True):
            await super()._close()

    async def _close_at_the_end(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            stream: Any = self.stream
            getattr(stream, "transport_stream", stream).socket.close()  # it wakes a send that is stuck


class _Stream(HTTPStream):  # type: ignore[misc]
    """An answer that may end with trailers (RFC 9112, 7.1.2), whether the client asked for them or not.

    ipfs-cluster's clients read `X-Stream-Error` there, and send no `TE`. HTTP/1.0 has no place for it.
    """

    async def app_send(self, message: Any) -> None:
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
    running.TCPServer = _Connection
    wrapping: Any = importlib.import_module("hypercorn.protocol")
    wrapping.H11Protocol = _Protocol
    speaking: Any = importlib.import_module("hypercorn.protocol.h11")
    speaking.HTTPStream = _Stream
    http_stream.TRAILERS_VERSIONS.add(_VERSION)
