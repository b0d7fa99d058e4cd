"""Whole DAGs: CARs in and out, references, statistics."""

from __future__ import annotations

import os

import httpx
import pytest

from pincrew.cid import cid_text, parse_cid
from pincrew.errors import BlockCorrupt
from pincrew.node.car import CarReader, header_of, section_of
from support.http_door import Rpc, files, with_rpc

BYTES = "application/octet-stream"
CONTENT = os.urandom(600_000)
TREE = (("d%2Fa.txt", BYTES, b"one\n"), ("d%2Fcopy.txt", BYTES, b"one\n"), ("d%2Fe%2Fbig", BYTES, CONTENT))


def test_out_and_in_again() -> None:
    async def test(rpc: Rpc) -> None:
        cid = await rpc.add(*TREE)
        before = dict(rpc.node.blocks)
        car = (await rpc.post(f"dag/export?arg={cid}")).content
        reader = CarReader()
        sections = list(reader.feed(car))
        reader.finish()
        assert reader.roots == (parse_cid(cid),) and sections[0][0] == parse_cid(cid)
        assert len(sections) == len({each for each, _ in sections}) == len(before)

        rpc.node.blocks.clear()
        root, stats = await rpc.lines("dag/import?stats=true", files(("x", BYTES, car)))
        assert root == {"Root": {"Cid": {"/": cid}, "PinErrorMsg": ""}}
        assert stats == {"Stats": {"BlockCount": len(before), "BlockBytesCount": sum(map(len, before.values()))}}
        assert rpc.node.blocks == before and parse_cid(cid) in rpc.node.kept
        rpc.node.kept.clear()
        assert await rpc.lines("dag/import?pin-roots=false", files(("x", BYTES, car))) == []
        assert not rpc.node.kept

    with_rpc(test)


def test_cars_that_are_cut_short_or_lie() -> None:
    async def test(rpc: Rpc) -> None:
        cid = await rpc.add(*TREE)
        car = (await rpc.post(f"dag/export?arg={cid}")).content
        rpc.node.blocks.clear()
        cut = await rpc.refusal("dag/import", files(("x", BYTES, car[:-5])))
        assert cut.startswith("import failed after block") and "cut short" in cut
        lie = car.replace(b"one\n", b"two\n", 1)
        assert "does not match" in await rpc.refusal("dag/import", files(("x", BYTES, lie)))
        assert (await rpc.refusal("dag/import", files(("x", BYTES, b"zzz")))) and not rpc.node.kept

    with_rpc(test)


def test_a_root_that_is_not_whole_is_not_pinned_and_nobody_is_asked() -> None:
    async def test(rpc: Rpc) -> None:
        cid = await rpc.add(*TREE)
        reader = CarReader()
        sections = list(reader.feed((await rpc.post(f"dag/export?arg={cid}")).content))
        rpc.node.elsewhere, rpc.node.blocks = rpc.node.blocks, {}
        car = header_of([parse_cid(cid)]) + b"".join(section_of(*each) for each in sections[:-1])
        [told] = await rpc.lines("dag/import", files(("x", BYTES, car)))
        assert "not here" in told["Root"]["PinErrorMsg"] and not rpc.node.kept
        assert len(rpc.node.blocks) == len(sections) - 1

    with_rpc(test)


def test_an_export_that_breaks_off_is_not_taken_for_whole() -> None:
    async def test(rpc: Rpc) -> None:
        cid = await rpc.add(*TREE)
        refs = await rpc.lines(f"refs?arg={cid}&recursive=true")
        rpc.node.fails(parse_cid(refs[-1]["Ref"]), BlockCorrupt)
        with pytest.raises(httpx.RemoteProtocolError):
            await rpc.post(f"dag/export?arg={cid}")

    with_rpc(test)


def test_statistics() -> None:
    async def test(rpc: Rpc) -> None:
        cid = await rpc.add(*TREE)
        total = sum(map(len, rpc.node.blocks.values()))
        stat = await rpc.one(f"dag/stat?arg={cid}&progress=false")
        one = {"Cid": cid, "Size": total, "NumBlocks": 7}
        assert stat == {"UniqueBlocks": 7, "TotalSize": total, "Ratio": 1.0, "DagStats": [one]}
        both = await rpc.one(f"dag/stat?arg={cid}&arg={cid}/a.txt&progress=false")
        assert both["SharedSize"] == 4 and both["UniqueBlocks"] == 7 and both["Ratio"] > 1

    with_rpc(test)


def test_references() -> None:
    async def test(rpc: Rpc) -> None:
        cid = await rpc.add(*TREE)
        first = [line["Ref"] for line in await rpc.lines(f"refs?arg={cid}")]
        assert len(first) == 3 and first[0] == first[1]
        assert [line["Ref"] for line in await rpc.lines(f"refs?arg={cid}&recursive=true&max-depth=1")] == first
        deep = [line["Ref"] for line in await rpc.lines(f"refs?arg={cid}&recursive=true")]
        assert len(deep) == 7 and deep[:3] == first
        assert len(await rpc.lines(f"refs?arg={cid}&recursive=true&unique=true")) == 6
        edges = await rpc.lines(f"refs?arg={cid}&edges=true")
        assert edges[0] == {"Ref": f"{cid} -> {first[0]}", "Err": ""}
        named = await rpc.lines(f"refs?arg={cid}&format=<linkname>")
        assert [line["Ref"] for line in named] == ["a.txt", "copy.txt", "e"]

    with_rpc(test)


def test_references_that_cannot_be_read_are_told_as_kubo_does() -> None:
    async def test(rpc: Rpc) -> None:
        absent = cid_text(b"\x01\x70\x12\x20" + bytes(32))
        [line] = await rpc.lines(f"refs?arg={absent}&offline=true")
        assert line["Ref"] == "" and line["Err"].startswith("block was not found locally (offline)")

    with_rpc(test)
