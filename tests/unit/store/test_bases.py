"""Damaged shards of the base in force, brought back from another replica that has them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pincrew.base_sync import Stage
from pincrew.store.audit import Audit
from pincrew.store.rows import Rows
from pincrew.trust_change import with_keeper
from support.stored_cluster import KEY, OWNER, SHARD_BITS, StoredCluster, one_keeper

DAMAGE = [
    "UPDATE pins SET record=zeroblob(10) WHERE id=3",
    "UPDATE pins SET n=n+100 WHERE id=3",
    "UPDATE pins SET cid=zeroblob(36) WHERE id=3",
    "DELETE FROM pins WHERE id=3",
    "DELETE FROM pins",
    "DELETE FROM items WHERE pin=3",
    "DELETE FROM items WHERE number<=(SELECT cut FROM sessions)",
    "UPDATE items SET pin=NULL WHERE pin=3",
    "UPDATE items SET n=n+100 WHERE pin=3",
    "UPDATE items SET cid=zeroblob(36) WHERE pin=3",
    "DELETE FROM base_records",
    "UPDATE base_records SET record=zeroblob(9)",
    "UPDATE shard_puts SET puts=puts+1, base=base+1",
]


@pytest.fixture
def ann() -> StoredCluster:
    ann = StoredCluster(None, one_keeper(), KEY)
    ann.write(range(25))
    ann.make_base()
    return ann


@pytest.fixture
def bob(ann: StoredCluster, tmp_path: Path) -> StoredCluster:
    """A follower on disk, at the same base and with the same log since, which changed some of its rows."""
    bob = StoredCluster(tmp_path / "state.db", one_keeper())
    bob.hear(ann)
    assert bob.member.base_offered(ann.member.base_sealed(0) or b"") is None
    bob.take_blobs(ann)
    ann.write(range(25, 30))
    ann.write([0], "again")
    ann.remove([1])
    bob.hear(ann)
    assert bob.bases.n == 1 and contents(bob) == contents(ann)
    return bob


def contents(stored: StoredCluster) -> list[tuple[bytes, bytes, bytes, bytes, int]]:
    return list(Rows(stored.database).contents())


def wrong(stored: StoredCluster) -> tuple[set[int], bool]:
    """Which shards are not right, and whether anything else is not."""
    look = Audit(stored.database, SHARD_BITS, is_whole=True, luck=random.Random(1))
    rows, base = look.rows(), look.base()
    assert base.fault is None
    return rows.shards | set(base.different), bool(rows.lost or look.figures()[1] or look.chain().faults)


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_within_the_base_is_mended_from_another(ann: StoredCluster, bob: StoredCluster, damage: str) -> None:
    log = bob.bases.making.figures()["log_bytes"]
    bob.database.writer.execute(damage)
    shards, _ = wrong(bob)
    assert shards
    assert bob.bases.doubt(shards, bob.chain) == len(shards)
    assert bob.bases.candidate_n == 1 and not bob.member.is_held_back(), "everything else goes on meanwhile"
    (turned,) = bob.take_blobs(ann)
    assert (turned.fault, turned.taken) == (None, len(shards))
    assert contents(bob) == contents(ann) and wrong(bob) == (set(), False)
    assert bob.bases.n == 1 and bob.bases.making.figures()["log_bytes"] == log > 0, (
        "the log counts on, it is no new base"
    )
    ann.write([40])
    ann.make_base()
    bob.hear(ann)
    assert bob.member.base_offered(ann.member.base_sealed(0) or b"") is None
    assert [one.taken for one in bob.take_blobs(ann)] == [0], "the next base is recomputed again"


def test_progress_with_pins_that_are_sound_is_kept(ann: StoredCluster, bob: StoredCluster) -> None:
    bob.database.writer.execute("UPDATE pins SET state=2")
    bob.database.writer.execute("UPDATE pins SET record=zeroblob(10) WHERE id=3")
    bob.bases.doubt(wrong(bob)[0], bob.chain)
    bob.take_blobs(ann)
    states = bob.database.writer.execute("SELECT state, count(*) FROM pins GROUP BY state").fetchall()
    assert states == [(2, 29)]


def test_when_others_are_on_the_next_base_that_one_is_taken_though_it_was_refused(
    ann: StoredCluster, bob: StoredCluster
) -> None:
    bob.database.writer.execute("UPDATE pins SET record=zeroblob(10) WHERE id=3")
    ann.make_base()
    sealed = ann.member.base_sealed(0) or b""
    assert bob.member.base_offered(sealed) is None
    (refused,) = bob.take_blobs(ann)
    assert refused.fault is not None and bob.bases.n == 1
    assert bob.member.base_offered(sealed) is None and bob.bases.stage() is None
    bob.bases.doubt(wrong(bob)[0], bob.chain)
    assert bob.bases.stage() is Stage.ROWS and bob.bases.wanted == 0
    assert bob.member.base_offered(sealed) is None
    (turned,) = bob.take_blobs(ann)
    assert (turned.fault, turned.taken, bob.bases.n) == (None, 1, 2)
    assert contents(bob) == contents(ann) and wrong(bob) == (set(), False)


def test_what_was_stopped_since_an_owners_base_stays_stopped(ann: StoredCluster, bob: StoredCluster) -> None:
    bob.database.writer.execute("UPDATE sessions SET stopped='a fork'")
    bob.database.writer.execute("UPDATE pins SET record=zeroblob(10) WHERE id=3")
    bob.bases.doubt(wrong(bob)[0], bob.chain)
    bob.take_blobs(ann)
    assert bob.database.writer.execute("SELECT stopped FROM sessions").fetchall() == [("a fork",)]


def test_a_base_in_force_is_mended_whoever_signs_bases_by_now(ann: StoredCluster, bob: StoredCluster) -> None:
    later = bob.chain.extended(with_keeper(bob.chain, None).signed(OWNER))
    bob.database.writer.execute("UPDATE pins SET record=zeroblob(10) WHERE id=3")
    assert bob.member.adopt(later) and bob.bases.doubt(wrong(bob)[0], later) == 1
    (turned,) = bob.take_blobs(ann)
    assert turned.fault is None and contents(bob) == contents(ann)


def test_there_is_nothing_to_doubt_without_a_base() -> None:
    stored = StoredCluster(None, one_keeper(), KEY)
    stored.write(range(3))
    assert stored.bases.doubt({0}, stored.chain) == 0 and stored.bases.stage() is None


def test_a_damaged_shard_is_not_served(ann: StoredCluster, bob: StoredCluster) -> None:
    bob.database.writer.execute("DELETE FROM pins WHERE id=3")
    (shard,), _ = wrong(bob)
    assert bob.bases.in_force.held is not None
    names = [bob.bases.in_force.held.shards[at : at + 32] for at in range(0, 32 << SHARD_BITS, 32)]
    assert [at for at, name in enumerate(names) if bob.bases.in_force.blob(name) is None] == [shard]
