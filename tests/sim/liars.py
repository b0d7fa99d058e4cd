"""Peers that lie: a neighbour that mutates what it passes on, and a keeper whose base is not what its cut makes."""

from __future__ import annotations

from pincrew.base_form import (
    ShardRows,
    blob_hash,
    decode_base,
    decode_cut,
    decode_rows,
    decode_shards,
    encode_header,
    encode_rows,
    seal,
)
from pincrew.frames import Heads, Page
from pincrew.steps import finish
from pincrew.sync import Effect, Send, Sync
from pincrew.values import Head, SessionId
from sim.judge import base_hash
from sim.swarm import Node, Swarm, key_of

SHARD_BITS = 2


class Liar(Sync):
    """A neighbour whose pages are not what they should be, and whose heads promise what nobody has."""

    def received(self, peer: str, frame: object, now: float) -> list[Effect]:
        return [self.mangled(effect) for effect in super().received(peer, frame, now)]  # type: ignore[arg-type]

    def evaluate(self, now: float) -> list[Effect]:
        return [self.mangled(effect) for effect in super().evaluate(now)]

    def mangled(self, effect: Effect) -> Effect:
        if not isinstance(effect, Send):
            return effect
        if isinstance(effect.frame, Page):
            return Send(effect.peer, self.page(effect.frame))
        if isinstance(effect.frame, Heads):
            promised = tuple(
                (session, Head(head.number + self._random.randrange(3), head.hash))
                for session, head in effect.frame.heads
            )
            invented = (SessionId(key_of("curator0").public, self._random.randbytes(16)), Head(5, bytes(32)))
            stranger = (SessionId(self._random.randbytes(32), bytes(16)), Head(5, bytes(32)))
            return Send(effect.peer, Heads((*promised, invented, stranger)))
        return effect

    def page(self, page: Page) -> Page:
        random = self._random
        bodies = [bytearray(body) for body in page.bodies]
        kind = random.randrange(6)
        if kind == 0:
            at = random.choice(bodies)
            at[random.randrange(len(at))] ^= 1 << random.randrange(8)
        elif kind == 1:
            return page._replace(signature=random.randbytes(64))
        elif kind == 2:
            bodies.pop(random.randrange(len(bodies)))
        elif kind == 3:
            random.shuffle(bodies)
        elif kind == 4:
            return page._replace(bodies=(random.randbytes(100),))
        return page._replace(bodies=tuple(bytes(body) for body in bodies))


def lie_of(node: Node) -> tuple[bytes, dict[bytes, bytes]]:
    """The next base as a lying keeper would sign it: a row is missing in each shard. With all blobs."""
    assert node.member is not None and node.key is not None
    member, key = node.member, node.key
    cut = finish(member.bases.making.allowed_cut(member.chain))
    honest = decode_base(seal(finish(member.bases.making.header(member.chain.head.n, cut)), key))
    cut_blob = node.staged[honest.cut_hash]
    shards = decode_shards(node.staged[honest.shards_hash], SHARD_BITS)
    assert decode_cut(cut_blob) == cut
    view = member.bases.store.view(cut)
    blobs = {honest.cut_hash: cut_blob}
    hashes, pins, size = [], 0, 0
    for shard in range(len(shards)):
        rows = decode_rows(member.bases.store.rows_at(shard, view)[0], shard, SHARD_BITS, len(cut))
        blob = encode_rows(*ShardRows(rows.rows[1:], rows.puts))
        blobs[blob_hash(blob)] = blob
        hashes.append(blob_hash(blob))
        pins, size = pins + len(rows.rows[1:]), size + len(blob)
    shards_blob = b"".join(hashes)
    blobs[blob_hash(shards_blob)] = shards_blob
    header = encode_header(
        cluster=honest.cluster,
        n=honest.n,
        previous=honest.previous,
        trust=honest.trust,
        cut_hash=honest.cut_hash,
        shards_hash=blob_hash(shards_blob),
        pins=pins,
        size=size,
    )
    return seal(header, key), blobs


def tell_a_lie(swarm: Swarm, keeper: Node) -> None:
    """Let the keeper adopt its own lie; from then on it serves it."""
    sealed, blobs = lie_of(keeper)
    member = keeper.member
    assert member is not None and keeper.sync is not None
    base = decode_base(sealed)
    swarm.judge.lie_told(base.hash, decode_cut(blobs[base.cut_hash]))
    assert member.base_offered(sealed) is None
    member.bases.take()
    while base_hash(member) != base.hash:
        for name in member.bases.missing(100):
            assert member.bases.keep(name, blobs[name])
        finish(member.turn())
    swarm._carry(keeper, keeper.sync.changed(swarm.now))
