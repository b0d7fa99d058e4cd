"""A cluster that remembers what ipfs-cluster's REST API asks of it, and callers of that API without a socket."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import trio

from pincrew.api.shapes import GlobalPinInfo, PinObject
from pincrew.cid import cid_text, parse_cid
from pincrew.errors import NotFound
from pincrew.node.importing import Entry, FileEntry
from pincrew.rest import shapes
from pincrew.rest.add_options import AddWish
from pincrew.rest.contract import Emit, RestDoor
from pincrew.rest.doorkeeper import Rules
from pincrew.rest.pin_options import PinOptions
from pincrew.rest.server import build_rest_app
from support.shape_examples import CID, CID_2, PEER, pin_object, pin_status

NOW_MS = 1_800_000_000_000
NODE = "12D3KooWMmryrP3X2SqSvhnWhBuYMR4v91geXQqaoA7PuPU9zjFa"


def identity(peer: str = PEER, error: str = "") -> shapes.Id:
    """A peer."""
    return shapes.Id(
        id=peer,
        addresses=[f"/ip4/127.0.0.1/tcp/4001/p2p/{peer}"],
        cluster_peers=[peer],
        cluster_peers_addresses=[],
        version="0.1.0",
        commit="",
        rpc_protocol_version="",
        error=error,
        ipfs=shapes.IpfsId(id=NODE, addresses=[], error=""),
        peername="ana",
    )


def metric(name: str) -> shapes.Metric:
    """What a peer said of itself."""
    return shapes.Metric(
        name=name,
        peer=PEER,
        value="1",
        expire=2,
        valid=True,
        weight=0,
        partitionable=False,
        received_at=1,
    )


class FollowingDoor:
    """A cluster that this peer follows.

    ``asked`` are the calls; ``fault`` is raised at once, ``late`` after the first slice of a list.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.fault: Exception | None = None
        self.late: Exception | None = None
        self.pins: list[PinObject] = [pin_object(CID), pin_object(CID_2, type="shard-pin")]
        self.found: list[GlobalPinInfo] = [pin_status(CID, ("pinned", "pin_error"))]
        self.open_lists = 0

    def _noted(self, *call: Any) -> None:
        self.asked.append(call)
        if self.fault is not None:
            raise self.fault

    async def _slices(self, *slices: Sequence[Any]) -> AsyncGenerator[Sequence[Any], None]:
        self.open_lists += 1
        try:
            for number, some in enumerate(slices):
                await trio.lowlevel.checkpoint()
                if number and self.late is not None:
                    raise self.late
                yield some
            if slices and self.late is not None:
                raise self.late
        finally:
            self.open_lists -= 1

    async def _told(self, call: tuple[Any, ...], *slices: Sequence[Any]) -> AsyncGenerator[Sequence[Any], None]:
        self._noted(*call)
        async with aclosing(self._slices(*slices)) as all_of_them:
            async for some in all_of_them:
                yield some

    def id(self) -> shapes.Id:
        self._noted("id")
        return identity()

    def peers(self) -> AsyncGenerator[Sequence[shapes.Id], None]:
        return self._told(("peers",), [identity()], [identity(NODE, "It is not connected")])

    async def peer_by_id(self, peer: str) -> shapes.Id:
        self._noted("peer_by_id", peer)
        return identity(peer)

    def allocations(self) -> AsyncGenerator[Sequence[PinObject], None]:
        return self._told(("allocations",), *[[pin] for pin in self.pins])

    async def allocation(self, cid: bytes) -> PinObject:
        self._noted("allocation", cid_text(cid))
        return self._listed(cid)

    def _listed(self, cid: bytes) -> PinObject:
        for pin in self.pins:
            if parse_cid(pin.cid) == cid:
                return pin
        raise NotFound("pin is not part of the pinset")

    def statuses(
        self, cids: Sequence[bytes], *, words: frozenset[str], local: bool
    ) -> AsyncGenerator[Sequence[GlobalPinInfo], None]:
        call = ("statuses", [cid_text(cid) for cid in cids], words, local)
        return self._told(call, *[[one] for one in self.found])

    async def recover(self, cid: bytes, *, local: bool) -> GlobalPinInfo:
        self._noted("recover", cid_text(cid), local)
        return pin_status(cid_text(cid))

    def recover_all(self, *, local: bool) -> AsyncGenerator[Sequence[GlobalPinInfo], None]:
        return self._told(("recover_all", local), *[[one] for one in self.found])

    async def resolve(self, path: str) -> bytes:
        self._noted("resolve", path)
        return parse_cid(CID_2)

    async def collect_garbage(self) -> shapes.GlobalRepoGc:
        self._noted("collect_garbage")
        keys = [shapes.GcKey(key=CID), shapes.GcKey(key=None, error="it is locked")]
        return shapes.GlobalRepoGc(peer_map={PEER: shapes.RepoGc(peer=PEER, peername="ana", keys=keys)})

    def alerts(self) -> list[shapes.Alert]:
        self._noted("alerts")
        return [shapes.Alert(**msgspec.structs.asdict(metric("ping")), triggered_at="2026-01-01T00:00:00Z")]

    def bandwidth(self) -> dict[str, shapes.Bandwidth]:
        self._noted("bandwidth")
        return {"/pincrew/sync/1": shapes.Bandwidth(total_in=10, total_out=20, rate_in=1.5, rate_out=2.0)}

    def metric_names(self) -> list[str]:
        self._noted("metric_names")
        return ["freespace", "ping"]

    def metrics(self, name: str) -> list[shapes.Metric]:
        self._noted("metrics", name)
        return [metric(name)] if name == "ping" else []

    async def graph(self) -> shapes.ConnectGraph:
        self._noted("graph")
        return shapes.ConnectGraph(
            cluster_id=PEER,
            id_to_peername={PEER: "ana"},
            ipfs_links={NODE: []},
            cluster_links={PEER: []},
            cluster_trust_links={PEER: True},
            cluster_to_ipfs={PEER: NODE},
        )


class WritingDoor(FollowingDoor):
    """A cluster that this peer may write."""

    async def pin(self, cid: bytes, options: PinOptions) -> PinObject:
        self._noted("pin", cid_text(cid), options)
        return pin_object(cid_text(cid), name=options.name, mode=options.mode.value)

    async def unpin(self, cid: bytes) -> PinObject:
        self._noted("unpin", cid_text(cid))
        return self._listed(cid)

    async def add(self, entries: AsyncIterator[Entry], wish: AddWish, options: PinOptions, emit: Emit) -> None:
        paths = []
        async for entry in entries:
            paths.append(entry.path)
            if isinstance(entry, FileEntry):
                async for _ in entry.pieces:
                    pass
        self._noted("add", paths, wish, options)
        await emit(shapes.AddedOutput(name="", cid=CID, size=9, allocations=[PEER]))

    async def add_car(self, car: AsyncIterator[bytes], wish: AddWish, options: PinOptions, emit: Emit) -> None:
        self._noted("add_car", b"".join([piece async for piece in car]), wish, options)
        await emit(shapes.AddedOutput(name="", cid=CID, size=9, allocations=[PEER]))


@dataclass
class RestAnswer:
    """What a caller got."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""
    trailers: list[tuple[bytes, bytes]] | None = None
    is_body_read: bool = False

    @property
    def one(self) -> Any:
        """The one object, which ends with a line break."""
        assert self.content.endswith(b"\n") and self.content.count(b"\n") == 1
        return json.loads(self.content)

    @property
    def lines(self) -> list[Any]:
        """The objects of a list, whose trailer says that it is whole."""
        assert (self.status, self.trailers) == (200, [(b"x-stream-error", b"")])
        return [json.loads(line) for line in self.content.splitlines()]

    @property
    def message(self) -> str:
        """What a refusal says, in ipfs-cluster's object."""
        assert list(self.one) == ["code", "message"] and self.one["code"] == self.status
        assert self.headers["content-type"] == "application/json"
        return str(self.one["message"])


async def ask(
    door: RestDoor,
    method: str,
    target: str,
    *,
    chunks: Sequence[bytes] = (),
    headers: dict[str, str] | None = None,
    rules: Rules | None = None,
) -> RestAnswer:
    """Ask as a server asks the application; the caller stays on the line."""
    waiting = deque([*chunks, b""])
    parts = urlsplit(f"http://host{target}")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(parts.path),
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "headers": [(key.lower().encode("latin-1"), value.encode("latin-1")) for key, value in (headers or {}).items()],
    }
    answer = RestAnswer()

    async def receive() -> dict[str, Any]:
        if not waiting:
            await trio.sleep_forever()
        chunk = waiting.popleft()
        return {"type": "http.request", "body": chunk, "more_body": bool(waiting)}

    async def take(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            assert answer.status == 0, "it is answered once"
            answer.status = message["status"]
            answer.headers = {key.decode(): value.decode() for key, value in message["headers"]}
        elif message["type"] == "http.response.trailers":
            answer.trailers = message["headers"]
        else:
            answer.content += message.get("body", b"")

    app: Any = build_rest_app(door, rules=rules, clock_ms=lambda: NOW_MS)
    await app(scope, receive, take)
    answer.is_body_read = not waiting
    return answer


def send(door: FollowingDoor, method: str, target: str, **more: Any) -> RestAnswer:
    """Ask, where no loop runs. Whatever list was begun is closed afterwards."""
    answer = trio.run(lambda: ask(door, method, target, **more))
    assert door.open_lists == 0
    return answer
