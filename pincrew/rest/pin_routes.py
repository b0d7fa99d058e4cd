"""The routes of the list and of its status."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response

from pincrew import limits
from pincrew.api.shapes import PinObject
from pincrew.cid import parse_cid
from pincrew.errors import Misuse, NotAllowed, PincrewError
from pincrew.rest.access import Scope
from pincrew.rest.answers import lines, one
from pincrew.rest.contract import RestDoor, WritingRestDoor
from pincrew.rest.pin_options import read_pin_options
from pincrew.rest.routing import Route, is_local

PIN_TYPES = ("pin", "meta-pin", "clusterdag-pin", "shard-pin")
_STATUSES = {
    word: frozenset((word,))
    for word in (
        "cluster_error",
        "pin_error",
        "unpin_error",
        "pinned",
        "pinning",
        "unpinning",
        "unpinned",
        "remote",
        "pin_queued",
        "unpin_queued",
        "sharded",
        "unexpectedly_unpinned",
    )
}
_COMPOSITES = {
    "error": frozenset(("cluster_error", "pin_error", "unpin_error")),
    "queued": frozenset(("pin_queued", "unpin_queued")),
}
_INVALID_FILTER = "invalid filter value"


def routes(door: RestDoor, now_ms: Callable[[], int]) -> list[Route]:
    """Return them all."""

    def writing() -> WritingRestDoor:
        if not isinstance(door, WritingRestDoor):
            raise NotAllowed("This peer follows the cluster: only curators change its list")
        return door

    async def allocations(request: Request) -> Response:
        types = read_types(request.query_params.get("filter", ""))
        return await lines(_of_types(door.allocations(), types))

    async def allocation(request: Request) -> Response:
        return one(await door.allocation(_cid(request)))

    async def statuses(request: Request) -> Response:
        query = request.query_params
        named = [text for text in query.get("cids", "").split(",") if text]
        if len(named) > limits.REST_CIDS_MAX:
            raise Misuse(f"At most {limits.REST_CIDS_MAX} CIDs are asked for at once")
        cids = [_parsed(text) for text in named]
        words = frozenset[str]() if cids else read_statuses(query.get("filter", ""))
        return await lines(door.statuses(cids, words=words, local=is_local(request)))

    async def status(request: Request) -> Response:
        async with aclosing(door.statuses([_cid(request)], words=frozenset(), local=is_local(request))) as slices:
            [found] = await anext(slices)
        return one(found)

    async def pin(request: Request) -> Response:
        return await _pin(request, _cid(request))

    async def pin_path(request: Request) -> Response:
        return await _pin(request, await _resolved(request))

    async def _pin(request: Request, cid: bytes) -> Response:
        options = read_pin_options(request.query_params, now_ms())
        return one(await writing().pin(cid, options))

    async def unpin(request: Request) -> Response:
        return one(await writing().unpin(_cid(request)))

    async def unpin_path(request: Request) -> Response:
        return one(await writing().unpin(await _resolved(request)))

    async def _resolved(request: Request) -> bytes:
        writing()
        kind, path = request.path_params["kind"], request.path_params["path"].strip("/")
        root, _, below = path.partition("/")
        if not root:
            raise Misuse("error parsing path: it names nothing")
        if kind != "ipns" and not below:
            return _parsed(root)
        if kind != "ipns":
            _parsed(root)
        return await door.resolve(f"/{kind}/{path}")

    async def recover(request: Request) -> Response:
        return one(await door.recover(_cid(request), local=is_local(request)))

    async def recover_all(request: Request) -> Response:
        return await lines(door.recover_all(local=is_local(request)))

    path = "/pins/{kind:ipfs_kind}/{path:path}"
    return [
        Route("GET", "/allocations", allocations, Scope.READ),
        Route("GET", "/allocations/{cid}", allocation, Scope.READ),
        Route("GET", "/pins", statuses, Scope.READ),
        Route("POST", "/pins/recover", recover_all, Scope.PIN),
        Route("POST", "/pins/{cid}/recover", recover, Scope.PIN),
        Route("POST", path, pin_path, Scope.PIN),
        Route("DELETE", path, unpin_path, Scope.PIN),
        Route("GET", "/pins/{cid}", status, Scope.READ),
        Route("POST", "/pins/{cid}", pin, Scope.PIN),
        Route("DELETE", "/pins/{cid}", unpin, Scope.PIN),
    ]


def read_types(text: str) -> frozenset[str]:
    """Return the types of pins that a filter lets through. Raises Misuse where it names none that exists."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or "all" in words:
        return frozenset(PIN_TYPES)
    found = frozenset(words) & frozenset(PIN_TYPES)
    if not found:
        raise Misuse(_INVALID_FILTER, next_step=f"There are: all, {', '.join(PIN_TYPES)}")
    return found


def read_statuses(text: str) -> frozenset[str]:
    """Return the statuses that a filter lets through, none for all. Raises Misuse where it names none that exists."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or words == ["undefined"]:
        return frozenset()
    known = _STATUSES | _COMPOSITES
    found = frozenset[str]().union(*(known[word] for word in words if word in known))
    if not found:
        raise Misuse(_INVALID_FILTER, next_step=f"There are: {', '.join(known)}")
    return found


async def _of_types(
    slices: AsyncGenerator[Sequence[PinObject], None], types: frozenset[str]
) -> AsyncGenerator[Sequence[PinObject], None]:
    async with aclosing(slices):
        async for some in slices:
            if found := some if len(types) == len(PIN_TYPES) else [pin for pin in some if pin.type in types]:
                yield found


def _cid(request: Request) -> bytes:
    return _parsed(request.path_params["cid"])


def _parsed(text: str) -> bytes:
    try:
        return parse_cid(text)
    except PincrewError as error:
        raise Misuse(f"error decoding Cid: {error.what}") from error
