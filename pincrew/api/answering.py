"""How requests are read and answered: bounded JSON in, JSON and JSON Lines out, errors with their status.

Every error is ``{"error": {...}}`` with its status; one in the middle of a list is the list's last line.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, TypeVar, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from pincrew import limits
from pincrew.errors import Misuse, NotAllowed, PincrewError

Call = Callable[[Request], Awaitable[Response]]
# A route: its method, its path below /api/v1, and what answers.
Route = tuple[str, str, Call]
CLUSTER = "/clusters/{name}"
_JSON = "application/json"
_LINES = "application/x-ndjson"
_EVENTS = "text/event-stream"
Shape = TypeVar("Shape")


async def body(request: Request, shape: type[Shape], bytes_max: int = limits.API_BODY_BYTES_MAX) -> Shape:
    """Return the body of a request; none is an object without fields. Raises Misuse, or msgspec's DecodeError."""
    raw = b""
    async with aclosing(request.stream()) as stream:
        async for chunk in stream:
            raw += chunk
            if len(raw) > bytes_max:
                raise Misuse(f"The request's body is larger than {bytes_max // 1024} KiB")
    return msgspec.json.decode(raw or b"{}", type=shape)


def cluster_name(request: Request) -> str:
    """Return the cluster that the path names."""
    name: str = request.path_params["name"]
    return name


def number(text: str | None, default: int) -> int:
    """Return a number of the query. Raises Misuse."""
    if text is None:
        return default
    if not text.isdigit() or len(text) > 15:
        raise Misuse(f"{text!r} is not a number")
    return int(text)


def one(value: Any) -> Response:
    """Answer with a single object."""
    return Response(msgspec.json.encode(value), media_type=_JSON)


def rows(values: Sequence[Any], headers: dict[str, str] | None = None) -> Response:
    """Answer with a short list."""
    return Response(_encode(values), media_type=_LINES, headers=headers)


async def lines(slices: AsyncIterator[list[Any]], *, eager: bool = True) -> Response:
    """Stream slices as JSON Lines. With ``eager`` the first is made before the answer begins, so that its error still
    has a status of its own."""
    first: list[Any] | None = None
    if eager:
        first = await anext(slices, None)

    async def stream() -> AsyncIterator[bytes]:
        try:
            if first is not None:
                yield _encode(first)
            async for some in slices:
                yield _encode(some)
        except PincrewError as fault:
            yield msgspec.json.encode(_error_fields(fault)) + b"\n"

    return StreamingResponse(stream(), media_type=_LINES)


class _Events(StreamingResponse):
    """An answer that closes its source as well, however it ends."""

    async def stream_response(self, send: Send) -> None:
        async with aclosing(cast(AsyncGenerator[bytes, None], self.body_iterator)):
            await super().stream_response(send)


async def events(source: AsyncGenerator[bytes | None, None]) -> Response:
    """Stream JSON as server-sent events, a comment for None. The first is made before the answer begins, so that its
    error still has a status of its own."""
    first = await anext(source)

    async def stream() -> AsyncGenerator[bytes, None]:
        async with aclosing(source):
            yield _event(first)
            async for one in source:
                yield _event(one)

    return _Events(stream(), media_type=_EVENTS, headers={"Cache-Control": "no-store"})


def error(fault: PincrewError, status: int | None = None) -> Response:
    """Answer with what went wrong; ``status`` in place of the error's own."""
    content = msgspec.json.encode(_error_fields(fault))
    return Response(content, status_code=status or fault.http_status, media_type=_JSON)


def not_a_curator(request: Request) -> NotAllowed:
    """Return the refusal of what only a cluster that can be written does."""
    return NotAllowed(
        f"This peer follows {cluster_name(request)}; only its curators can change the list",
        next_step="Ask a curator, or make a cluster of your own with `pincrew create NAME`",
    )


def _error_fields(fault: PincrewError) -> dict[str, dict[str, str]]:
    fields = {"code": fault.code, "what": fault.what, "where": fault.where, "means": fault.means}
    return {"error": fields | {"next_step": fault.next_step}}


def _event(data: bytes | None) -> bytes:
    return b":\n\n" if data is None else b"data: " + data + b"\n\n"


def _encode(values: Sequence[Any]) -> bytes:
    encoder = msgspec.json.Encoder()
    return b"".join(encoder.encode(value) + b"\n" for value in values)
