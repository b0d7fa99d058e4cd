"""The route of re-reading what is pinned: a line for each pin, as it comes."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from pincrew import limits
from pincrew.api.answering import CLUSTER, Route, body, cluster_name, lines
from pincrew.api.contract import DaemonDoor
from pincrew.api.shapes import VerifyOrder


def routes(daemon: DaemonDoor) -> list[Route]:
    """Return them all."""

    async def verify(request: Request) -> Response:
        door = daemon.cluster(cluster_name(request)).verify
        order = await body(request, VerifyOrder, limits.API_CIDS_BYTES_MAX)
        return await lines(door.verify(order.cids, order.which))

    return [("POST", f"{CLUSTER}/verify", verify)]
