"""In front of all routes: who calls, whether a web page made them, and how much and how slowly they may send.

A unix socket can be reached by its user alone: nobody is asked there, and a pipe may be silent for long. On TCP a
request meets, in this order: the size of its head, what a browser says of where it comes from, and, where there are
users or tokens, who its caller is. On a libp2p stream, where no browser is, the first and the last.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import trio
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pincrew import limits
from pincrew.errors import PincrewError
from pincrew.node.answering import Body
from pincrew.rest import answers
from pincrew.rest.access import EVERYBODY, NOBODY, Caller, Unknown, User, identify, shows_password
from pincrew.rest.brake import Brake
from pincrew.tokens import TokenBook

_log = logging.getLogger("pincrew.rest")
ANY_ORIGIN = "*"
# Where routes find who calls.
CALLER = "pincrew.caller"
_METHODS = "GET, POST, DELETE"
_HEADERS = "Authorization, Content-Type"
_EXPOSED = "Content-Type, X-Stream-Output, X-Chunked-Output, X-Content-Length"


class Keys:
    """Whom a door lets in. Once it has asked who calls it does so for good: a file that vanishes opens nothing.

    One that ``asks_always`` does so from the beginning.
    """

    def __init__(self, users: Sequence[User], book: TokenBook, *, asks_always: bool = False) -> None:
        self.users = tuple(users)
        self.book = book
        self._were_needed = bool(users) or asks_always

    def are_needed(self) -> bool:
        """Say whether callers must show who they are. Raises StoreFault."""
        self._were_needed = self._were_needed or self.book.tokens() is not None
        return self._were_needed

    def caller(self, authorization: str, now_ms: int) -> Caller | Unknown:
        """Return who shows this header. Raises StoreFault."""
        if not self.are_needed():
            return EVERYBODY
        return identify(authorization, self.users, self.book.tokens() or (), now_ms)


@dataclass(frozen=True)
class Rules:
    """What holds on a door that others than its user reach.

    ``hosts`` are the Host headers that it takes, None for any: a public door does not know by which names it is
    reached. ``origins`` are the web pages that may call it. Where ``is_for_browsers`` is not, none can: what a browser
    says of where a request comes from means nothing there, and nothing is free.
    """

    hosts: frozenset[str] | None
    keys: Keys
    origins: frozenset[str] = frozenset()
    is_for_browsers: bool = True


class Doorkeeper:
    """The ASGI application in front of the routes. ``free`` are the methods and paths for which nobody is asked."""

    def __init__(
        self, app: ASGIApp, rules: Rules | None, free: frozenset[tuple[str, str]], clock_ms: Callable[[], int]
    ) -> None:
        self._app = app
        self._rules = rules
        self._free = free
        self._clock_ms = clock_ms
        self._brake = Brake(secrets.token_bytes(32))
        self._has_complained = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        silence_s = limits.ADD_SOURCE_SILENCE_TIMEOUT_S if self._rules is None else limits.REST_BODY_SILENCE_S
        headers, receive = Headers(scope=scope), _in_time(receive, silence_s)
        caller: Caller | Response = EVERYBODY
        if _head_bytes(scope) > limits.HTTP_HEAD_BYTES_MAX:
            caller = answers.error(431, f"The head of a request has at most {limits.HTTP_HEAD_BYTES_MAX} bytes")
        elif self._rules is not None:
            if self._rules.is_for_browsers and self._is_welcome(headers):
                send = _shared(send, headers["origin"], is_named=headers["origin"] in self._rules.origins)
            caller = self._met(self._rules, scope, headers)
        if isinstance(caller, Caller):
            await self._app({**scope, CALLER: caller}, receive, send)
        else:
            await Body(receive).drain()
            await caller(scope, receive, send)

    def _is_welcome(self, headers: Headers) -> bool:
        """Say whether it comes from a web page that may call."""
        assert self._rules is not None
        return "origin" in headers and not self._rules.origins.isdisjoint((headers["origin"], ANY_ORIGIN))

    def _met(self, rules: Rules, scope: Scope, headers: Headers) -> Caller | Response:
        """Return who calls, or what they are told instead of what they asked for."""
        if rules.is_for_browsers:
            host = headers.get("host", "")
            is_ours = rules.hosts is None or not rules.hosts.isdisjoint((host, host.rpartition(":")[0]))
            if not is_ours or ("origin" in headers and not self._is_welcome(headers)):
                return answers.error(403, "Requests from web pages are refused")  # DNS rebinding, or a page like any
            if scope["method"] == "OPTIONS":
                is_preflight = "origin" in headers and "access-control-request-method" in headers
                return _preflight() if is_preflight else NOBODY
            if (scope["method"], scope["path"]) in self._free:
                return NOBODY
        return self._identified(rules.keys, scope, headers.get("authorization", ""))

    def _identified(self, keys: Keys, scope: Scope, authorization: str) -> Caller | Response:
        """Return who shows this header, or what they are told; who guesses passwords is not listened to for a while."""
        now_ms, address = self._clock_ms(), (scope.get("client") or ("",))[0]
        wait_s = self._brake.wait_s(address, now_ms)
        if wait_s and shows_password(authorization):
            busy = answers.error(429, "Too many passwords were wrong: try again later")
            busy.headers["Retry-After"] = str(wait_s)
            return busy
        try:
            found = keys.caller(authorization, now_ms)
        except PincrewError as error:
            if not self._has_complained:  # once: whoever is outside must not fill the log
                _log.error("%s", error.sentence)
            self._has_complained = True
            return answers.error(503, "Who calls cannot be looked up. See daemon.log.")
        if isinstance(found, Caller):
            return found
        if shows_password(authorization):
            self._brake.failed(address, authorization, now_ms)
        return _unknown(found)


def _head_bytes(scope: Scope) -> int:
    return (
        len(scope.get("raw_path") or b"")
        + len(scope["query_string"])
        + sum(len(name) + len(value) for name, value in scope["headers"])
    )


def _unknown(found: Unknown) -> Response:
    response = answers.error(401, found.message)
    for challenge in found.challenges:
        response.headers.append("WWW-Authenticate", challenge)
    return response


def _preflight() -> Response:
    """Tell a browser what the page may do; whether its user may is asked with the request itself."""
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": _HEADERS,
            "Access-Control-Max-Age": str(limits.CORS_MAX_AGE_S),
        },
    )


def _shared(send: Send, origin: str, *, is_named: bool) -> Send:
    """Let a web page read the answers. Only one that is named may have the browser send its user's password along."""
    added = {"access-control-allow-origin": origin, "access-control-expose-headers": _EXPOSED, "vary": "Origin"}
    if is_named:
        added["access-control-allow-credentials"] = "true"

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            more = [(name.encode(), value.encode("latin-1")) for name, value in added.items()]
            message = {**message, "headers": [*message["headers"], *more]}
        await send(message)

    return sending


def _in_time(receive: Receive, silence_s: float) -> Receive:
    """Take who sends nothing for too long, in the midst of a request, for gone."""
    is_whole = False

    async def receiving() -> Message:
        nonlocal is_whole
        if is_whole:
            return await receive()
        message: Message = {"type": "http.disconnect"}
        with trio.move_on_after(silence_s):
            message = await receive()
        is_whole = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    return receiving
