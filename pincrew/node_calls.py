"""Kubo's RPC for commands: blocking, on the standard library's HTTP, one request at a time.

The daemon's own way to a node is `kubo_rpc`; importing that (trio, h11) would cost every command a third of a second.
What goes wrong becomes NodeDown or NodeRefused, as there.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from pincrew.api.transport import UnixConnection
from pincrew.errors import DaemonNotRunning, NodeDown, NodeRefused, WorldFault
from pincrew.limits import (
    NODE_CONNECT_TIMEOUT_S,
    NODE_LINE_BYTES_MAX,
    NODE_REQUEST_TIMEOUT_S,
    NODE_SILENCE_TIMEOUT_S,
)
from pincrew.node_address import NodeAddress

_CHUNK_BYTES = 256 * 1024
_ANSWER_BYTES_MAX = 1024 * 1024
_SENDER_ENDS_S = 2.0
_LOOK_S = 1.0
_SILENT = "nothing came for too long"
Pairs = Sequence[tuple[str, str]]


class NodeCalls:
    """The RPC of the node at ``address``."""

    def __init__(self, address: NodeAddress, authorization: str | None = None) -> None:
        self.address = address
        self._headers = {"Authorization": authorization} if authorization else {}

    def object(
        self, command: str, arguments: Pairs = (), *, timeout_s: float = NODE_REQUEST_TIMEOUT_S
    ) -> dict[str, Any]:
        """Return the last object of an answer that is known to be small, {} for nothing."""
        last: dict[str, Any] = {}
        for line in self.lines(command, arguments, timeout_s=timeout_s):
            last = line
        return last

    def lines(
        self, command: str, arguments: Pairs = (), *, timeout_s: float = NODE_SILENCE_TIMEOUT_S
    ) -> Iterator[dict[str, Any]]:
        """Yield an answer's objects, one a line; ``timeout_s`` bounds each wait. An object that is an error raises."""
        with closing(self._connection(timeout_s)) as connection:
            yield from _objects(self._ask(connection, command, arguments), self.address)

    def cat(self, path: str, *, offline: bool = True) -> Iterator[bytes]:
        """Yield the bytes of a file (`CID` or `CID/inside`); ``offline``: of what the node itself holds."""
        arguments = [("arg", path), ("offline", "true" if offline else "false")]
        with closing(self._connection(NODE_SILENCE_TIMEOUT_S)) as connection:
            answer = self._ask(connection, "cat", arguments)
            while chunk := _read(answer, self.address):
                yield chunk

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        parts = urllib.parse.urlsplit(self.address.url)
        host, timeout = parts.hostname or "", NODE_CONNECT_TIMEOUT_S
        try:
            if self.address.unix_path:
                connection: http.client.HTTPConnection = UnixConnection(Path(self.address.unix_path))
            elif parts.scheme == "https":
                context = ssl.create_default_context()
                connection = http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=context)
            else:
                connection = http.client.HTTPConnection(host, parts.port, timeout=timeout)
            connection.connect()
        except DaemonNotRunning as error:  # what the transport calls a socket without a listener
            raise self._down("nobody listens there") from error
        except WorldFault as error:
            raise self._down(error.what) from error
        except OSError as error:
            raise self._down(_why(error)) from error
        connection.sock.settimeout(timeout_s)
        return connection

    def _ask(self, connection: http.client.HTTPConnection, command: str, arguments: Pairs) -> http.client.HTTPResponse:
        target = f"/api/v0/{command}?{urllib.parse.urlencode(arguments)}"
        try:
            connection.putrequest("POST", target, skip_accept_encoding=True)
            for name, value in {**self._headers, "Content-Length": "0"}.items():
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            if answer.status == 200:
                return answer
            raise _refusal(answer, self.address)
        except (OSError, http.client.HTTPException) as error:
            raise self._down(_why(error)) from error

    def _down(self, reason: str) -> NodeDown:
        return _down(self.address, reason)


def _objects(answer: http.client.HTTPResponse, address: NodeAddress) -> Iterator[dict[str, Any]]:
    rest = b""
    while True:
        chunk = _read(answer, address)
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _ANSWER_BYTES_MAX:
            raise NodeRefused("the node answered with an endless line", where=str(address))
        if not chunk:
            lines, rest = [rest], b""
        for line in lines:
            if line.strip():
                yield _object(line, address)
        if not chunk:
            return


def _read(answer: http.client.HTTPResponse, address: NodeAddress) -> bytes:
    """Return more of an answer, nothing at its end; one that just breaks off raises."""
    try:
        chunk = answer.read1(_CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise _down(address, _why(error)) from error
    if not chunk and answer.length:
        raise _down(address, "it broke off")
    return chunk


def _object(line: bytes, address: NodeAddress) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise NodeRefused("the node's answer is not JSON", where=str(address)) from error
    if not isinstance(value, dict):
        raise NodeRefused("the node's answer is not an object", where=str(address))
    if value.get("Type") == "error" or ("Message" in value and "Code" in value):
        raise _said(str(value.get("Message", "")), address)
    if value.get("Err"):
        raise _said(str(value["Err"]), address)
    return value


def _refusal(answer: http.client.HTTPResponse, address: NodeAddress) -> NodeRefused:
    body = answer.read(NODE_LINE_BYTES_MAX)
    with suppress(ValueError, KeyError, TypeError):
        return _said(str(json.loads(body)["Message"]), address)
    words = " ".join(body.decode(errors="replace").split())[:200]
    return NodeRefused(f"it answers {answer.status} {words}".rstrip(), where=str(address))


def _said(sentence: str, address: NodeAddress) -> NodeRefused:
    return NodeRefused(" ".join(sentence.split())[:2_000] or "an error without words", where=str(address))


def _down(address: NodeAddress, reason: str) -> NodeDown:
    return NodeDown(f"The IPFS node does not answer: {reason}", where=str(address))


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return _SILENT
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
