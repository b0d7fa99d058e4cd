"""How ipfs-cluster's REST API answers: JSON and a line break, JSON Lines whose trailer tells of trouble, errors.

Nothing at all is said with status 204. The first slice of a list is made before the answer begins, so that what is
wrong with it has a status of its own; what goes wrong behind it stands in the trailer `X-Stream-Error`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import msgspec
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from pincrew.errors import PincrewError
from pincrew.rest.shapes import Fault

_log = logging.getLogger("pincrew.rest")
_JSON = "application/json"
BUG = "Something went wrong inside pincrew. See daemon.log and report it."
Slices = AsyncGenerator[Sequence[Any], None]


def one(value: Any) -> Response:
    """Answer with a single value."""
    return Response(msgspec.json.encode(value) + b"\n", media_type=_JSON)


def nothing() -> Response:
    """Answer that it is done."""
    return Response(status_code=204)


def error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with what went wrong."""
    content = msgspec.json.encode(Fault(code=status, message=message)) + b"\n"
    return Response(content, status_code=status, media_type=_JSON, headers=headers)


def out_of_time() -> Response:
    """Answer who sent nothing for so long in the midst of a request that they count as gone."""
    return error(408, "The request did not come in time")


def fault(what: PincrewError) -> Response:
    """Answer with an error of ours."""
    return error(what.http_status, message_of(what))


def message_of(what: PincrewError) -> str:
    """Return an error's text; a single clause stays as it is, for clients compare some of ipfs-cluster's."""
    return what.sentence if what.where or what.means or what.next_step else what.what


def bug() -> Response:
    """Answer for an error that nobody foresaw; call it where that is being handled."""
    _log.exception("a request failed")
    return error(500, BUG)


def trailer(trouble: str) -> tuple[bytes, bytes]:
    """Return what stands behind a list: what went wrong, or nothing."""
    return b"x-stream-error", " ".join(trouble.split()).encode("ascii", "replace")


class _Lines(StreamingResponse):
    """JSON Lines that close their source, however they end. ``first`` was taken from it already."""

    def __init__(self, first: Sequence[Any], rest: Slices, headers: Mapping[str, str]) -> None:
        super().__init__(iter(()), media_type=_JSON, headers={"Trailer": "X-Stream-Error", **headers})
        self._first = first
        self._rest = rest

    async def stream_response(self, send: Send) -> None:
        encoder = msgspec.json.Encoder()

        async def say(some: Sequence[Any]) -> None:
            await send({"type": "http.response.body", "body": encoder.encode_lines(some), "more_body": True})

        trouble = ""
        async with aclosing(self._rest):
            start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            await send({**start, "trailers": True})
            try:
                await say(self._first)
                async for some in self._rest:
                    await say(some)
            except PincrewError as what:
                trouble = message_of(what)
            except Exception:  # a bug: the caller gets a sentence, the log gets the trace, the daemon lives
                _log.exception("a list broke off")
                trouble = BUG
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        await send({"type": "http.response.trailers", "headers": [trailer(trouble)]})


async def lines(slices: Slices, headers: Mapping[str, str] | None = None) -> Response:
    """Stream slices as JSON Lines; 204 when there are none. Raises what keeps the first from being made."""
    first = await anext(slices, None)
    return nothing() if first is None else _Lines(first, slices, headers or {})
