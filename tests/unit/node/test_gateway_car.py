"""Which blocks a CAR of the gateway holds."""

from __future__ import annotations

import os

import httpx
import pytest

from pincrew.cid import cid_text
from pincrew.node.car import CarReader
from support.http_door import Rpc, with_gateway

BYTES = "application/octet-stream"
CONTENT = os.urandom(600_000)
TREE = (("d%2Fe%2Fbig", BYTES, CONTENT), ("d%2Ff.txt", BYTES, b"one\n"))


@pytest.mark.parametrize(
    ("path", "query", "blocks"),
    [
        # d, e, big and its three parts, f.txt
        ("", "", 7),
        ("/e", "", 6),
        ("/e", "dag-scope=entity", 2),
        ("/e/big", "dag-scope=entity", 6),
        ("/e/big", "dag-scope=block", 3),
        ("/e/big", "entity-bytes=0:9", 4),
        ("/e/big", "entity-bytes=-1:*", 4),
        ("/e/big", "entity-bytes=262143:262144", 5),
        ("/e/big", "entity-bytes=900000:*", 3),
        ("/f.txt", "dag-scope=entity", 2),
    ],
)
def test_the_way_and_what_was_asked_for(path: str, query: str, blocks: int) -> None:
    async def test(rpc: Rpc, gateway: httpx.AsyncClient) -> None:
        cid = await rpc.add(*TREE)
        car = await gateway.get(f"/ipfs/{cid}{path}?format=car&{query}")
        assert car.status_code == 200
        reader = CarReader()
        sections = [each for each, _ in reader.feed(car.content)]
        reader.finish()
        assert cid_text(sections[0]) == cid and len(sections) == len(set(sections)) == blocks
        assert reader.roots is not None and reader.roots[0] in sections

    with_gateway(test)
