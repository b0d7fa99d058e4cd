"""The daemon's API over HTTP: the routes of ``shapes`` on whatever the daemon offers.

Nothing here knows libp2p, stores or roles. The routes of each noun are in a module of their own; here they come
together, behind one guard.
"""

from __future__ import annotations

import logging

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pincrew.api import (
    answering,
    base_routes,
    cluster_routes,
    coverage_routes,
    daemon_routes,
    document_routes,
    limits_routes,
    pin_routes,
    repair_routes,
    trust_routes,
    verify_routes,
)
from pincrew.api.contract import DaemonDoor
from pincrew.errors import Misuse, NotAllowed, PincrewError

_log = logging.getLogger("pincrew.api")
_PREFIX = "/api/v1"
_NOUNS = (
    daemon_routes,
    cluster_routes,
    pin_routes,
    document_routes,
    trust_routes,
    verify_routes,
    base_routes,
    repair_routes,
    coverage_routes,
    limits_routes,
)


def build_app(daemon: DaemonDoor, *, hosts: frozenset[str] | None = None) -> Starlette:
    """Return the ASGI application. ``hosts`` are the Host headers that a TCP door takes (None on a unix socket)."""
    routes = [
        Route(_PREFIX + path, _guarded(call, hosts), methods=[method])
        for noun in _NOUNS
        for method, path, call in noun.routes(daemon)
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _no_route})


def _guarded(call: answering.Call, hosts: frozenset[str] | None) -> answering.Call:
    async def guarded(request: Request) -> Response:
        try:
            _check_origin(request, hosts)
            return await call(request)
        except PincrewError as error:
            return answering.error(error)
        except msgspec.DecodeError as error:
            return answering.error(Misuse(f"The request's body has the wrong form: {error}"))
        except Exception:  # a bug: the caller gets a sentence, the log gets the trace, the daemon lives
            _log.exception("a request failed")
            return answering.error(PincrewError(next_step="See daemon.log and report it"))

    return guarded


def _check_origin(request: Request, hosts: frozenset[str] | None) -> None:
    """Refuse what a web page in somebody's browser could send (DNS rebinding)."""
    if hosts is None:
        return
    host = request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host", "")
    if host not in hosts or request.headers.get("origin"):
        raise NotAllowed("Requests from web pages are refused")


async def _no_route(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    fault = Misuse("There is no such route", next_step="The routes stand in docs/json.md")
    return answering.error(fault, status)
