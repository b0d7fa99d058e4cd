"""The route of repairs: what is mended here is what a running cluster alone can mend."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from pincrew import limits
from pincrew.api.answering import CLUSTER, Route, body, cluster_name, one
from pincrew.api.contract import DaemonDoor
from pincrew.api.shapes import MendOrder


def routes(daemon: DaemonDoor) -> list[Route]:
    """Return them all."""

    async def mend(request: Request) -> Response:
        door = daemon.cluster(cluster_name(request)).repairs
        return one(await door.mend((await body(request, MendOrder, 8 << limits.SHARD_BITS_MAX)).shards))

    return [("POST", f"{CLUSTER}/repair", mend)]
