"""The gateway of the embedded node beside Kubo's: the same content under the same addresses."""

from __future__ import annotations

import os
from collections.abc import Iterator

import httpx
import pytest

from pincrew.kubo_process import KuboProcess
from pincrew.node.car import CarReader
from support.embedded_process import EmbeddedProcess
from support.http_door import MULTIPART, files

pytestmark = [pytest.mark.kubo, pytest.mark.slow]
BYTES = "application/octet-stream"
CONTENT = os.urandom(600_000)
TREE = files(
    ("d%2Fa.txt", BYTES, b"one\n"), ("d%2Fe%2Fbig.png", BYTES, CONTENT), ("d%2Fsite%2Findex.html", BYTES, b"<p>hello")
)
Both = tuple[httpx.Client, httpx.Client]


@pytest.fixture
def both(embedded: EmbeddedProcess, kubo: KuboProcess) -> Iterator[Both]:
    gateway = (kubo.repository / "gateway").read_text().strip()
    with httpx.Client(base_url=embedded.gateway) as ours, httpx.Client(base_url=gateway) as theirs:
        yield ours, theirs


@pytest.fixture
def root(embedded: EmbeddedProcess, kubo: KuboProcess) -> str:
    """A tree that both nodes have."""
    cids = set()
    for url, socket in ((kubo.url, None), ("http://127.0.0.1", str(embedded.socket))):
        with httpx.Client(transport=httpx.HTTPTransport(uds=socket), base_url=url) as rpc:
            added = rpc.post("/api/v0/add?cid-version=1&pin=true&progress=false", content=TREE, headers=MULTIPART)
            cids.add(added.text.splitlines()[-1].split('"Hash":"')[1].partition('"')[0])
    [cid] = cids
    return cid


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/a.txt", {}),
        ("/e/big.png", {}),
        ("/e/big.png", {"Range": "bytes=262140-262149"}),
        ("/e/big.png", {"Range": "bytes=-9"}),
        ("/site/", {}),
        ("?format=raw", {}),
        ("/e/big.png", {"Accept": "application/vnd.ipld.raw"}),
    ],
)
def test_bytes_and_headers(both: Both, root: str, path: str, headers: dict[str, str]) -> None:
    ours, theirs = (gateway.get(f"/ipfs/{root}{path}", headers=headers) for gateway in both)
    assert (ours.status_code, ours.content) == (theirs.status_code, theirs.content)
    for name in ("Etag", "Content-Length", "Content-Range", "Content-Type", "Cache-Control", "X-Ipfs-Roots"):
        # Of a folder's index Kubo's Etag and roots are its own affair; what is compared is the file.
        if not path.endswith("/") or name not in ("Etag", "X-Ipfs-Roots"):
            assert ours.headers.get(name) == theirs.headers.get(name), name
    for gateway, got in zip(both, (ours, theirs), strict=True):
        known = {**headers, "If-None-Match": got.headers["Etag"]}
        assert gateway.get(f"/ipfs/{root}{path}", headers=known).status_code == 304


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("", ""),
        ("/e", "dag-scope=all"),
        ("/e/big.png", "dag-scope=block"),
        ("/e/big.png", "dag-scope=entity"),
        ("/e/big.png", "dag-scope=entity&entity-bytes=0:9"),
        ("", "dag-scope=entity"),
    ],
)
def test_cars_hold_the_same_blocks(both: Both, root: str, path: str, query: str) -> None:
    cars = []
    for gateway in both:
        reader = CarReader()
        sections = dict(reader.feed(gateway.get(f"/ipfs/{root}{path}?format=car&{query}").content))
        reader.finish()
        cars.append((reader.roots, sections))
    assert cars[0] == cars[1]


@pytest.mark.parametrize(("path", "status"), [("/nix", 404), ("/a.txt/nix", 404)])
def test_what_is_not_there(both: Both, root: str, path: str, status: int) -> None:
    assert [gateway.get(f"/ipfs/{root}{path}").status_code for gateway in both] == [status, status]


def test_what_is_not_cached(both: Both) -> None:
    absent = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
    codes = [gateway.get(f"/ipfs/{absent}", headers={"Cache-Control": "only-if-cached"}) for gateway in both]
    assert [answer.status_code for answer in codes] == [412, 412]
