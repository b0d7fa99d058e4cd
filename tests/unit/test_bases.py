"""A replica's way from base to base: recomputed, taken, refused, fetched in parts, and what it makes void.

Real members on real stores; blobs and envelopes are handed from one to the other without a network.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cbor2
import pytest
from pincrew.trusted.author import Author, WriteRequest
from pincrew.trusted.cutting import cut_of

from pincrew.base_form import (
    Base,
    ShardRows,
    blob_hash,
    decode_base,
    decode_cut,
    decode_rows,
    encode_cut,
    encode_header,
    encode_rows,
    pack_blob,
    seal,
)
from pincrew.base_sync import Stage
from pincrew.bases import Turned
from pincrew.cid import shard_of
from pincrew.errors import StoreFault
from pincrew.folding import StoredDelete
from pincrew.frames import Page
from pincrew.gate import Screening
from pincrew.keys import SigningKey
from pincrew.limits import BASES_PER_TRUST_RECORD_MAX
from pincrew.member import Member
from pincrew.steps import finish
from pincrew.store import bases as base_store
from pincrew.store.database import Database
from pincrew.store.key_rows import deletes_of
from pincrew.store.rows import Rows
from pincrew.store.staging import Staged, StagedFile
from pincrew.trust import Cut, LastGood, TrustChain, TrustRecord, first_record
from pincrew.trust_change import undone, with_more, without
from pincrew.values import Delete, Dependency, Head, OperationId, SessionId
from pincrew.wire import encode_sealed
from sim.forge import COLLIDING_NONCES, Forged, put
from sim.forge import Author as Forger
from sim.swarm import key_of
from unit.golden.vectors import cid

OWNER = key_of("owner")
SHARD_BITS = 2


def chain() -> TrustChain:
    """Two curators, of whom `a` is the keeper."""
    names = [key_of("a").public, key_of("b").public]
    record = first_record([OWNER.public], names, b"s" * 16, keeper=names[0], shard_bits=SHARD_BITS)
    return TrustChain.from_records([record.signed(OWNER)])


def after(known: TrustChain, **changes: object) -> TrustChain:
    """The chain with one more record."""
    head = known.head
    fields = {"owners": head.owners, "curators": head.curators, "keeper": head.keeper, "cuts": head.cuts, **changes}
    record = TrustRecord(head.n + 1, head.hash, **fields)  # type: ignore[arg-type]
    return known.extended(record.signed(OWNER))


class Peer:
    """A member that may write, and its disk."""

    def __init__(
        self,
        name: str | None = None,
        known: TrustChain | None = None,
        *,
        staged: Staged | None = None,
        disk: Database | None = None,
        first_nonce: int = 1,
    ) -> None:
        self.key = None if name is None else key_of(name)
        self.chain = known or chain()
        self.disk = disk or Database(None, cluster=self.chain.cluster_id)
        public = b"" if self.key is None else self.key.public
        self.member = Member(self.disk, self.chain, now_ms=lambda: 5, now=lambda: 0.0, staged=staged, author=public)
        self.bases = self.member.bases
        nonces = iter(range(first_nonce, 1000))
        if self.key is not None:
            self.author = Author(
                self.member.replica, self.key, now_ms=lambda: 5, nonce=lambda: next(nonces).to_bytes(16)
            )

    def write(self, *numbers: int, name: str = "x") -> list[tuple[bytes, bytes]]:
        requests = [WriteRequest(cid(number), put(cid(number), name).record) for number in numbers]
        return finish(self.author.write(requests)).sealed

    def remove(self, *numbers: int) -> None:
        finish(self.author.write([WriteRequest(cid(number), None) for number in numbers]))

    def hears(self, *others: Peer) -> None:
        """Take in every envelope that the others have and serve."""
        for other in others:
            for session, head in other.member.heads().items():
                while (reached := self.member.contiguous(session)) < head.number:
                    page = other.member.page(session, reached)
                    if page is None:
                        break
                    received = self.member.receive_page(session, tuple(page[1]), page[2])
                    assert received.fault is None, received
                    if received.screening is not Screening.CHECK:
                        break
        self.apply()

    def apply(self) -> None:
        while finish(self.member.replica.apply()).envelopes:
            pass

    def base(self) -> Base:
        """The base in force."""
        return decode_base(self.member.base_sealed(0) or b"")

    def rows(self) -> list[tuple[bytes, bytes, bytes, bytes, int]]:
        return list(Rows(self.disk).contents())

    def names(self) -> dict[int, str]:
        """The list, by number of CID, as names of pins."""
        found = {row[0]: cbor2.loads(row[1])["name"] for row in self.rows()}
        return {number: found[cid(number)] for number in range(200) if cid(number) in found}

    def heads(self) -> dict[SessionId, Head]:
        return self.member.heads()

    # ---- bases ------------------------------------------------------------------------------------------------

    def cut(self) -> dict[SessionId, Head]:
        """The cut that the next base should have."""
        return finish(self.bases.making.allowed_cut(self.member.chain))

    def signs(self, key: SigningKey) -> bytes:
        """The next base, as of now."""
        return seal(finish(self.bases.making.header(self.member.chain.head.n, self.cut())), key)

    def makes(self, key: SigningKey | None = None) -> bytes:
        """Make the next base, and put it in force here."""
        sealed = self.signs(key or key_of("a"))
        assert self.member.base_offered(sealed) is None
        (turned,) = self.turns()
        assert turned.fault is None and turned.base is not None and self.bases.n == turned.base.n
        return sealed

    def turns(self) -> list[Turned]:
        """Do what can be done now; return what there is to tell."""
        told = []
        while self.bases.stage() in (Stage.CHECK, Stage.READY):
            if (turned := finish(self.member.turn())) is not None:
                told.append(turned)
        return told

    def takes(self, sealed: bytes, blob_of: Callable[[bytes], bytes | None]) -> Turned | None:
        """Be offered a base, fetch what is missing, and say what became of it."""
        assert self.member.base_offered(sealed) is None
        last = None
        while True:
            for turned in self.turns():
                last = turned
            missing = self.bases.missing(100)
            if not missing:
                return last
            for name in missing:
                blob = blob_of(name)
                assert blob is not None, "the other does not have it"
                assert self.bases.keep(name, blob)

    def follows(self, other: Peer) -> Turned | None:
        """Take the other's newest base."""
        sealed = other.member.base_sealed(0)
        assert sealed is not None
        return self.takes(sealed, other.bases.in_force.blob)


def forged_base(
    peer: Peer,
    key: SigningKey,
    *,
    n: int | None = None,
    trust: int = 0,
    cluster: bytes | None = None,
    cut: dict[SessionId, Head] | None = None,
    rows: Callable[[int, ShardRows], ShardRows] = lambda shard, rows: rows,
) -> tuple[bytes, dict[bytes, bytes]]:
    """A base of what is at a peer, made by hand; return it with all of its blobs."""
    honest = decode_base(peer.signs(key))
    true_cut = decode_cut(peer.bases._staged[honest.cut_hash])
    view = peer.bases.store.view(true_cut)
    made: dict[bytes, bytes] = {}
    hashes, pins, size = [], 0, 0
    for shard in range(1 << SHARD_BITS):
        blob, _ = peer.bases.store.rows_at(shard, view)
        changed = rows(shard, decode_rows(blob, shard, SHARD_BITS, len(true_cut)))
        blob = encode_rows(*changed)
        made[blob_hash(blob)] = blob
        hashes.append(blob_hash(blob))
        pins, size = pins + len(changed.rows), size + len(blob)
    for blob in (encode_cut(true_cut if cut is None else cut), b"".join(hashes)):
        made[blob_hash(blob)] = blob
    cut_blob, shards_blob = list(made.values())[-2:]
    header = encode_header(
        cluster=cluster or honest.cluster,
        n=n or honest.n,
        previous=honest.previous if not n or n == honest.n else bytes(32),
        trust=trust,
        cut_hash=blob_hash(cut_blob),
        shards_hash=blob_hash(shards_blob),
        pins=pins,
        size=size,
    )
    return seal(header, key), made


def keeper() -> Peer:
    """The keeper, with a list of ten that was changed since."""
    ann = Peer("a")
    ann.write(*range(10))
    ann.write(1, 2, name="y")
    ann.remove(3)
    return ann


@pytest.fixture
def ann() -> Peer:
    return keeper()


def follower(*others: Peer, known: TrustChain | None = None) -> Peer:
    peer = Peer(known=known)
    peer.hears(*others)
    return peer


# ---- the ways into force --------------------------------------------------------------------------------------------


def test_who_holds_the_log_recomputes_it(ann: Peer) -> None:
    bob = follower(ann)
    before = bob.rows()
    ann.makes()
    turned = bob.follows(ann)
    assert turned is not None and (turned.fault, turned.taken, turned.void) == (None, 0, 0)
    assert bob.bases.n == 1 and bob.base().hash == ann.base().hash and bob.rows() == before == ann.rows()
    assert bob.member.standing() == ann.member.standing()


def test_it_waits_until_everything_up_to_the_cut_is_here(ann: Peer) -> None:
    bob = follower(ann)
    ann.write(20)
    ann.makes()
    assert bob.follows(ann) is None
    assert bob.bases.stage() is Stage.CUT and [one.number for one in bob.bases.lacking()] == [4]
    assert not bob.member.is_held_back()
    bob.hears(ann)
    assert [turned.taken for turned in bob.turns()] == [0] and bob.bases.n == 1


def test_a_newcomer_takes_it_without_any_log(ann: Peer) -> None:
    ann.makes()
    eve = Peer()
    turned = eve.follows(ann)
    assert turned is not None and turned.taken == 4 and turned.fault is None
    assert eve.rows() == ann.rows() and eve.heads() == ann.heads()
    assert eve.member.standing() == ann.member.standing()
    assert eve.disk.writer.execute("SELECT count(*) FROM log").fetchone() == (0,)
    assert not eve.bases._staged, "what was fetched is not kept twice"


def test_a_newcomer_asks_for_no_empty_shards() -> None:
    ann = Peer("a")
    ann.write(1)
    ann.makes()
    eve = Peer()
    sealed = ann.member.base_sealed(0)
    assert sealed is not None and eve.member.base_offered(sealed) is None
    for name in eve.bases.missing(9):
        assert eve.bases.keep(name, ann.bases.in_force.blob(name) or b"")
    eve.turns()
    assert len(eve.bases.missing(9)) == 1
    assert eve.bases.fetched() == 0


def test_a_commit_between_two_reads_of_a_shard_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows are written while a base is computed: all that is read of a shard is of one moment."""
    ann = Peer("a", disk=Database(tmp_path / "state.db", cluster=chain().cluster_id))
    ann.write(*range(10))
    view, shard = ann.bases.store.view(ann.heads()), shard_of(cid(5), SHARD_BITS)
    before = ann.bases.store.rows_at(shard, view)
    torn = []

    def deletes_and_then_another(db: sqlite3.Connection, shard: int) -> dict[bytes, list[StoredDelete]]:
        found = deletes_of(db, shard)
        with ThreadPoolExecutor(1) as other:
            torn.append(other.submit(ann.remove, 5).result())
        return found

    with monkeypatch.context() as patched:
        patched.setattr(base_store, "deletes_of", deletes_and_then_another)
        assert ann.bases.store.rows_at(shard, view) == before
    assert len(torn) == 1 and 5 not in ann.names()
    assert ann.bases.store.rows_at(shard, view) == before


def test_who_was_away_for_two_bases_goes_on_one_by_one(ann: Peer) -> None:
    bob = follower(ann)
    ann.makes()
    ann.write(40)
    second = ann.makes()
    assert bob.bases.wanted == 1
    assert bob.takes(ann.member.base_sealed(1) or b"", ann.bases.in_force.blob) is not None and bob.bases.n == 1
    bob.hears(ann)
    assert bob.takes(second, ann.bases.in_force.blob) is not None and bob.bases.n == 2
    assert bob.rows() == ann.rows()


def test_who_was_away_and_has_no_log_takes_the_newest_on_the_keepers_word(ann: Peer) -> None:
    bob = follower(ann)
    for number in (40, 41, 42):
        ann.write(number)
        ann.makes()
        finish(ann.bases.in_force.forget_log())
    assert bob.follows(ann) is None and bob.bases.stage() is Stage.CUT
    bob.bases.take()
    assert bob.member.is_held_back() and bob.bases.wanted == 0
    turned = bob.takes(ann.member.base_sealed(0) or b"", ann.bases.in_force.blob)
    assert turned is not None and turned.fault is None and 0 < turned.taken < 4
    assert bob.rows() == ann.rows() and bob.member.standing() == ann.member.standing()


# ---- a lying keeper -------------------------------------------------------------------------------------------------


def without_first(shard: int, rows: ShardRows) -> ShardRows:
    return rows._replace(rows=rows.rows[1:]) if shard == 1 else rows


def with_a_record(shard: int, rows: ShardRows) -> ShardRows:
    first = rows.rows[0]
    return rows._replace(rows=(first._replace(record=put(first.cid, "lie").record), *rows.rows[1:]))


def with_more_puts(shard: int, rows: ShardRows) -> ShardRows:
    return rows._replace(puts=tuple((session, count + 1) for session, count in rows.puts))


LIES = {"a row is missing": without_first, "another record": with_a_record, "other puts": with_more_puts}


@pytest.mark.parametrize("lie", sorted(LIES))
def test_a_lie_is_refused_by_who_holds_the_log_and_the_list_stays(ann: Peer, lie: str) -> None:
    bob = follower(ann)
    before = bob.rows(), bob.member.standing()
    sealed, blobs = forged_base(ann, key_of("a"), rows=LIES[lie])
    turned = bob.takes(sealed, blobs.get)
    assert turned is not None and turned.fault is not None and "of its shards" in turned.fault
    assert (bob.rows(), bob.member.standing()) == before and bob.bases.n == 0
    assert bob.bases.candidate is None and not bob.bases._staged
    assert bob.takes(sealed, blobs.get) is None and bob.bases.candidate is None, "it is not looked at twice"
    ann.makes()
    assert bob.follows(ann) is not None and bob.base().hash == ann.base().hash


def test_a_newcomer_takes_a_lie_and_an_owner_heals_it(ann: Peer) -> None:
    sealed, blobs = forged_base(ann, key_of("a"), rows=without_first)
    eve = Peer()
    assert eve.takes(sealed, blobs.get) is not None and eve.rows() != ann.rows()
    ann.makes()
    ann.makes(OWNER)
    turned = eve.follows(ann)
    assert turned is not None and turned.fault is None and turned.taken == 1
    assert eve.rows() == ann.rows() and eve.member.standing() == ann.member.standing()


def test_an_owners_base_heals_a_newcomer_that_took_a_cut_beyond_what_exists(ann: Peer) -> None:
    ((session, _),) = ann.heads().items()
    invented = {session: Head(1000, b"q" * 32), SessionId(key_of("b").public, b"n" * 16): Head(7, b"q" * 32)}
    sealed, blobs = forged_base(ann, key_of("a"), cut=invented)
    eve = Peer()
    assert eve.takes(sealed, blobs.get) is not None and eve.heads() == invented
    ann.makes()
    ann.makes(OWNER)
    turned = eve.follows(ann)
    assert turned is not None and turned.fault is None and eve.bases.n == ann.bases.n == 2
    assert eve.rows() == ann.rows() and eve.heads() == ann.heads()
    assert eve.member.standing() == ann.member.standing()
    ann.write(1, 60, name="later")
    eve.hears(ann)
    assert eve.names()[60] == "later" and eve.rows() == ann.rows()
    assert eve.member.standing() == ann.member.standing()


@pytest.mark.parametrize("signer", ["keeper", "owner"])
def test_rows_that_cannot_be_read_are_refused_by_everybody(ann: Peer, signer: str) -> None:
    """Their hash is the one that was signed; nothing of the base comes into force, at a newcomer neither."""
    key = key_of("a") if signer == "keeper" else OWNER

    def reversed_rows(shard: int, rows: ShardRows) -> ShardRows:
        return rows._replace(rows=rows.rows[::-1])

    sealed, blobs = forged_base(ann, key, rows=reversed_rows)
    for peer in (Peer(), follower(ann)):
        before = peer.rows(), peer.member.standing()
        turned = peer.takes(sealed, blobs.get)
        assert turned is not None and turned.fault is not None
        assert (peer.rows(), peer.member.standing(), peer.bases.n) == (*before, 0)


@pytest.mark.parametrize("part", ["cut", "shards"])
def test_a_manifest_that_cannot_be_read_is_refused(ann: Peer, part: str) -> None:
    honest = decode_base(ann.signs(key_of("a")))
    bad = blob_hash(b"bad")
    header = encode_header(
        cluster=honest.cluster,
        n=1,
        previous=b"",
        trust=0,
        cut_hash=bad if part == "cut" else honest.cut_hash,
        shards_hash=bad if part == "shards" else honest.shards_hash,
        pins=1,
        size=1,
    )
    bob = follower(ann)
    assert bob.member.base_offered(seal(header, key_of("a"))) is None
    assert bob.bases.keep(bad, b"bad")
    assert bob.bases.candidate is None and bob.bases.stage() is None
    assert bob.member.base_offered(seal(header, key_of("a"))) is None and bob.bases.candidate is None


def test_a_cut_on_another_branch_is_not_recomputed(ann: Peer) -> None:
    """Nor is one beyond what anybody wrote: it waits, and holds nothing up."""
    bob = follower(ann)
    ((session, head),) = bob.heads().items()
    for claimed in (Head(head.number, bytes(32)), Head(head.number + 1, bytes(32))):
        peer = Peer(disk=bob.disk)
        sealed, blobs = forged_base(ann, key_of("a"), cut={session: claimed})
        assert peer.takes(sealed, blobs.get) is None
        assert peer.bases.stage() is Stage.CUT and not peer.member.is_held_back()


def test_one_that_does_not_follow_from_what_is_here_is_not_taken_for_it(ann: Peer) -> None:
    """Between the two lies one that is not here: nobody can say yet whether it is a lie."""
    bob = follower(ann)
    sealed, blobs = forged_base(ann, key_of("a"), n=2, rows=without_first)
    assert bob.takes(sealed, blobs.get) is None
    assert bob.bases.is_refuted and bob.bases.stage() is Stage.CUT and bob.bases.n == 0
    ann.makes()
    assert bob.follows(ann) is not None and bob.bases.n == 1, "the one that follows is looked at first"


# ---- who may sign ---------------------------------------------------------------------------------------------------


def test_after_a_refused_base_the_newest_is_asked_for(ann: Peer) -> None:
    """What a liar built on its lie has to be seen: the owner's number must be above that, too."""
    bob = follower(ann)
    sealed, blobs = forged_base(ann, key_of("a"), rows=without_first)
    assert bob.bases.wanted == 1
    turned = bob.takes(sealed, blobs.get)
    assert turned is not None and turned.fault is not None
    assert bob.bases.wanted == 0


@pytest.mark.parametrize("signer", ["b", "stranger"])
def test_whoever_is_neither_keeper_nor_owner_signs_nothing(ann: Peer, signer: str) -> None:
    bob = follower(ann)
    assert bob.member.base_offered(ann.signs(key_of(signer))) == "its base is signed by nobody who may"
    assert bob.bases.candidate is None


def test_bytes_that_are_no_base(ann: Peer) -> None:
    bob = follower(ann)
    sealed = ann.signs(key_of("a"))
    assert "a base" in (bob.member.base_offered(bytes(2000)) or "")
    assert bob.member.base_offered(sealed[:-1] + bytes([sealed[-1] ^ 1])) is not None
    assert bob.bases.candidate is None


def test_another_clusters_base(ann: Peer) -> None:
    sealed, _ = forged_base(ann, key_of("a"), cluster=bytes(32))
    assert follower(ann).member.base_offered(sealed) == "its base is of another cluster"


def test_a_base_under_newer_trust_waits_for_the_record(ann: Peer) -> None:
    """Nobody is to blame, and once the record is here the base counts by it."""
    known = after(chain(), keeper=key_of("b").public)
    bob = follower(ann)
    sealed, blobs = forged_base(ann, key_of("b"), trust=1)
    assert bob.member.base_offered(sealed) is None and bob.bases.candidate is None
    bob.member.adopt(known)
    assert bob.takes(sealed, blobs.get) is not None and bob.bases.n == 1
    wrong, _ = forged_base(ann, key_of("a"), n=2, trust=1)
    assert bob.member.base_offered(wrong) == "its base is signed by nobody who may", "not the keeper of that record"


def test_a_base_counts_by_the_record_that_it_names(ann: Peer) -> None:
    """Made before another keeper was named, it is good after."""
    bob = follower(ann)
    sealed, blobs = forged_base(ann, key_of("a"), trust=0)
    bob.member.adopt(after(chain(), keeper=key_of("b").public))
    assert bob.takes(sealed, blobs.get) is not None and bob.bases.n == 1


def test_a_former_keepers_base_does_not_stand_in_the_way_of_the_present_keepers(ann: Peer) -> None:
    ben = Peer("b", first_nonce=100)
    ben.hears(ann)
    old = ann.makes()
    ben.follows(ann)
    lie, _ = forged_base(ann, key_of("a"), n=1000, trust=0)
    known = after(chain(), keeper=key_of("b").public)
    ben.member.adopt(known)
    ben.write(30)
    ben.makes(key_of("b"))
    for first in (old, lie):
        eve = Peer(known=known)
        assert eve.member.base_offered(first) is None
        assert eve.bases.candidate is None and not eve.member.is_held_back(), "it could only be taken"
        turned = eve.follows(ben)
        assert turned is not None and turned.base is not None and turned.base.n == 2
        assert eve.rows() == ben.rows() and eve.member.standing() == ben.member.standing()


@pytest.mark.parametrize("n", [BASES_PER_TRUST_RECORD_MAX, 2**53 - 1])
@pytest.mark.parametrize("signer", ["a", "owner"])
def test_a_base_with_an_absurd_number_is_refused(ann: Peer, n: int, signer: str) -> None:
    bob = follower(ann)
    sealed, _ = forged_base(ann, key_of(signer), n=n)
    assert bob.member.base_offered(sealed) == "its base has an absurd number"
    assert bob.bases.candidate is None
    owners = decode_base(seal(finish(bob.member.base_header(is_owners=True)), OWNER))
    assert owners.n == 1, "nor does it raise an owner's"


def test_an_owners_base_goes_before_a_keepers_of_the_same_number(ann: Peer) -> None:
    bob = follower(ann)
    keepers, owners = ann.signs(key_of("a")), ann.signs(OWNER)
    for sealed in (keepers, owners, keepers):
        assert bob.member.base_offered(sealed) is None
    assert bob.bases.candidate is not None and bob.bases.candidate.base.signer == OWNER.public
    assert bob.member.is_held_back(), "an owner's is always taken"


def test_a_keepers_base_that_nobody_can_reach_does_not_keep_an_owners_away(ann: Peer) -> None:
    """It follows ours, so it would be the next; but its cut is not of this world."""
    bob = follower(ann)
    ((session, head),) = bob.heads().items()
    lie, blobs = forged_base(ann, key_of("a"), cut={session: Head(head.number + 1, bytes(32))})
    assert bob.takes(lie, blobs.get) is None and bob.bases.stage() is Stage.CUT
    assert bob.bases.wanted == 0, "what neighbours have in force is asked for all the same"
    assert ann.member.base_offered(forged_base(ann, key_of("a"), n=7)[0]) is None
    owners = seal(finish(ann.member.base_header(is_owners=True)), OWNER)
    assert ann.member.base_offered(owners) is None and len(ann.turns()) == 1
    assert bob.member.base_offered(owners) is None
    for sealed in (lie, forged_base(ann, key_of("a"), n=20)[0]):
        assert bob.member.base_offered(sealed) is None
        assert bob.bases.candidate is not None and bob.bases.candidate.base.signer == OWNER.public
    turned = bob.takes(owners, ann.bases.in_force.blob)
    assert turned is not None and turned.fault is None and bob.bases.n == 8
    assert bob.rows() == ann.rows() and bob.member.standing() == ann.member.standing()


def test_a_keepers_base_that_goes_back_behind_ours_is_refused(ann: Peer) -> None:
    """What ours settled has no log any more: a peer that took this could not serve what it says that it has."""
    ann.makes()
    bob = Peer()
    assert bob.follows(ann) is not None
    other = SessionId(key_of("b").public, b"n" * 16)
    sealed, blobs = forged_base(ann, key_of("a"), n=3, cut={other: Head(7, b"q" * 32)})
    assert bob.takes(sealed, blobs.get) is None
    bob.bases.take()
    before = bob.rows(), bob.member.standing()
    (turned,) = bob.turns()
    assert turned.fault is not None and "goes back" in turned.fault
    assert (bob.rows(), bob.member.standing()) == before and bob.bases.candidate is None


def test_an_owners_base_with_what_a_keepers_says_is_the_same_base(ann: Peer) -> None:
    bob, keepers, owners = follower(ann), ann.signs(key_of("a")), ann.signs(OWNER)
    assert decode_base(keepers).hash == decode_base(owners).hash
    ann.makes()
    assert bob.takes(owners, ann.bases.in_force.blob) is not None
    assert bob.member.standing() == ann.member.standing() and bob.base().hash == ann.base().hash
    assert bob.member.base_offered(keepers) is None and bob.bases.candidate is None
    for peer, other in ((bob, ann), (ann, bob)):
        peer.hears(other)
        assert peer.bases.n == 1 and peer.member.base_offered(other.member.base_sealed(0) or b"") is None
        assert peer.bases.candidate is None


# ---- fetching -------------------------------------------------------------------------------------------------------


def begin(eve: Peer, ann: Peer, most: int) -> list[bytes]:
    """Let a newcomer fetch the manifest and some of the rows; return which."""
    assert eve.member.base_offered(ann.member.base_sealed(0) or b"") is None
    for name in eve.bases.missing(2):
        assert eve.bases.keep(name, ann.bases.in_force.blob(name) or b"")
    assert eve.turns() == [] and eve.bases.stage() is Stage.ROWS
    some = eve.bases.missing(most)
    for name in some:
        assert eve.bases.keep(name, ann.bases.in_force.blob(name) or b"")
    return some


def test_rows_that_were_fetched_before_a_crash_are_not_fetched_again(ann: Peer, tmp_path: Path) -> None:
    ann.makes()
    some = begin(Peer(staged=StagedFile(tmp_path / "staged")), ann, 3)
    again = Peer(staged=StagedFile(tmp_path / "staged"))
    assert again.member.base_offered(ann.member.base_sealed(0) or b"") is None
    assert again.turns() == [] and len(again.bases.missing(9)) == 1
    assert set(again.bases.missing(9)).isdisjoint(some) and again.bases.fetched() == 9 * 3 // 4
    assert again.follows(ann) is not None and again.rows() == ann.rows()
    assert not (tmp_path / "staged").exists()


def test_rows_that_were_damaged_meanwhile_are_fetched_again(ann: Peer, tmp_path: Path) -> None:
    ann.makes()
    bad, *_ = begin(Peer(staged=StagedFile(tmp_path / "staged")), ann, 3)
    blob, staged = ann.bases.in_force.blob(bad) or b"", tmp_path / "staged"
    staged.write_bytes(staged.read_bytes().replace(blob, blob[:-1] + b"?"))
    again = Peer(staged=StagedFile(tmp_path / "staged"))
    assert again.member.base_offered(ann.member.base_sealed(0) or b"") is None and again.turns() == []
    assert bad in again.bases.missing(9)
    assert again.follows(ann) is not None and again.rows() == ann.rows()


def test_a_blob_of_another_hash_is_not_kept(ann: Peer) -> None:
    ann.makes()
    eve = Peer()
    assert eve.member.base_offered(ann.member.base_sealed(0) or b"") is None
    name, *_ = eve.bases.missing(1)
    assert not eve.bases.keep(name, b"another") and name in eve.bases.missing(9)


class FullDisk(dict[bytes, bytes]):
    """A folder on a full disk, until there is room again."""

    is_full = True

    def __setitem__(self, name: bytes, blob: bytes) -> None:
        if self.is_full:
            raise StoreFault("No space left on device")
        super().__setitem__(name, blob)


def test_a_full_disk_lets_the_base_go_until_it_is_offered_again(ann: Peer) -> None:
    ann.makes()
    staged = FullDisk()
    eve = Peer(staged=staged)
    assert eve.member.base_offered(ann.member.base_sealed(0) or b"") is None
    name, *_ = eve.bases.missing(1)
    assert eve.bases.keep(name, ann.bases.in_force.blob(name) or b""), "the neighbour did nothing wrong"
    assert eve.bases.candidate is None and not eve.member.is_held_back()
    staged.is_full = False
    assert eve.follows(ann) is not None and eve.rows() == ann.rows()


def test_pieces_of_a_blob(ann: Peer) -> None:
    ann.makes()
    base = decode_base(ann.member.base_sealed(0) or b"")
    packed = pack_blob(ann.bases.in_force.blob(base.cut_hash) or b"")
    assert ann.member.blob_piece(base.cut_hash, 0)[1:] == (0, len(packed), packed)
    assert ann.member.blob_piece(base.cut_hash, 5)[1:] == (5, len(packed), packed[5:])
    assert ann.member.blob_piece(base.cut_hash, 2**40)[2:] == (len(packed), b"")
    assert ann.member.blob_piece(bytes(32), 0)[1:] == (0, 0, b"")


def test_a_neighbours_blob_is_kept_as_what_it_was_packed_from(ann: Peer) -> None:
    ann.makes()
    eve = Peer()
    assert eve.member.base_offered(ann.member.base_sealed(0) or b"") is None
    for name in eve.bases.missing(9):
        packed = ann.member.prepare_blob(name)
        assert not eve.member.keep_blob(name, packed[:-1]) and not eve.member.keep_blob(name, b"not packed")
        assert name in eve.bases.missing(9)
        assert eve.member.keep_blob(name, packed) and name not in eve.bases.missing(9)


# ---- what a base leaves behind --------------------------------------------------------------------------------------


def test_a_replay_of_what_a_base_forgot_proves_nothing(ann: Peer) -> None:
    bob, ben = follower(ann), Forger(key_of("b"), chain().cluster_id, b"B" * 16)
    first, twin = ben.sign(put(cid(70))), Forger(key_of("b"), chain().cluster_id, b"B" * 16)
    for forged in (first, ben.sign(put(cid(71)))):
        assert ann.member.replica.receive(forged.sealed).fault is None
    ann.apply()
    ann.makes()
    ann.write(72)
    ann.makes()
    finish(ann.bases.in_force.forget_log())
    bob.bases.take()
    assert bob.follows(ann) is not None
    other = twin.sign(put(cid(73)))
    for peer in (ann, bob):
        for forged in (first, other):
            received = peer.member.replica.receive(forged.sealed)
            assert received.screening is Screening.HELD and received.fault is None
            page = peer.member.receive_page(ben.session, (forged.body,), forged.signature)
            assert page.screening is Screening.HELD and page.fault is None
        peer.apply()
        assert not peer.member.replica.stopped and not peer.member.replica.history.evidence()


def test_a_neighbour_that_lags_behind_what_was_forgotten_is_on_no_other_branch(ann: Peer) -> None:
    (session,) = ann.heads()
    page = ann.member.page(session, 0)
    assert page is not None
    bob = follower(ann)
    lagging = Head(1, bob.member.replica.history.hash_at(1, 1) or b"")
    ann.makes()
    ann.write(40)
    ann.makes()
    assert not ann.member.differs(session, lagging) and ann.member.differs(session, Head(1, bytes(32)))
    finish(ann.bases.in_force.forget_log())
    assert not ann.member.differs(session, lagging) and not ann.member.differs(session, Head(1, bytes(32)))
    ((_, head),) = ann.heads().items()
    assert ann.member.differs(session, Head(head.number, bytes(32)))


def test_what_names_things_below_the_cut_means_the_same_everywhere(ann: Peer) -> None:
    """An origin becomes the base's row, a delete counts only if it names that row: at who took the base, and at who
    recomputed it. Who is not on the base yet comes to the same when it is."""
    (session,) = ann.heads()
    live = {row[0]: OperationId(session, row[4]) for row in ann.rows()}
    shard = shard_of(cid(1), SHARD_BITS)
    number_of = ann.member.replica.history.put_number
    (overwritten,) = [
        one for n in range(20) if number_of(shard, cid(1), 1, n) and (one := OperationId(session, n)) != live[cid(1)]
    ]
    bob, slow, eve = follower(ann), follower(ann), Peer()
    ann.makes()
    for peer in (bob, eve):
        assert peer.follows(ann) is not None
    ben = Forger(key_of("b"), chain().cluster_id, b"B" * 16)
    depends = (Dependency(session, *ann.heads()[session]),)
    envelopes = [
        ben.sign(Delete(cid(1), (overwritten,)), Delete(cid(5), (live[cid(5)],)), depends=depends),
        ben.sign(put(cid(1), "after", origin=overwritten)),
    ]
    for number, forged in enumerate(envelopes):
        for peer in (ann, bob, eve, slow):
            assert peer.member.replica.receive(forged.sealed).fault is None
            peer.apply()
            assert peer.heads()[ben.session].number == number + 1
        for peer in (ann, bob, eve):
            assert 5 not in peer.names() and peer.names()[1] == ("y", "after")[number]
            assert peer.rows() == ann.rows()
    assert slow.follows(ann) is not None and slow.rows() == ann.rows()


# ---- owners ---------------------------------------------------------------------------------------------------------


def test_what_an_owner_cuts_off_is_void_and_what_was_built_on_it_is_written_again() -> None:
    ann, ben, bob = Peer("a"), Peer("b", first_nonce=100), Peer()
    ben.write(1, 2, name="good")
    good = dict(ben.heads())
    ann.hears(ben)
    (session,) = good
    cut = Cut(key_of("b").public, (LastGood(session.nonce, *good[session]),))
    ben.write(2, 3, name="bad")
    ann.hears(ben)
    ann.write(2, 4, name="mine")
    bob.hears(ann, ben)
    ben.hears(ann)
    assert bob.names() == {1: "good", 2: "mine", 3: "bad", 4: "mine"}
    known = after(chain(), curators=frozenset([key_of("a").public]), cuts=(cut,))
    for peer in (ann, ben, bob):
        peer.member.adopt(known)
    assert ann.cut() == good, "nor does what builds on more than that"
    ann.makes(OWNER)
    for peer in (bob, ben):
        turned = peer.follows(ann)
        assert turned is not None and turned.void == 2
        assert peer.names() == {1: "good", 2: "good"} and peer.member.standing() == ann.member.standing()
        assert not peer.bases.store.reissues(9) or peer is ben
    again = [body for _, body in ann.bases.store.reissues(9)]
    assert len(again) == 1
    finish(ann.author.reissue(again))
    assert ann.names() == {1: "good", 2: "mine", 4: "mine"}
    bob.hears(ann)
    assert bob.rows() == ann.rows() and bob.member.standing() == ann.member.standing()


def receive(peer: Peer, *forged: Forged) -> None:
    """Take in envelopes one by one, each with its effect."""
    for one in forged:
        peer.member.replica.receive(one.sealed)
        peer.apply()


def a_fork() -> tuple[Forger, Forged, Forged, Forged]:
    """A session of `b` with two second envelopes: the session, which goes on from the left one, and the three."""
    ben = Forger(key_of("b"), chain().cluster_id, b"B" * 16)
    first = ben.sign(put(cid(1)))
    twin = ben.copy()
    return ben, first, ben.sign(put(cid(2), "left")), twin.sign(put(cid(2), "right"))


def test_an_owner_settles_a_fork() -> None:
    """Two branches, each held by somebody, and the session stopped: the owner's base says which one counts."""
    ann, bob = Peer("a"), Peer()
    ben, first, left, right = a_fork()
    receive(ann, first, left, right)
    receive(bob, first, right, left)
    assert ann.names()[2] == "left" and bob.names()[2] == "right"
    assert ben.session in ann.member.replica.stopped and ben.session in bob.member.replica.stopped
    ann.makes(OWNER)
    turned = bob.follows(ann)
    assert turned is not None and turned.fault is None and turned.void == 1
    assert bob.rows() == ann.rows() and bob.member.standing() == ann.member.standing()
    assert not bob.member.replica.stopped and not ann.member.replica.stopped
    more = ben.sign(put(cid(3)))
    for peer in (ann, bob):
        receive(peer, more)
    assert bob.names()[3] == "x" and bob.rows() == ann.rows()
    page = bob.member.page(ben.session, 0)
    assert page is None, "what is of the wrong branch is served to nobody"
    assert bob.member.page(ben.session, 2) == ann.member.page(ben.session, 2)


def test_what_depends_on_the_losing_branch_at_the_cuts_own_number_is_void() -> None:
    ann, bob = Peer("a"), Peer()
    ben, first, left, right = a_fork()
    gee = Forger(key_of("a"), chain().cluster_id, b"G" * 16)
    built = gee.sign(put(cid(9), "gee"), depends=[Dependency(ben.session, 2, right.hash)])
    receive(ann, first, left)
    receive(bob, first, right, built)
    assert bob.names() == {1: "x", 2: "right", 9: "gee"}
    ann.makes(OWNER)
    turned = bob.follows(ann)
    assert turned is not None and (turned.fault, turned.void) == (None, 2)
    receive(ann, built)
    assert ann.names() == bob.names() == {1: "x", 2: "left"} and bob.rows() == ann.rows()
    assert bob.member.standing() == ann.member.standing()


def test_an_honest_session_made_on_an_owners_base_waits_at_who_is_not_on_it_yet() -> None:
    ann, bob = Peer("a"), Peer()
    ben, first, left, right = a_fork()
    receive(ann, first, left, right)
    receive(bob, first, right, left)
    ann.makes(OWNER)
    ((body, signature),) = ann.write(7, name="honest")
    (session,) = (one for one in ann.heads() if one != ben.session)
    received = bob.member.replica.receive(encode_sealed(body, signature))
    bob.apply()
    assert received.fault is None and 7 not in bob.names()
    assert set(bob.member.replica.stopped) == {ben.session} and bob.member.is_open(session)
    turned = bob.follows(ann)
    assert turned is not None and turned.fault is None
    bob.hears(ann)
    assert bob.names() == ann.names() == {1: "x", 2: "left", 7: "honest"} and not bob.member.replica.stopped
    assert bob.rows() == ann.rows() and bob.member.standing() == ann.member.standing()


def test_a_curator_that_was_added_and_undone_keeps_what_it_wrote() -> None:
    """Undoing an addition cuts nothing off: who is to be cut off is revoked."""
    record = first_record([OWNER.public], [key_of("a").public], b"s" * 16, keeper=key_of("a").public, shard_bits=2)
    alone = TrustChain.from_records([record.signed(OWNER)])
    added = alone.extended(with_more(alone, curators=[key_of("b").public]).signed(OWNER))
    ann, ben = Peer("a", added), Peer("b", added, first_nonce=100)
    ben.write(1, 2, 3)
    ann.hears(ben)
    ann.write(4)
    before = ann.names(), ann.heads()
    for peer in (ann, ben):
        peer.member.adopt(added.extended(undone(added).signed(OWNER)))
    ann.makes(OWNER)
    assert (ann.names(), ann.heads()) == before and sorted(ann.names()) == [1, 2, 3, 4]
    ben.hears(ann)
    turned = ben.follows(ann)
    assert turned is not None and (turned.fault, turned.void) == (None, 0)
    assert ben.rows() == ann.rows() and ben.member.standing() == ann.member.standing()


def test_what_a_curator_named_since_an_owners_base_wrote_before_having_it_counts() -> None:
    """Base 1 is of record 0, which does not name her; record 1 does, and she writes on base 0 still."""
    record = first_record([OWNER.public], [key_of("a").public], b"s" * 16, keeper=key_of("a").public, shard_bits=2)
    alone = TrustChain.from_records([record.signed(OWNER)])
    added = alone.extended(with_more(alone, curators=[key_of("b").public]).signed(OWNER))
    ann, ben, bob = Peer("a", alone), Peer("b", alone, first_nonce=100), Peer(None, alone)
    ann.write(1)
    for peer in (ben, bob):
        peer.hears(ann)
    ann.makes(OWNER)
    for peer in (ann, ben, bob):
        peer.member.adopt(added)
    ben.write(2)
    for peer in (ann, bob):  # the one stands on base 1 when it comes, the other does not yet
        peer.hears(ben)
    for peer in (ben, bob):
        turned = peer.follows(ann)
        assert turned is not None and (turned.fault, turned.void) == (None, 0)
    assert ann.names() == ben.names() == bob.names() == {1: "x", 2: "x"}
    assert ann.member.standing() == ben.member.standing() == bob.member.standing()


def revoked(known: TrustChain, good: dict[SessionId, Head]) -> TrustChain:
    """The chain with `b` revoked but for this much of its sessions."""
    author = key_of("b").public
    cut = cut_of(author, {session: head for session, head in good.items() if session.author == author})
    return known.extended(without(known, cut).signed(OWNER))


def test_an_owners_base_taken_after_a_revocation_voids_what_it_voids_under_its_own_record() -> None:
    ann, ben, bob = Peer("a"), Peer("b", first_nonce=100), Peer()
    ben.write(1)
    for peer in (ann, bob):
        peer.hears(ben)
    ann.makes(OWNER)
    ben.follows(ann)
    ben.write(2)
    for peer in (ann, bob):
        peer.hears(ben)
    known = revoked(chain(), ann.heads())
    for peer in (ann, bob):
        peer.member.adopt(known)
    turned = bob.follows(ann)
    assert turned is not None and (turned.fault, turned.void) == (None, 0)
    assert ann.names() == bob.names() == {1: "x", 2: "x"} and bob.member.standing() == ann.member.standing()
    ann.makes()
    turned = bob.follows(ann)
    assert turned is not None and turned.fault is None and bob.base().hash == ann.base().hash


def test_an_owners_base_taken_after_its_revocation_was_undone_voids_what_it_voids_under_its_own_record() -> None:
    ann, ben, bob = Peer("a"), Peer("b", first_nonce=100), Peer()
    ben.write(1)
    good = dict(ben.heads())
    ben.write(2, name="bad")
    for peer in (ann, bob):
        peer.hears(ben)
    known = revoked(chain(), good)
    ann.member.adopt(known)
    ann.makes(OWNER)
    known = known.extended(undone(known).signed(OWNER))
    for peer in (ann, bob):
        peer.member.adopt(known)
    turned = bob.follows(ann)
    assert turned is not None and (turned.fault, turned.void) == (None, 1)
    assert ann.names() == bob.names() == {1: "x"}
    assert bob.rows() == ann.rows() and bob.member.standing() == ann.member.standing()


@pytest.mark.parametrize("number", [1, 9], ids=["the same key", "another key"])
def test_of_two_sessions_of_one_yjs_client_the_one_outside_the_cut_is_void(number: int) -> None:
    thief = key_of("curator0")
    keys = [key_of("a").public, thief.public]
    record = first_record([OWNER.public], keys, b"s" * 16, keeper=keys[0], shard_bits=SHARD_BITS)
    known = TrustChain.from_records([record.signed(OWNER)])
    ann, bob = Peer("a", known), Peer(known=known)
    one, two = (Forger(thief, known.cluster_id, nonce) for nonce in COLLIDING_NONCES)
    assert one.client == two.client
    first, second = one.sign(put(cid(1), "one"), put(cid(2), "one")), two.sign(put(cid(number), "two"))
    receive(ann, first, second)
    receive(bob, second, first)
    assert ann.names() == {1: "one", 2: "one"} and bob.names() == {number: "two"}
    ann.makes(OWNER)
    turned = bob.follows(ann)
    assert turned is not None and (turned.fault, turned.void) == (None, 1)
    assert bob.rows() == ann.rows() and bob.member.standing() == ann.member.standing()
    ann.write(1, 9, name="later")
    bob.hears(ann)
    for peer in (bob, Peer(known=known, disk=bob.disk)):
        assert peer.names() == ann.names() == {1: "later", 2: "one", 9: "later"}
        assert peer.rows() == ann.rows() and peer.member.standing() == ann.member.standing()


def test_a_session_that_was_stopped_within_a_page_goes_on_after_an_owners_base() -> None:
    """The unapplied rest of its last page stood in the log, where the envelopes of its true branch go."""
    ann, bob = Peer("a"), Peer()
    ben = Forger(key_of("b"), chain().cluster_id, b"B" * 16)
    first = ben.sign(put(cid(1)))
    twin = ben.copy()
    bad = [first, twin.sign(put(cid(1), origin=OperationId(ben.session, 9))), twin.sign(put(cid(7)))]
    page = bob.member.receive_page(ben.session, tuple(one.body for one in bad), bad[-1].signature)
    assert page.fault is None
    bob.apply()
    assert ben.session in bob.member.replica.stopped and bob.names() == {1: "x"}
    assert ann.member.replica.receive(first.sealed).fault is None
    ann.apply()
    ann.makes(OWNER)
    turned = bob.follows(ann)
    assert turned is not None and turned.fault is None and not bob.member.replica.stopped
    more = ben.sign(put(cid(3)))
    for peer in (ann, bob):
        assert peer.member.replica.receive(more.sealed).fault is None
        peer.apply()
        assert peer.names() == {1: "x", 3: "x"}
    assert bob.member.standing() == ann.member.standing() and bob.rows() == ann.rows()


def test_pages_are_taken_up_again_after_a_base(ann: Peer) -> None:
    """What waited in the inbox and lies within the base is passed over."""
    bob, eve = follower(ann), Peer()
    sealed = ann.write(40)
    (session,) = ann.heads()
    page = Page(session, tuple(body for body, _ in sealed), sealed[-1][1])
    assert eve.member.receive_page(*page).fault is None
    ann.makes()
    assert eve.member.base_offered(ann.member.base_sealed(0) or b"") is None
    assert finish(eve.member.replica.apply()).envelopes == 0
    assert eve.follows(ann) is not None
    eve.apply()
    assert eve.rows() == ann.rows() and not eve.member.backlog()
    bob.hears(ann)
    assert bob.follows(ann) is not None and bob.rows() == ann.rows()


def test_while_a_window_is_open_only_what_is_durable_counts(ann: Peer) -> None:
    """The gate admits before anything is on disk: a base of that would be one that nobody can recompute."""
    bob = follower(ann)
    before = dict(ann.member.heads())
    steps = ann.author.write([WriteRequest(cid(40), put(cid(40), "late").record)])
    while all(state.number <= before[one].number for one, state in ann.member.replica.gate.sessions.items()):
        step = next(steps)
        if step is not None:
            step()
    assert finish(ann.bases.making.allowed_cut(ann.chain)) == before
    steps.close()
    ann.write(41, name="later")

    ann.makes()
    reader = bob.member.replica
    for session, head in ann.member.heads().items():
        page = ann.member.page(session, bob.member.contiguous(session))
        if page is not None and head.number > bob.member.head(session).number:
            assert bob.member.receive_page(session, tuple(page[1]), page[2]).fault is None
    assert bob.member.base_offered(ann.member.base_sealed(0) or b"") is None
    for name in bob.bases.missing(2):
        assert bob.bases.keep(name, ann.bases.in_force.blob(name) or b"")
    applying = reader.apply()
    held = dict(bob.member.heads())
    while all(state.number <= held.get(one, Head(0, b"")).number for one, state in reader.gate.sessions.items()):
        next(applying)
    assert bob.bases.stage() is Stage.CUT
    while (step := next(applying, "done")) != "done":
        if callable(step):
            step()
    assert bob.bases.stage() is Stage.CHECK and [one.fault for one in bob.turns()] == [None]
