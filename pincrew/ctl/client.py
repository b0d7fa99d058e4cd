"""A client of ipfs-cluster's REST API: whole objects, streams of them with the error behind them, and failover.

The first host that answers is asked. The next one is tried where no answer came, never because of what an answer says;
once an answer's head is there, what goes wrong is told. An error of the peer raises `Refused`, and so does no answer
(code 0).
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from pincrew import __version__
from pincrew.ctl.connection import Address, Answer, Request, addresses_of, exchange
from pincrew.ctl.faults import Refused, Stopped, no_answer
from pincrew.ctl.hosts import Endpoint
from pincrew.limits import CTL_ANSWER_BYTES_MAX, CTL_FAULT_BYTES_MAX, CTL_LINE_BYTES_MAX, CTL_REDIRECTS_MAX
from pincrew.rest.shapes import Fault

if TYPE_CHECKING:
    from pincrew.network.tunnel import Tunnel

_LIBP2P_PROTOCOL = "/libp2p-http"
_STREAM_ERROR = "X-Stream-Error"
_REDIRECTS = (301, 302, 307, 308)
_NOTHING = (202, 204)
# Makes a body anew for each host that is tried.
Body = Callable[[], Iterable[bytes]]


@dataclass(frozen=True)
class Credentials:
    """A user of the API."""

    user: str
    password: str

    @property
    def header(self) -> tuple[str, str]:
        """Return the header that says so."""
        return "Authorization", "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


class Client:
    """Asks peers. ``tls`` None: plain HTTP. ``timeout_s`` bounds each request with its answer; None: nothing does.

    ``secret`` is the private network key of a closed cluster, whose peers are asked over libp2p. `close` it.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        *,
        tls: ssl.SSLContext | None = None,
        credentials: Credentials | None = None,
        timeout_s: float | None = None,
        secret: bytes | None = None,
    ) -> None:
        self._endpoints = endpoints
        self._secret = secret
        self._tunnel: Tunnel | None = None
        self._tls = tls
        self._timeout_s = timeout_s
        self._headers = [("User-Agent", f"pincrew/{__version__}"), ("Accept-Encoding", "identity")]
        if credentials is not None:
            self._headers.append(credentials.header)

    def close(self) -> None:
        """Hang up on who was asked over libp2p."""
        if self._tunnel is not None:
            self._tunnel.close()

    def object(self, method: str, target: str) -> Any:
        """Return the one value that is answered; None where there is none. Raises Refused, Stopped."""
        answer = self._asked(method, target)
        if answer.status in _NOTHING:
            answer.close()
            return None
        return _decoded(_whole(answer, CTL_ANSWER_BYTES_MAX))

    def stream(self, method: str, target: str, body: Body | None = None, content_type: str = "") -> Iterator[Any]:
        """Yield values as they come. Raises Refused, also behind the last of them, and Stopped where they break off."""
        answer = self._asked(method, target, body, content_type)
        with closing(answer):
            if answer.status not in (200, 204):
                raise Refused(Fault(code=answer.status, message="expected streaming response with code 200/204"))
            yield from map(_decoded, _lines(answer))
            told = [text for text in answer.trailers.get_all(_STREAM_ERROR, []) if text]
            if told:
                raise Refused(Fault(code=500, message="; ".join(told)))

    def _asked(self, method: str, target: str, body: Body | None = None, content_type: str = "") -> Answer:
        """Return the answer of the first host that answers, unless it is an error."""
        failure = ""
        for endpoint in self._endpoints:
            try:
                addresses = addresses_of(endpoint)
            except OSError as error:
                failure = self._failure(method, endpoint, target, error)
                continue
            for address in addresses:
                try:
                    return self._from(endpoint, address, method, target, body, content_type)
                except OSError as error:
                    failure = self._failure(method, endpoint, target, error)
        raise no_answer(failure)

    def _from(
        self, endpoint: Endpoint, address: Address, method: str, target: str, body: Body | None, content_type: str
    ) -> Answer:
        """Return one host's answer, and go where it says for what has no body. Raises OSError, Refused."""
        for _ in range(CTL_REDIRECTS_MAX):
            made = body() if body is not None else None
            request = Request(method, target, tuple(self._headers), made, content_type)
            answer = exchange(
                endpoint, address, request, tls=self._tls, reach_peer=self._through, timeout_s=self._timeout_s
            )
            if answer.status >= 400:
                raise Refused(_fault(answer))
            if answer.status not in _REDIRECTS or body is not None:
                return answer
            answer.close()
            target = self._redirected(endpoint, target, answer)
        raise Refused(Fault(code=answer.status, message="the peer redirects again and again"))

    def _through(self, endpoint: Endpoint, timeout_s: float) -> socket.socket:
        """Return a connection with a peer over libp2p, from a host that is made with the first of them."""
        from pincrew.network.tunnel import Tunnel  # libp2p comes with it, and takes most of a second

        if self._tunnel is None:
            self._tunnel = Tunnel(self._secret)
        try:
            return self._tunnel.connect(endpoint.peer_at, endpoint.peer, _LIBP2P_PROTOCOL, timeout_s)
        except ConnectionRefusedError as error:
            raise ConnectionRefusedError(
                "the peer does not offer its REST API over libp2p; ours do with `rest_libp2p = true` in cluster.toml"
            ) from error

    def _redirected(self, endpoint: Endpoint, target: str, answer: Answer) -> str:
        """Return the target that a redirect names: of the same host alone, since credentials go along."""
        here = f"{self._scheme(endpoint)}://{endpoint.authority}"
        location = answer.headers.get("Location", "")
        try:
            wanted = urlsplit(urljoin(here + target, location))
        except ValueError:
            wanted = urlsplit("")
        if f"{wanted.scheme}://{wanted.netloc}" != here:
            raise Refused(Fault(code=answer.status, message=f"the peer redirects to another host: {location}"))
        return wanted.path + (f"?{wanted.query}" if wanted.query else "")

    def _scheme(self, endpoint: Endpoint) -> str:
        return "https" if self._tls is not None and not (endpoint.path or endpoint.peer) else "http"

    def _failure(self, method: str, endpoint: Endpoint, target: str, error: OSError) -> str:
        scheme = "libp2p" if endpoint.peer else self._scheme(endpoint)
        where = f"unix://{endpoint.path}" if endpoint.path else f"{scheme}://{endpoint.authority}"
        reason = str(error) if isinstance(error, ssl.SSLError) or not error.strerror else error.strerror
        return f"{method} {where}{target.partition('?')[0]}: {reason or type(error).__name__}"


def _whole(answer: Answer, most: int) -> bytes:
    """Read a body to its end. Raises Stopped where it breaks off or has more than ``most`` bytes."""
    found = bytearray()
    with closing(answer):
        try:
            for piece in answer.pieces():
                found += piece
                if len(found) > most:
                    raise Stopped("reading the answer", "it is absurdly long")
        except OSError as error:
            raise Stopped("reading the answer", str(error)) from error
    return bytes(found)


def _lines(answer: Answer) -> Iterator[bytes]:
    rest = b""
    try:
        for piece in answer.pieces():
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) > CTL_LINE_BYTES_MAX:
                raise Stopped("reading the answer", "a line of it is absurdly long")
            yield from (line for line in lines if line.strip())
    except OSError as error:
        raise Stopped("reading the answer", str(error)) from error
    if rest.strip():
        yield rest


def _decoded(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Stopped("reading the answer", f"it is no JSON: {error}") from error


def _fault(answer: Answer) -> Fault:
    """Return the error of an answer; a body that is no error object is the message."""
    try:
        body = _whole(answer, CTL_FAULT_BYTES_MAX)
    except Stopped as stopped:
        return Fault(code=answer.status, message=str(stopped))
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        told = None
    if isinstance(told, dict) and isinstance(told.get("code"), int) and isinstance(told.get("message"), str):
        return Fault(code=told["code"], message=told["message"])
    return Fault(code=answer.status, message=body.decode(errors="replace"))
