"""Paths and blocks as commands get them."""

from __future__ import annotations

import cbor2

from pincrew.cid import parse_cid
from support.http_door import Rpc, files, with_rpc


def test_paths_through_dag_cbor_lead_to_cids_only() -> None:
    async def test(rpc: Rpc) -> None:
        leaf = await rpc.add(("a", "application/octet-stream", b"one\n"))
        block = cbor2.dumps({"a": cbor2.CBORTag(42, b"\0" + parse_cid(leaf)), "b": 1})
        put = await rpc.one("block/put?cid-codec=dag-cbor", files(("x", "application/octet-stream", block)))
        root = put["Key"]
        assert (await rpc.one(f"block/stat?arg={root}/a"))["Key"] == leaf
        assert "leads into a block" in await rpc.refusal(f"block/stat?arg={root}/b")

    with_rpc(test)
