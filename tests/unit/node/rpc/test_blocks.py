"""Single blocks."""

from __future__ import annotations

import pytest

from support.http_door import Rpc, files, with_rpc

BYTES = "application/octet-stream"


@pytest.mark.parametrize(
    ("options", "data", "cid"),
    [
        # What Kubo 0.43.1 answers.
        ("", b"blockdata", "bafkreif44wtqaobgmfzyc7e4rqbanzdqqp2w6vtdhspqolio46biyxhcm4"),
        ("format=raw", b"blockdata", "bafkreif44wtqaobgmfzyc7e4rqbanzdqqp2w6vtdhspqolio46biyxhcm4"),
        ("cid-codec=dag-pb&mhtype=sha2-256", b"\n\0", "bafybeiaqfni3s5s2k2r6rgpxz4hohdsskh44ka5tk6ztbjerqpvxwfkwaq"),
        ("cid-codec=raw&mhtype=blake3", b"b3", "bafkr4ih3tpphtiuwhawcnza45ao4veugr7avngojcdudnkrptseqdfzdm4"),
        ("format=v0", b"\n\0", "QmPRmYXoB2SaqFXkCeoX7ebPZG2ZuFoHCB9zHjaxCPFL3u"),
        ("mhlen=20", b"1", "bafkrefdlq2zhh7zu7tqz224aj37vup2xi6w2j2q"),
    ],
)
def test_put_makes_kubos_cids(options: str, data: bytes, cid: str) -> None:
    async def test(rpc: Rpc) -> None:
        put = await rpc.one(f"block/put?{options}", files(("x", BYTES, data)))
        assert put == {"Key": cid, "Size": len(data)}
        assert (await rpc.post(f"block/get?arg={cid}")).content == data
        assert await rpc.one(f"block/stat?arg=/ipfs/{cid}") == {"Key": cid, "Size": len(data)}

    with_rpc(test)


def test_several_and_pinned() -> None:
    async def test(rpc: Rpc) -> None:
        body = files(("x", BYTES, b"1"), ("y", BYTES, b"22"))
        put = await rpc.lines("block/put?pin=true&mhtype=identity", body)
        assert [line["Size"] for line in put] == [1, 2] and len(rpc.node.kept) == 2

    with_rpc(test)


def test_what_is_no_block() -> None:
    async def test(rpc: Rpc) -> None:
        body = files(("x", BYTES, b"1"))
        assert await rpc.refusal("block/put?cid-codec=nix", body) == 'unknown multicodec: "nix"'
        assert await rpc.refusal("block/put?mhtype=nix", body) == "unrecognized multihash function: nix"
        assert "v0" in await rpc.refusal("block/put?format=v0&mhtype=sha2-512", body)
        assert await rpc.refusal("block/put", files()) == "expected a file argument"
        assert "over 2097152 bytes" in await rpc.refusal("block/put", files(("x", BYTES, bytes(2**21 + 1))))
        assert "digest" in await rpc.refusal("block/put?mhlen=4", body)
        assert (await rpc.post("block/put")).status_code == 400
        assert not rpc.node.blocks

    with_rpc(test)
