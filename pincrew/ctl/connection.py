"""One HTTP/1.1 request and its answer, over TCP, TLS, a unix socket or a tunnel, on the standard library alone.

The body is sent while the answer is read, in one thread: reading sends what the connection takes meanwhile. A peer that
adds files answers while they come, and stops reading when nobody takes its answers, so that sending first and reading
then would wait for ever. (One thread, since a TLS connection may not be used by two.) An answer is read to its
trailers, and one that breaks off raises: a short list must not pass for the whole one.
"""

from __future__ import annotations

import http.client
import io
import re
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pincrew.ctl.hosts import Endpoint
from pincrew.limits import CTL_CONNECT_TIMEOUT_S, CTL_HEAD_LINE_BYTES_MAX

# The family and what `connect` takes in it; of a peer over libp2p no family and its multiaddress.
Address = tuple[int, Any]
# Makes the connection with a peer over libp2p, within so many seconds. Raises OSError.
Reach = Callable[[Endpoint, float], socket.socket]
_PIECE_BYTES = 64 * 1024
_WITHOUT_BODY = (204, 304)
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?\r?\n")


@dataclass(frozen=True)
class Request:
    """What is asked. ``body`` None: none; an iterable is sent in chunks as it is made, and may raise anything."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: Iterable[bytes] | None = None
    content_type: str = ""

    def head(self, authority: str) -> bytes:
        """Return the request's head."""
        lines = [f"{self.method} {self.target} HTTP/1.1", f"Host: {authority}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.body is not None:
            lines += [f"Content-Type: {self.content_type}", "Transfer-Encoding: chunked"]
        elif self.method != "GET":
            lines.append("Content-Length: 0")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


@dataclass
class Answer:
    """An answer whose body is still to be read, once. `close` it, or read it to its end."""

    status: int
    headers: http.client.HTTPMessage
    _file: io.BufferedReader
    _connected: socket.socket
    _has_body: bool
    trailers: http.client.HTTPMessage = field(default_factory=http.client.HTTPMessage)

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it comes; afterwards the trailers are known. Raises OSError, also where it breaks off."""
        with self._connected:
            if not self._has_body:
                return
            if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
                yield from self._chunks()
            elif (length := self.headers.get("Content-Length")) is not None:
                if not re.fullmatch("[0-9]{1,18}", length.strip()):
                    raise _broken("its length is no number")
                yield from self._exactly(int(length))
            else:
                while piece := self._file.read1(_PIECE_BYTES):
                    yield piece

    def close(self) -> None:
        """Let the rest go."""
        self._connected.close()

    def _chunks(self) -> Iterator[bytes]:
        while True:
            found = _CHUNK_SIZE.fullmatch(self._file.readline(CTL_HEAD_LINE_BYTES_MAX))
            if found is None:
                raise _broken("it broke off")
            if not (size := int(found[1], 16)):
                break
            yield from self._exactly(size)
            if self._file.readline(3) not in (b"\r\n", b"\n"):
                raise _broken("a piece of it has no end")
        self.trailers = _fields(self._file)

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self._file.read1(min(size, _PIECE_BYTES))
            if not piece:
                raise _broken("it broke off")
            size -= len(piece)
            yield piece


def exchange(
    endpoint: Endpoint,
    address: Address,
    request: Request,
    *,
    tls: ssl.SSLContext | None,
    reach_peer: Reach,
    timeout_s: float | None,
) -> Answer:
    """Send a request to one of an endpoint's addresses; return the answer once its head is there.

    ``timeout_s`` is for all of it, the answer's body too. Raises OSError, and whatever the body raises.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    if endpoint.peer:
        connected = reach_peer(endpoint, min(CTL_CONNECT_TIMEOUT_S, _left(deadline)))
        connected.setblocking(False)
    else:
        connected = _connect(endpoint, address, tls, deadline)
    try:
        wire = _Wire(connected, _outgoing(request, endpoint), deadline)
        file: io.BufferedReader = io.BufferedReader(wire, _PIECE_BYTES)
        while True:
            found = _STATUS_LINE.fullmatch(file.readline(CTL_HEAD_LINE_BYTES_MAX))
            if found is None:
                raise _broken("it is not HTTP, or it broke off")
            headers = _fields(file)
            if (status := int(found[1])) >= 200:
                return Answer(status, headers, file, connected, status not in _WITHOUT_BODY)
    except BaseException:  # whatever it is, the connection must not outlive it
        connected.close()
        raise


def addresses_of(endpoint: Endpoint) -> list[Address]:
    """Return where an endpoint is to be tried, in order. Raises OSError where its name means nothing."""
    if endpoint.path:
        return [(socket.AF_UNIX, endpoint.path)]
    if endpoint.peer:
        return [(socket.AF_UNSPEC, endpoint.peer_at)]
    found = socket.getaddrinfo(endpoint.host, endpoint.port, endpoint.family, socket.SOCK_STREAM)
    return list(dict.fromkeys((family, where) for family, _, _, _, where in found))


def _connect(endpoint: Endpoint, address: Address, tls: ssl.SSLContext | None, deadline: float | None) -> socket.socket:
    """Return a connection that never blocks."""
    family, where = address
    connected = socket.socket(family, socket.SOCK_STREAM)
    try:
        connected.settimeout(min(CTL_CONNECT_TIMEOUT_S, _left(deadline)))
        connected.connect(where)
        if tls is not None and not endpoint.path:
            connected = tls.wrap_socket(connected, server_hostname=endpoint.host)
        connected.setblocking(False)
    except BaseException:  # as above
        connected.close()
        raise
    return connected


class _Wire(io.RawIOBase):
    """What the other side says; reading it sends what is still to be sent."""

    def __init__(self, connected: socket.socket, outgoing: Iterator[bytes], deadline: float | None) -> None:
        super().__init__()
        self._connected = connected
        self._outgoing = outgoing
        self._deadline = deadline
        self._unsent = memoryview(b"")
        self._is_sent = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while True:
            # Sending may want to read first and the other way round: TLS has words of its own to say.
            was_sent, sends_on = self._send()
            try:
                return self._connected.recv_into(buffer)
            except (BlockingIOError, ssl.SSLWantReadError):
                writers = sends_on
            except ssl.SSLWantWriteError:
                writers = [self._connected]
            if was_sent:
                continue
            readers = [self._connected]
            if not any(select.select(readers, writers, [], _left_or_none(self._deadline))):
                raise TimeoutError("it took too long")

    def _send(self) -> tuple[bool, list[socket.socket]]:
        """Send what goes without waiting; return whether anything did, and what to wait for to send on."""
        if not self._unsent and not self._is_sent:
            self._unsent = memoryview(next(self._outgoing, b""))
            self._is_sent = not self._unsent
        if not self._unsent:
            return False, []
        try:
            self._unsent = self._unsent[self._connected.send(self._unsent) :]
        except (BlockingIOError, ssl.SSLWantWriteError):
            return False, [self._connected]
        except ssl.SSLWantReadError:
            return False, []
        except (BrokenPipeError, ConnectionResetError):
            # It listens no more; what it has to say, a refusal perhaps, says more than that.
            self._unsent, self._is_sent = memoryview(b""), True
            return False, []
        return True, []


def _outgoing(request: Request, endpoint: Endpoint) -> Iterator[bytes]:
    """Yield the request as it travels; nothing empty."""
    yield request.head(endpoint.authority)
    if request.body is not None:
        for piece in request.body:
            if piece:
                yield b"%x\r\n%b\r\n" % (len(piece), piece)
        yield b"0\r\n\r\n"


def _fields(file: io.BufferedReader) -> http.client.HTTPMessage:
    try:
        return http.client.parse_headers(file)
    except http.client.HTTPException as error:
        raise _broken("its head is too long") from error


def _left(deadline: float | None) -> float:
    left = _left_or_none(deadline)
    return CTL_CONNECT_TIMEOUT_S if left is None else left


def _left_or_none(deadline: float | None) -> float | None:
    """Return the seconds that are left. Raises TimeoutError when none are."""
    if deadline is None:
        return None
    if (left := deadline - time.monotonic()) <= 0:
        raise TimeoutError("it took too long")
    return left


def _broken(how: str) -> ConnectionError:
    return ConnectionError(f"the answer cannot be read: {how}")
