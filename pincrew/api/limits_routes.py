"""The routes of a cluster's limits and pauses, and of what its user says of single pins."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from pincrew import limits
from pincrew.api.answering import CLUSTER, Route, body, cluster_name, one
from pincrew.api.contract import DaemonDoor, LimitsDoor
from pincrew.api.shapes import ChoiceRequest, LimitsRequest, PauseRequest


def routes(daemon: DaemonDoor) -> list[Route]:
    """Return them all."""

    def door(request: Request) -> LimitsDoor:
        return daemon.cluster(cluster_name(request)).limits

    async def info(request: Request) -> Response:
        return one(await door(request).info())

    async def change(request: Request) -> Response:
        return one(await door(request).change(await body(request, LimitsRequest)))

    async def pause(request: Request) -> Response:
        wanted = await body(request, PauseRequest)
        return one(await daemon.cluster(cluster_name(request)).pauses.change(wanted.until, is_paused=True))

    async def resume(request: Request) -> Response:
        return one(await daemon.cluster(cluster_name(request)).pauses.change(None, is_paused=False))

    async def choose(request: Request) -> Response:
        wanted = await body(request, ChoiceRequest, limits.API_CIDS_BYTES_MAX)
        return one(await door(request).choose(wanted.cids, wanted.choice))

    return [
        ("GET", f"{CLUSTER}/limits", info),
        ("POST", f"{CLUSTER}/limits", change),
        ("POST", f"{CLUSTER}/pause", pause),
        ("POST", f"{CLUSTER}/resume", resume),
        ("POST", f"{CLUSTER}/choices", choose),
    ]
