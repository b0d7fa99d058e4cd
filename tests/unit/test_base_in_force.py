"""What a replica stands on: it outlives a restart, is served as far as it can be, and lets log go."""

from __future__ import annotations

import pytest

from pincrew.base_form import decode_base, decode_shards
from pincrew.steps import finish
from unit.test_bases import SHARD_BITS, Peer, follower, keeper


@pytest.fixture
def ann() -> Peer:
    return keeper()


def test_a_restart_changes_nothing(ann: Peer) -> None:
    ann.makes()
    ann.write(1, name="z")
    again = Peer("a", disk=ann.disk, first_nonce=500)
    assert again.bases.n == 1 and again.base().hash == ann.base().hash
    assert again.member.standing() == ann.member.standing()
    base = decode_base(again.member.base_sealed(0) or b"")
    for name in decode_shards(again.bases.in_force.blob(base.shards_hash) or b"", SHARD_BITS):
        assert again.bases.in_force.blob(name) == ann.bases.in_force.blob(name) is not None


def test_only_what_can_be_served_is_served(ann: Peer) -> None:
    assert ann.bases.in_force.blob(bytes(32)) is None and ann.member.base_sealed(0) is None
    ann.makes()
    first = decode_base(ann.member.base_sealed(1) or b"")
    shards = decode_shards(ann.bases.in_force.blob(first.shards_hash) or b"", SHARD_BITS)
    ann.write(*range(50, 60))
    ann.makes()
    manifest = first.cut_hash, first.shards_hash
    assert all(map(ann.bases.in_force.blob, manifest)), "headers and cuts of some are kept"
    assert [ann.bases.in_force.blob(name) for name in shards] == [None] * 4, "rows of the newest alone"


def test_the_next_base_follows_and_the_log_before_is_forgotten(ann: Peer) -> None:
    bob = follower(ann)
    (session,) = ann.heads()
    for peer in (ann, bob):
        assert peer.member.page(session, 0) is not None
    ann.makes()
    bob.follows(ann)
    finish(ann.bases.in_force.forget_log())
    assert ann.member.page(session, 0) is not None, "log is kept since the base before"
    ann.write(40)
    bob.hears(ann)
    ann.makes()
    bob.follows(ann)
    for peer in (ann, bob):
        finish(peer.bases.in_force.forget_log())
        assert peer.bases.n == 2 and peer.bases.making.figures()["log_bytes"] == 0
        assert peer.member.page(session, 0) is None and peer.member.page(session, 2) is None
        assert peer.member.page(session, 3) is not None
    assert decode_base(bob.member.base_sealed(2) or b"").previous == decode_base(bob.member.base_sealed(1) or b"").hash
    assert bob.member.base_sealed(7) == bob.member.base_sealed(0) == bob.member.base_sealed(2)
