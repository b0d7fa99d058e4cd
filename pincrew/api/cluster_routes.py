"""The routes of one running cluster: how it is, whom it knows, what happened, what waits for the user's word."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pincrew.api import shapes
from pincrew.api.answering import CLUSTER, Route, body, cluster_name, lines, number, one, rows
from pincrew.api.contract import ClusterDoor, DaemonDoor
from pincrew.errors import Misuse


class _RetryRequest(msgspec.Struct):
    cid: str | None = None


class _RemovalsRequest(msgspec.Struct):
    decision: str


def routes(daemon: DaemonDoor) -> list[Route]:
    """Return them all."""

    def cluster(request: Request) -> ClusterDoor:
        return daemon.cluster(cluster_name(request))

    async def summary(request: Request) -> Response:
        return one(cluster(request).summary())

    async def ready(request: Request) -> Response:
        return one(cluster(request).ready())

    async def series(request: Request) -> Response:
        return one(cluster(request).series())

    async def peers(request: Request) -> Response:
        return rows(await cluster(request).peers())

    async def errors(request: Request) -> Response:
        return rows(await cluster(request).errors())

    async def events(request: Request) -> Response:
        query = request.query_params
        follow = query.get("follow") == "1"
        return await lines(cluster(request).events(number(query.get("after"), 0), follow=follow), eager=not follow)

    async def retry(request: Request) -> Response:
        wanted = await body(request, _RetryRequest)
        return one(shapes.Retried(await cluster(request).retry(wanted.cid)))

    async def removals(request: Request) -> Response:
        return one(await cluster(request).removals())

    async def decide_removals(request: Request) -> Response:
        wanted = await body(request, _RemovalsRequest)
        if wanted.decision not in ("accept", "reject"):
            raise Misuse(f"{wanted.decision!r} is not a decision", next_step="There are: accept, reject")
        return one(await cluster(request).decide_removals(wanted.decision))

    async def doctor(request: Request) -> Response:
        return rows(await cluster(request).checks())

    return [
        ("GET", f"{CLUSTER}/summary", summary),
        ("GET", f"{CLUSTER}/ready", ready),
        ("GET", f"{CLUSTER}/series", series),
        ("GET", f"{CLUSTER}/peers", peers),
        ("GET", f"{CLUSTER}/errors", errors),
        ("GET", f"{CLUSTER}/events", events),
        ("POST", f"{CLUSTER}/retry", retry),
        ("GET", f"{CLUSTER}/removals", removals),
        ("POST", f"{CLUSTER}/removals", decide_removals),
        ("GET", f"{CLUSTER}/doctor", doctor),
    ]
