"""The routes of the config document: making one at a curator, and where a follower's comes from."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pincrew.api.answering import CLUSTER, Route, body, cluster_name, not_a_curator, one
from pincrew.api.contract import DaemonDoor, HasSource, Writes
from pincrew.errors import Misuse


class _PublishRequest(msgspec.Struct):
    force_secret: bool = False
    silent_after_days: int | None = None


class _SourceRequest(msgspec.Struct):
    decision: str


def routes(daemon: DaemonDoor) -> list[Route]:
    """Return them all."""

    def with_source(request: Request) -> HasSource:
        cluster = daemon.cluster(cluster_name(request))
        if not isinstance(cluster, HasSource):
            raise Misuse(
                f"{cluster_name(request)} was created here: it has no source",
                next_step="`pincrew publish` writes its config document",
            )
        return cluster

    async def publish(request: Request) -> Response:
        cluster = daemon.cluster(cluster_name(request))
        if not isinstance(cluster, Writes):
            raise not_a_curator(request)
        wanted = await body(request, _PublishRequest)
        made = await cluster.publish_document(
            force_secret=wanted.force_secret, silent_after_days=wanted.silent_after_days
        )
        return one(made)

    async def source(request: Request) -> Response:
        return one(await with_source(request).source())

    async def decide_source(request: Request) -> Response:
        cluster = with_source(request)
        return one(await cluster.decide_source((await body(request, _SourceRequest)).decision))

    return [
        ("POST", f"{CLUSTER}/publish", publish),
        ("GET", f"{CLUSTER}/source", source),
        ("POST", f"{CLUSTER}/source", decide_source),
    ]
