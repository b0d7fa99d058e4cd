"""Files and folders as others may make them: what is right is read, what lies is refused, and both in bounded work."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Sequence

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from pincrew.errors import Malformed, Misuse, NoProgress, NotFound
from pincrew.limits import FILE_DEPTH_MAX, READ_AHEAD_BLOCKS
from pincrew.node import dag_pb, unixfs
from pincrew.node.chunking import FixedSize
from pincrew.node.dag_pb import Link
from pincrew.node.hamt import name_hash
from pincrew.node.importing import AddOptions, FileEntry, FolderEntry, SymlinkEntry
from pincrew.node.multihash import DAG_CBOR, RAW, cid_from, cid_of, multihash_of
from pincrew.node.reading import Listed, Resolved, Status, cat, ls, resolve, status, status_of
from pincrew.node.unixfs import Data, Kind
from support.trees import Blocks, Item, add_items

NODE, LEAF = b"\x01\x70\x12\x20", b"\x01\x55\x12\x20"


class Store(Blocks):
    """Blocks that a test makes by hand."""

    def raw(self, data: bytes) -> bytes:
        return self._keep(LEAF, data)

    def node(self, links: Sequence[Link] = (), data: bytes | None = None) -> bytes:
        return self._keep(NODE, dag_pb.encode(links, data))

    def file(
        self, children: Sequence[bytes], sizes: Sequence[int], *, content: bytes | None = None, size: int | None = None
    ) -> bytes:
        message = Data(Kind.FILE, content, sum(sizes) if size is None else size, tuple(sizes))
        return self.node([Link(child) for child in children], unixfs.encode(message))

    def folder(self, *links: Link) -> bytes:
        return self.node(links, unixfs.encode(Data(Kind.DIRECTORY)))

    def shard(self, bits: int, *links: Link, fanout: int = 256) -> bytes:
        field = bits.to_bytes((bits.bit_length() + 7) // 8)
        return self.node(links, unixfs.encode(Data(Kind.HAMT_SHARD, field, hash_type=0x22, fanout=fanout)))

    def _keep(self, prefix: bytes, data: bytes) -> bytes:
        cid = cid_of(prefix, data)
        self.by_multihash[multihash_of(cid)] = data
        return cid


def read(store: Blocks, cid: bytes, offset: int = 0, length: int | None = None) -> bytes:
    async def main() -> bytes:
        async with cat(store.get, cid, offset, length) as pieces:
            return b"".join([piece async for piece in pieces])

    return trio.run(main)


def listed(store: Blocks, cid: bytes, *, types: bool = True) -> list[Listed]:
    async def main() -> list[Listed]:
        async with ls(store.get, cid, types=types) as batches:
            return [entry async for batch in batches for entry in batch]

    return trio.run(main)


def resolved(store: Blocks, cid: bytes, path: str) -> Resolved:
    return trio.run(resolve, store.get, cid, path)


def added(items: list[Item], options: AddOptions) -> tuple[Blocks, bytes]:
    blocks = Blocks()
    return blocks, trio.run(add_items, items, options, blocks).roots[0].cid


# ---- files ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("options", [AddOptions(0, chunking=FixedSize(7)), AddOptions(1, chunking=FixedSize(7))])
def test_ranges_of_a_file(options: AddOptions) -> None:
    content = random.Random(1).randbytes(5_000)
    blocks, cid = added([Item("f", FileEntry, content)], options)
    assert read(blocks, cid) == content
    for offset, length in (
        (0, 0),
        (0, 1),
        (6, 2),
        (7, 7),
        (1_000, 300),
        (4_999, 5),
        (5_000, 1),
        (9_999, None),
        (4_000, None),
    ):
        end = None if length is None else offset + length
        assert read(blocks, cid, offset, length) == content[offset:end]


def test_a_range_reads_only_what_it_takes() -> None:
    blocks, cid = added([Item("f", FileEntry, bytes(range(200)) * 500)], AddOptions(1, chunking=FixedSize(100)))
    blocks.got.clear()
    assert read(blocks, cid, 90_000, 10) == (bytes(range(200)) * 500)[90_000:90_010]
    assert len(blocks.got) == 3


def test_blocks_are_fetched_ahead_and_never_more_than_a_few() -> None:
    blocks, cid = added(
        [Item("f", FileEntry, random.Random(2).randbytes(10_000))], AddOptions(1, chunking=FixedSize(100))
    )
    under_way = most = 0

    async def get(wanted: bytes) -> bytes:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await trio.testing.wait_all_tasks_blocked()
        under_way -= 1
        return await blocks.get(wanted)

    async def main() -> None:
        async with cat(get, cid) as pieces:
            assert len([piece async for piece in pieces]) == 100

    trio.run(main)
    assert most == READ_AHEAD_BLOCKS


def test_reading_stops_with_whoever_reads() -> None:
    blocks, cid = added(
        [Item("f", FileEntry, random.Random(2).randbytes(100_000))], AddOptions(1, chunking=FixedSize(100))
    )

    async def main() -> None:
        async with cat(blocks.get, cid) as pieces:
            async for _ in pieces:
                break

    trio.run(main)
    assert len(blocks.got) <= 2 + 2 * READ_AHEAD_BLOCKS


def test_an_absent_block_is_what_the_reader_is_told() -> None:
    blocks, cid = added([Item("f", FileEntry, bytes(1_000))], AddOptions(1, chunking=FixedSize(100)))

    async def get(wanted: bytes) -> bytes:
        if wanted == cid:
            return await blocks.get(wanted)
        raise NoProgress

    async def main() -> None:
        async with cat(get, cid) as pieces:
            async for _ in pieces:
                pass

    with pytest.raises(NoProgress):
        trio.run(main)


def test_files_of_other_makers() -> None:
    """dag-pb leaves of the kind `Raw`, sizes that are not stated, children of several depths."""
    store = Store()
    old = store.node(data=unixfs.encode(Data(Kind.RAW, b"old")))
    inner = store.file([store.raw(b"ab"), old], [2, 3])
    cid = store.file([inner, store.raw(b"cd"), old], [5, 2, 3])
    assert read(store, cid) == b"aboldcdold"
    assert read(store, cid, 4, 4) == b"dcdo"


def test_what_is_said_to_be_empty_is_not_fetched() -> None:
    store = Store()
    absent = LEAF + bytes(32)
    assert read(store, store.file([absent, store.raw(b"x"), absent], [0, 1, 0])) == b"x"


@pytest.mark.parametrize(
    "make",
    [
        lambda store: store.file([store.raw(b"abc")], [2]),
        lambda store: store.file([store.raw(b"abc")], [4]),
        lambda store: store.file([store.raw(b"abc")], [3], size=4),
        lambda store: store.file([store.raw(b"abc")], [3, 1]),
        lambda store: store.file([store.raw(b"abc"), store.raw(b"d")], [4]),
        lambda store: store.file([store.raw(b"abc")], [], size=3),
        lambda store: store.file([store.raw(b"abc")], [3], content=b"x"),
        lambda store: store.file([], [], content=b"abc", size=4),
        lambda store: store.file([store.file([store.raw(b"abc")], [3])], [4]),
        lambda store: store.file([store.folder()], [3]),
        lambda store: store.file([store.node(data=b"abc")], [3]),
        lambda store: store.file([store.node()], [3]),
        lambda store: store.file([cid_from(DAG_CBOR, multihash_of(store.raw(b"abc")))], [3]),
        lambda store: store.file([NODE + store.raw(b"\xff")[4:]], [3]),
    ],
)  # fmt: skip
def test_files_that_lie(make: object) -> None:
    store = Store()
    assert callable(make)
    with pytest.raises(Malformed):
        read(store, make(store))


def test_what_comes_before_a_lie_is_given_out_and_nothing_after() -> None:
    store = Store()
    cid = store.file([store.raw(b"good"), store.raw(b"too long"), store.raw(b"more")], [4, 4, 4])
    seen: list[bytes] = []

    async def main() -> None:
        async with cat(store.get, cid) as pieces:
            async for piece in pieces:
                seen.append(piece)

    with pytest.raises(Malformed):
        trio.run(main)
    assert seen == [b"good"]
    assert read(store, cid, 0, 3) == b"goo"


def test_files_have_only_so_many_levels() -> None:
    store = Store()
    cid = store.raw(b"x")
    for _ in range(FILE_DEPTH_MAX):
        cid = store.file([cid], [1])
    assert read(store, cid) == b"x"
    with pytest.raises(Malformed):
        read(store, store.file([cid], [1]))


def test_a_file_of_a_few_blocks_may_say_that_it_is_endless() -> None:
    """The same leaf a trillion times over: a range of it is read, and it is read in bounded work."""
    store = Store()
    cid, size = store.raw(b"0123456789"), 10
    for _ in range(6):
        cid, size = store.file([cid] * 100, [size] * 100), size * 100
    assert trio.run(status, store.get, cid).content_bytes == 10**13
    store.got.clear()
    assert read(store, cid, 5 * 10**12 + 3, 4) == b"3456"
    assert len(store.got) == 7


@pytest.mark.parametrize(
    "make",
    [
        lambda store: store.folder(),
        lambda store: store.shard(0),
        lambda store: store.node(),
        lambda store: store.node(data=unixfs.encode(Data(Kind.SYMLINK, b"x"))),
        lambda store: cid_from(DAG_CBOR, multihash_of(store.raw(b"abc"))),
    ],
)
def test_what_is_no_file(make: object) -> None:
    store = Store()
    assert callable(make)
    with pytest.raises(Misuse):
        read(store, make(store))


def test_ranges_that_there_are_not() -> None:
    store = Store()
    for offset, length in ((-1, None), (0, -1)):
        with pytest.raises(Misuse):
            read(store, store.raw(b"x"), offset, length)


def test_statuses() -> None:
    store = Store()
    assert trio.run(status, store.get, store.raw(b"abc")) == Status(Kind.FILE, 3)
    assert trio.run(status, store.get, store.file([store.raw(b"abc")], [3])) == Status(Kind.FILE, 3)
    assert trio.run(status, store.get, store.folder()) == Status(Kind.DIRECTORY)
    assert trio.run(status, store.get, store.shard(0)) == Status(Kind.HAMT_SHARD)
    assert trio.run(status, store.get, store.node()) == Status(None)
    target = unixfs.encode(Data(Kind.SYMLINK, "ü".encode()))
    assert trio.run(status, store.get, store.node(data=target)) == Status(Kind.SYMLINK, 2, "ü")
    assert trio.run(status, store.get, cid_from(DAG_CBOR, b"\x12\x20" + bytes(32))) == Status(None)
    with pytest.raises(Malformed):
        status_of(NODE + bytes(32), b"\xff")


# ---- folders --------------------------------------------------------------------------------------------------------
def test_a_folder_is_listed_with_what_its_entries_are() -> None:
    items = [
        Item("d/big", FileEntry, bytes(1_000)),
        Item("d/small", FileEntry, b"1"),
        Item("d/link", SymlinkEntry, b"big"),
        Item("d/sub", FolderEntry),
    ]
    blocks, cid = added(items, AddOptions(1, chunking=FixedSize(100)))
    entries = {entry.name: entry.status for entry in listed(blocks, cid)}
    assert entries == {
        "big": Status(Kind.FILE, 1_000),
        "link": Status(Kind.SYMLINK, 3, "big"),
        "small": Status(Kind.FILE, 1),
        "sub": Status(Kind.DIRECTORY),
    }
    blocks.got.clear()
    unread = {entry.name: entry.status for entry in listed(blocks, cid, types=False)}
    assert unread == dict.fromkeys(entries) | {"small": Status(Kind.FILE, 1)}
    assert blocks.got == [cid]


def test_links_of_what_is_no_folder() -> None:
    store = Store()
    leaf, other = store.raw(b"abc"), cid_from(DAG_CBOR, b"\x12\x20" + bytes(32))
    assert [(entry.name, entry.cid) for entry in listed(store, store.file([leaf], [3]))] == [("", leaf)]
    assert [entry.status for entry in listed(store, store.node([Link(other, b"x")]))] == [Status(None)]
    assert listed(store, leaf) == []


def test_names_that_occur_twice_are_listed_twice_and_found_once() -> None:
    store = Store()
    first, second = store.raw(b"1"), store.raw(b"2")
    cid = store.folder(Link(first, b"n"), Link(second, b"n"))
    assert [entry.cid for entry in listed(store, cid)] == [first, second]
    assert resolved(store, cid, "n").cid == first


def test_paths() -> None:
    store = Store()
    leaf = store.raw(b"x")
    folder = store.folder(Link(leaf, "ü".encode()), Link(leaf, b"..a"))
    top = store.folder(Link(folder, b"sub"))
    for path in ("sub/ü", "/sub//ü/", "sub/../sub/./ü", "sub/..a"):
        assert resolved(store, top, path) == Resolved(leaf)
    assert resolved(store, top, "") == Resolved(top)
    for path in ("ü", "sub/x", "sub/ü/x"):
        with pytest.raises(NotFound):
            resolved(store, top, path)
    with pytest.raises(Misuse):
        resolved(store, top, "sub/../..")


def test_paths_through_what_is_not_unixfs_go_by_the_names_of_links() -> None:
    store = Store()
    leaf = store.raw(b"x")
    for data in (None, b"", b"not UnixFS"):
        assert resolved(store, store.node([Link(leaf, b"n")], data), "n").cid == leaf
    named = store.node([Link(leaf, b"n")], unixfs.encode(Data(Kind.FILE, file_size=1, block_sizes=(1,))))
    with pytest.raises(NotFound):
        resolved(store, named, "n")


def test_shards_that_lie() -> None:
    store = Store()
    leaf = store.raw(b"x")
    slot = name_hash(b"n") >> 56
    prefix = b"%02X" % slot
    for cid in (
        store.shard(1 << slot),
        store.shard(1 << slot, Link(leaf, prefix)),
        store.shard(1 << slot, Link(store.folder(), prefix)),
        store.shard(1 << slot, Link(leaf, b"!!n")),
    ):
        with pytest.raises(Malformed):
            resolved(store, cid, "n")
        with pytest.raises(Malformed):
            listed(store, cid)
    elsewhere = store.shard(1 << slot, Link(leaf, prefix + b"other"))
    with pytest.raises(NotFound):
        resolved(store, elsewhere, "n")


def test_a_folder_of_a_few_shards_does_not_list_without_end() -> None:
    """Every slot leads to the same shard below: six of those would make a listing of 1,024 to the sixth entries."""
    store = Store()
    cid = store.shard(1, Link(store.raw(b"x"), b"000n"), fanout=1_024)
    for _ in range(5):
        links = [Link(cid, b"%03X" % slot) for slot in range(1_024)]
        cid = store.shard(2**1_024 - 1, *links, fanout=1_024)
    with pytest.raises(Malformed):
        listed(store, cid)


def test_shards_are_only_so_deep() -> None:
    """A chain of shards ends where a hash has no bits left, for lookups and for listings."""
    store = Store()
    hashed = name_hash(b"n")
    for deepest, fine in ((7, True), (8, False)):
        cid = store.raw(b"x")
        for depth in range(deepest, -1, -1):
            slot = hashed >> max(0, 56 - 8 * depth) & 255
            name = b"%02X" % slot + (b"n" if depth == deepest else b"")
            cid = store.shard(1 << slot, Link(cid, name))
        if fine:
            assert resolved(store, cid, "n").cid == store.raw(b"x")
            assert [entry.name for entry in listed(store, cid)] == ["n"]
        else:
            with pytest.raises(Malformed):
                resolved(store, cid, "n")
            with pytest.raises(Malformed):
                listed(store, cid)


@given(
    st.binary(max_size=120)
    | st.builds(lambda data: dag_pb.encode([], data), st.binary(max_size=60))
    | st.builds(
        lambda kind, data, size, sizes, links: dag_pb.encode(
            [Link(LEAF + bytes(32), b"00", 1)] * links,
            unixfs.encode(Data(kind, data, size, tuple(sizes), 0x22, 256)),
        ),
        st.sampled_from(Kind),
        st.none() | st.binary(max_size=4),
        st.none() | st.integers(0, 2**64 - 1),
        st.lists(st.integers(0, 2**64 - 1), max_size=3),
        st.integers(0, 3),
    ),
    st.sampled_from([NODE, b"\x01\x71\x12\x20", b"\x01\xa9\x02\x12\x20"]),
    st.text(max_size=4),
)
def test_any_bytes(block: bytes, prefix: bytes, path: str) -> None:
    """Whatever a block holds, it is read or refused in the words of this program."""
    cid = prefix + bytes(32)

    async def get(wanted: bytes) -> bytes:
        return block if wanted == cid else b"x"

    async def main() -> None:
        for attempt in (cat(get, cid, 0, 1_000), ls(get, cid)):
            with contextlib.suppress(Malformed, Misuse):
                async with attempt as pieces:
                    async for _ in pieces:
                        pass
        with contextlib.suppress(Malformed, Misuse):
            await resolve(get, cid, path)

    trio.run(main)


def test_raw_blocks_have_nothing_below() -> None:
    store = Store()
    with pytest.raises(NotFound):
        resolved(store, store.raw(b"x"), "a")
    assert cid_from(RAW, multihash_of(store.raw(b"x"))) == store.raw(b"x")
