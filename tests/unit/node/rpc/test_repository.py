"""The store's size, its garbage, and whether it is whole."""

from __future__ import annotations

from support.http_door import Rpc, with_rpc

FILE = ("a", "application/octet-stream", b"one\n")


def test_size() -> None:
    async def test(rpc: Rpc) -> None:
        await rpc.add(FILE)
        stat = await rpc.one("repo/stat")
        assert list(stat) == ["RepoSize", "StorageMax", "NumObjects", "RepoPath", "Version"]
        assert (stat["RepoSize"], stat["StorageMax"], stat["NumObjects"]) == (4, 2**64 - 1, 1)
        assert (await rpc.one("repo/stat?size-only=true"))["NumObjects"] == 0

    with_rpc(test)


def test_garbage() -> None:
    async def test(rpc: Rpc) -> None:
        cid = await rpc.add(FILE)
        await rpc.one(f"pin/add?arg={cid}")
        assert await rpc.lines("repo/gc") == []
        await rpc.one(f"pin/rm?arg={cid}")
        assert await rpc.lines("repo/gc") == [{"Key": {"/": cid}}]
        await rpc.add(FILE)
        assert await rpc.lines("repo/gc?silent=true") == []
        assert not rpc.node.blocks

    with_rpc(test)


def test_damage_is_found_and_told() -> None:
    async def test(rpc: Rpc) -> None:
        cid = await rpc.add(FILE)
        assert await rpc.lines("repo/verify") == [
            {"Msg": "", "Progress": 1},
            {"Msg": "verify complete, all blocks validated.", "Progress": 0},
        ]
        [multihash] = rpc.node.blocks
        rpc.node.blocks[multihash] = b"two\n"
        damaged, progress, end = await rpc.lines("repo/verify")
        assert damaged["Msg"].startswith(f"block {cid} was corrupt") and progress["Progress"] == 1
        assert end["Message"] == "verify complete, some blocks were corrupt"

    with_rpc(test)
