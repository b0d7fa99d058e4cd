"""A daemon that remembers what the API's routes ask of it, without a socket."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import trio

from pincrew.api import shapes
from pincrew.api.contract import DaemonDoor
from pincrew.api.server import build_app
from pincrew.errors import NotFound
from support.shape_examples import (
    daemon_info,
    followed,
    offer,
    pin_detail,
    pin_line,
    pin_object,
    pin_status,
    prospect,
    summary,
)


class ApiDoor:
    """A daemon with one cluster, `books`, which is its own answer. ``asked`` are the calls, ``fault`` is raised."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.fault: Exception | None = None

    def _noted(self, *call: Any) -> None:
        self.asked.append(call)
        if self.fault is not None:
            raise self.fault

    # ---- the daemon ---------------------------------------------------------------------------------------------

    def info(self) -> shapes.DaemonInfo:
        self._noted("info")
        return daemon_info(7)

    def stop(self) -> None:
        self._noted("stop")

    def status(self) -> shapes.Status:
        return shapes.Status(1, [summary()])

    async def feed(self) -> AsyncGenerator[bytes | None, None]:
        self._noted("feed")
        yield b'{"schema":1,"clusters":[]}'
        yield None

    def cluster(self, name: str) -> ApiDoor:
        if name != "books":
            raise NotFound(f"There is no cluster {name!r} here")
        return self

    async def offer(self, request: shapes.OfferRequest) -> shapes.Offer:
        self._noted("offer", request)
        return offer()

    async def prospect(self, request: shapes.ProspectRequest) -> shapes.Prospect:
        self._noted("prospect", request)
        return prospect()

    async def accept(self, request: shapes.AcceptRequest) -> shapes.Followed:
        self._noted("accept", request)
        return followed()

    async def run_cluster(self, name: str, publish: str | None, rest: str | None) -> shapes.Summary:
        self._noted("run_cluster", name, publish, rest)
        return summary()

    async def stop_cluster(self, name: str) -> None:
        self._noted("stop_cluster", name)

    async def leave(self, name: str, *, dry_run: bool) -> shapes.Left:
        self._noted("leave", name, dry_run)
        return shapes.Left(name, dry_run, 1, None, 0, [], None)

    async def switch_node(self, name: str, ipfs: str, *, keep_old: bool) -> shapes.NodeSwitched:
        self._noted("switch_node", name, ipfs, keep_old)
        return shapes.NodeSwitched(name, ipfs, "auto", False)

    # ---- its cluster --------------------------------------------------------------------------------------------

    def summary(self) -> shapes.Summary:
        return summary()

    def ready(self) -> shapes.Ready:
        return shapes.Ready("books", "P", [], None, None)

    async def pins(self, **wanted: Any) -> tuple[list[shapes.PinLine], int | None, int]:
        self._noted("pins", wanted)
        return [pin_line()], None if wanted["find"] else 1, 9

    async def locate(self, **wanted: str) -> shapes.PinPlace:
        self._noted("locate", wanted)
        return shapes.PinPlace("books", 41, 9)

    async def pin(self, cid: str) -> shapes.PinDetail:
        self._noted("pin", cid)
        return pin_detail(cid)

    def series(self) -> shapes.Series:
        return shapes.Series("books", 5, [1, 2], [None, 3])

    async def pinset(self, cids: Sequence[str]) -> AsyncIterator[list[shapes.PinObject]]:
        yield [pin_object()]
        self._noted("pinset", list(cids))
        yield [pin_object()]

    async def pin_statuses(self, cids: Sequence[str], *, local: bool) -> AsyncIterator[list[shapes.GlobalPinInfo]]:
        self._noted("pin_statuses", list(cids), local)
        yield [pin_status()]

    async def peers(self) -> list[shapes.PeerLine]:
        return []

    async def errors(self) -> list[shapes.ErrorLine]:
        return [shapes.ErrorLine("books", "timeout", 1, None, None, None)]

    async def events(self, after: int, *, follow: bool) -> AsyncIterator[list[shapes.EventLine]]:
        self._noted("events", after, follow)
        yield [shapes.EventLine(after + 1, "books", "2026-01-01T00:00:00Z", "pinned", "x", {})]

    async def retry(self, cid: str | None) -> int:
        self._noted("retry", cid)
        return 3

    async def removals(self) -> shapes.Removals:
        return shapes.Removals("books", "none", 0, None, None, None, None, [], None)

    async def decide_removals(self, decision: str) -> shapes.Removals:
        self._noted("decide_removals", decision)
        return await self.removals()

    async def checks(self) -> list[shapes.Check]:
        return [shapes.Check("books", "x", "ok", "fine", None)]


class CuratorDoor(ApiDoor):
    """The cluster can be written."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[shapes.PinRequest]] = []

    async def write(self, requests: Sequence[shapes.PinRequest]) -> tuple[int, int, list[str]]:
        self._noted("write")
        self.batches.append(list(requests))
        removed = [request.cid for request in requests if request.remove]
        return len(requests) - len(removed), 0, removed

    async def publish_document(self, *, force_secret: bool, silent_after_days: int | None) -> shapes.Published:
        self._noted("publish_document", force_secret, silent_after_days)
        return shapes.Published("text", "00", 1)


class FollowerDoor(ApiDoor):
    """The cluster came from a config document elsewhere."""

    async def source(self) -> shapes.SourceInfo:
        return shapes.SourceInfo("books", "x", "current", 1, None, None, [])

    async def decide_source(self, decision: str) -> shapes.SourceInfo:
        self._noted("decide_source", decision)
        return await self.source()


@dataclass
class Answer:
    """What the API answered."""

    status_code: int
    headers: dict[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self) -> Any:
        return json.loads(self.content)


def send(
    door: ApiDoor,
    method: str,
    path: str,
    *,
    body: object = None,
    chunks: Sequence[bytes] = (),
    headers: dict[str, str] | None = None,
    hosts: frozenset[str] | None = None,
) -> Answer:
    """Ask what is below /api/v1, with ``body`` as JSON or ``chunks`` as they are.

    As a server calls it, and not through httpx, whose streams complain where a request is refused half read.
    """
    waiting = deque([*chunks, b""] if body is None else [json.dumps(body).encode()])
    parts = urlsplit(f"/api/v1{path}")
    scope = {
        "type": "http",
        "method": method,
        "path": parts.path,
        "query_string": parts.query.encode(),
        "headers": [(key.encode(), value.encode()) for key, value in (headers or {}).items()],
    }
    answer = Answer(0, {}, b"")

    async def receive() -> dict[str, Any]:
        if not waiting:
            await trio.sleep_forever()  # the caller stays on the line
        chunk = waiting.popleft()
        return {"type": "http.request", "body": chunk, "more_body": bool(waiting)}

    async def take(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answer.status_code = message["status"]
            answer.headers = {key.decode().lower(): value.decode() for key, value in message["headers"]}
        else:
            answer.content += message.get("body", b"")

    app: Any = build_app(cast(DaemonDoor, door), hosts=hosts)
    trio.run(app, scope, receive, take)
    return answer


def fault_of(answer: Answer) -> tuple[int, str]:
    """Return the status and the machine word of a refusal."""
    return answer.status_code, answer.json()["error"]["code"]
