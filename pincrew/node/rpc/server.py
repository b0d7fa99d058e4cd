"""The RPC as an ASGI application: who may call, which command, how long, and what becomes of failures.

A command works in a scope that ends with the caller's `timeout` and when the caller hangs up. A command without files
never sees the body; one with files reads it while it answers.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping
from functools import partial
from typing import Any

import trio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pincrew.errors import PincrewError
from pincrew.node.answering import Answer, Body, Gone, Receive, Send, answering
from pincrew.node.contract import NodeDoor
from pincrew.node.rpc import adding, blocks, dags, files, limiting, peers, pins, process, repository
from pincrew.node.rpc.arguments import Arguments, Refused
from pincrew.node.rpc.call import Call, Command

log = logging.getLogger(__name__)

_PREFIX = "/api/v0/"
COMMANDS: Mapping[str, Command] = {
    **process.COMMANDS,
    **limiting.COMMANDS,
    **peers.COMMANDS,
    **repository.COMMANDS,
    **pins.COMMANDS,
    **blocks.COMMANDS,
    **dags.COMMANDS,
    **files.COMMANDS,
    **adding.COMMANDS,
}


def build_rpc(node: NodeDoor, *, hosts: frozenset[str] | None = None) -> Starlette:
    """Return the application. ``hosts`` are the Host headers that a TCP door takes (None: any, as on a unix socket)."""
    methods = ["POST", "GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"]
    return Starlette(
        routes=[Route(_PREFIX + "{command:path}", _Door(node, hosts), methods=methods)],
        exception_handlers={HTTPException: _no_route},
    )


async def _no_route(_: Request, __: Exception) -> Response:
    return PlainTextResponse("404 page not found\n", status_code=404)


class _Door:
    """Takes one request at a time through what every command has in common."""

    def __init__(self, node: NodeDoor, hosts: frozenset[str] | None) -> None:
        self._node = node
        self._hosts = hosts

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        request = Request(scope)
        command = COMMANDS.get(request.path_params["command"].removesuffix("/"))
        if request.method != "POST":
            response = PlainTextResponse("405 - Method Not Allowed\n", 405, {"Allow": "POST"})
        elif not self._may_call(request):
            response = PlainTextResponse("403 - Forbidden\n", 403)
        elif command is None:
            response = PlainTextResponse("404 page not found\n", 404)
        else:
            work = partial(_run, self._node, command, request)
            await answering(receive, send, work, reads_body=command.form.takes_files)
            return
        await Body(receive).drain()
        await response(scope, receive, send)

    def _may_call(self, request: Request) -> bool:
        """Refuse what a web page in somebody's browser could send, as Kubo does; also under a name that it chose."""
        headers = request.headers
        if "origin" in headers or "referer" in headers or headers.get("user-agent", "").startswith("Mozilla"):
            return False
        if self._hosts is None:
            return True
        host = headers.get("host", "")
        return host in self._hosts or host.rpartition(":")[0] in self._hosts


async def _run(node: NodeDoor, command: Command, request: Request, answer: Answer, body: Body) -> None:
    try:
        arguments = Arguments(request.url.query, command.form)
        with trio.move_on_after(arguments.timeout_s) as scope:
            content_type = request.headers.get("content-type", "")
            await command.run(Call(node, arguments, answer, body, content_type))
        if scope.cancelled_caught:
            answer.fail(command.late, 500)
    except Refused as refusal:
        answer.fail(refusal.message, refusal.http_status)
    except Gone:
        pass  # The caller hung up in the middle of what it was sending: there is nobody to tell.
    except PincrewError as error:
        answer.fail(error.sentence, 500)
    except Exception:  # a bug: the caller gets a sentence, the log gets the trace, the node lives
        log.exception("a command failed")
        answer.fail("internal error: see the node's log", 500)
