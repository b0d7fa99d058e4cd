"""The routes of trust, over HTTP on a door that remembers."""

from __future__ import annotations

import base64
from typing import Any, cast

import httpx
import pytest
import trio

from pincrew import limits
from pincrew.api import shapes
from pincrew.api.contract import DaemonDoor
from pincrew.api.server import build_app
from pincrew.errors import Conflict
from support.shape_examples import PEER, trust_info

LINE = shapes.SessionHead("00" * 16, 3, "11" * 32)


class Door:
    """A daemon with one cluster, which is its own trust too."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.asked: list[tuple[str, int | None]] = []
        self.fault: Conflict | None = None

    def cluster(self, name: str) -> Door:
        assert name == "books"
        return self

    @property
    def trust(self) -> Door:
        return self

    async def info(self) -> shapes.TrustInfo:
        return trust_info()

    def records(self) -> list[bytes]:
        return [b"zero", b"one"]

    async def sessions(self, author: str, before: int | None) -> list[shapes.SessionHead]:
        self.asked.append((author, before))
        return [LINE]

    async def take(self, record: bytes) -> shapes.TrustInfo:
        if self.fault is not None:
            raise self.fault
        self.taken.append(record)
        return trust_info(record=2)


def send(door: Door, method: str, path: str, **options: Any) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(build_app(cast(DaemonDoor, door)))
        async with httpx.AsyncClient(transport=transport, base_url="http://daemon/api/v1/clusters/books") as client:
            return await client.request(method, path, **options)

    return trio.run(asked)


def test_trust_is_told() -> None:
    assert send(Door(), "GET", "/trust").json()["record"] == 1
    found = send(Door(), "GET", "/trust/records").json()["records"]
    assert [base64.b64decode(one) for one in found] == [b"zero", b"one"]


def test_a_signed_record_is_handed_over() -> None:
    door = Door()
    answer = send(door, "POST", "/trust", json={"record": base64.b64encode(b"signed").decode()})
    assert answer.json()["record"] == 2 and door.taken == [b"signed"]
    largest = bytes(limits.TRUST_RECORD_BYTES_MAX)
    assert send(door, "POST", "/trust", json={"record": base64.b64encode(largest).decode()}).status_code == 200
    door.fault = Conflict("another one came")
    answer = send(door, "POST", "/trust", json={"record": ""})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")


@pytest.mark.parametrize("body", [b"", b"{}", b'{"record": "*"}', b'{"record": 1}'])
def test_what_is_no_record_is_refused(body: bytes) -> None:
    door = Door()
    assert send(door, "POST", "/trust", content=body).status_code == 400
    assert door.taken == []


def test_sessions_of_an_author() -> None:
    door = Door()
    assert send(door, "GET", "/trust/sessions", params={"author": PEER}).json() == {
        "nonce": LINE.nonce,
        "number": 3,
        "hash": LINE.hash,
    }
    send(door, "GET", "/trust/sessions", params={"author": PEER, "before": 7})
    assert door.asked == [(PEER, None), (PEER, 7)]
    assert send(door, "GET", "/trust/sessions", params={"author": PEER, "before": "x"}).status_code == 400
