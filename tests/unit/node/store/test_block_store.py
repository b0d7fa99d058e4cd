"""Blocks go in and out whole or not at all; what the disk spoils is seen, told and got anew."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import pytest

from pincrew.errors import BlockCorrupt, Malformed, Misuse
from pincrew.limits import BLOCK_BYTES_MAX, STORE_PUT_BYTES, STORE_SLICE_BLOCKS
from pincrew.node.multihash import cid_of, multihash_of
from pincrew.node.store import Block, BlockStore, Present
from support.dags import leaf

ABSENT = leaf("absent").block[0]
INSIDE = b"\x00\x05hello"


def blocks(count: int, size: int = 0) -> list[Block]:
    return [leaf(number, size).block for number in range(count)]


def spoil(path: Path, multihash: bytes) -> None:
    """Change a stored block behind the store's back, as a disk does."""
    raw = sqlite3.connect(path)
    raw.execute("UPDATE blocks SET data = CAST('X' || substr(data, 2) AS BLOB) WHERE multihash = ?", (multihash,))
    raw.commit()
    raw.close()


def test_blocks_come_out_as_they_went_in(store: BlockStore) -> None:
    put = [*blocks(300), *blocks(20, 300_000), leaf("", BLOCK_BYTES_MAX).block]
    store.put_many(put)
    store.put_many(put)
    assert store.count() == len(put)
    wanted = [multihash for multihash, _ in put]
    assert store.get_many([*wanted, ABSENT]) == dict(put)
    assert all(store.get(multihash) == data for multihash, data in put)
    assert store.has_many([ABSENT, *wanted]) == {multihash: len(data) for multihash, data in put}
    with store.lease() as lease:
        found = store.present([ABSENT, *wanted], lease)
    assert {multihash: block.size for multihash, block in found.items()} == {m: len(data) for m, data in put}
    assert len({block.number for block in found.values()}) == len(put)
    assert store.get(ABSENT) is None


def test_versions_of_a_cid_name_one_block(store: BlockStore) -> None:
    data = b"\x0a\x00"
    for prefix in (b"\x00\x70\x12\x20", b"\x01\x70\x12\x20", b"\x01\x71\x12\x20"):
        store.put_many([(multihash_of(cid_of(prefix, data)), data)])
    assert store.count() == 1


def test_other_hash_functions(store: BlockStore) -> None:
    data = b"some data"
    for multihash in (
        b"\x16\x20" + hashlib.sha3_256(data).digest(),
        b"\xa0\xe4\x02\x20" + hashlib.blake2b(data, digest_size=32).digest(),
    ):
        store.put_many([(multihash, data)])
        assert store.get(multihash) == data
        with pytest.raises(Malformed):
            store.put_many([(multihash, data + b".")])


def test_an_identity_multihash_holds_its_block(store: BlockStore) -> None:
    store.put_many([(INSIDE, b"hello")])
    assert store.count() == 0
    assert store.get(INSIDE) == b"hello" and store.get_many([INSIDE]) == {INSIDE: b"hello"}
    assert store.has_many([INSIDE]) == {INSIDE: 5}
    with store.lease() as lease:
        assert store.present([INSIDE], lease) == {INSIDE: Present(0, 5)}


def test_what_does_not_match_or_is_too_large_is_refused_with_its_company(store: BlockStore) -> None:
    good = leaf("good").block
    with pytest.raises(Malformed):
        store.put_many([good, (ABSENT, b"other data")])
    with pytest.raises(Misuse):
        store.put_many([good, leaf("", BLOCK_BYTES_MAX + 1).block])
    with pytest.raises(Malformed):
        store.put_many([(b"\x12\x02ab", b"a digest that is too short")])
    assert store.count() == 0


def test_a_read_stops_behind_the_block_that_passes_its_bound(store: BlockStore) -> None:
    put = blocks(5, 1_000)
    store.put_many(put)
    wanted = [multihash for multihash, _ in put]
    assert store.read(wanted, 2_500) == [data for _, data in put[:3]]
    assert store.read(wanted, 0) == [put[0][1]]
    assert store.read([ABSENT, *wanted], 0) == [None, put[0][1]]


def test_a_put_of_more_than_one_transaction(store: BlockStore) -> None:
    put = blocks(3 * STORE_PUT_BYTES // 1_000_000, 1_000_000)
    store.put_many(put)
    assert store.count() == len(put)


def test_a_spoilt_block_is_told_once_then_absent_and_comes_back(store: BlockStore, tmp_path: Path) -> None:
    put = blocks(3)
    store.put_many(put)
    spoil(tmp_path / "blocks.db", put[1][0])
    with pytest.raises(BlockCorrupt, match="fetched anew") as told:
        store.get(put[1][0])
    assert told.value.code == "block_corrupt"
    assert store.get(put[1][0]) is None and store.lost() == [put[1][0]]
    store.put_many(put)
    assert store.get(put[1][0]) == put[1][1] and store.lost() == []


def test_what_the_disk_spoils_while_it_is_in_memory_is_written_anew(store: BlockStore, tmp_path: Path) -> None:
    put = [leaf("".join(str(number) for number in range(begin, begin + 4_000))).block for begin in (0, 10_000, 20_000)]
    store.put_many(put)
    # The bytes on the disk change, and SQLite's own copy, from which they were written, does not.
    wal = tmp_path / "blocks.db-wal"
    raw = wal.read_bytes()
    assert raw.count(put[1][1][9_000:9_064]) == 1
    with wal.open("r+b") as file:
        file.seek(raw.index(put[1][1][9_000:9_064]))
        file.write(b"X" * 64)
    assert [store.get(multihash) for multihash, _ in put] == [data for _, data in put] and store.lost() == []
    store.close()
    assert BlockStore(tmp_path / "blocks.db").get(put[1][0]) == put[1][1]


def test_many_are_read_around_a_spoilt_one(store: BlockStore, tmp_path: Path) -> None:
    put = blocks(3)
    store.put_many(put)
    spoil(tmp_path / "blocks.db", put[1][0])
    assert store.get_many([multihash for multihash, _ in put]) == {put[0][0]: put[0][1], put[2][0]: put[2][1]}
    assert store.lost() == [put[1][0]]


def test_all_blocks_are_verified_in_slices(store: BlockStore, tmp_path: Path) -> None:
    put = blocks(2 * STORE_SLICE_BLOCKS)
    store.put_many(put)
    for at in (3, STORE_SLICE_BLOCKS, -1):
        spoil(tmp_path / "blocks.db", put[at][0])
    damaged: set[bytes] = set()
    slices, count, last = 0, 0, 0
    while (found := store.verify(last)).last is not None:
        slices, count, last = slices + 1, count + found.count, found.last
        damaged.update(found.damaged)
    assert damaged == {put[3][0], put[STORE_SLICE_BLOCKS][0], put[-1][0]} == set(store.lost())
    assert (slices, count) == (2, len(put)) and store.count() == len(put) - 3


def test_blocks_are_listed_and_deleted(store: BlockStore) -> None:
    put = blocks(600)
    store.put_many(put)
    wanted = sorted(multihash for multihash, _ in put)
    assert store.multihashes() == wanted
    assert store.multihashes(wanted[9], 5) == wanted[10:15]
    assert store.delete_many([ABSENT, *wanted[:500]]) == 500
    assert store.multihashes() == wanted[500:]


def test_numbers_go_on_after_a_restart(store: BlockStore, tmp_path: Path) -> None:
    """K1: a block that comes later has a higher number, also when the newest ones were deleted."""
    put = blocks(4)
    store.put_many(put[:2])
    store.delete_many([put[1][0]])
    store.put_many(put[2:3])
    store.close()
    again = BlockStore(tmp_path / "blocks.db")
    again.put_many(put[3:])
    raw = sqlite3.connect(tmp_path / "blocks.db")
    assert [row[0] for row in raw.execute("SELECT id FROM blocks ORDER BY id")] == [1, 3, 4]
    raw.close()
    again.close()
