"""Folders with many entries: a hash array mapped trie over dag-pb nodes, called shards, as Kubo writes them.

A name's place follows from its murmur3 hash, 64 bits of which the first are used first: each shard uses up as many as
it takes to number its slots (8 of them for the usual 256). A slot holds nothing, or one entry, or a further shard for
the entries whose hashes agree so far. The shard's bit field says which slots are taken; its links are the taken slots
in ascending order, named by the slot's number in hexadecimal and, of an entry, its name.

The trie depends only on what is in it, never on the order in which it was put there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import mmh3

from pincrew.errors import Malformed, Misuse
from pincrew.limits import SHARD_FANOUT_MAX
from pincrew.node import dag_pb, unixfs
from pincrew.node.dag_pb import Link
from pincrew.node.multihash import cid_of
from pincrew.node.unixfs import Data, Kind

FANOUT = 256  # of the shards that are written
_FANOUT_MIN = 8
_WIDTH = 8
_MURMUR3 = 0x22
_HASH_BITS = 64


def name_hash(name: bytes) -> int:
    """Return the 64 bits that say where a name is."""
    return int(mmh3.hash64(name, 0, True, signed=False)[0])


# ---- writing --------------------------------------------------------------------------------------------------------
def build(links: Iterable[Link], node_prefix: bytes) -> Iterator[tuple[Link, bytes]]:
    """Yield a link to each shard of the folder that holds ``links``, with its block; the last is the folder's root.

    Names must differ. Raises Misuse where two of them have one hash: such a folder cannot be.
    """
    hashed = sorted((name_hash(link.name), link) for link in links)
    return _shards(hashed, _HASH_BITS - _WIDTH, node_prefix)


def _shards(hashed: Sequence[tuple[int, Link]], shift: int, node_prefix: bytes) -> Iterator[tuple[Link, bytes]]:
    if shift < 0:
        raise Misuse("Two names of one folder have the same hash, so that it cannot be written as shards")
    children: list[Link] = []
    field = 0
    begin = 0
    while begin < len(hashed):
        slot = hashed[begin][0] >> shift & (FANOUT - 1)
        end = begin + 1
        while end < len(hashed) and hashed[end][0] >> shift & (FANOUT - 1) == slot:
            end += 1
        child = hashed[begin][1]
        if end - begin > 1:
            for child, block in _shards(hashed[begin:end], shift - _WIDTH, node_prefix):
                yield child, block
        children.append(Link(child.cid, b"%02X" % slot + child.name, child.size))
        field |= 1 << slot
        begin = end
    bits = field.to_bytes((field.bit_length() + 7) // 8)
    block = dag_pb.encode(children, unixfs.encode(Data(Kind.HAMT_SHARD, bits, hash_type=_MURMUR3, fanout=FANOUT)))
    yield Link(cid_of(node_prefix, block), b"", len(block) + sum(child.size for child in children)), block


# ---- reading --------------------------------------------------------------------------------------------------------
class Shard:
    """One shard that was read. ``width`` is the number of hash bits that it uses up."""

    def __init__(self, links: Sequence[Link], data: Data) -> None:
        """Raises Malformed unless bit field and links agree about which slots are taken."""
        fanout = data.fanout or 0
        if data.hash_type != _MURMUR3:
            raise Malformed("a folder's shard uses an unknown hash function")
        if not _FANOUT_MIN <= fanout <= SHARD_FANOUT_MAX or fanout & (fanout - 1):
            raise Malformed(f"a folder's shard has {fanout} slots")
        bits = data.data or b""
        if len(bits) > fanout // 8:
            raise Malformed("a folder's shard has more bits than slots")
        self.width = fanout.bit_length() - 1
        digits = (self.width + 3) // 4
        field = int.from_bytes(bits)
        slots = [slot for slot in range(fanout) if field >> slot & 1]
        if len(slots) != len(links):
            raise Malformed("a folder's shard has another number of links than its bits say")
        self._children: dict[int, Link] = {}
        for slot, link in zip(slots, links, strict=True):
            if link.name[:digits] != b"%0*X" % (digits, slot):
                raise Malformed("a link of a folder's shard stands in another slot than its bits say")
            self._children[slot] = link._replace(name=link.name[digits:])

    @property
    def children(self) -> Iterable[Link]:
        """Everything in it: an entry under its name, a further shard under none."""
        return self._children.values()

    def child(self, hashed: int, used: int) -> Link | None:
        """Return what is in the slot of a name's hash, of which ``used`` bits led here; None if nothing is.

        Raises Malformed when the hash has too few bits left: a trie as deep as that is nobody's folder.
        """
        return self._children.get(hashed >> self._shift(used) & ((1 << self.width) - 1))

    def below(self, used: int) -> int:
        """Return how many bits of a hash are used up below this shard. Raises Malformed like ``child``."""
        return _HASH_BITS - self._shift(used)

    def _shift(self, used: int) -> int:
        shift = _HASH_BITS - used - self.width
        if shift < 0:
            raise Malformed("a folder's shards are nested too deep")
        return shift
