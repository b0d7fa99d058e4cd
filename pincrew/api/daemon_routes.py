"""The routes of the daemon itself, and of which clusters it has: joining, running, moving, leaving."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pincrew.api import shapes
from pincrew.api.answering import CLUSTER, Route, body, cluster_name, events, one
from pincrew.api.contract import DaemonDoor


class _RunRequest(msgspec.Struct):
    name: str
    publish: str | None = None
    rest: str | None = None


class _LeaveRequest(msgspec.Struct):
    dry_run: bool = False


class _NodeRequest(msgspec.Struct):
    ipfs: str
    keep_old: bool = False


def routes(daemon: DaemonDoor) -> list[Route]:
    """Return them all."""

    async def info(_: Request) -> Response:
        return one(daemon.info())

    async def stop(_: Request) -> Response:
        daemon.stop()
        return one({})

    async def status(_: Request) -> Response:
        return one(daemon.status())

    async def feed(_: Request) -> Response:
        return await events(daemon.feed())

    async def network(_: Request) -> Response:
        return one(daemon.network.info())

    async def change_network(request: Request) -> Response:
        return one(await daemon.network.change(await body(request, shapes.NetworkLimitsRequest)))

    async def offer(request: Request) -> Response:
        return one(await daemon.offer(await body(request, shapes.OfferRequest)))

    async def prospect(request: Request) -> Response:
        return one(await daemon.prospect(await body(request, shapes.ProspectRequest)))

    async def accept(request: Request) -> Response:
        return one(await daemon.accept(await body(request, shapes.AcceptRequest)))

    async def run(request: Request) -> Response:
        wanted = await body(request, _RunRequest)
        return one(await daemon.run_cluster(wanted.name, wanted.publish, wanted.rest))

    async def halt(request: Request) -> Response:
        await daemon.stop_cluster(cluster_name(request))
        return one({})

    async def leave(request: Request) -> Response:
        wanted = await body(request, _LeaveRequest)
        return one(await daemon.leave(cluster_name(request), dry_run=wanted.dry_run))

    async def switch_node(request: Request) -> Response:
        wanted = await body(request, _NodeRequest)
        return one(await daemon.switch_node(cluster_name(request), wanted.ipfs, keep_old=wanted.keep_old))

    return [
        ("GET", "/daemon", info),
        ("POST", "/daemon/stop", stop),
        ("GET", "/status", status),
        ("GET", "/feed", feed),
        ("GET", "/network", network),
        ("POST", "/network", change_network),
        ("POST", "/offers", offer),
        ("POST", "/offers/prospect", prospect),
        ("POST", "/offers/accept", accept),
        ("POST", "/clusters", run),
        ("DELETE", CLUSTER, halt),
        ("POST", f"{CLUSTER}/leave", leave),
        ("POST", f"{CLUSTER}/node", switch_node),
    ]
