"""The routes of trust. The daemon never sees an owner's key: commands sign, and what arrives here is signed."""

from __future__ import annotations

import base64
import binascii

from starlette.requests import Request
from starlette.responses import Response

from pincrew import limits
from pincrew.api.answering import CLUSTER, Route, body, cluster_name, number, one, rows
from pincrew.api.contract import DaemonDoor, TrustDoor
from pincrew.api.shapes import TrustRecords, TrustRecordSigned
from pincrew.errors import Misuse

_BODY_BYTES_MAX = 2 * limits.TRUST_RECORD_BYTES_MAX


def routes(daemon: DaemonDoor) -> list[Route]:
    """Return them all."""

    def trust(request: Request) -> TrustDoor:
        return daemon.cluster(cluster_name(request)).trust

    async def info(request: Request) -> Response:
        return one(await trust(request).info())

    async def take(request: Request) -> Response:
        door = trust(request)
        text = (await body(request, TrustRecordSigned, _BODY_BYTES_MAX)).record
        try:
            record = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise Misuse("The trust record is not base64") from error
        return one(await door.take(record))

    async def records(request: Request) -> Response:
        return one(TrustRecords([base64.b64encode(record).decode() for record in trust(request).records()]))

    async def sessions(request: Request) -> Response:
        query = request.query_params
        before = number(query["before"], 0) if "before" in query else None
        return rows(await trust(request).sessions(query.get("author", ""), before))

    return [
        ("GET", f"{CLUSTER}/trust", info),
        ("POST", f"{CLUSTER}/trust", take),
        ("GET", f"{CLUSTER}/trust/records", records),
        ("GET", f"{CLUSTER}/trust/sessions", sessions),
    ]
