"""Bases in the store: rows as of any cut that went by, one transaction, and what is kept how long."""

from __future__ import annotations

from random import Random

import pytest

from pincrew.base_form import blob_hash, decode_base, decode_rows, encode_cut
from pincrew.limits import BASES_KEPT
from pincrew.steps import finish
from pincrew.store.adoption import Adoption
from pincrew.values import Head, SessionId
from unit.test_bases import SHARD_BITS, Peer, follower

SHARDS = range(1 << SHARD_BITS)


def blobs(peer: Peer, cut: dict[SessionId, Head]) -> list[bytes]:
    view = peer.bases.store.view(cut)
    return [peer.bases.store.rows_at(shard, view)[0] for shard in SHARDS]


@pytest.mark.parametrize("seed", range(6))
def test_the_rows_at_a_cut_are_those_that_were_there(seed: int) -> None:
    """Two authors write over each other, with bases in between; each later cut is computed to what it was."""
    random, ann, ben = Random(seed), Peer("a"), Peer("b", first_nonce=500)
    went_by: list[tuple[dict[SessionId, Head], list[bytes]]] = []
    for step in range(24):
        peer, other = (ann, ben) if random.random() < 0.5 else (ben, ann)
        numbers = random.sample(range(8), 3)
        if random.random() < 0.35:
            peer.remove(*numbers)
        else:
            peer.write(*numbers, name=f"n{step}")
        if random.random() < 0.5:
            other.hears(peer)
        if random.random() < 0.5:
            ann.hears(ben)
            ben.hears(ann)
        if random.random() < 0.15:
            ben.hears(ann)
            ann.hears(ben)
            ann.makes()
            assert ben.follows(ann) is not None
            went_by.clear()
        went_by.append((dict(ann.heads()), blobs(ann, ann.heads())))
    for cut, then in went_by:
        assert blobs(ann, cut) == then
    ann.hears(ben)
    ben.hears(ann)
    for cut, then in went_by:
        assert blobs(ann, cut) == then == blobs(ben, cut)
    rows = [row for shard, blob in enumerate(blobs(ann, ann.heads())) for row in _rows(shard, blob, ann)]
    assert sorted(rows) == [(row[0], row[1]) for row in ann.rows()]


def _rows(shard: int, blob: bytes, peer: Peer) -> list[tuple[bytes, bytes]]:
    return [(row.cid, row.record) for row in decode_rows(blob, shard, SHARD_BITS, len(peer.heads())).rows]


def test_a_row_that_no_longer_holds_is_kept_as_long_as_its_base() -> None:
    ann = Peer("a")
    ann.write(1, 2, 3)
    ann.makes()
    stated = blobs(ann, ann.heads())
    cut = dict(ann.heads())

    def kept() -> int:
        (count,) = ann.disk.writer.execute("SELECT count(*) FROM base_records").fetchone()
        return int(count)

    assert kept() == 0, "no second copy of the list"
    ann.write(1, name="y")
    ann.write(1, name="z")
    ann.remove(2)
    assert kept() == 2 and blobs(ann, cut) == stated
    ann.makes()
    assert kept() == 0 and blobs(ann, ann.heads()) != stated


def test_a_base_comes_into_force_whole_or_not_at_all() -> None:
    """An exception half way, while rows are read of which there is none."""
    ann = Peer("a")
    ann.write(*range(6))
    bob = follower(ann)
    ann.makes()
    held = ann.bases.in_force.held
    assert held is not None

    class Broken(dict):  # type: ignore[type-arg]
        def __getitem__(self, shard: int) -> object:
            raise RuntimeError("half way")

    before = bob.rows(), list(bob.disk.writer.iterdump())
    adoption = Adoption(decode_base(held.sealed), held.cut, held.shards, ann.heads(), replaced=Broken({1: None}))
    with pytest.raises(RuntimeError, match="half way"):
        bob.bases.store.adopt(adoption, 5)
    assert (bob.rows(), list(bob.disk.writer.iterdump())) == before and bob.bases.store.held() is None


def test_headers_and_cuts_of_some_bases_are_kept() -> None:
    ann = Peer("a")
    for number in range(BASES_KEPT + 3):
        ann.write(number)
        ann.makes()
    store, last = ann.bases.store, BASES_KEPT + 3
    kept = [store.held(n) is not None for n in (1, last - BASES_KEPT, last - BASES_KEPT + 1, last)]
    assert kept == [False, False, True, True]
    oldest, newest = store.held(last - BASES_KEPT + 1), store.held(last)
    assert oldest is not None and newest is not None and store.held() == newest
    for blob in (oldest.cut, oldest.shards):
        assert store.manifest(blob_hash(blob)) == blob
    assert store.manifest(bytes(32)) is None and encode_cut(ann.heads()) == newest.cut


def test_what_tells_whether_another_base_is_due() -> None:
    ann = Peer("a")
    ann.write(1, 2)
    ann.write(1, 2, name="y")
    before = ann.bases.store.figures()
    assert (before["items"], before["pins"]) == (4, 2) and before["log_bytes"] > 200
    ann.makes()
    assert ann.bases.store.figures() == {"log_bytes": 0, "items": 2, "pins": 2}
    ann.remove(1)
    assert ann.bases.store.figures()["items"] == 2 and ann.bases.store.figures()["pins"] == 1


def test_the_log_is_forgotten_in_small_pieces() -> None:
    ann = Peer("a")
    for number in range(5):
        ann.write(number)
    (session,) = ann.heads()
    cut = [(session, Head(4, b""))]
    assert ann.bases.store.forget_log(cut, 3), "there may be more"
    assert not ann.bases.store.forget_log(cut, 3)
    assert [len(ann.bases.store.log_after(1, 0, last)) for last in (4, 5)] == [0, 1]
    assert not ann.bases.store.forget_log([(SessionId(bytes(32), bytes(16)), Head(9, b""))], 3)


def test_own_writing_that_is_void_waits_in_its_order_until_it_is_written_again() -> None:
    ann = Peer("a")
    with ann.disk.transaction() as db:
        db.executemany("INSERT INTO reissues (body) VALUES (?)", [(b"one",), (b"two",), (b"three",)])
    store = ann.bases.store
    first = store.reissues(2)
    assert [body for _, body in first] == [b"one", b"two"]
    store.reissued(first[-1][0])
    assert [body for _, body in store.reissues(2)] == [b"three"]


def test_forgetting_goes_on_until_nothing_is_left() -> None:
    ann = Peer("a")
    for number in range(3):
        ann.write(number)
        ann.makes()
        finish(ann.bases.in_force.forget_log())
    (count,) = ann.disk.writer.execute("SELECT count(*) FROM log").fetchone()
    assert count == 1, "that since the base before the last"
