from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew.errors import Malformed, Misuse
from pincrew.node import dag_pb, hamt, unixfs
from pincrew.node.dag_pb import Link
from pincrew.node.hamt import Shard, build, name_hash
from pincrew.node.unixfs import Data, Kind

PREFIX = b"\x01\x70\x12\x20"
LEAF = b"\x01\x55\x12\x20" + bytes(32)


def shard_data(bits: bytes, hash_type: int = 0x22, fanout: int = 256) -> Data:
    return Data(Kind.HAMT_SHARD, bits, hash_type=hash_type, fanout=fanout)


def read(block: bytes) -> Shard:
    links, data = dag_pb.decode(block)
    return Shard(links, unixfs.decode(data or b""))


def find(blocks: dict[bytes, bytes], root: bytes, name: bytes) -> Link | None:
    shard, used, hashed = read(blocks[root]), 0, name_hash(name)
    while (link := shard.child(hashed, used)) is not None and not link.name:
        used = shard.below(used)
        shard = read(blocks[link.cid])
    return link if link is not None and link.name == name else None


def names_in(blocks: dict[bytes, bytes], root: bytes) -> list[bytes]:
    found = []
    for link in read(blocks[root]).children:
        found += [link.name] if link.name else names_in(blocks, link.cid)
    return found


def test_the_hash_is_murmur3() -> None:
    """Vectors with which the murmur3 library that Kubo uses tests itself."""
    assert name_hash(b"") == 0
    assert name_hash(b"hello").to_bytes(8).hex() == "cbd8a7b341bd9b02"


@given(st.sets(st.binary(min_size=1, max_size=12), min_size=1, max_size=200), st.randoms(use_true_random=False))
def test_every_name_is_found_and_the_order_does_not_matter(names: set[bytes], chance: random.Random) -> None:
    links = [Link(LEAF, name, len(name)) for name in names]
    shards = list(build(links, PREFIX))
    blocks = {link.cid: block for link, block in shards}
    root = shards[-1][0]
    for link in links:
        assert find(blocks, root.cid, link.name) == link
    assert sorted(names_in(blocks, root.cid)) == sorted(names)
    assert find(blocks, root.cid, b"a name that is not in it") is None
    chance.shuffle(links)
    assert list(build(links, PREFIX)) == shards


def test_sizes_count_every_block_below() -> None:
    links = [Link(LEAF, b"%d" % number, 1_000) for number in range(2_000)]
    shards = list(build(links, PREFIX))
    assert shards[-1][0].size == 2_000 * 1_000 + sum(len(block) for _, block in shards)


def test_names_of_one_hash_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hamt, "name_hash", lambda name: 5)
    with pytest.raises(Misuse):
        list(build([Link(LEAF, b"a"), Link(LEAF, b"b")], PREFIX))


@pytest.mark.parametrize("fanout", [8, 16, 64, 1_024])
def test_other_widths_are_read(fanout: int) -> None:
    """The slot is the next bits of the hash, its number as many hexadecimal digits as the highest one needs."""
    name, width = b"name", fanout.bit_length() - 1
    slot = name_hash(name) >> (64 - width)
    digits = len(f"{fanout - 1:X}")
    shard = Shard(
        [Link(LEAF, f"{slot:0{digits}X}".encode() + name)], shard_data((1 << slot).to_bytes(fanout // 8), fanout=fanout)
    )
    assert shard.width == width
    assert shard.child(name_hash(name), 0) == Link(LEAF, name)
    assert shard.child(~name_hash(name) & (2**64 - 1), 0) is None


@pytest.mark.parametrize(
    ("links", "data"),
    [
        ([], shard_data(b"", hash_type=0x12)),
        ([], shard_data(b"", fanout=0)),
        ([], shard_data(b"", fanout=12)),
        ([], shard_data(b"", fanout=4)),
        ([], shard_data(b"", fanout=2_048)),
        ([], shard_data(b"", fanout=2**63)),
        ([], Data(Kind.HAMT_SHARD)),
        ([], shard_data(bytes(33))),
        ([], shard_data(b"\x01")),
        ([Link(LEAF, b"00a")], shard_data(b"")),
        ([Link(LEAF, b"00a"), Link(LEAF, b"01b")], shard_data(b"\x01")),
        ([Link(LEAF, b"01a")], shard_data(b"\x01")),
        ([Link(LEAF, b"0")], shard_data(b"\x01")),
        ([Link(LEAF, b"")], shard_data(b"\x01")),
    ],
)
def test_shards_that_contradict_themselves(links: list[Link], data: Data) -> None:
    with pytest.raises(Malformed):
        Shard(links, data)


def test_shards_cannot_be_deeper_than_the_hash_is_long() -> None:
    shard = Shard([], shard_data(b""))
    assert shard.below(56) == 64
    for ask in (lambda: shard.below(64), lambda: shard.child(0, 60)):
        with pytest.raises(Malformed):
            ask()
