"""What is shown of a fork: whole runs that end at a signature, of what no base settled."""

from __future__ import annotations

import pytest

from pincrew import limits
from pincrew.inbox import Sealed
from pincrew.replica import Replica
from pincrew.steps import finish
from pincrew.store.database import Database
from pincrew.values import Head, SessionId
from sim.forge import Author, Forged, put
from sim.swarm import key_of
from unit.golden.vectors import cid

CLUSTER = bytes(range(32))
A = key_of("a")


def replica(database: Database | None = None) -> Replica:
    return Replica(
        database or Database(None, cluster=CLUSTER),
        cluster=CLUSTER,
        curators=frozenset([A.public]),
        trust=0,
        shard_bits=2,
        now_ms=lambda: 5,
    )


def forked(one: Replica, nonce: bytes = b"n" * 16) -> tuple[SessionId, Forged]:
    """Let a session take effect up to 2, and stop for another second envelope, which is returned."""
    author = Author(A, CLUSTER, nonce)
    common = author.sign(put(cid(0), nonce.hex()))
    twin = author.copy()
    for forged in (common, author.sign(put(cid(1)))):
        assert one.receive(forged.sealed).fault is None
    finish(one.apply())
    other = twin.sign(put(cid(2)))
    assert one.receive(other.sealed).fault is None
    finish(one.apply())
    assert author.session in one.stopped
    return author.session, other


def run_of(*forged: Forged) -> tuple[tuple[bytes, ...], bytes]:
    return tuple(one.body for one in forged), forged[-1].signature


def test_nothing_is_shown_of_what_goes_on() -> None:
    one, author = replica(), Author(A, CLUSTER)
    one.receive(author.sign(put(cid(0))).sealed)
    finish(one.apply())
    assert not one.proofs.numbers()


def test_where_no_branch_took_effect_both_are_shown() -> None:
    one, author = replica(), Author(A, CLUSTER)
    one.receive(author.sign(put(cid(0))).sealed)
    finish(one.apply())
    twin = author.copy()
    left, right = author.sign(put(cid(1))), twin.sign(put(cid(2)))
    one.receive(left.sealed)
    one.receive(right.sealed)
    finish(one.apply())
    assert one.heads[author.session].number == 1 and one.proofs.numbers() == {author.session: 2}
    assert sorted(one.proofs.runs(author.session)) == sorted([run_of(left), run_of(right)])


def test_a_run_that_ends_at_no_signature_is_not_shown() -> None:
    """Its end found no room in the inbox: nobody else could check it."""
    one, author = replica(), Author(A, CLUSTER)
    common = author.sign(put(cid(0)))
    twin, third = author.copy(), author.copy()
    left = [Sealed(author.sign(put(cid(number))).read(), None) for number in (1, 2)]
    right = [twin.sign(put(cid(number))) for number in (3, 4)]
    later = third.sign(put(cid(5)))
    one.receive(common.sealed)
    finish(one.apply())
    sealed = [Sealed(right[0].read(), None), Sealed(right[1].read(), right[1].signature)]
    one.windows.stop_session(author.session, "a fork", [*left, *sealed], [])
    one.proofs.note(author.session)
    assert one.proofs.runs(author.session) == [run_of(*right)]
    one.windows.stop_session(author.session, "a fork", [*left, Sealed(later.read(), later.signature), *left], [])
    assert one.proofs.runs(author.session) == [run_of(*right), run_of(later)]


def test_what_a_base_settled_proves_nothing() -> None:
    one = replica()
    session, other = forked(one)
    assert one.proofs.numbers() == {session: 2}
    one.gate.sessions[session].cut = Head(1, other.read().previous)
    assert one.proofs.runs(session) == [run_of(other)]
    one.gate.sessions[session].cut = one.heads[session]
    assert not one.proofs.runs(session)
    with one.database.transaction() as db:
        db.execute("UPDATE sessions SET cut=number, cut_hash=hash")
    one.windows.reload()
    assert not one.proofs.numbers()


def test_how_many_sessions_are_shown_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PROVEN_SESSIONS_MAX", 3)
    one = replica()
    sessions = [forked(one, bytes([number]) * 16)[0] for number in range(5)]
    assert list(one.proofs.numbers()) == sessions[-3:]
    assert list(replica(one.database).proofs.numbers()) == sessions[-3:]


def test_a_damaged_proof_is_none() -> None:
    one = replica()
    session, other = forked(one)
    assert one.proofs.runs(session) == [run_of(other)]
    with one.database.transaction() as db:
        db.execute("UPDATE evidence SET body=x'00'")
    assert not one.proofs.runs(session) and not replica(one.database).proofs.numbers()
