"""Asking a server who has something: the HTTP Routing V1 API (specs.ipfs.tech), `/routing/v1/providers/CID`.

Answers are one JSON object, or a stream with one object a line while the server is still searching. Two forms of
records count: `peer`, and the older `bitswap`. What a router says is a hint; whom we then speak with proves its id.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import trio

from pincrew.cid import cid_text
from pincrew.errors import Malformed
from pincrew.limits import (
    ROUTER_ANSWER_BYTES_MAX,
    ROUTER_LINE_BYTES_MAX,
    ROUTER_RECORDS_MAX,
    ROUTER_SETTLE_S,
    ROUTER_TIMEOUT_S,
    ROUTING_PROVIDERS_ENOUGH,
    ROUTING_PROVIDERS_MAX,
)
from pincrew.node.dialable import dialable, peer_bytes, peer_text
from pincrew.node.web import Answer, Server, ServerFailed

log = logging.getLogger(__name__)

_NDJSON = "application/x-ndjson"
_JSON = "application/json"
# Servers that know these filters leave out what we could not use; the others are understood all the same.
_FILTERS = "filter-addrs=tcp,dnsaddr,unknown&filter-protocols=transport-bitswap,unknown"
_SCHEMAS = ("peer", "bitswap")
_TRANSPORT = "transport-bitswap"


class Router:
    """One server that is asked."""

    def __init__(self, url: str) -> None:
        """Check the URL (raises Misuse)."""
        self._server = Server(url)

    async def find(self, cid: bytes) -> dict[str, tuple[str, ...]]:
        """Return who has ``cid``, as far as the server says so in time: peers and their addresses.

        A server that fails has found nobody, and is not asked again for a while.
        """
        found: dict[str, tuple[str, ...]] = {}
        if self._server.is_resting:
            return found
        with trio.move_on_after(ROUTER_TIMEOUT_S) as patience:
            try:
                async with (
                    self._server.open() as asking,
                    asking.get(f"/routing/v1/providers/{cid_text(cid)}?{_FILTERS}", f"{_NDJSON}, {_JSON}") as answer,
                ):
                    await self._read(answer, found, patience)
                self._server.worked()
            except (ServerFailed, Malformed) as error:
                log.info("a router failed: %s", error.sentence, extra={"router": self._server.url})
                self._server.failed()
        if patience.cancelled_caught and not found:
            log.info("a router does not answer in time", extra={"router": self._server.url})
            self._server.failed()
        return found

    async def _read(self, answer: Answer, found: dict[str, tuple[str, ...]], patience: trio.CancelScope) -> None:
        if answer.status == 404:
            return
        if answer.status in (429, 503):
            self._server.failed(answer.retry_after_s)
            return
        if answer.status != 200:
            raise ServerFailed(f"The router answers {answer.status}", where=answer.url)
        if answer.content_type == _JSON:
            for record in records_of_object(await _whole(answer)):
                _take(record, found, local=answer.is_local)
        elif answer.content_type == _NDJSON:
            await _read_lines(answer, found, patience)
        else:
            raise Malformed(f"A router answers with {answer.content_type[:50]!r}", where=answer.url)


async def _read_lines(answer: Answer, found: dict[str, tuple[str, ...]], patience: trio.CancelScope) -> None:
    rest, size, count = b"", 0, 0
    while len(found) < ROUTING_PROVIDERS_ENOUGH:
        chunk = await answer.read()
        size += len(chunk)
        *lines, rest = (rest + (chunk or b"\n")).split(b"\n")
        count += len(lines)
        if len(rest) > ROUTER_LINE_BYTES_MAX or count > ROUTER_RECORDS_MAX or size > ROUTER_ANSWER_BYTES_MAX:
            raise Malformed("A router answers without end", where=answer.url)
        for line in lines:
            if line.strip():
                _take(record_of(line), found, local=answer.is_local)
        if not chunk:
            return
        if found:
            patience.deadline = min(patience.deadline, trio.current_time() + ROUTER_SETTLE_S)


async def _whole(answer: Answer) -> bytes:
    body = bytearray()
    while chunk := await answer.read():
        body += chunk
        if len(body) > ROUTER_ANSWER_BYTES_MAX:
            raise Malformed("A router answers without end", where=answer.url)
    return bytes(body)


def records_of_object(body: bytes) -> Iterator[dict[str, Any]]:
    """Return the records of an answer that is one object. Raises Malformed."""
    providers = record_of(body).get("Providers")
    if providers is None:
        return iter(())
    if not isinstance(providers, list):
        raise Malformed("A router's answer has no list of providers")
    return (record for record in providers[:ROUTER_RECORDS_MAX] if isinstance(record, dict))


def record_of(text: bytes) -> dict[str, Any]:
    """Return one JSON object. Raises Malformed."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Malformed("A router's answer is not JSON") from error
    if not isinstance(value, dict):
        raise Malformed("A router's answer is not an object")
    return value


def provider_of(record: dict[str, Any], *, local: bool) -> tuple[str, tuple[str, ...]] | None:
    """Return a peer and where it can be dialled; None for a record of what we cannot use.

    A peer without any address may be one that we know; one with addresses, none of which we can dial, is of no use.
    """
    if record.get("Schema") not in _SCHEMAS:
        return None
    protocols = record.get("Protocols") or record.get("Protocol") or []
    if isinstance(protocols, str):
        protocols = [protocols]
    identity, addresses = record.get("ID"), record.get("Addrs") or []
    if not isinstance(identity, str) or not isinstance(addresses, list) or not isinstance(protocols, list):
        return None
    if protocols and _TRANSPORT not in protocols:
        return None
    try:
        peer = peer_text(peer_bytes(identity))
    except Malformed:
        return None
    where = dialable((address for address in addresses if isinstance(address, str)), peer, local=local)
    return (peer, where) if where or not addresses else None


def _take(record: dict[str, Any], found: dict[str, tuple[str, ...]], *, local: bool) -> None:
    provider = provider_of(record, local=local)
    if provider is not None and len(found) < ROUTING_PROVIDERS_MAX:
        peer, addresses = provider
        found[peer] = tuple(dict.fromkeys([*found.get(peer, ()), *addresses]))
