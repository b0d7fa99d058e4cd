"""Kubo as the oracle: what is added gets the same CIDs, what is read is what Kubo reads."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import replace

import httpx
import pytest
import trio

from pincrew.cid import cid_text, parse_cid
from pincrew.errors import NotFound
from pincrew.node.chunking import Buzhash, Chunking, FixedSize, Rabin, chunking_of
from pincrew.node.importing import FOLDER_LINK_BYTES_MAX, AddOptions, FileEntry, FolderEntry, SymlinkEntry
from pincrew.node.multihash import HASH_NAMES, SHA2_256_NAME
from pincrew.node.reading import Get, cat, ls, resolve, status
from pincrew.node.unixfs import Kind
from support.kubo_process import KuboProcess
from support.trees import Blocks, Item, Outcome, add_items, body_of, random_tree

pytestmark = [pytest.mark.kubo, pytest.mark.slow]

_BOUNDARY = "a-boundary-that-no-content-holds"
# By CID version and kind of leaf, each with a chunk size that small files have many of, and the default.
_FORMS = [(0, None), (0, True), (1, None), (1, False)]
_CHUNKS = [FixedSize(64), FixedSize(262_144)]
_MORE_CHUNKS = [Rabin(16, 64, 200), Rabin.around(4_096), Buzhash()]
_MIB = 1024 * 1024


def name_of(chunking: Chunking) -> str:
    """Return Kubo's option for it."""
    if isinstance(chunking, FixedSize):
        return f"size-{chunking.chunk_bytes}"
    if isinstance(chunking, Rabin):
        return f"rabin-{chunking.bytes_min}-{chunking.average_bytes}-{chunking.bytes_max}"
    return "buzhash"


def kubo_adds(
    kubo: KuboProcess, items: Iterable[Item], options: AddOptions, *, store: bool = True, chunker: str = ""
) -> list[tuple[str, str, str]]:
    """Add with Kubo, with the chunker of that name where there is one; return its lines as (name, CID, size)."""
    parameters = {
        "cid-version": str(options.cid_version),
        "chunker": chunker or name_of(options.chunking),
        "trickle": str(options.trickle).lower(),
        "hash": options.hash_name,
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
    kubo: KuboProcess, items: list[Item], options: AddOptions, *, store: bool = False, chunker: str = ""
) -> tuple[Outcome, Blocks]:
    blocks = Blocks()
    ours = we_add(items, options, blocks)
    theirs = kubo_adds(kubo, items, options, store=store, chunker=chunker)
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
    if seed % 2:
        options = replace(
            options,
            chunking=chance.choice(_CHUNKS + _MORE_CHUNKS),
            trickle=chance.random() < 0.5,
            hash_name=chance.choice(HASH_NAMES) if version else SHA2_256_NAME,
        )
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
    assert_same(kubo, [item], AddOptions(version, raw_leaves, FixedSize(chunk_bytes)))


@pytest.mark.parametrize("leaves", [173, 174, 175, 174 * 174, 174 * 174 + 1])
@pytest.mark.parametrize("version", [0, 1])
def test_files_of_many_leaves_have_the_same_cids(kubo: KuboProcess, version: int, leaves: int) -> None:
    item = Item("file", FileEntry, random.Random(leaves).randbytes(8 * leaves))
    ours, blocks = assert_same(kubo, [item], AddOptions(version, chunking=FixedSize(8)))
    assert trio.run(_content, blocks.get, ours.roots[0].cid, "") == item.content


@pytest.mark.parametrize("leaves", [0, 1, 173, 174, 175, 348, 349, 870, 871, 1_045, 4_350, 4_351])
@pytest.mark.parametrize(("version", "raw_leaves"), _FORMS)
def test_trickled_files_have_the_same_cids(
    kubo: KuboProcess, version: int, raw_leaves: bool | None, leaves: int
) -> None:
    """Full nodes of each depth, and one leaf more."""
    item = Item("file", FileEntry, random.Random(leaves).randbytes(8 * leaves))
    options = AddOptions(version, raw_leaves, FixedSize(8), trickle=True)
    ours, blocks = assert_same(kubo, [item], options)
    assert trio.run(_content, blocks.get, ours.roots[0].cid, "") == item.content


def _contents(size: int) -> Iterator[bytes]:
    """Random bytes, no pattern at all, and text with much in it that comes again and again."""
    yield random.Random(size).randbytes(size)
    yield bytes(size)
    yield b"".join(b"line %d of many\n" % (number % 1_000) for number in range(size // 14 + 1))[:size]


@pytest.mark.parametrize("size", [0, 1, 131_072, 524_289, _MIB])
@pytest.mark.parametrize(
    "chunker",
    ["buzhash", "rabin", "rabin-2048", "rabin-131071", "rabin-131072", "rabin-1397930", "rabin-16-300000-2096896"],
)
def test_content_is_cut_where_kubo_cuts_it(kubo: KuboProcess, chunker: str, size: int) -> None:
    check_cuts(kubo, chunker, size)


@pytest.mark.parametrize("size", [15, 16, 17, 32, 33_000])
@pytest.mark.parametrize(
    "chunker", ["rabin-48", "rabin-49", "rabin-16-17-18", "rabin-100-3000-9999", "rabin-min:20-avg:60-max:100"]
)
def test_tiny_chunks_end_where_kubos_do(kubo: KuboProcess, chunker: str, size: int) -> None:
    check_cuts(kubo, chunker, size)


def check_cuts(kubo: KuboProcess, chunker: str, size: int) -> None:
    for content in _contents(size):
        item = Item("file", FileEntry, content)
        assert_same(kubo, [item], AddOptions(1, chunking=chunking_of(chunker)), chunker=chunker)


@pytest.mark.parametrize(
    ("chunker", "trickle"), [("size-262144", True), ("buzhash", False), ("rabin", False), ("rabin-2048", True)]
)
def test_files_of_50_mib_have_the_same_cids(kubo: KuboProcess, chunker: str, trickle: bool) -> None:
    item = Item("file", FileEntry, random.Random(50).randbytes(50 * _MIB))
    assert_same(kubo, [item], AddOptions(1, chunking=chunking_of(chunker), trickle=trickle), chunker=chunker)


@pytest.mark.parametrize("hash_name", HASH_NAMES)
@pytest.mark.parametrize("raw_leaves", [None, False])
def test_hash_functions_are_kubos(kubo: KuboProcess, hash_name: str, raw_leaves: bool | None) -> None:
    """Of leaves, nodes, symbolic links, folders and their shards."""
    items = [
        Item("top", FolderEntry),
        Item("top/empty", FileEntry),
        Item("top/file", FileEntry, random.Random(3).randbytes(2_000)),
        Item("top/link", SymlinkEntry, b"file"),
        *(Item(f"top/many/{number:0100}", FileEntry, b"same") for number in range(2_000)),
    ]
    ours, blocks = assert_same(kubo, items, AddOptions(1, raw_leaves, FixedSize(256), hash_name=hash_name))
    assert_reads_back(items[:3], ours.roots[0].cid, blocks)


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
    ours, blocks = assert_same(kubo, [item], AddOptions(1, chunking=FixedSize(100)), store=True)
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
