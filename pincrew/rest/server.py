"""ipfs-cluster's REST API over HTTP: routes, fields, codes and errors of its version 1.1.6, at the root of a listener.

Its faults are mended where no client depends on them (docs/rest.md names them): options that make no sense are refused
before anything is pinned, `mode=direct` holds on every route, what a client got wrong is never answered with 500.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp

from pincrew import limits
from pincrew.errors import PincrewError
from pincrew.node.answering import Body
from pincrew.rest import add_routes, answers, peer_routes, pin_routes, token_routes
from pincrew.rest.access import Scope, check
from pincrew.rest.contract import RestDoor, WritingRestDoor
from pincrew.rest.doorkeeper import CALLER, Doorkeeper, Rules
from pincrew.rest.openapi import document
from pincrew.rest.routing import Call, Route


def now_ms() -> int:
    """The wall clock in Unix milliseconds."""
    return time.time_ns() // 1_000_000


def build_rest_app(door: RestDoor, *, rules: Rules | None = None, clock_ms: Callable[[], int] = now_ms) -> ASGIApp:
    """Return the ASGI application. ``rules`` are what holds on its door (None on a unix socket)."""
    table = route_table(door, rules, clock_ms)
    is_follower = rules is not None and not isinstance(door, WritingRestDoor)
    app = Starlette(
        routes=[_starlette_route(route, _guarded(route, is_follower=is_follower)) for route in table],
        exception_handlers={HTTPException: _no_route},
    )
    free = frozenset((route.method, route.path) for route in table if route.scope is Scope.FREE)
    return Doorkeeper(app, rules, free, clock_ms)


def route_table(door: RestDoor, rules: Rules | None, clock_ms: Callable[[], int] = now_ms) -> list[Route]:
    """Return every route, in the order in which they are tried."""

    async def described(_: Request) -> Response:
        return answers.one(document(table))

    table = [
        *pin_routes.routes(door, clock_ms),
        *add_routes.routes(door, clock_ms),
        *peer_routes.routes(door),
        *token_routes.routes(None if rules is None else rules.keys, clock_ms),
        Route("GET", "/openapi.json", described, Scope.READ),
    ]
    return table


def _starlette_route(route: Route, call: Call) -> StarletteRoute:
    """Return a route that knows its method alone: Starlette would have HEAD make whole lists for nothing."""
    made = StarletteRoute(route.path, call)
    made.methods = {route.method}
    return made


def _guarded(route: Route, *, is_follower: bool) -> Call:
    async def guarded(request: Request) -> Response:
        is_unread = True
        try:
            check(request.scope[CALLER], route.scope, is_follower=is_follower)
            if not route.takes_files and _body_bytes(request) > limits.API_BODY_BYTES_MAX:
                return answers.error(413, f"The body of that request has at most {limits.API_BODY_BYTES_MAX} bytes")
            is_unread = route.takes_files
            return await route.call(request)
        except PincrewError as error:
            if is_unread:  # or clients that send first and read then would learn of a broken connection alone
                await Body(request.receive).drain()
            return answers.fault(error)
        except ClientDisconnect:  # or so slow that it counts as gone
            return answers.out_of_time()
        except Exception:  # a bug: the caller gets a sentence, the log gets the trace, the daemon lives
            return answers.bug()

    return guarded


def _body_bytes(request: Request) -> int:
    """Return how long a body says that it is; what is sent in chunks is bounded where it is read."""
    text = request.headers.get("content-length", "")
    return int(text) if text.isdecimal() and len(text) < 20 else 0


async def _no_route(_: Request, error: Exception) -> Response:
    """Answer as ipfs-cluster does: 404 with its object, 405 with nothing."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    return answers.error(404, "not found") if status == 404 else Response(status_code=status)
