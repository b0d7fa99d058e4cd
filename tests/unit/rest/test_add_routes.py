"""The route that adds: what it hands to the cluster, and how its answer comes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pincrew.errors import NodeDown
from pincrew.node.importing import Entry, FileEntry
from pincrew.rest import shapes
from pincrew.rest.add_options import AddWish
from pincrew.rest.contract import Emit
from pincrew.rest.pin_options import PinOptions
from support.http_door import MULTIPART, files
from support.rest_door import FollowingDoor, RestAnswer, WritingDoor, send
from support.shape_examples import CID, PEER

BYTES, FOLDER = "application/octet-stream", "application/x-directory"


def add(door: FollowingDoor, query: str = "", *chunks: bytes) -> RestAnswer:
    """Ask for it."""
    body = chunks or (files(("d", FOLDER, b""), ("d%2Fa", BYTES, b"one")),)
    return send(door, "POST", f"/add?{query}", chunks=body, headers=MULTIPART)


def test_files_and_options_reach_the_cluster() -> None:
    door = WritingDoor()
    answer = add(door, "name=x&replication=2&meta-a=b&local=true&cid-version=1")
    assert answer.lines == [{"name": "", "cid": CID, "size": 9, "allocations": [PEER]}]
    assert (answer.headers["x-chunked-output"], answer.headers["cache-control"]) == ("1", "no-cache")
    [(_, names, wish, options)] = door.asked
    assert names == ["d", "d/a"]
    assert (wish.local, wish.options.cid_version) == (True, 1)
    assert (options.name, options.replication_min, options.metadata) == ("x", 2, {"a": "b"})


def test_a_car_reaches_it_as_it_is() -> None:
    door = WritingDoor()
    body = files(("x.car", BYTES, b"all of it"))
    assert add(door, "format=car", *[body[at : at + 5] for at in range(0, len(body), 5)]).status == 200
    assert door.asked[0][:2] == ("add_car", b"all of it")
    assert "no CAR" in add(door, "format=car", files()).message


def test_without_streaming_there_is_one_array_at_the_end() -> None:
    answer = add(WritingDoor(), "stream-channels=false")
    assert (answer.status, answer.trailers) == (200, None)
    assert answer.one == [{"name": "", "cid": CID, "size": 9, "allocations": [PEER]}]


class Failing(WritingDoor):
    """A cluster whose adding ends badly, after so many lines."""

    def __init__(self, lines: int, fault: Exception) -> None:
        super().__init__()
        self.lines = lines
        self.late_fault = fault

    async def add(self, entries: AsyncIterator[Entry], wish: AddWish, options: PinOptions, emit: Emit) -> None:
        for number in range(self.lines):
            await emit(shapes.AddedOutput(name=f"{number}", cid=CID))
        raise self.late_fault


@pytest.mark.parametrize(("fault", "status"), [(NodeDown("It is down"), 503), (ValueError("secret"), 500)])
def test_what_fails_before_the_first_line_has_a_status_and_behind_it_a_trailer(fault: Exception, status: int) -> None:
    answer = add(Failing(0, fault))
    assert answer.status == status and "secret" not in answer.message
    late = add(Failing(2, fault))
    assert late.status == 200 and late.trailers is not None
    assert [json.loads(line)["name"] for line in late.content.splitlines()] == ["0", "1"]
    [(name, value)] = late.trailers
    assert name == b"x-stream-error" and value and b"secret" not in value
    assert add(Failing(2, fault), "stream-channels=false").status == status


def test_what_is_no_form_is_refused() -> None:
    door = WritingDoor()
    assert send(door, "POST", "/add", chunks=[b"x"]).status == 400
    assert send(door, "POST", "/add", headers={"Content-Type": "multipart/form-data"}).status == 400
    assert add(door, "", b"garbage").status == 400
    assert add(door, "chunker=size-x").status == 400
    assert add(door, "replication=many").status == 400
    assert add(FollowingDoor()).status == 403


class Curious(WritingDoor):
    """A cluster that answers while it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    async def add(self, entries: AsyncIterator[Entry], wish: AddWish, options: PinOptions, emit: Emit) -> None:
        async for entry in entries:
            assert isinstance(entry, FileEntry)
            content = b"".join([piece async for piece in entry.pieces])
            await emit(shapes.AddedOutput(name=entry.path, cid=CID, size=len(content)))


def test_lines_come_while_the_body_is_read() -> None:
    body = files(*[(f"f{number}", BYTES, b"x" * number) for number in range(300)])
    answer = add(Curious(), "", *[body[at : at + 1_000] for at in range(0, len(body), 1_000)])
    assert [(line["name"], line.get("size", 0)) for line in answer.lines] == [(f"f{n}", n) for n in range(300)]
