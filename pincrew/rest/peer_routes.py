"""The routes of peers: who they are, how they are connected, what they say of themselves, and their nodes' garbage."""

from __future__ import annotations

from contextlib import aclosing

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pincrew import __version__
from pincrew.errors import Conflict, Misuse
from pincrew.keys import public_of
from pincrew.rest.access import Scope
from pincrew.rest.answers import lines, nothing, one
from pincrew.rest.contract import RestDoor
from pincrew.rest.routing import Route
from pincrew.rest.shapes import PeerWanted, Version

_BODY_BYTES_MAX = 4_096


def routes(door: RestDoor) -> list[Route]:
    """Return them all."""

    async def identity(_: Request) -> Response:
        return one(door.id())

    async def version(_: Request) -> Response:
        return one(Version(version=__version__))

    async def peers(_: Request) -> Response:
        return await lines(door.peers())

    async def add_peer(request: Request) -> Response:
        raw = b""
        async with aclosing(request.stream()) as chunks:
            async for chunk in chunks:
                raw += chunk
                if len(raw) > _BODY_BYTES_MAX:
                    raise Misuse("error decoding request body: it is too large")
        try:
            wanted = msgspec.json.decode(raw, type=PeerWanted)
        except msgspec.DecodeError as error:
            raise Misuse("error decoding request body", next_step='Send {"peer_id": "12D3KooW..."}') from error
        return one(await door.peer_by_id(_peer(wanted.peer_id, "error decoding peer_id")))

    async def remove_peer(request: Request) -> Response:
        peer = _peer(request.path_params["peer"], "error decoding Peer ID")
        raise Conflict(
            f"{peer} cannot be removed from a CRDT cluster: who is there, is there",
            next_step="A curator is taken out with `pincrew trust revoke`; a peer that is gone is forgotten by itself",
        )

    async def garbage(_: Request) -> Response:
        return one(await door.collect_garbage())

    async def graph(_: Request) -> Response:
        return one(await door.graph())

    async def alerts(_: Request) -> Response:
        return one(door.alerts())

    async def metric_names(_: Request) -> Response:
        return one(door.metric_names())

    async def metrics(request: Request) -> Response:
        return one(door.metrics(request.path_params["name"]))

    async def bandwidth(_: Request) -> Response:
        return one(door.bandwidth())

    async def health(_: Request) -> Response:
        return nothing()

    return [
        Route("GET", "/id", identity, Scope.READ),
        Route("GET", "/version", version, Scope.READ),
        Route("GET", "/peers", peers, Scope.READ),
        Route("POST", "/peers", add_peer, Scope.PIN),
        Route("DELETE", "/peers/{peer}", remove_peer, Scope.ADMIN),
        Route("POST", "/ipfs/gc", garbage, Scope.ADMIN),
        Route("GET", "/health/graph", graph, Scope.READ),
        Route("GET", "/health/alerts", alerts, Scope.READ),
        Route("GET", "/monitor/metrics", metric_names, Scope.READ),
        Route("GET", "/monitor/metrics/{name}", metrics, Scope.READ),
        Route("GET", "/health/bandwidth", bandwidth, Scope.READ),
        Route("GET", "/health", health, Scope.FREE),
    ]


def _peer(text: str, what: str) -> str:
    try:
        public_of(text)
    except Misuse as error:
        raise Misuse(f"{what}: {error.what}") from error
    return text
