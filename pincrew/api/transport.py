"""HTTP on a unix socket, for one request after the other: what the client stands on.

The standard library's client and not httpx: it is there in 20 ms where httpx with httpcore (and the trio and anyio that
httpcore imports) takes 350 ms, which every command would pay. Lines are bounded, bodies stream in both directions,
and every wait has its limit.
"""

from __future__ import annotations

import http.client
import select
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

from pincrew.errors import DaemonLost, DaemonNotRunning, WorldFault

CONNECT_TIMEOUT_S = 5.0
ANSWER_BYTES_MAX = 16 * 1024 * 1024
LINE_BYTES_MAX = 1024 * 1024
CHUNK_BYTES = 64 * 1024
_CHUNK_END = b"\r\n"  # http.client reads it with the next chunk


class UnixConnection(http.client.HTTPConnection):
    """An HTTP connection whose other end is a socket file."""

    def __init__(self, path: Path) -> None:
        super().__init__("pincrew", timeout=CONNECT_TIMEOUT_S)
        self.path = path

    def connect(self) -> None:
        """Open the socket. Raises DaemonNotRunning when nobody listens there."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(CONNECT_TIMEOUT_S)
        try:
            self.sock.connect(str(self.path))
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
            self.sock.close()
            raise DaemonNotRunning(next_step="Start it: `pincrew daemon start`") from error
        except OSError as error:
            self.sock.close()
            raise _lost(self.path, error) from error


class HangUp:
    """Ends from another thread what one waits for: its connection breaks, and it opens no other.

    One thread has one connection at a time here.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connected: socket.socket | None = None
        self._is_over = False

    def __call__(self) -> None:
        """Break the connection; whoever waits for it is told, and closes it."""
        with self._lock:
            self._is_over = True
            if self._connected is not None:
                with suppress(OSError):  # it is closed already
                    self._connected.shutdown(socket.SHUT_RDWR)

    def watch(self, connected: socket.socket) -> None:
        """Take note of a new connection. Raises ConnectionAbortedError where it is not wanted any more."""
        with self._lock:
            self._connected = connected
            if self._is_over:
                raise ConnectionAbortedError


class Answer:
    """A response whose body is still to be read, once."""

    def __init__(self, connection: UnixConnection, response: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._response = response
        self.status = response.status

    def header(self, name: str) -> str | None:
        """Return a header's value."""
        return self._response.getheader(name)

    def body(self) -> bytes:
        """Read all of a body that is known to be small."""
        with closing(self._connection):
            try:
                data = self._response.read(ANSWER_BYTES_MAX + 1)
            except (OSError, http.client.HTTPException) as error:
                raise _lost(self._connection.path, error) from error
        if self._response.length and len(data) <= ANSWER_BYTES_MAX:
            raise _lost(self._connection.path, None)
        if len(data) > ANSWER_BYTES_MAX:
            raise WorldFault("The daemon's answer is absurdly long", where=str(self._connection.path))
        return data

    def lines(self) -> Iterator[bytes]:
        """Read a body line by line; blank lines, which keep a connection alive, are left out.

        A body that breaks off raises: a short list must not pass for the whole one. (http.client's own ``readline``
        takes a connection that ends between two chunks for the end of the body.)
        """
        with closing(self._connection):
            rest = b""
            while chunk := self._chunk():
                *lines, rest = (rest + chunk).split(b"\n")
                if len(rest) > LINE_BYTES_MAX or any(len(line) > LINE_BYTES_MAX for line in lines):
                    raise WorldFault("A line of the daemon's answer is absurdly long", where=str(self._connection.path))
                yield from (line for line in lines if line.strip())
            if rest.strip():
                yield rest

    def newest_events(self) -> Iterator[bytes | None]:
        """Read server-sent events: of those that have come the newest one's data, None where only comments have.

        Never ends by itself; the daemon's end raises.
        """
        with closing(self._connection):
            rest = b""
            while True:
                newest: bytes | None = None
                has_come = False
                while not has_come or self._has_more():
                    chunk = self._chunk()
                    if not chunk and has_come:
                        break  # what came before the end is told first
                    if not chunk:
                        raise _lost(self._connection.path, None)
                    *events, rest = (rest + chunk).split(b"\n\n")
                    if len(rest) > ANSWER_BYTES_MAX:
                        raise WorldFault("The daemon's answer is absurdly long", where=str(self._connection.path))
                    for event in events:
                        has_come = True
                        newest = event.removeprefix(b"data: ") if event.startswith(b"data: ") else newest
                yield newest

    def _has_more(self) -> bool:
        """Say whether more of the body, or its end, is here already: in http.client's buffer, or in the socket."""
        connected = self._connection.sock
        if self._response.isclosed():
            return False
        if select.select([connected], [], [], 0)[0]:
            return True
        waits_s = connected.gettimeout()
        connected.settimeout(0)  # where the buffer is empty, a look into it reads
        try:
            return len(self._response.fp.peek(1)) > len(_CHUNK_END)
        finally:
            connected.settimeout(waits_s)

    def _chunk(self) -> bytes:
        """Return what is there, at least a byte; nothing at the end of a whole body."""
        try:
            chunk = self._response.read1(CHUNK_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise _lost(self._connection.path, error) from error
        if not chunk and self._response.length:
            raise _lost(self._connection.path, None)
        return chunk

    def close(self) -> None:
        """Let the rest of the body go."""
        self._connection.close()


def send(
    socket_path: Path,
    method: str,
    target: str,
    *,
    body: bytes | Iterable[bytes] | None = None,
    content_type: str = "application/json",
    timeout_s: float | None,
    hang_up: HangUp | None = None,
) -> Answer:
    """Send one request and return the answer once its head is there.

    ``body`` may be a generator: it is sent chunk by chunk as it is made. ``timeout_s`` bounds each wait for the other
    side; None is for streams that never end. Raises DaemonNotRunning, or DaemonLost when the daemon goes away, or when
    another thread calls ``hang_up``.
    """
    connection = UnixConnection(socket_path)
    headers = {"Accept": "application/json, application/x-ndjson", "Content-Type": content_type}
    try:
        connection.connect()
        if hang_up is not None:
            hang_up.watch(connection.sock)
        connection.sock.settimeout(timeout_s)
        # An early answer, a refusal for one, comes while we are still sending: it says more than the broken pipe.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.request(method, target, body=body, headers=headers)
        return Answer(connection, connection.getresponse())
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise _lost(socket_path, error) from error
    except BaseException:  # the body's generator may raise anything; the connection must not outlive that
        connection.close()
        raise


def _lost(path: Path, error: Exception | None) -> DaemonLost:
    if isinstance(error, TimeoutError):
        return DaemonLost(
            "The daemon does not answer in time",
            where=str(path),
            means="Nothing is lost; what it acknowledged is done",
            next_step="See `pincrew daemon status`; its own words are in daemon.log",
        )
    return DaemonLost(
        where=str(path),
        means="What it acknowledged is done; the rest may or may not be",
        next_step="See `pincrew daemon status`; its own words are in daemon.log",
    )
