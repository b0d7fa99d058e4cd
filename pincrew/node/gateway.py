"""The gateway: what the node keeps, or can fetch, for a browser on this machine; it only reads.

    GET /ipfs/CID/path                  a file, a range of it, or a folder's page
    GET /ipfs/CID/path?format=raw|car   the block, or the DAG as a CAR (also by Accept)

A browser is a dangerous guest: pages from anywhere can send it here, and pages that strangers made are served here.
So: other names for this address are refused (DNS rebinding); what is served runs in a sandbox, where it has no origin
and can read nothing else from here; nothing allows other origins to read; and where a foreign page merely embeds
something (an image), only what is here already is served, so that no web page makes this node fetch things.
"""

from __future__ import annotations

import logging
import re
import urllib.parse
from collections.abc import MutableMapping
from functools import partial
from typing import Any

import trio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pincrew.cid import cid_text
from pincrew.doors import LOCAL_HOSTS
from pincrew.errors import Misuse, NotFound, PeerFault, PincrewError
from pincrew.limits import (
    GATEWAY_FIRST_BYTES_TIMEOUT_S,
    GATEWAY_LISTED_SORTED_MAX,
    GATEWAY_SNIFFED_BYTES,
    GATEWAY_STALL_TIMEOUT_S,
)
from pincrew.node import listing_page
from pincrew.node.answering import Answer, Body, Receive, Send, answering
from pincrew.node.contract import NodeDoor
from pincrew.node.gateway_car import write_car
from pincrew.node.gateway_request import Form, Wanted, wanted_of
from pincrew.node.media_types import media_type
from pincrew.node.multihash import DAG_PB, codec_of
from pincrew.node.read_ahead import Get
from pincrew.node.reading import Listed, Resolved, Status, cat, ls, resolve, status
from pincrew.node.segments import name_bytes, name_text, segments_of
from pincrew.node.unixfs import Kind

log = logging.getLogger(__name__)

_IMMUTABLE = "public, max-age=29030400, immutable"
# No `allow-same-origin`: whatever is served may run, but as nobody.
_SANDBOX = "sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads; frame-ancestors 'self'"
_INDEX = "index.html"
_FOLDERS = (Kind.DIRECTORY, Kind.HAMT_SHARD)
_ABOUT = """This is the gateway of a pincrew node. It serves what the node keeps, to this machine alone:

    /ipfs/CID           a file, or the list of a folder
    /ipfs/CID/path      what is inside of a folder
    ?format=raw|car     the block itself, or all blocks as a CAR
"""


def build_gateway(node: NodeDoor, *, hosts: frozenset[str] = LOCAL_HOSTS) -> Starlette:
    """Return the application. ``hosts`` are the names under which it may be called."""
    routes = [
        Route("/", _about, methods=["GET"]),
        Route("/ipfs/{path:path}", _Door(node, hosts), methods=["GET", "HEAD"]),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _no_route})


async def _about(_: Request) -> Response:
    return PlainTextResponse(_ABOUT)


async def _no_route(request: Request, error: Exception) -> Response:
    code = error.status_code if isinstance(error, HTTPException) else 404
    if code == 405:
        return PlainTextResponse("This gateway only reads: GET and HEAD.\n", 405, {"Allow": "GET, HEAD"})
    if request.url.path.startswith("/ipns/"):
        return PlainTextResponse("This node resolves no names: use /ipfs/CID.\n", 501)
    return PlainTextResponse("There is nothing here. Content is at /ipfs/CID.\n", code)


class _Door:
    def __init__(self, node: NodeDoor, hosts: frozenset[str]) -> None:
        self._node = node
        self._hosts = hosts

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        request = Request(scope)
        host = request.headers.get("host", "")
        if host not in self._hosts and re.sub(r":\d+$", "", host) not in self._hosts:
            await PlainTextResponse("This gateway is for this machine alone.\n", 403)(scope, receive, send)
            return
        await answering(receive, send, partial(self._answer, request))

    async def _answer(self, request: Request, answer: Answer, _: Body) -> None:
        def refuse(code: int, sentence: str) -> None:
            if answer.restart():
                headers = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
                answer.begin_bytes(headers, code)
                answer.put_last(sentence.encode() + b"\n")
            else:
                answer.cut()

        try:
            wanted = wanted_of(request)
            with trio.fail_after(GATEWAY_FIRST_BYTES_TIMEOUT_S) as patience:
                await _Serving(self._node, wanted, answer, patience).run()
        except trio.TooSlowError:
            refuse(
                504, "Nobody that this node can reach has sent this content: it may exist elsewhere. Try again later."
            )
        except _NotCached:
            refuse(412, "This content is not (all) on this node.")
        except NotFound as error:
            refuse(404, f"{error.what}.")
        except Misuse as error:
            refuse(400, error.sentence)
        except PeerFault as error:
            refuse(502, f"This content is damaged: {error.what}.")
        except PincrewError as error:
            refuse(500, error.sentence)
        except Exception:  # a bug: the browser gets a sentence, the log gets the trace, the node lives
            log.exception("a request failed")
            refuse(500, "Internal error: see the node's log.")


class _NotCached(Exception):
    """Only what is here was asked for, and it is not here."""


class _Serving:
    """One answer. ``patience`` ends when no byte has come for too long; each piece that is written renews it."""

    def __init__(self, node: NodeDoor, wanted: Wanted, answer: Answer, patience: trio.CancelScope) -> None:
        self._node = node
        self._wanted = wanted
        self._answer = answer
        self._patience = patience
        self._headers = {
            "X-Content-Type-Options": "nosniff",
            "X-Ipfs-Path": urllib.parse.quote(name_bytes(wanted.address.rstrip("/")), safe="/"),
            "Vary": "Accept, Sec-Fetch-Site",
        }

    async def run(self) -> None:
        wanted = self._wanted
        seen: list[tuple[bytes, bytes]] = []

        async def get(cid: bytes) -> bytes:
            block = await self._get(cid)
            seen.append((cid, block))
            return block

        found = await self._follow(get)
        if wanted.form is Form.RAW:
            await self._block(found)
        elif wanted.form is Form.CAR:
            await self._car(found, seen)
        else:
            await self._content(found)

    async def _follow(self, get: Get) -> Resolved:
        """Follow the path, and name what it leads through."""
        found = Resolved(self._wanted.cid)
        roots = [cid_text(found.cid)]
        names = [name_text(segment) for segment in segments_of(self._wanted.below)]
        while names:
            # A name is a step, but for paths through the maps of a block, of which only the block knows the length.
            step = 1 if codec_of(found.cid) == DAG_PB else len(names)
            found = await resolve(get, found.cid, "/".join(names[:step]))
            roots.append(cid_text(found.cid))
            del names[:step]
        self._headers["X-Ipfs-Roots"] = ",".join(roots)
        return found

    async def _get(self, cid: bytes) -> bytes:
        try:
            return await self._node.get(cid, offline=self._wanted.offline)
        except NotFound as error:
            raise _NotCached from error

    async def _write(self, data: bytes) -> None:
        await self._answer.write(data)
        self._patience.deadline = trio.current_time() + GATEWAY_STALL_TIMEOUT_S

    # ---- blocks ------------------------------------------------------------------------------------------------------
    async def _block(self, found: Resolved) -> None:
        if found.rest:
            raise Misuse("That path ends inside of a block: only a whole block can be sent")
        text = cid_text(found.cid)
        if self._is_known(f'"{text}.raw"'):
            return
        block = await self._get(found.cid)
        self._attach(f"{text}.bin")
        self._begin("application/vnd.ipld.raw", len(block))
        await self._send(block)

    async def _car(self, found: Resolved, seen: list[tuple[bytes, bytes]]) -> None:
        if found.rest:
            raise Misuse("That path ends inside of a block: only whole blocks can be sent")
        scope, text = self._wanted.car, cid_text(found.cid)
        if self._is_known(f'W/"{text}.car.{scope.tag}"'):
            return
        if self._wanted.is_head:
            await self._get(found.cid)
        self._attach(f"{text}.car")
        order = "dfs" if scope.is_ordered else "unk"
        self._begin(f"application/vnd.ipld.car; version=1; order={order}; dups=n", None)
        if not self._wanted.is_head:
            await write_car(self._get, found.cid, scope, seen, self._write)

    # ---- files and folders -------------------------------------------------------------------------------------------
    async def _content(self, found: Resolved) -> None:
        what = None if found.rest else await status(self._get, found.cid)
        if what is None or what.kind is None:
            self._say(406, "This is data, not a file or a folder. Add ?format=raw or ?format=car to its address.")
        elif what.kind in _FOLDERS:
            await self._folder(found.cid)
        else:
            await self._file(found.cid, what, self._wanted.name)

    async def _file(self, cid: bytes, what: Status, name: str) -> None:
        etag = f'"{cid_text(cid)}"'
        if self._is_known(etag):
            return
        size = what.content_bytes
        self._headers["Accept-Ranges"] = "bytes"
        begin, end, code = 0, size, 200
        if (chosen := self._wanted.range_of(size, etag)) is not None:
            begin, end = chosen
            code = 206
            self._headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
            if begin >= end:
                self._headers["Content-Range"] = f"bytes */{size}"
                self._say(416, "The file has no such range.")
                return
        if what.kind is Kind.SYMLINK:
            target = what.target.encode("utf-8", "surrogateescape")
            self._begin("inode/symlink", end - begin, code)
            await self._send(target[begin:end])
            return
        start = b""
        async with cat(self._get, cid, 0, min(size, GATEWAY_SNIFFED_BYTES)) as pieces:
            async for piece in pieces:
                start += piece
        self._headers["Content-Security-Policy"] = _SANDBOX
        if self._wanted.downloads or self._wanted.renamed:
            self._name(name or cid_text(cid), attached=self._wanted.downloads)
        self._begin(media_type(name, start), end - begin, code)
        if self._wanted.is_head or begin == end:
            return
        async with cat(self._get, cid, begin, end - begin) as pieces:
            async for piece in pieces:
                await self._write(piece)

    async def _folder(self, cid: bytes) -> None:
        wanted = self._wanted
        if not wanted.address.endswith("/"):
            query = f"?{wanted.query}" if wanted.query else ""
            # By its last name alone: an address that began with two slashes would lead to another host.
            last = urllib.parse.quote(name_bytes(wanted.address.rpartition("/")[2]), safe="")
            self._headers["Location"] = f"./{last}/{query}"
            self._say(301, "This is a folder: its address ends in a slash.")
            return
        try:
            index = await resolve(self._get, cid, _INDEX)
        except NotFound:
            await self._listing(cid)
            return
        self._headers["X-Ipfs-Roots"] += f",{cid_text(index.cid)}"
        what = await status(self._get, index.cid)
        if what.kind is Kind.FILE:
            await self._file(index.cid, what, _INDEX)
        else:
            await self._listing(cid)

    async def _listing(self, cid: bytes) -> None:
        """Write a folder's page: sorted by name, but for what is too much to sort, which comes as it is stored."""
        if self._is_known(f'"DirIndex-{listing_page.VERSION}_CID-{cid_text(cid)}"'):
            return
        # Not to be kept for ever: another version of this program makes another page of it.
        self._headers["Cache-Control"] = "public, max-age=604800, stale-while-revalidate=2678400"
        self._headers["Content-Security-Policy"] = f"{_SANDBOX}; default-src 'none'; style-src 'unsafe-inline'"
        waiting: list[Listed] = []
        is_sorted = True
        start = listing_page.page_start(self._wanted.address)
        if self._wanted.is_head:
            self._begin("text/html; charset=utf-8", None)
            return
        async with ls(self._get, cid, types=False) as batches:
            async for batch in batches:
                waiting += batch
                if not is_sorted or len(waiting) > GATEWAY_LISTED_SORTED_MAX:
                    if is_sorted:
                        self._begin("text/html; charset=utf-8", None)
                    is_sorted = False
                    await self._write((start + listing_page.page_rows(waiting)).encode())
                    start, waiting = "", []
        if is_sorted:
            self._begin("text/html; charset=utf-8", None)
        rows = listing_page.page_rows(sorted(waiting, key=lambda each: each.name))
        await self._write((start + rows + listing_page.page_end()).encode())

    # ---- heads -------------------------------------------------------------------------------------------------------
    def _is_known(self, etag: str) -> bool:
        """Set the headers of what never changes; where the browser has it, answer just that."""
        self._headers["Etag"] = etag
        self._headers["Cache-Control"] = _IMMUTABLE
        if not self._wanted.has(etag):
            return False
        self._answer.begin_bytes(self._headers, 304)
        return True

    def _begin(self, content_type: str, size: int | None, code: int = 200) -> None:
        self._headers["Content-Type"] = content_type
        if size is not None:
            self._headers["Content-Length"] = str(size)
        self._answer.begin_bytes(self._headers, code)

    async def _send(self, data: bytes) -> None:
        if not self._wanted.is_head:
            await self._write(data)

    def _say(self, code: int, sentence: str) -> None:
        for name in ("Etag", "Cache-Control"):
            self._headers.pop(name, None)
        self._headers["Content-Type"] = "text/plain; charset=utf-8"
        self._answer.begin_bytes(self._headers, code)
        self._answer.put_last(sentence.encode() + b"\n")

    def _attach(self, name: str) -> None:
        self._name(self._wanted.renamed or name, attached=True)

    def _name(self, name: str, *, attached: bool) -> None:
        plain = re.sub(r"[^ !#-\[\]-~]", "_", name)
        encoded = urllib.parse.quote(name.encode("utf-8", "surrogateescape"), safe="")
        kind = "attachment" if attached else "inline"
        self._headers["Content-Disposition"] = f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
