"""The routes of the list: pages of pins, the pinset, how far each peer is, and batches that write.

A route that writes asks whether the cluster *can* (a follower has no ``write``) and refuses with `not_allowed`
otherwise.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
import trio
from starlette.requests import Request
from starlette.responses import Response

from pincrew import limits
from pincrew.api import shapes
from pincrew.api.answering import CLUSTER, Route, cluster_name, lines, not_a_curator, number, one, rows
from pincrew.api.contract import ClusterDoor, DaemonDoor, Writes
from pincrew.errors import Misuse

_LIMIT_DEFAULT = 256
_BATCH_REQUESTS = 10_000
_PARSED_PER_SLICE = 500


def routes(daemon: DaemonDoor) -> list[Route]:
    """Return them all."""

    def cluster(request: Request) -> ClusterDoor:
        return daemon.cluster(cluster_name(request))

    async def pins(request: Request) -> Response:
        query = request.query_params
        limit, offset = number(query.get("limit"), _LIMIT_DEFAULT), number(query.get("offset"), 0)
        page, total, revision = await cluster(request).pins(
            state=query.get("state", ""),
            name=query.get("name", ""),
            find=query.get("find", ""),
            sort=query.get("sort", "added"),
            limit=limit,
            offset=offset,
        )
        return rows(page, {"X-Rev": str(revision)} | ({} if total is None else {"X-Total": str(total)}))

    async def locate(request: Request) -> Response:
        query = request.query_params
        cid, prefix = query.get("cid", ""), query.get("prefix", "")
        if bool(cid) == bool(prefix):
            raise Misuse("Which pin is looked for?", next_step="Name its `cid`, or how its name begins (`prefix`)")
        return one(
            await cluster(request).locate(
                cid=cid,
                prefix=prefix,
                state=query.get("state", ""),
                name=query.get("name", ""),
                find=query.get("find", ""),
                sort=query.get("sort", "added"),
            )
        )

    async def pin(request: Request) -> Response:
        return one(await cluster(request).pin(request.path_params["cid"]))

    async def write(request: Request) -> Response:
        writable = cluster(request)
        if not isinstance(writable, Writes):
            raise not_a_curator(request)
        added = removed = 0
        absent: list[str] = []
        async with aclosing(_requests(request)) as batches:
            async for batch in batches:
                more, fewer, missing = await writable.write(batch)
                added, removed = added + more, removed + fewer
                absent += missing[: _BATCH_REQUESTS - len(absent)]
        return one(shapes.PinsWritten(added, removed, absent))

    async def pinset(request: Request) -> Response:
        return await lines(cluster(request).pinset(request.query_params.getlist("cid")))

    async def pin_statuses(request: Request) -> Response:
        query = request.query_params
        return await lines(cluster(request).pin_statuses(query.getlist("cid"), local=query.get("local") == "1"))

    return [
        ("GET", f"{CLUSTER}/pins", pins),
        ("POST", f"{CLUSTER}/pins", write),
        ("GET", f"{CLUSTER}/pinset", pinset),
        ("GET", f"{CLUSTER}/pins/status", pin_statuses),
        ("GET", f"{CLUSTER}/pins/locate", locate),
        ("GET", CLUSTER + "/pins/{cid}", pin),
    ]


async def _requests(request: Request) -> AsyncGenerator[list[shapes.PinRequest], None]:
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

    async with aclosing(request.stream()) as stream:
        async for chunk in stream:
            *complete, rest = (rest + chunk).split(b"\n")
            for index, line in enumerate(complete):
                take(line)
                if index % _PARSED_PER_SLICE == _PARSED_PER_SLICE - 1:
                    await trio.lowlevel.checkpoint()
            if len(rest) > limits.API_LINE_BYTES_MAX:
                raise Misuse(f"Line {number + 1} is longer than 64 KiB")
            if len(batch) >= _BATCH_REQUESTS:
                yield batch
                batch = []
    take(rest)
    if batch:
        yield batch
