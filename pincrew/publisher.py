"""Offers a curator's config document over HTTP, and makes a new revision when its peers change."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Protocol

import trio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pincrew.config_document import ConfigDocument
from pincrew.doors import serve_tcp
from pincrew.errors import Misuse, PincrewError, unwrapped

_REFRESH_INTERVAL_S = 300.0


class Publishes(Protocol):
    """A curator."""

    latest: ConfigDocument | None

    @property
    def name(self) -> str: ...
    async def current_document(self) -> ConfigDocument: ...


async def serve_document(
    curator: Publishes, address: str, ended: trio.Event, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve `GET /` and `GET /NAME.toml` on HOST:PORT until ``ended``; started with the URL.

    What is served is always the newest that was made: `pincrew publish` prints this URL beside its own revision.
    Raises Misuse or PortInUse.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise Misuse(f"{address!r} is not HOST:PORT", next_step="Write it like `0.0.0.0:8080`")
    first = await curator.current_document()

    async def answer(request: Request) -> Response:
        document = curator.latest or first
        raw, etag = document.raw, document.sha256
        headers = {"ETag": f'"{etag}"', "Cache-Control": "max-age=60"}
        if request.headers.get("if-none-match") == f'"{etag}"':
            return Response(status_code=304, headers=headers)
        return Response(raw, media_type="application/toml", headers=headers)

    app = Starlette(routes=[Route("/", answer), Route(f"/{curator.name}.toml", answer)])
    with unwrapped():
        async with trio.open_nursery() as nursery:
            url = await nursery.start(partial(serve_tcp, app, address, "`--publish HOST:PORT`", ended))
            task_status.started(f"{url.rstrip('/')}/{curator.name}.toml")
            while not ended.is_set():
                with trio.move_on_after(_REFRESH_INTERVAL_S):
                    await ended.wait()
                with suppress(PincrewError):  # the last document stays good
                    await curator.current_document()
