"""The gateway, as a browser meets it."""

from __future__ import annotations

import hashlib
import os

import httpx
import pytest

from pincrew.cid import cid_text, parse_cid
from pincrew.errors import BlockCorrupt
from pincrew.node import dag_pb, unixfs
from pincrew.node.dag_pb import Link
from pincrew.node.multihash import DAG_PB, cid_from, multihash_of
from pincrew.node.unixfs import Data, Kind
from support.http_door import Rpc, files, with_gateway

BYTES, LINK = "application/octet-stream", "application/symlink"
CONTENT = os.urandom(600_000)
TREE = (
    ("d%2Fa.txt", BYTES, b"one\n"),
    ("d%2Fb%3Ascript%20%3C.png", BYTES, CONTENT),
    ("d%2Fs", LINK, b"a.txt"),
    ("d%2Fsite%2Findex.html", BYTES, b"<p>hello"),
)
ABSENT = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"


def test_a_file_with_all_that_a_browser_wants_to_know() -> None:
    async def test(rpc: Rpc, gateway: httpx.AsyncClient) -> None:
        cid = await rpc.add(*TREE)
        url = f"/ipfs/{cid}/b%3Ascript%20%3C.png"
        got = await gateway.get(url)
        assert got.content == CONTENT and got.headers["Content-Type"] == "image/png"
        assert got.headers["Content-Length"] == "600000" and got.headers["Accept-Ranges"] == "bytes"
        assert "immutable" in got.headers["Cache-Control"] and got.headers["X-Ipfs-Path"] == url
        assert got.headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in got.headers
        policy = got.headers["Content-Security-Policy"]
        assert policy.startswith("sandbox ") and "allow-same-origin" not in policy
        head = await gateway.head(url)
        assert head.content == b"" and head.headers["Content-Length"] == "600000"
        again = await gateway.get(url, headers={"If-None-Match": got.headers["Etag"]})
        assert again.status_code == 304 and again.content == b""

    with_gateway(test)


def test_ranges() -> None:
    async def test(rpc: Rpc, gateway: httpx.AsyncClient) -> None:
        url = f"/ipfs/{await rpc.add(*TREE)}/b%3Ascript%20%3C.png"
        part = await gateway.get(url, headers={"Range": "bytes=262140-262149"})
        assert part.status_code == 206 and part.content == CONTENT[262_140:262_150]
        assert part.headers["Content-Range"] == "bytes 262140-262149/600000"
        end = await gateway.get(url, headers={"Range": "bytes=-5"})
        assert end.content == CONTENT[-5:]
        none = await gateway.get(url, headers={"Range": "bytes=600000-"})
        assert none.status_code == 416 and none.headers["Content-Range"] == "bytes */600000"

    with_gateway(test)


def test_folders() -> None:
    async def test(rpc: Rpc, gateway: httpx.AsyncClient) -> None:
        cid = await rpc.add(*TREE)
        moved = await gateway.get(f"/ipfs/{cid}?x=1")
        assert moved.status_code == 301 and moved.headers["Location"] == f"./{cid}/?x=1"
        page = await gateway.get(f"/ipfs/{cid}/")
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "b:script &lt;.png" in page.text and "./b%3Ascript%20%3C.png" in page.text
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert "immutable" not in page.headers["Cache-Control"] and "DirIndex" in page.headers["Etag"]
        index = await gateway.get(f"/ipfs/{cid}/site/")
        assert index.text == "<p>hello" and index.headers["Content-Type"] == "text/html"
        link = await gateway.get(f"/ipfs/{cid}/s")
        assert link.text == "a.txt" and link.headers["Content-Type"] == "inode/symlink"

    with_gateway(test)


def test_names_that_are_not_unicode() -> None:
    async def test(rpc: Rpc, gateway: httpx.AsyncClient) -> None:
        leaf = await rpc.add(("x", BYTES, b"hello"))
        inner = put(rpc, [Link(parse_cid(leaf), b"a\xff", 5)])
        outer = put(rpc, [Link(inner, b"d\xfe", 9)])
        url = f"/ipfs/{cid_text(outer)}/d%FE"
        got = await gateway.get(f"{url}/a%FF?download=true")
        assert got.content == b"hello" and got.headers["X-Ipfs-Path"] == f"{url}/a%FF"
        assert got.headers["Content-Disposition"].endswith("filename*=UTF-8''a%FF")
        moved = await gateway.get(url)
        assert moved.status_code == 301 and moved.headers["Location"] == "./d%FE/"
        page = await gateway.get(f"{url}/")
        assert page.headers["X-Ipfs-Path"] == url and '"./a%FF"' in page.text and "a\ufffd" in page.text
        assert (await gateway.get(f"{url}/b%FF")).status_code == 404
        assert (await gateway.get("/ipfs/%FF/x")).status_code == 400

    def put(rpc: Rpc, links: list[Link]) -> bytes:
        data = dag_pb.encode(links, unixfs.encode(Data(Kind.DIRECTORY)))
        multihash = b"\x12\x20" + hashlib.sha256(data).digest()
        rpc.node.blocks[multihash] = data
        return cid_from(DAG_PB, multihash)

    with_gateway(test)


def test_names_for_saving() -> None:
    async def test(rpc: Rpc, gateway: httpx.AsyncClient) -> None:
        cid = await rpc.add(*TREE)
        got = await gateway.get(f"/ipfs/{cid}/a.txt?download=true&filename=../%C3%A4%22%0d.csv")
        said = got.headers["Content-Disposition"]
        assert said.startswith('attachment; filename="') and said.endswith("''%C3%A4%22%0D.csv") and "\r" not in said
        assert got.headers["Content-Type"] == "text/csv; charset=utf-8"

    with_gateway(test)


def test_blocks_and_cars() -> None:
    async def test(rpc: Rpc, gateway: httpx.AsyncClient) -> None:
        cid = await rpc.add(*TREE)
        block = await gateway.get(f"/ipfs/{cid}?format=raw")
        assert block.content == rpc.node.blocks[multihash_of(parse_cid(cid))]
        assert block.headers["Content-Disposition"].startswith("attachment")
        car = await gateway.get(f"/ipfs/{cid}", headers={"Accept": "application/vnd.ipld.car"})
        assert car.content == (await rpc.post(f"dag/export?arg={cid}")).content
        assert car.headers["Content-Type"] == "application/vnd.ipld.car; version=1; order=dfs; dups=n"

    with_gateway(test)


def test_what_is_not_here() -> None:
    async def test(rpc: Rpc, gateway: httpx.AsyncClient) -> None:
        cid = await rpc.add(*TREE)
        missing = await gateway.get(f"/ipfs/{cid}/nix")
        assert missing.status_code == 404 and "no link named" in missing.text
        assert (await gateway.get("/ipfs/nonsense")).status_code == 400
        assert (await gateway.get("/ipns/example.org")).status_code == 501
        assert (await gateway.get("/elsewhere")).status_code == 404
        assert (await gateway.post(f"/ipfs/{cid}/a.txt")).status_code == 405
        cached = await gateway.get(f"/ipfs/{ABSENT}", headers={"Cache-Control": "only-if-cached"})
        assert cached.status_code == 412
        data = (await rpc.one("block/put?cid-codec=dag-cbor", files(("x", BYTES, b"\xa0"))))["Key"]
        assert (await gateway.get(f"/ipfs/{data}")).status_code == 406

    with_gateway(test)


def test_nobody_sends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pincrew.node.gateway.GATEWAY_FIRST_BYTES_TIMEOUT_S", 0.05)

    async def test(_: Rpc, gateway: httpx.AsyncClient) -> None:
        late = await gateway.get(f"/ipfs/{ABSENT}")
        assert late.status_code == 504 and "Nobody" in late.text

    with_gateway(test)


def test_what_breaks_off_is_not_taken_for_whole() -> None:
    async def test(rpc: Rpc, gateway: httpx.AsyncClient) -> None:
        cid = await rpc.add(*TREE)
        url = f"/ipfs/{cid}/b%3Ascript%20%3C.png"
        rpc.node.fails(parse_cid((await rpc.lines(f"refs?arg={cid}/b:script%20<.png"))[-1]["Ref"]), BlockCorrupt)
        with pytest.raises(httpx.RemoteProtocolError):
            await gateway.get(url)
        with pytest.raises(httpx.RemoteProtocolError):
            await gateway.get(f"{url}?format=car")

    with_gateway(test)


def test_other_names_for_this_address_are_refused() -> None:
    async def test(rpc: Rpc, gateway: httpx.AsyncClient) -> None:
        cid = await rpc.add(*TREE)
        for host, status in (("localhost:8080", 200), ("[::1]:8080", 200), ("evil.example", 403), ("127.0.0.1.x", 403)):
            got = await gateway.get(f"/ipfs/{cid}/a.txt", headers={"Host": host})
            assert got.status_code == status

    with_gateway(test)


def test_a_foreign_page_makes_the_node_fetch_nothing() -> None:
    async def test(rpc: Rpc, gateway: httpx.AsyncClient) -> None:
        cid = await rpc.add(("a.txt", BYTES, b"one\n"))
        embedded = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}
        assert (await gateway.get(f"/ipfs/{cid}", headers=embedded)).status_code == 200
        rpc.node.elsewhere, rpc.node.blocks = rpc.node.blocks, {}
        assert (await gateway.get(f"/ipfs/{cid}", headers=embedded)).status_code == 412
        assert not rpc.node.blocks
        assert (await gateway.get(f"/ipfs/{cid}")).status_code == 200

    with_gateway(test)
