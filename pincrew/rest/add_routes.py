"""The route that adds content."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from starlette.requests import Request
from starlette.responses import Response

from pincrew.errors import Misuse, NotAllowed
from pincrew.node.rpc.arguments import Refused
from pincrew.node.rpc.entries import Entries, Pieces
from pincrew.node.rpc.multipart_body import MultipartBody
from pincrew.rest.access import Scope
from pincrew.rest.add_options import AddFormat, read_add_wish
from pincrew.rest.contract import RestDoor, WritingRestDoor
from pincrew.rest.exchange import Emit, Exchange
from pincrew.rest.pin_options import read_pin_options
from pincrew.rest.routing import Route


def routes(door: RestDoor, now_ms: Callable[[], int]) -> list[Route]:
    """Return it."""

    async def add(request: Request) -> Response:
        if not isinstance(door, WritingRestDoor):
            raise NotAllowed("This peer follows the cluster: only curators add to it")
        wish, options = read_add_wish(request.query_params), read_pin_options(request.query_params, now_ms())
        content_type = request.headers.get("content-type", "")
        if not content_type.lower().startswith("multipart/"):
            raise Misuse("Content-Type isn't multipart/form-data", next_step="Send files as a browser's form does")

        async def work(body: AsyncIterator[bytes], emit: Emit) -> None:
            try:
                files = MultipartBody(body, content_type)
                if wish.format is AddFormat.UNIXFS:
                    await door.add(Entries(files), wish, options, emit)
                elif await files.next_part() is None:
                    raise Misuse("There is no CAR in the request")
                else:
                    await door.add_car(Pieces(files), wish, options, emit)
            except Refused as refused:  # the words are Kubo's, the fault is the client's
                raise Misuse(refused.message) from refused

        return Exchange(work, streams=wish.streams)

    return [Route("POST", "/add", add, Scope.PIN, takes_files=True)]
