"""The next base: the same bytes whoever makes it, with a number and a cut that count."""

from __future__ import annotations

import pytest

from pincrew.base_form import decode_base, decode_shards, seal
from pincrew.bases import Bases
from pincrew.replica import Replica
from pincrew.steps import finish
from pincrew.store.database import Database
from pincrew.wire import encode_sealed
from sim.swarm import key_of
from unit.golden import vectors
from unit.test_bases import OWNER, SHARD_BITS, Peer, after, chain, follower, forged_base, keeper


@pytest.fixture
def ann() -> Peer:
    return keeper()


def test_the_golden_base_is_what_its_envelopes_make() -> None:
    """Held to the bytes of docs/protocol.md, which were put together by hand."""
    replica = Replica(
        Database(None, cluster=vectors.CLUSTER),
        cluster=vectors.CLUSTER,
        curators=[vectors.ANN.public, vectors.BEN.public],
        trust=0,
        shard_bits=vectors.SHARD_BITS,
        now_ms=lambda: 5,
    )
    for forged in list(vectors.envelopes().values())[:3]:
        assert replica.receive(encode_sealed(forged.body, forged.signature)).fault is None
    finish(replica.apply())
    bases = Bases(replica.windows, {}, now_ms=lambda: 5)
    assert seal(finish(bases.making.header(0, replica.heads)), vectors.ANN) == vectors.base()["sealed"]


def test_everybody_computes_the_same_bytes_whatever_came_since(ann: Peer) -> None:
    """Also from the other side of the base, and when its rows hold no longer (invariants 11 and 12)."""
    bob, ben = follower(ann), Peer("b")
    ann.makes()
    eve = Peer()
    eve.follows(ann)
    ben.hears(ann)
    ben.follows(ann)
    bob.follows(ann)
    base = decode_base(ann.member.base_sealed(1) or b"")
    shards = decode_shards(ann.bases.in_force.blob(base.shards_hash) or b"", SHARD_BITS)
    before = [ann.bases.in_force.blob(name) for name in shards]
    ben.write(1, 2, 30, name="z")
    ben.remove(4, 5)
    ann.hears(ben)
    ann.remove(1)
    for peer in (bob, eve, ben):
        peer.hears(ann, ben)
    for peer in (ann, bob, ben, eve):
        assert [peer.bases.in_force.blob(name) for name in shards] == before
        assert peer.rows() == ann.rows()
    assert len({peer.signs(key_of("a")) for peer in (ann, bob, ben, eve)}) == 1
    assert ann.names()[2] == "z" and {1, 3, 4, 5}.isdisjoint(ann.names())


def test_an_owners_number_is_above_what_a_former_keeper_signed(ann: Peer) -> None:
    ben = follower(ann)
    lie, _ = forged_base(ann, key_of("a"), n=1000, trust=0)
    ben.member.adopt(after(chain(), keeper=key_of("b").public))
    assert ben.member.base_offered(lie) is None
    owners = seal(finish(ben.member.base_header(is_owners=True)), OWNER)
    assert decode_base(owners).n == 1001, "whoever took that lie goes on to it"
    assert ben.member.base_offered(owners) is None and [one.fault for one in ben.turns()] == [None]
    assert ben.base().signer == OWNER.public
