"""Fetching a config document. Everything about the answer is bounded, and the whole of it by one deadline.

What a server can do to us: answer nothing, drip, send a web page, send without end or a small bomb that unpacks to
much, redirect in circles or from https to http. Each ends as one sentence that names the address and what to do.
Whether the bytes are a config document is ``pincrew.config_document``'s question.
"""

from __future__ import annotations

import math
import os
import stat
import zlib
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx
import trio
from pincrew.follow.source import Kind, Source, check_redirect

import pincrew
from pincrew import limits
from pincrew.errors import Malformed, SourceUnreachable

_REDIRECTS = {301, 302, 303, 307, 308}
_TRY_AGAIN = "Check the address, or try again later"
_OTHER = "Ask the curator for the address of the document itself"


@dataclass(frozen=True)
class Fetched:
    """What the source holds now. ``etag`` is its validator, empty where it gave none."""

    raw: bytes
    etag: str = ""


@dataclass(frozen=True)
class NotModified:
    """The source still holds what was fetched under the etag that we named."""


async def fetch(
    source: Source,
    *,
    gateway: str,
    etag: str = "",
    connect_timeout_s: float = limits.SOURCE_CONNECT_TIMEOUT_S,
    timeout_s: float = limits.SOURCE_TIMEOUT_S,
) -> Fetched | NotModified:
    """Fetch a source. Raises SourceUnreachable, or Malformed when what comes cannot be a config document."""
    shown = source.where if source.kind is Kind.FILE else source.url(gateway)
    try:
        with trio.fail_after(timeout_s):
            if source.kind is Kind.FILE:
                return Fetched(await trio.to_thread.run_sync(_read_file, source.where, abandon_on_cancel=True))
            return await _follow_redirects(shown, etag, connect_timeout_s)
    except trio.TooSlowError as error:
        what = f"The source did not deliver within {math.ceil(timeout_s)} s"
        raise SourceUnreachable(what, where=shown, next_step=_next_step(source)) from error
    except SourceUnreachable as fault:
        if source.kind is not Kind.GATEWAY:
            raise
        raise SourceUnreachable(fault.what, where=fault.where, next_step=_next_step(source)) from fault


async def _follow_redirects(url: str, etag: str, connect_timeout_s: float) -> Fetched | NotModified:
    for _ in range(limits.SOURCE_REDIRECTS_MAX + 1):
        answer = await _ask(url, etag, connect_timeout_s)
        if not isinstance(answer, str):
            return answer
        check_redirect(url, answer)
        url = answer
    raise SourceUnreachable(
        f"The source redirects more than {limits.SOURCE_REDIRECTS_MAX} times",
        where=url,
        next_step=_OTHER,
    )


async def _ask(url: str, etag: str, connect_timeout_s: float) -> Fetched | NotModified | str:
    """Ask one server once. Returns the next URL where it redirects."""
    headers = {
        "User-Agent": f"pincrew/{getattr(pincrew, '__version__', '0')}",
        "Accept": "application/toml, text/plain, */*;q=0.5",
        "Accept-Encoding": "gzip, identity",
    }
    if etag:
        headers["If-None-Match"] = etag
    # The time for the whole is the caller's cancel scope; httpx knows only times between two bytes.
    timeout = httpx.Timeout(None, connect=connect_timeout_s)
    try:
        async with (
            httpx.AsyncClient(timeout=timeout, trust_env=not is_loopback(url), follow_redirects=False) as client,
            client.stream("GET", url, headers=headers) as answer,
        ):
            if answer.status_code in _REDIRECTS and "location" in answer.headers:
                return str(answer.url.join(answer.headers["location"]))
            if answer.status_code == 304 and etag:
                return NotModified()
            if answer.status_code != 200:
                raise SourceUnreachable(
                    f"The source answers {answer.status_code} {answer.reason_phrase}".rstrip(),
                    where=url,
                    next_step=_TRY_AGAIN,
                )
            return Fetched(await _body(answer, url), answer.headers.get("etag", "")[:256])
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError) as error:  # the last: odd host names
        raise SourceUnreachable(_failure(error), where=url, next_step=_TRY_AGAIN) from error


async def _body(answer: httpx.Response, url: str) -> bytes:
    """Read a body, bounded as sent and as unpacked."""
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip", ""):
        what = f"The source answers in the encoding {encoding[:20]!r}, which was not asked for"
        raise SourceUnreachable(what, where=url, next_step=_OTHER)
    room = limits.CONFIG_DOCUMENT_BYTES_MAX
    sent = bytearray()
    # Leaving the loop early would leave httpx's generators to the garbage collector; a cancellation ends them all.
    with trio.CancelScope() as scope:
        async for chunk in answer.aiter_raw():
            if len(sent) <= room:
                sent += chunk
            else:
                scope.cancel()
    body = _unpacked(bytes(sent), url) if "gzip" in encoding and len(sent) <= room else bytes(sent)
    if len(body) > room:
        raise Malformed("The source sends more than 256 KiB, which is no config document", where=url, next_step=_OTHER)
    return body


def _unpacked(sent: bytes, url: str) -> bytes:
    """Unpack gzip, but not by more than one byte beyond the limit: a little may stand for very much."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        body = unpacker.decompress(sent, limits.CONFIG_DOCUMENT_BYTES_MAX + 1)
    except zlib.error as error:
        raise Malformed("The source sends damaged gzip", where=url, next_step=_TRY_AGAIN) from error
    if not unpacker.eof and len(body) <= limits.CONFIG_DOCUMENT_BYTES_MAX:
        raise SourceUnreachable("The answer of the source is cut short", where=url, next_step=_TRY_AGAIN)
    return body


def _read_file(path: str) -> bytes:
    """Read a file, which must be one: a pipe would keep us for ever, a device would never end."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise SourceUnreachable("The source is not a file", where=path, next_step="Name the file")
            return file.read(limits.CONFIG_DOCUMENT_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it has an impossible name"
        raise SourceUnreachable(
            f"The file with the config document cannot be read: {reason}",
            where=path,
            next_step="Check the path; an address on the web starts with https://",
        ) from error


def _next_step(source: Source) -> str:
    if source.kind is Kind.GATEWAY:
        return "Such names are read through the gateway of your IPFS node: start it, or set `gateway` in settings.toml"
    return _TRY_AGAIN


def _failure(error: Exception) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return "The source does not answer"
    if isinstance(error, httpx.ConnectError):
        return f"No connection to the source: {error}"
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol | UnicodeError):
        return "That address cannot be asked"
    if isinstance(error, httpx.RemoteProtocolError):
        return "The answer of the source is cut short or is not HTTP"
    return f"The source failed: {str(error) or type(error).__name__}"


def is_loopback(url: str) -> bool:
    """Say whether a URL means this machine: then a proxy for the world outside is not asked."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or host.endswith(".localhost") or ip_address(host).is_loopback
    except ValueError:
        return False
