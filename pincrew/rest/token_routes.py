"""The route that makes a bearer token for somebody with a password."""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio
from starlette.requests import Request
from starlette.responses import Response

from pincrew import limits
from pincrew.rest import answers
from pincrew.rest.access import Caller, Scope, Token
from pincrew.rest.doorkeeper import CALLER, Keys
from pincrew.rest.routing import Route
from pincrew.rest.shapes import BearerToken

_log = logging.getLogger("pincrew.rest")


def routes(keys: Keys | None, now_ms: Callable[[], int]) -> list[Route]:
    """Return it. Without ``keys`` nobody has a password."""

    async def token(request: Request) -> Response:
        caller: Caller = request.scope[CALLER]
        if keys is None or not caller.user:
            return answers.error(401, "unauthorized")
        now = now_ms()
        expires = now + int(limits.TOKEN_LIFETIME_S * 1_000)

        def make() -> tuple[Token, str]:
            return keys.book.make(caller.scope, name=f"POST /token: {caller.user}", now_ms=now, expires=expires)

        made, text = await trio.to_thread.run_sync(make)
        _log.info("token %s was made for the user %s", made.id, caller.user)
        response = answers.one(BearerToken(token=text))
        response.headers["Cache-Control"] = "no-store"
        return response

    return [Route("POST", "/token", token, Scope.ADMIN)]
