"""The route of coverage."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from pincrew import limits
from pincrew.api.answering import CLUSTER, Route, cluster_name, number, one
from pincrew.api.contract import DaemonDoor


def routes(daemon: DaemonDoor) -> list[Route]:
    """Return them all."""

    async def coverage(request: Request) -> Response:
        door = daemon.cluster(cluster_name(request)).coverage
        shown = number(request.query_params.get("limit"), limits.COVERAGE_SHOWN_DEFAULT)
        return one(await door.estimate(min(shown, limits.COVERAGE_SHOWN_MAX)))

    return [("GET", f"{CLUSTER}/coverage", coverage)]
