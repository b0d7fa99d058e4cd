"""Kubo's RPC for commands: blocking, on the standard library's HTTP, one request at a time.

The daemon's own way to a node is `kubo_rpc`; importing that (trio, h11) would cost every command a third of a second.
What goes wrong becomes NodeDown or NodeRefused, as there.
"""

from __future__ import annotations

import errno
import http.client
import io
import json
import os
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from pincrew.api.transport import UnixConnection
from pincrew.errors import DaemonNotRunning, NodeDown, NodeRefused, PincrewError, WorldFault
from pincrew.limits import (
    ADD_SOURCE_SILENCE_TIMEOUT_S,
    NODE_CONNECT_TIMEOUT_S,
    NODE_LINE_BYTES_MAX,
    NODE_REQUEST_TIMEOUT_S,
    NODE_SILENCE_TIMEOUT_S,
)
from pincrew.multipart import Part, multipart
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

    def add(
        self,
        parts: Iterable[Part],
        arguments: Mapping[str, str],
        *,
        silence_s: float = NODE_SILENCE_TIMEOUT_S,
        source_silence_s: float = ADD_SOURCE_SILENCE_TIMEOUT_S,
    ) -> Iterator[dict[str, Any]]:
        """Send files (see `multipart`) and yield what the node says meanwhile; what reading them raises is raised here.

        They are sent by a thread of their own: a node that tells of every file would otherwise wait for us to read
        while we wait for it. A file may take any time to send: only when the node neither takes nor says anything for
        ``silence_s``, or what is to be sent does not come for ``source_silence_s``, is it given up.
        """
        boundary = os.urandom(16).hex()
        with closing(self._connection(silence_s)) as connection:
            sender = _Sender(multipart(parts, boundary), silence_s=silence_s, source_silence_s=source_silence_s)
            headers = {
                "Content-Type": f"multipart/form-data; boundary={boundary}",
                "Transfer-Encoding": "chunked",
                "Connection": "close",
            }
            try:
                answer = self._ask(connection, "add", list(arguments.items()), headers=headers, sender=sender)
                yield from _objects(answer, self.address)
            except PincrewError:
                if sender.failure is not None:
                    raise sender.failure from None
                raise
            finally:
                sender.stop()
            if sender.failure is not None:
                raise sender.failure

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

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        command: str,
        arguments: Pairs,
        *,
        headers: Mapping[str, str] | None = None,
        sender: _Sender | None = None,
    ) -> http.client.HTTPResponse:
        target = f"/api/v0/{command}?{urllib.parse.urlencode(arguments)}"
        try:
            connection.putrequest("POST", target, skip_accept_encoding=True)
            for name, value in {**self._headers, **(headers or {"Content-Length": "0"})}.items():
                connection.putheader(name, value)
            connection.endheaders()
            if sender is None:
                answer = connection.getresponse()
            else:
                sender.start(connection.sock)
                answer = _PatientAnswer(connection.sock, sender)
                answer.begin()
            if answer.status == 200:
                return answer
            raise _refusal(answer, self.address)
        except (OSError, http.client.HTTPException) as error:
            raise self._down(_why(error)) from error

    def _down(self, reason: str) -> NodeDown:
        return _down(self.address, reason)


class _Sender:
    """Sends a body in chunks from a thread, and says for how long that may still be waited for."""

    def __init__(self, body: Iterator[bytes], *, silence_s: float, source_silence_s: float) -> None:
        self._body = body
        self._silence_s = silence_s
        self._source_silence_s = source_silence_s
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._is_stopped = False
        # When it last got on, and whether it has waited since then for what it is to send. One value, so that the other
        # thread sees both of one moment.
        self._step = (time.monotonic(), True)
        self.failure: Exception | None = None

    def start(self, connected: socket.socket) -> None:
        """Begin. From now on a wait for the socket ends after a moment, so that both threads can look at the time."""
        connected.settimeout(min(_LOOK_S, self._silence_s / 4))
        self._socket = connected
        self._step = (time.monotonic(), True)
        self._thread.start()

    def stop(self) -> None:
        """Send no more; returns when the thread is done with the socket and with what it read.

        A thread that waits for a pipe can only be left alone; it ends with the process.
        """
        self._is_stopped = True
        if self._thread.is_alive():
            self._shut()
            self._thread.join(_SENDER_ENDS_S)

    def is_given_up(self, since_s: float) -> bool:
        """Say whether too long nothing was sent and, since ``since_s``, nothing was heard either."""
        now, (step_s, is_at_source) = time.monotonic(), self._step
        if not is_at_source:
            return now - max(step_s, since_s) > self._silence_s
        if now - step_s <= self._source_silence_s:
            return False
        self.failure = self.failure or TimeoutError(errno.ETIMEDOUT, _SILENT)
        return True

    def _run(self) -> None:
        try:
            for chunk in self._body:
                if chunk and not self._send(b"%x\r\n%b\r\n" % (len(chunk), chunk)):
                    return
                self._step = (time.monotonic(), True)
            self._send(b"0\r\n\r\n")
        except Exception as error:  # whatever reading a file raises; the one who waits for the answer raises it
            self.failure = error
            self._shut()  # a body without its end is none

    def _send(self, data: bytes) -> bool:
        """Return whether the node took it. Where not, what it said before says why, to whoever waits for the answer."""
        assert self._socket is not None
        rest = memoryview(data)
        self._step = (time.monotonic(), False)
        while rest and not self._is_stopped:
            try:
                rest = rest[self._socket.send(rest) :]
            except TimeoutError:
                continue  # How long the node may take for it is for the one who waits for the answer to say.
            except OSError:
                return False
            self._step = (time.monotonic(), False)
        return not rest

    def _shut(self) -> None:
        assert self._socket is not None
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


class _PatientAnswer(http.client.HTTPResponse):
    """The answer to what is still being sent: waited for as long as the sender says."""

    def __init__(self, connected: socket.socket, sender: _Sender) -> None:
        super().__init__(connected, method="POST")
        self.fp.close()
        self.fp = io.BufferedReader(_PatientReader(connected, sender))


class _PatientReader(io.RawIOBase):
    """Reads a socket whose time-outs only let it look at the time. The standard library's ends with the first."""

    def __init__(self, connected: socket.socket, sender: _Sender) -> None:
        self._socket = connected
        self._sender = sender

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        since_s = time.monotonic()
        while True:
            try:
                return self._socket.recv_into(buffer)
            except TimeoutError:
                if self._sender.is_given_up(since_s):
                    raise


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
