"""HTTP servers of others that help to find content: routers and gateways, named in the settings.

Every answer is a stream that is read piece by piece, with a bound on each silence. Redirects are followed to names
below the one that was asked, as gateways with a host name for each CID do it, and to nowhere else. A server that fails
rests, twice as long each time; how one that lies is treated is the caller's matter.

httpx, for its proxies, redirects and TLS (ADR 5); libp2p imports it anyway.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cache
from ipaddress import ip_address
from urllib.parse import SplitResult, urljoin, urlsplit

import httpx
import trio

from pincrew import __version__
from pincrew.errors import Misuse, WorldFault
from pincrew.limits import (
    GATEWAY_REQUESTS_AT_ONCE,
    WEB_CONNECT_TIMEOUT_S,
    WEB_REDIRECTS_MAX,
    WEB_REST_S_MAX,
    WEB_REST_S_MIN,
    WEB_SILENCE_TIMEOUT_S,
)

_REDIRECTS = {301, 302, 303, 307, 308}
_FAULTS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError)  # the last: odd host names


class ServerFailed(WorldFault):
    """A server on the web did not do its part."""

    code = "server_failed"


class ServerStalled(ServerFailed):
    """A server on the web answers too slowly."""

    code = "server_stalled"


class Answer:
    """One answer of a server: its head, and its body as it arrives."""

    def __init__(self, response: httpx.Response, url: str) -> None:
        self.status = response.status_code
        self.content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        self.url = url
        self.is_local = _is_local(response)
        """Whether it comes from this machine, or from its network."""
        self._response = response
        self._body = response.aiter_raw()
        self._has_ended = False

    @property
    def retry_after_s(self) -> float | None:
        """How long the server asks to be left alone, if it does and says it in seconds."""
        text = self._response.headers.get("retry-after", "")
        return float(text) if text.isascii() and text.isdigit() and len(text) < 8 else None

    async def read(self) -> bytes:
        """Return the next piece of the body; empty at its end. Raises ServerFailed."""
        try:
            return await anext(self._body)
        except StopAsyncIteration:
            self._has_ended = True
            return b""
        # A cancellation, too, and whatever httpx lets through: it comes from inside, and has ended everything in there.
        except BaseException as error:
            self._has_ended = True
            if isinstance(error, _FAULTS):
                raise _fault(error, self.url) from error
            raise

    async def end(self) -> None:
        """Leave the rest of the body unread.

        httpx nests generators and closes only the outermost: left half-read, the others would be found by the garbage
        collector. A read that is cancelled ends them all.
        """
        with suppress(ServerFailed), trio.CancelScope() as scope:
            scope.cancel()
            while not self._has_ended:
                await self.read()


class Server:
    """One server, by its URL. It remembers for how long it is better left alone."""

    def __init__(self, url: str) -> None:
        """Check the URL (raises Misuse)."""
        parts = _parts(url)
        if parts.query or parts.fragment:
            raise Misuse(f"{url[:200]!r} has more than a host and a path", next_step="Write `https://HOST`")
        self.url = url.rstrip("/")
        self.host = (parts.hostname or "").lower()
        self.rests_until = 0.0
        self._failures = 0

    @property
    def is_resting(self) -> bool:
        """Say whether it failed a short while ago."""
        return trio.current_time() < self.rests_until

    def failed(self, rest_s: float | None = None) -> None:
        """Leave it alone: for ``rest_s``, else for longer with each failure."""
        doubled = WEB_REST_S_MIN * 2 ** min(self._failures, 16)
        self._failures += 1
        self.rests_until = trio.current_time() + min(WEB_REST_S_MAX, doubled if rest_s is None else rest_s)

    def worked(self) -> None:
        """Forget its failures."""
        self._failures = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Asking]:
        """Open the connections for a number of requests; they are closed with the block."""
        async with httpx.AsyncClient(
            timeout=httpx.Timeout(WEB_SILENCE_TIMEOUT_S, connect=WEB_CONNECT_TIMEOUT_S),
            limits=httpx.Limits(max_connections=GATEWAY_REQUESTS_AT_ONCE),
            verify=_tls(),
            trust_env=not _is_loopback(self.host),
            follow_redirects=False,
        ) as client:
            yield Asking(self, client)


class Asking:
    """Connections to one server."""

    def __init__(self, server: Server, client: httpx.AsyncClient) -> None:
        self._server = server
        self._client = client

    @asynccontextmanager
    async def get(self, path: str, accept: str) -> AsyncIterator[Answer]:
        """Ask for ``path`` (with its query) below the server's URL. Raises ServerFailed."""
        headers = {"User-Agent": f"pincrew/{__version__}", "Accept": accept, "Accept-Encoding": "identity"}
        url = self._server.url + path
        for _ in range(WEB_REDIRECTS_MAX + 1):
            response = await self._send(url, headers)
            try:
                target = response.headers.get("location")
                if response.status_code in _REDIRECTS and target:
                    url = self._redirected(url, target)
                    continue
                if response.headers.get("content-encoding", "identity").lower() not in ("identity", ""):
                    raise ServerFailed("The server answers in an encoding that was not asked for", where=url)
                answer = Answer(response, url)
                try:
                    yield answer
                finally:
                    await answer.end()
                return
            finally:
                await response.aclose()
        raise ServerFailed(f"The server redirects more than {WEB_REDIRECTS_MAX} times", where=self._server.url)

    async def _send(self, url: str, headers: dict[str, str]) -> httpx.Response:
        try:
            return await self._client.send(self._client.build_request("GET", url, headers=headers), stream=True)
        except _FAULTS as error:
            raise _fault(error, url) from error

    def _redirected(self, asked: str, target: str) -> str:
        try:
            url = urljoin(asked, target)
            parts = _parts(url)
        except (Misuse, ValueError) as error:
            raise ServerFailed("The server redirects to what is no address", where=asked) from error
        host = (parts.hostname or "").lower()
        below = host == self._server.host or host.endswith(f".{self._server.host}")
        if not below or (urlsplit(asked).scheme == "https" and parts.scheme != "https"):
            raise ServerFailed(f"The server redirects to another ({host[:100]})", where=asked)
        return url


@cache
def _tls() -> ssl.SSLContext:
    """Return the certificates that are trusted: reading them takes longer than most requests."""
    return httpx.create_ssl_context()


def _parts(url: str) -> SplitResult:
    """Take a URL apart. Raises Misuse for what is none of a web server, and for one with a password in it."""
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_good = False
    if not is_good or "@" in parts.netloc:
        raise Misuse(f"{url[:200]!r} is not the address of a web server", next_step="Write `https://HOST`")
    return parts


def _is_loopback(host: str) -> bool:
    """Say whether a host is this machine: then a proxy for the world outside is not asked."""
    try:
        return host == "localhost" or host.endswith(".localhost") or ip_address(host).is_loopback
    except ValueError:
        return False


def _is_local(response: httpx.Response) -> bool:
    stream = response.extensions.get("network_stream")
    try:
        address = stream.get_extra_info("server_addr") if stream is not None else None
    except OSError:
        return False  # The connection has ended already.
    return isinstance(address, tuple) and not ip_address(address[0].partition("%")[0]).is_global


def _fault(error: BaseException, url: str) -> ServerFailed:
    if isinstance(error, httpx.TimeoutException):
        return ServerStalled("The server does not answer", where=url)
    if isinstance(error, httpx.ConnectError):
        return ServerFailed(f"No connection to the server: {error}", where=url)
    if isinstance(error, httpx.RemoteProtocolError):
        return ServerFailed("The answer of the server is cut short or is not HTTP", where=url)
    return ServerFailed(f"The server failed: {str(error) or type(error).__name__}", where=url)
