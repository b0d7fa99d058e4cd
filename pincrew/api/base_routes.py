"""The routes of bases. As with trust, owners' keys stay with the commands."""

from __future__ import annotations

import base64
import binascii

from starlette.requests import Request
from starlette.responses import Response

from pincrew import limits
from pincrew.api.answering import CLUSTER, Route, body, cluster_name, one
from pincrew.api.contract import BaseDoor, DaemonDoor
from pincrew.api.shapes import BaseHeader, BaseSealed
from pincrew.errors import Misuse


def routes(daemon: DaemonDoor) -> list[Route]:
    """Return them all."""

    def bases(request: Request) -> BaseDoor:
        return daemon.cluster(cluster_name(request)).bases

    async def info(request: Request) -> Response:
        return one(bases(request).info())

    async def header(request: Request) -> Response:
        return one(BaseHeader(base64.b64encode(await bases(request).header()).decode()))

    async def take(request: Request) -> Response:
        door = bases(request)
        text = (await body(request, BaseSealed, 4 * limits.BASE_HEADER_BYTES_MAX)).sealed
        try:
            sealed = None if text is None else base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise Misuse("The base is not base64") from error
        return one(await door.take(sealed))

    return [
        ("GET", f"{CLUSTER}/base", info),
        ("POST", f"{CLUSTER}/base", take),
        ("GET", f"{CLUSTER}/base/header", header),
    ]
