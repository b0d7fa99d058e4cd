from __future__ import annotations

import random
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import trio
import trio.testing

from pincrew.cid import cid_text
from pincrew.errors import Conflict, Misuse, WorldFault
from pincrew.limits import (
    ADD_BATCH_BLOCKS,
    ADD_BATCH_BYTES,
    ADD_PROGRESS_BYTES,
    CHUNK_BYTES_MAX,
    HASHED_IN_LOOP_BYTES_MAX,
)
from pincrew.node.chunking import CHUNK_BYTES, Buzhash, Chunker, Chunking, FixedSize, Rabin
from pincrew.node.importing import Added, AddOptions, Entry, FileEntry, FolderEntry, Progress, SymlinkEntry, add
from pincrew.node.layout import Block
from pincrew.node.multihash import multihash_of
from pincrew.node.reading import cat, ls, resolve
from support.trees import Blocks, Item, Outcome, add_items


def file(path: str, content: bytes = b"x") -> Item:
    return Item(path, FileEntry, content)


def folder(path: str) -> Item:
    return Item(path, FolderEntry)


def added(items: list[Item], options: AddOptions | None = None, blocks: Blocks | None = None) -> Outcome:
    return trio.run(add_items, items, options or AddOptions(), blocks or Blocks())


def names(outcome: Outcome) -> list[str]:
    return [line.name for line in outcome.lines]


def test_the_empty_folder() -> None:
    """What Kubo 0.43.1 says of it."""
    assert cid_text(added([folder("d")]).roots[0].cid) == "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"
    version_1 = added([folder("d")], AddOptions(1))
    assert cid_text(version_1.roots[0].cid) == "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"
    assert version_1.roots[0].size == 4


def test_files_come_before_their_folders_and_the_root_comes_last() -> None:
    outcome = added([folder("d"), file("d/a"), file("d/sub/b"), folder("d/sub/empty"), file("d/z")])
    assert names(outcome) == ["d/a", "d/sub/b", "d/sub/empty", "d/sub", "d/z", "d"]
    assert [line.root for line in outcome.lines] == [False] * 5 + [True]
    assert outcome.roots == (outcome.lines[-1],)


def test_a_folder_needs_no_line_of_its_own() -> None:
    assert added([file("d/e/f")]).roots == added([folder("d"), folder("d/e"), file("d/e/f")]).roots
    assert added([file("d/e/f"), folder("d/e")]).roots == added([file("d/e/f")]).roots


def test_the_order_within_a_folder_does_not_matter() -> None:
    assert added([file("d/b"), file("d/a/x")]).roots == added([file("d/a/x"), file("d/b")]).roots


def test_several_at_the_top() -> None:
    outcome = added([file("a"), file("d/b"), file("a")])
    assert [root.name for root in outcome.roots] == ["a", "d", "a"]
    assert names(outcome) == ["a", "d/b", "d", "a"]


def test_wrapping() -> None:
    outcome = added([file("a"), file("d/b"), Item("s", SymlinkEntry, b"a")], AddOptions(wrap=True))
    assert names(outcome) == ["a", "d/b", "d", "s", ""]
    assert [root.name for root in outcome.roots] == [""]


def test_folders_deep_in_each_other() -> None:
    deep = "a/" * 999
    outcome = added([file(deep + "b/c"), file(deep + "d"), file("a/b")], AddOptions(wrap=True))
    assert names(outcome)[:3] == [deep + "b/c", deep + "b", deep + "d"] and len(outcome.lines) == 3 + 1 + 1_000


def test_a_file_without_a_name_is_named_by_its_cid() -> None:
    cid = cid_text(added([file("")]).roots[0].cid)
    assert names(added([file("")])) == [cid]
    assert names(added([file("")], AddOptions(wrap=True))) == [cid, ""]


@pytest.mark.parametrize(
    "items",
    [
        [file("d/a"), file("d/a")],
        [file("d/a"), file("d/b/c"), file("d/a/x")],
        [file("d/a/x"), file("d/b"), file("d/a/y")],
        [file("d/a/x"), file("d/b"), folder("d/a")],
    ],
)
def test_what_comes_twice_is_refused(items: list[Item]) -> None:
    with pytest.raises(Conflict):
        added(items)


@pytest.mark.parametrize("items", [[], [folder("")], [folder("/")], [file("../a")], [file("a/" * 1_001 + "b")]])
def test_what_makes_no_tree_is_refused(items: list[Item]) -> None:
    with pytest.raises(Misuse):
        added(items)


def test_options_that_there_are_not() -> None:
    for version, hash_name in ((2, "sha2-256"), (0, "sha3-512"), (1, "md5"), (1, "")):
        with pytest.raises(Misuse):
            AddOptions(version, hash_name=hash_name)
    assert AddOptions(0).form.raw_leaves is False
    assert AddOptions(1).form.raw_leaves is True


def test_progress_counts_bytes_and_ends_with_all_of_them() -> None:
    size = 2 * ADD_PROGRESS_BYTES + 500
    outcome = trio.run(
        lambda: add_items([file("f", bytes(size))], AddOptions(), Blocks(), piece_bytes=ADD_PROGRESS_BYTES // 4)
    )
    counts = [event.bytes_read for event in outcome.progress]
    assert counts == sorted(counts) and counts[-1] == size
    assert len(counts) == 3
    assert {event.name for event in outcome.progress} == {"f"}


def test_blocks_are_stored_in_batches_children_first() -> None:
    blocks = Blocks()
    added([file(f"d/{number}", b"%d" % number) for number in range(ADD_BATCH_BLOCKS + 10)], blocks=blocks)
    assert blocks.batches == [ADD_BATCH_BLOCKS, 11]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("chunking", "chunk_bytes"),
    [
        (FixedSize(CHUNK_BYTES), CHUNK_BYTES),
        (FixedSize(CHUNK_BYTES_MAX), CHUNK_BYTES_MAX),
        (Rabin.around(2**20), 3 * 2**19),
        (Buzhash(), 512 * 1024),
    ],
)
def test_little_waits_in_memory_however_big_the_file_is(chunking: Chunking, chunk_bytes: int) -> None:
    """What was read and is not stored yet never exceeds a few batches, while the store is the slow part."""
    stored = read = most = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(20 * ADD_BATCH_BYTES // 2**20):
            read += 2**20
            yield bytes(2**20)

    async def entries() -> AsyncIterator[Entry]:
        yield FileEntry("f", pieces())

    async def put_many(batch: list[Block]) -> None:
        nonlocal stored, most
        await trio.testing.wait_all_tasks_blocked(0.01)
        most = max(most, read - stored)
        stored += sum(len(data) for _, data in batch)

    async def report(_: Added | Progress) -> None:
        pass

    trio.run(add, entries(), AddOptions(1, chunking=chunking), put_many, report)
    assert stored >= read
    assert most <= 3 * ADD_BATCH_BYTES + chunk_bytes + 2**20


@pytest.mark.parametrize("chunking", [FixedSize(100), Rabin(16, 64, 200), Buzhash()])
@pytest.mark.parametrize("trickle", [False, True])
def test_the_same_in_pieces_of_any_size(chunking: Chunking, trickle: bool) -> None:
    options = AddOptions(1, chunking=chunking, trickle=trickle)
    item = file("f", random.Random(6).randbytes(300_000))
    first, *others = (
        trio.run(lambda size=size: add_items([item], options, Blocks(), piece_bytes=size)) for size in (7, 1_000, 10**6)
    )
    assert all(other.roots == first.roots for other in others)


def test_what_takes_long_is_not_done_in_the_loop() -> None:
    """Pieces are cut and hashed together: those of a large file in a thread, whatever their own size."""
    in_loop: list[bool] = []

    @dataclass(frozen=True)
    class Watched(FixedSize):
        def chunker(self) -> Chunker:
            return WatchedChunker()

    class WatchedChunker:
        waiting_bytes = 0

        def feed(self, piece: bytes) -> list[bytes]:
            in_loop.append(threading.current_thread() is threading.main_thread())
            return [piece]

        def rest(self) -> list[bytes]:
            return []

    for size in (HASHED_IN_LOOP_BYTES_MAX, 2 * ADD_BATCH_BYTES):
        item = file("f", bytes(size))
        trio.run(lambda item=item: add_items([item], AddOptions(chunking=Watched()), Blocks(), piece_bytes=2**14))
    small = HASHED_IN_LOOP_BYTES_MAX // 2**14
    assert in_loop == [True] * small + [False] * (2 * ADD_BATCH_BYTES // 2**14)


def test_a_root_is_reported_once_it_is_stored() -> None:
    blocks = Blocks()
    seen: list[bool] = []

    async def entries() -> AsyncIterator[Entry]:
        yield FolderEntry("d")
        yield FolderEntry("e/f")

    async def report(event: Added | Progress) -> None:
        assert isinstance(event, Added)
        if event.root:
            seen.append(multihash_of(event.cid) in blocks.by_multihash)

    trio.run(add, entries(), AddOptions(), blocks.put_many, report)
    assert seen == [True, True]


def test_what_ends_the_adding_is_raised_as_itself() -> None:
    class Full(WorldFault):
        """The disk is full."""

    async def entries() -> AsyncIterator[Entry]:
        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield bytes(2**20)

        yield FileEntry("f", endless())

    async def refuse(_: list[Block]) -> None:
        raise Full

    async def report(_: Added | Progress) -> None:
        pass

    with pytest.raises(Full):
        trio.run(add, entries(), AddOptions(1), refuse, report)

    async def broken() -> AsyncIterator[Entry]:
        yield FolderEntry("d")
        raise Full

    with pytest.raises(Full):
        trio.run(add, broken(), AddOptions(1), Blocks().put_many, report)


def test_it_can_be_cancelled_while_storing() -> None:
    async def entries() -> AsyncIterator[Entry]:
        yield FolderEntry("d")

    async def never(_: list[Block]) -> None:
        await trio.sleep_forever()

    async def report(_: Added | Progress) -> None:
        pass

    async def main() -> None:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(add, entries(), AddOptions(), never, report)
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
        assert scope.cancelled_caught

    trio.run(main)


@pytest.mark.slow
@pytest.mark.parametrize("version", [0, 1])
def test_names_of_any_bytes_in_folders_of_any_size(version: int) -> None:
    """One of a few entries, one that is written in a thread, one that becomes shards; all of it is found again."""
    for count in (3, 1_000, 7_000):
        blocks = Blocks()
        wanted = [f"d/{number}-\udcff-{'ü' * (number % 7)}" for number in range(count)]
        outcome = added(
            [file(path, path.encode(errors="surrogateescape")) for path in wanted], AddOptions(version), blocks
        )
        root = outcome.roots[0].cid

        async def main(root: bytes = root, wanted: list[str] = wanted, blocks: Blocks = blocks) -> None:
            async with ls(blocks.get, root, types=False) as batches:
                assert sorted([entry.name async for batch in batches for entry in batch]) == sorted(
                    path[2:] for path in wanted
                )
            for path in wanted[::50]:
                async with cat(blocks.get, (await resolve(blocks.get, root, path[2:])).cid) as pieces:
                    assert [piece async for piece in pieces] == [path.encode(errors="surrogateescape")]

        trio.run(main)
