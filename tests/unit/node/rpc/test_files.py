"""Reading files and folders."""

from __future__ import annotations

import os

import httpx
import pytest

from pincrew.cid import parse_cid
from pincrew.errors import BlockCorrupt
from support.http_door import Rpc, with_rpc

BYTES, FOLDER, LINK = "application/octet-stream", "application/x-directory", "application/symlink"
CONTENT = os.urandom(600_000)
TREE = (
    ("d", FOLDER, b""),
    ("d%2Fa.txt", BYTES, b"one\n"),
    ("d%2Fe", FOLDER, b""),
    ("d%2Fe%2Fbig", BYTES, CONTENT),
    ("d%2Fs", LINK, b"a.txt"),
)


def test_cat() -> None:
    async def test(rpc: Rpc) -> None:
        cid = await rpc.add(*TREE)
        answer = await rpc.post(f"cat?arg={cid}/e/big")
        assert answer.content == CONTENT and answer.headers["X-Content-Length"] == "600000"
        both = await rpc.post(f"cat?arg={cid}/a.txt&arg={cid}/e/big&offset=2&length=300000")
        assert both.content == (b"one\n" + CONTENT)[2:300_002]
        assert (await rpc.post(f"cat?arg={cid}/s")).content == b"a.txt"
        assert (await rpc.post(f"cat?arg={cid}/a.txt&offset=9")).content == b""
        assert await rpc.refusal(f"cat?arg={cid}") == "this dag node is a directory"
        assert await rpc.refusal(f"cat?arg={cid}/a.txt&offset=-1") == "cannot specify negative offset"
        assert "no link named" in await rpc.refusal(f"cat?arg={cid}/nix")

    with_rpc(test)


def test_a_file_that_breaks_off_is_not_taken_for_whole() -> None:
    async def test(rpc: Rpc) -> None:
        cid = await rpc.add(*TREE)
        refs = await rpc.lines(f"refs?arg={cid}/e/big")
        rpc.node.fails(parse_cid(refs[-1]["Ref"]), BlockCorrupt)
        with pytest.raises(httpx.RemoteProtocolError):
            await rpc.post(f"cat?arg={cid}/e/big")
        assert (await rpc.post(f"cat?arg={cid}/a.txt")).content == b"one\n"

    with_rpc(test)


def test_ls() -> None:
    async def test(rpc: Rpc) -> None:
        cid = await rpc.add(*TREE)
        [listed] = (await rpc.one(f"ls?arg={cid}"))["Objects"]
        assert listed["Hash"] == cid
        assert [(each["Name"], each["Type"], each["Size"], each["Target"]) for each in listed["Links"]] == [
            ("a.txt", 2, 4, ""),
            ("e", 1, 0, ""),
            ("s", 4, 5, "a.txt"),
        ]
        assert set(listed["Links"][0]) == {"Name", "Hash", "Size", "Type", "Target", "Mode", "ModTime"}
        streamed = await rpc.lines(f"ls?arg={cid}&stream=true")
        assert [line["Objects"][0]["Links"] for line in streamed] == [[each] for each in listed["Links"]]
        two = (await rpc.one(f"ls?arg={cid}/a.txt&arg={cid}/e"))["Objects"]
        assert [(each["Hash"], len(each["Links"])) for each in two] == [(f"{cid}/a.txt", 0), (f"{cid}/e", 1)]
        chunks = (await rpc.one(f"ls?arg={cid}/e/big"))["Objects"][0]["Links"]
        assert [(each["Name"], each["Type"], each["Size"]) for each in chunks] == [
            ("", 2, 262_144),
            ("", 2, 262_144),
            ("", 2, 75_712),
        ]
        assert "no link named" in await rpc.refusal(f"ls?arg={cid}/nix")

    with_rpc(test)


def test_offline_and_in_time() -> None:
    async def test(rpc: Rpc) -> None:
        absent = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
        where = f"block was not found locally (offline): ipld: could not find {absent}"
        assert await rpc.refusal(f"cat?arg={absent}&offline=true") == where
        assert await rpc.refusal(f"cat?arg={absent}&timeout=50ms") == "context deadline exceeded"

    with_rpc(test)
