"""Kubo as the oracle: what is added gets the same CIDs, what is read is what Kubo reads."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable

import httpx
import pytest
import trio

from pincrew.cid import cid_text, parse_cid
from pincrew.errors import NotFound
from pincrew.node.importing import FOLDER_LINK_BYTES_MAX, AddOptions, FileEntry, FolderEntry
from pincrew.node.reading import Get, cat, ls, resolve, status
from pincrew.node.unixfs import Kind
from support.kubo_process import KuboProcess
from support.trees import Blocks, Item, Outcome, add_items, body_of, random_tree

pytestmark = [pytest.mark.kubo, pytest.mark.slow]

_BOUNDARY = "a-boundary-that-no-content-holds"
# By CID version and kind of leaf, each with a chunk size that small files have many of, and the default.
_FORMS = [(0, None), (0, True), (1, None), (1, False)]
_CHUNKS = [64, 262_144]


def kubo_adds(
    kubo: KuboProcess, items: Iterable[Item], options: AddOptions, *, store: bool = True
) -> list[tuple[str, str, str]]:
    """Add with Kubo; return its lines as (name, CID, size)."""
    parameters = {
        "cid-version": str(options.cid_version),
        "chunker": f"size-{options.chunk_bytes}",
        "wrap-with-directory": str(options.wrap).lower(),
        "pin": "false",
        "only-hash": str(not store).lower(),
    }
    if options.raw_leaves is not None:
        parameters["raw-leaves"] = str(options.raw_leaves).lower()
    answer = httpx.post(
        f"{kubo.url}/api/v0/add",
        params=parameters,
        content=b"".join(body_of(items, _BOUNDARY)),
        headers={"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"},
        timeout=120,
    )
    assert answer.status_code == 200, answer.text
    lines = [json.loads(line) for line in answer.text.splitlines()]
    return [(line["Name"], line["Hash"], line["Size"]) for line in lines]


def we_add(items: Iterable[Item], options: AddOptions, blocks: Blocks) -> Outcome:
    return trio.run(lambda: add_items(items, options, blocks))


def lines_of(outcome: Outcome) -> list[tuple[str, str, str]]:
    return [(line.name, cid_text(line.cid), str(line.size)) for line in outcome.lines]


def assert_same(
    kubo: KuboProcess, items: list[Item], options: AddOptions, *, store: bool = False
) -> tuple[Outcome, Blocks]:
    blocks = Blocks()
    ours = we_add(items, options, blocks)
    theirs = kubo_adds(kubo, items, options, store=store)
    assert sorted(lines_of(ours)) == sorted(theirs)
    assert lines_of(ours)[-1] == theirs[-1]
    return ours, blocks


async def _content(get: Get, cid: bytes, path: str) -> bytes:
    async with cat(get, (await resolve(get, cid, path)).cid) as pieces:
        return b"".join([piece async for piece in pieces])


def assert_reads_back(items: list[Item], root: bytes, blocks: Blocks) -> None:
    """Every file below the root is found by its path and has its bytes."""

    async def main() -> None:
        for item in items:
            if item.kind is FileEntry:
                assert await _content(blocks.get, root, item.path.partition("/")[2]) == item.content

    trio.run(main)


@pytest.mark.parametrize("seed", range(24))
def test_trees_have_the_same_cids(kubo: KuboProcess, seed: int) -> None:
    check_tree(kubo, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1_000, 1_400))
def test_many_trees_have_the_same_cids(kubo: KuboProcess, seed: int) -> None:
    check_tree(kubo, seed)


def check_tree(kubo: KuboProcess, seed: int) -> None:
    chance = random.Random(seed)
    version, raw_leaves = chance.choice(_FORMS)
    options = AddOptions(version, raw_leaves, chance.choice(_CHUNKS), wrap=chance.random() < 0.3)
    # 64-byte chunks make nodes of three levels out of the biggest of these files.
    items = random_tree(chance, sizes=(0, 1, 63, 64, 65, 300, 64 * 174, 64 * 174 + 1, 64 * 174 * 3, 2_000_000 // 8))
    print("seed", seed, options, len(items), "entries")
    ours, blocks = assert_same(kubo, items, options)
    root = ours.roots[0].cid
    if options.wrap:
        items = [Item(f"/{item.path}", item.kind, item.content) for item in items]
    assert_reads_back(items, root, blocks)


@pytest.mark.parametrize(("version", "raw_leaves"), _FORMS)
@pytest.mark.parametrize("size", [0, 1, 262_143, 262_144, 262_145, 3 * 262_144, 1_048_577])
@pytest.mark.parametrize("chunk_bytes", [262_144, 1_048_576])
def test_files_have_the_same_cids(
    kubo: KuboProcess, version: int, raw_leaves: bool | None, size: int, chunk_bytes: int
) -> None:
    item = Item("file", FileEntry, random.Random(size).randbytes(size))
    assert_same(kubo, [item], AddOptions(version, raw_leaves, chunk_bytes))


@pytest.mark.parametrize("leaves", [173, 174, 175, 174 * 174, 174 * 174 + 1])
@pytest.mark.parametrize("version", [0, 1])
def test_files_of_many_leaves_have_the_same_cids(kubo: KuboProcess, version: int, leaves: int) -> None:
    item = Item("file", FileEntry, random.Random(leaves).randbytes(8 * leaves))
    ours, blocks = assert_same(kubo, [item], AddOptions(version, chunk_bytes=8))
    assert trio.run(_content, blocks.get, ours.roots[0].cid, "") == item.content


def test_several_at_the_top_and_files_without_a_name(kubo: KuboProcess) -> None:
    items = [
        Item("one", FileEntry, b"1"),
        Item("", FileEntry, b"nameless"),
        Item("two/deep/er", FileEntry, b"2"),
        Item("three", FolderEntry),
    ]
    for wrap in (False, True):
        for version in (0, 1):
            assert_same(kubo, items, AddOptions(version, wrap=wrap))


@pytest.mark.parametrize("version", [0, 1])
def test_a_folder_becomes_shards_where_kubos_does(kubo: KuboProcess, version: int) -> None:
    """Kubo counts the bytes of names and CIDs, and begins shards above 256 KiB, not at it."""
    cid_bytes = (34, 36)[version]
    count = 4_096
    name_bytes = FOLDER_LINK_BYTES_MAX // count - cid_bytes
    names = [f"{number:0{name_bytes}}" for number in range(count)]
    for extra, kind in (("", Kind.DIRECTORY), ("x", Kind.HAMT_SHARD)):
        names[-1] += extra
        items = [Item("top", FolderEntry), *(Item(f"top/{name}", FileEntry, b"same") for name in names)]
        ours, blocks = assert_same(kubo, items, AddOptions(version))
        assert_root_is(blocks, ours.roots[0].cid, kind)


def assert_root_is(blocks: Blocks, cid: bytes, kind: Kind) -> None:
    assert trio.run(status, blocks.get, cid).kind is kind


@pytest.mark.parametrize("version", [0, 1])
def test_a_folder_of_thousands_of_entries(kubo: KuboProcess, version: int) -> None:
    """Their shards are Kubo's, every name is found by its path and listed once, and a lookup reads few blocks."""
    count = 6_000
    names = [f"{number}-{random.Random(number).getrandbits(120):x}" for number in range(count)]
    items = [Item("top", FolderEntry), *(Item(f"top/{name}", FileEntry, name.encode()) for name in names)]
    # A folder with shards inside of one without.
    items.append(Item("top-two", FileEntry, b"beside"))
    ours, blocks = assert_same(kubo, items, AddOptions(version, wrap=True))
    root = ours.roots[0].cid

    async def main() -> None:
        top = (await resolve(blocks.get, root, "top")).cid
        async with ls(blocks.get, top) as batches:
            listed = [entry async for batch in batches for entry in batch]
        assert sorted(entry.name for entry in listed) == sorted(names)
        for entry in listed:
            assert entry.status is not None and entry.status.content_bytes == len(entry.name.encode())
        for name in names[::97]:
            blocks.got.clear()
            assert await _content(blocks.get, top, name) == name.encode()
            assert len(blocks.got) <= 5
        with pytest.raises(NotFound):
            await resolve(blocks.get, top, "absent")

    trio.run(main)


def test_listings_are_kubos(kubo: KuboProcess) -> None:
    items = random_tree(random.Random(7), sizes=(0, 1, 300, 300_000))
    for version in (0, 1):
        ours, blocks = assert_same(kubo, items, AddOptions(version), store=True)
        for line in ours.lines:
            answer = httpx.post(f"{kubo.url}/api/v0/ls", params={"arg": cid_text(line.cid), "stream": "false"}).json()
            theirs = [
                (link["Name"], link["Hash"], link["Size"], link["Type"], link["Target"])
                for link in answer["Objects"][0]["Links"]
            ]

            async def main(cid: bytes = line.cid, blocks: Blocks = blocks) -> list[tuple[str, str, int, int, str]]:
                async with ls(blocks.get, cid) as batches:
                    return [
                        (
                            entry.name,
                            cid_text(entry.cid),
                            entry.status.content_bytes,
                            entry.status.kind.value,
                            entry.status.target,
                        )
                        async for batch in batches
                        for entry in batch
                        if entry.status is not None and entry.status.kind is not None
                    ]

            assert sorted(trio.run(main)) == sorted(theirs)


def test_ranges_are_kubos(kubo: KuboProcess) -> None:
    item = Item("file", FileEntry, random.Random(5).randbytes(20_000))
    ours, blocks = assert_same(kubo, [item], AddOptions(1, chunk_bytes=100), store=True)
    cid = ours.roots[0].cid
    for offset, length in ((0, 1), (99, 2), (100, 100), (17_399, 2), (19_999, 10), (20_000, 1), (5_000, 0)):

        async def main(offset: int = offset, length: int = length) -> bytes:
            async with cat(blocks.get, cid, offset, length) as pieces:
                return b"".join([piece async for piece in pieces])

        parameters = {"arg": cid_text(cid), "offset": str(offset), "length": str(length)}
        answer = httpx.post(f"{kubo.url}/api/v0/cat", params=parameters)
        assert trio.run(main) == answer.content == item.content[offset : offset + length], (offset, length)


@pytest.mark.parametrize("codec", ["dag-cbor", "dag-json"])
def test_paths_through_data_are_kubos(kubo: KuboProcess, codec: str) -> None:
    """Maps, lists, links into folders, and what is left of a path that ends inside of a block."""

    def put(value: object) -> str:
        answer = httpx.post(
            f"{kubo.url}/api/v0/dag/put",
            params={"store-codec": codec, "input-codec": "dag-json", "pin": "false"},
            files={"file": json.dumps(value).encode()},
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["Cid"]["/"])

    def get(cid: bytes) -> bytes:
        return httpx.post(f"{kubo.url}/api/v0/block/get", params={"arg": cid_text(cid)}).content

    async def get_block(cid: bytes) -> bytes:
        return await trio.to_thread.run_sync(get, cid)

    tree = [Item("t", FolderEntry), Item("t/sub/file", FileEntry, b"inside")]
    folder = kubo_adds(kubo, tree, AddOptions(1))[-1][1]
    leaf = put({"deep": [1, {"x": "y"}], "n": None})
    root = put(
        {"list": [{"/": leaf}, 2, [3, {"/": folder}]], "leaf": {"/": leaf}, "ü": True, "bytes": {"/": {"bytes": "AQI"}}}
    )
    good = (
        "", "leaf", "leaf/deep", "leaf/deep/1/x", "list/0/n", "list/2/1", "list/2/1/sub/file", "ü", "list/1",
        "list/0/deep/../n", "bytes",
    )  # fmt: skip
    for path in good:
        answer = httpx.post(f"{kubo.url}/api/v0/dag/resolve", params={"arg": f"/ipfs/{root}/{path}".rstrip("/")})
        assert answer.status_code == 200, (path, answer.text)
        theirs = (answer.json()["Cid"]["/"], answer.json()["RemPath"].strip("/"))
        ours = trio.run(resolve, get_block, parse_cid(root), path)
        assert (cid_text(ours.cid), "/".join(ours.rest)) == theirs, path
    for path in ("absent", "list/3", "list/x", "leaf/deep/1/x/y", "list/2/1/absent", "list/2/1/sub/file/x"):
        answer = httpx.post(f"{kubo.url}/api/v0/dag/resolve", params={"arg": f"/ipfs/{root}/{path}"})
        assert answer.status_code == 500, (path, answer.text)
        with pytest.raises(NotFound):
            trio.run(resolve, get_block, parse_cid(root), path)
