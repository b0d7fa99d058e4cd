"""The daemon's API over HTTP: the routes of ``shapes`` on whatever the daemon offers.

Nothing here knows libp2p, stores or roles. A route that writes asks whether the cluster *can* (a follower has no
``write``) and refuses with `not_allowed` otherwise. Every error is ``{"error": {...}}`` with its status; one in the
middle of a list is the list's last line.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import msgspec
import trio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from pincrew import limits
from pincrew.api import shapes
from pincrew.errors import Misuse, NotAllowed, PincrewError

_log = logging.getLogger("pincrew.api")
_PREFIX = "/api/v1"
_JSON = "application/json"
_LINES = "application/x-ndjson"
_LIMIT_DEFAULT = 256
_BATCH_REQUESTS = 10_000
_PARSED_PER_SLICE = 500


class ClusterDoor(Protocol):
    """What every running cluster answers."""

    def summary(self) -> shapes.Summary: ...
    def ready(self) -> shapes.Ready: ...
    async def pins(
        self, *, state: str, name: str, find: str, sort: str, limit: int, offset: int
    ) -> tuple[list[shapes.PinLine], int | None, int]: ...
    def pinset(self, cids: Sequence[str]) -> AsyncIterator[list[shapes.PinObject]]: ...
    def pin_statuses(self, cids: Sequence[str], *, local: bool) -> AsyncIterator[list[shapes.GlobalPinInfo]]: ...
    async def peers(self) -> list[shapes.PeerLine]: ...
    async def errors(self) -> list[shapes.ErrorLine]: ...
    def events(self, after: int, *, follow: bool) -> AsyncIterator[list[shapes.EventLine]]: ...
    async def retry(self, cid: str | None) -> int: ...
    async def removals(self) -> shapes.Removals: ...
    async def decide_removals(self, decision: str) -> shapes.Removals: ...
    def checks(self) -> list[shapes.Check]: ...


@runtime_checkable
class Writes(Protocol):
    """A cluster that this daemon may write."""

    async def write(self, requests: Sequence[shapes.PinRequest]) -> tuple[int, int, list[str]]: ...
    async def publish_document(self, *, force_secret: bool) -> shapes.Published: ...


@runtime_checkable
class HasSource(Protocol):
    """A cluster that came from a config document elsewhere."""

    async def source(self) -> shapes.SourceInfo: ...
    async def decide_source(self, decision: str) -> shapes.SourceInfo: ...


class DaemonDoor(Protocol):
    """What the daemon answers."""

    def info(self) -> shapes.DaemonInfo: ...
    def stop(self) -> None: ...
    def status(self) -> shapes.Status: ...
    def cluster(self, name: str) -> ClusterDoor: ...
    async def offer(self, request: shapes.OfferRequest) -> shapes.Offer: ...
    async def accept(self, request: shapes.AcceptRequest) -> shapes.Followed: ...
    async def run_cluster(self, name: str, publish: str | None) -> shapes.Summary: ...
    async def stop_cluster(self, name: str) -> None: ...
    async def leave(self, name: str, *, dry_run: bool) -> shapes.Left: ...
    async def switch_node(self, name: str, ipfs: str, *, keep_old: bool) -> shapes.NodeSwitched: ...


class _RunRequest(msgspec.Struct):
    name: str
    publish: str | None = None


class _RetryRequest(msgspec.Struct):
    cid: str | None = None


class _Decision(msgspec.Struct):
    decision: str


class _PublishRequest(msgspec.Struct):
    force_secret: bool = False


class _LeaveRequest(msgspec.Struct):
    dry_run: bool = False


class _NodeRequest(msgspec.Struct):
    ipfs: str
    keep_old: bool = False


def build_app(daemon: DaemonDoor, *, hosts: frozenset[str] | None = None) -> Starlette:
    """Return the ASGI application. ``hosts`` are the Host headers that a TCP door takes (None on a unix socket)."""
    return _Api(daemon, hosts).app


class _Api:
    def __init__(self, daemon: DaemonDoor, hosts: frozenset[str] | None) -> None:
        self._daemon = daemon
        self._hosts = hosts
        one = "/clusters/{name}"
        table: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
            ("GET", "/daemon", self._info),
            ("POST", "/daemon/stop", self._stop),
            ("GET", "/status", self._status),
            ("POST", "/offers", self._offer),
            ("POST", "/offers/accept", self._accept),
            ("POST", "/clusters", self._run),
            ("DELETE", one, self._halt),
            ("GET", f"{one}/summary", self._summary),
            ("GET", f"{one}/ready", self._ready),
            ("GET", f"{one}/pins", self._pins),
            ("POST", f"{one}/pins", self._write),
            ("GET", f"{one}/pinset", self._pinset),
            ("GET", f"{one}/pins/status", self._pin_statuses),
            ("GET", f"{one}/peers", self._peers),
            ("GET", f"{one}/errors", self._errors),
            ("GET", f"{one}/events", self._events),
            ("POST", f"{one}/retry", self._retry),
            ("GET", f"{one}/removals", self._removals),
            ("POST", f"{one}/removals", self._decide_removals),
            ("POST", f"{one}/publish", self._publish),
            ("GET", f"{one}/source", self._source),
            ("POST", f"{one}/source", self._decide_source),
            ("POST", f"{one}/leave", self._leave),
            ("POST", f"{one}/node", self._switch_node),
            ("GET", f"{one}/doctor", self._doctor),
        ]
        routes = [Route(_PREFIX + path, self._guarded(call), methods=[method]) for method, path, call in table]
        self.app = Starlette(routes=routes, exception_handlers={HTTPException: _no_route})

    def _guarded(self, call: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            try:
                self._check_origin(request)
                return await call(request)
            except PincrewError as error:
                return _error(error)
            except msgspec.DecodeError as error:
                return _error(Misuse(f"The request's body has the wrong form: {error}"))
            except Exception:  # a bug: the caller gets a sentence, the log gets the trace, the daemon lives
                _log.exception("a request failed")
                return _error(PincrewError(next_step="See daemon.log and report it"))

        return guarded

    def _check_origin(self, request: Request) -> None:
        """Refuse what a web page in somebody's browser could send (DNS rebinding)."""
        if self._hosts is None:
            return
        host = request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host", "")
        if host not in self._hosts or request.headers.get("origin"):
            raise NotAllowed("Requests from web pages are refused")

    # ---- the daemon -------------------------------------------------------------------------------------------

    async def _info(self, _: Request) -> Response:
        return _one(self._daemon.info())

    async def _stop(self, _: Request) -> Response:
        self._daemon.stop()
        return _one({})

    async def _status(self, _: Request) -> Response:
        return _one(self._daemon.status())

    async def _offer(self, request: Request) -> Response:
        return _one(await self._daemon.offer(await _body(request, shapes.OfferRequest)))

    async def _accept(self, request: Request) -> Response:
        return _one(await self._daemon.accept(await _body(request, shapes.AcceptRequest)))

    async def _run(self, request: Request) -> Response:
        wanted = await _body(request, _RunRequest)
        return _one(await self._daemon.run_cluster(wanted.name, wanted.publish))

    async def _halt(self, request: Request) -> Response:
        await self._daemon.stop_cluster(request.path_params["name"])
        return _one({})

    async def _leave(self, request: Request) -> Response:
        wanted = await _body(request, _LeaveRequest)
        return _one(await self._daemon.leave(request.path_params["name"], dry_run=wanted.dry_run))

    async def _switch_node(self, request: Request) -> Response:
        wanted = await _body(request, _NodeRequest)
        name = request.path_params["name"]
        return _one(await self._daemon.switch_node(name, wanted.ipfs, keep_old=wanted.keep_old))

    # ---- one cluster ------------------------------------------------------------------------------------------

    def _cluster(self, request: Request) -> ClusterDoor:
        return self._daemon.cluster(request.path_params["name"])

    async def _summary(self, request: Request) -> Response:
        return _one(self._cluster(request).summary())

    async def _ready(self, request: Request) -> Response:
        return _one(self._cluster(request).ready())

    async def _pins(self, request: Request) -> Response:
        query = request.query_params
        limit, offset = _number(query.get("limit"), _LIMIT_DEFAULT), _number(query.get("offset"), 0)
        rows, total, revision = await self._cluster(request).pins(
            state=query.get("state", ""),
            name=query.get("name", ""),
            find=query.get("find", ""),
            sort=query.get("sort", "added"),
            limit=limit,
            offset=offset,
        )
        headers = {"X-Rev": str(revision)} | ({} if total is None else {"X-Total": str(total)})
        return Response(_encode(rows), media_type=_LINES, headers=headers)

    async def _write(self, request: Request) -> Response:
        cluster = self._cluster(request)
        if not isinstance(cluster, Writes):
            raise _not_a_curator(request)
        added = removed = 0
        absent: list[str] = []
        async for batch in _requests(request):
            more, fewer, missing = await cluster.write(batch)
            added, removed = added + more, removed + fewer
            absent += missing[: _BATCH_REQUESTS - len(absent)]
        return _one(shapes.PinsWritten(added, removed, absent))

    async def _pinset(self, request: Request) -> Response:
        return await _lines(self._cluster(request).pinset(request.query_params.getlist("cid")))

    async def _pin_statuses(self, request: Request) -> Response:
        cids = request.query_params.getlist("cid")
        return await _lines(self._cluster(request).pin_statuses(cids, local=request.query_params.get("local") == "1"))

    async def _peers(self, request: Request) -> Response:
        return Response(_encode(await self._cluster(request).peers()), media_type=_LINES)

    async def _errors(self, request: Request) -> Response:
        return Response(_encode(await self._cluster(request).errors()), media_type=_LINES)

    async def _events(self, request: Request) -> Response:
        query = request.query_params
        follow = query.get("follow") == "1"
        return await _lines(
            self._cluster(request).events(_number(query.get("after"), 0), follow=follow), eager=not follow
        )

    async def _retry(self, request: Request) -> Response:
        wanted = await _body(request, _RetryRequest)
        return _one(shapes.Retried(await self._cluster(request).retry(wanted.cid)))

    async def _removals(self, request: Request) -> Response:
        return _one(await self._cluster(request).removals())

    async def _decide_removals(self, request: Request) -> Response:
        wanted = await _body(request, _Decision)
        if wanted.decision not in ("accept", "reject"):
            raise Misuse(f"{wanted.decision!r} is not a decision", next_step="There are: accept, reject")
        return _one(await self._cluster(request).decide_removals(wanted.decision))

    async def _publish(self, request: Request) -> Response:
        cluster = self._cluster(request)
        if not isinstance(cluster, Writes):
            raise _not_a_curator(request)
        wanted = await _body(request, _PublishRequest)
        return _one(await cluster.publish_document(force_secret=wanted.force_secret))

    async def _source(self, request: Request) -> Response:
        return _one(await self._with_source(request).source())

    async def _decide_source(self, request: Request) -> Response:
        cluster = self._with_source(request)
        return _one(await cluster.decide_source((await _body(request, _Decision)).decision))

    def _with_source(self, request: Request) -> HasSource:
        cluster = self._cluster(request)
        if not isinstance(cluster, HasSource):
            raise Misuse(
                f"{request.path_params['name']} was created here: it has no source",
                next_step="`pincrew publish` writes its config document",
            )
        return cluster

    async def _doctor(self, request: Request) -> Response:
        return Response(_encode(self._cluster(request).checks()), media_type=_LINES)


async def _requests(request: Request) -> AsyncIterator[list[shapes.PinRequest]]:
    """Read pins line by line, in batches. Raises Misuse with the number of a bad line."""
    decoder = msgspec.json.Decoder(shapes.PinRequest)
    batch: list[shapes.PinRequest] = []
    rest = b""
    number = 0

    def take(line: bytes) -> None:
        nonlocal number
        number += 1
        if len(line) > limits.API_LINE_BYTES_MAX:
            raise Misuse(f"Line {number} is longer than 64 KiB")
        if line.strip():
            try:
                batch.append(decoder.decode(line))
            except msgspec.DecodeError as error:
                raise Misuse(f"Line {number} is not a pin: {error}") from error
        if len(rest) > limits.API_LINE_BYTES_MAX:
            raise Misuse(f"Line {number} is longer than 64 KiB")

    async for chunk in request.stream():
        *lines, rest = (rest + chunk).split(b"\n")
        for index, line in enumerate(lines):
            take(line)
            if index % _PARSED_PER_SLICE == _PARSED_PER_SLICE - 1:
                await trio.lowlevel.checkpoint()
        if len(batch) >= _BATCH_REQUESTS:
            yield batch
            batch = []
    take(rest)
    if batch:
        yield batch


async def _lines(slices: AsyncIterator[list[Any]], *, eager: bool = True) -> Response:
    """Stream slices as JSON Lines. With ``eager`` the first is made before the answer begins, so that its error still
    has a status of its own."""
    first: list[Any] | None = None
    if eager:
        first = await anext(slices, None)

    async def body() -> AsyncIterator[bytes]:
        try:
            if first is not None:
                yield _encode(first)
            async for some in slices:
                yield _encode(some)
        except PincrewError as error:
            yield msgspec.json.encode(_error_fields(error)) + b"\n"

    return StreamingResponse(body(), media_type=_LINES)


async def _body(request: Request, shape: type[Any]) -> Any:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > limits.API_BODY_BYTES_MAX:
            raise Misuse("The request's body is larger than 64 KiB")
    return msgspec.json.decode(body or b"{}", type=shape)


def _one(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type=_JSON)


def _encode(rows: Sequence[Any]) -> bytes:
    encoder = msgspec.json.Encoder()
    return b"".join(encoder.encode(row) + b"\n" for row in rows)


def _number(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not text.isdigit() or len(text) > 15:
        raise Misuse(f"{text!r} is not a number")
    return int(text)


def _not_a_curator(request: Request) -> NotAllowed:
    return NotAllowed(
        f"This peer follows {request.path_params['name']}; only its curators can change the list",
        next_step="Ask a curator, or make a cluster of your own with `pincrew create NAME`",
    )


def _error_fields(error: PincrewError) -> dict[str, dict[str, str]]:
    fields = {"code": error.code, "what": error.what, "where": error.where, "means": error.means}
    return {"error": fields | {"next_step": error.next_step}}


def _error(error: PincrewError) -> Response:
    return Response(msgspec.json.encode(_error_fields(error)), status_code=error.http_status, media_type=_JSON)


async def _no_route(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    fields = _error_fields(Misuse("There is no such route", next_step="The routes stand in docs/json.md"))
    return Response(msgspec.json.encode(fields), status_code=status, media_type=_JSON)
