"""The gate, one check at a time: envelopes made by hand, a history of dictionaries, the verdict expected."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from pincrew.cid import shard_of
from pincrew.gate import Admitted, Gap, Gate, Held, Missing, Screening, SessionState, Stopped, Verdict
from pincrew.values import Delete, Dependency, OperationId, Part, Put, SessionId
from sim.forge import COLLIDING_NONCES, Author, Forged, put
from sim.swarm import key_of
from unit.golden.vectors import cid

CLUSTER = bytes(range(32))


@dataclass
class Past:
    """A history that remembers everything the gate admitted."""

    puts: dict[tuple[int, bytes, int, int], int] = field(default_factory=dict)
    hashes: dict[tuple[int, int], bytes] = field(default_factory=dict)
    known: dict[int, dict[int, int]] = field(default_factory=dict)
    counts: dict[int, dict[int, int]] = field(default_factory=dict)
    based: dict[int, dict[int, int]] = field(default_factory=dict)

    def dependencies(self, sid: int) -> dict[int, int]:
        return dict(self.known.get(sid, {}))

    def shard_puts(self, sid: int) -> dict[int, int]:
        return dict(self.counts.get(sid, {}))

    def hash_at(self, sid: int, number: int) -> bytes | None:
        return self.hashes.get((sid, number))

    def base_puts(self, sid: int) -> dict[int, int]:
        return dict(self.based.get(sid, {}))

    def put_number(self, shard: int, key: bytes, sid: int, n: int) -> int | None:
        return self.puts.get((shard, key, sid, n))


class Doorkeeper:
    """A gate, with what it admits written into its past at once, or (``late``) only in the open window."""

    def __init__(self, *, late: bool = False) -> None:
        self.past = Past()
        self.late = late
        self.gate = Gate(CLUSTER, frozenset([key_of("a").public, key_of("b").public]), 3, self.past)

    def admit(self, forged: Forged) -> Verdict:
        envelope = forged.read()
        assert self.gate.screen(envelope) in (Screening.CHECK, Screening.HELD), self.gate.screen(envelope)
        verdict = self.gate.admit(envelope)
        if isinstance(verdict, Admitted) and not self.late:
            self.commit(forged)
        return verdict

    def commit(self, forged: Forged) -> None:
        envelope = forged.read()
        sid = self.gate.sessions[envelope.session].sid
        self.past.hashes[sid, envelope.number] = envelope.hash
        for one in envelope.dependencies:
            self.past.known.setdefault(sid, {})[self.gate.sessions[one.session].sid] = one.number
        for part in envelope.parts:
            n = part.first_n
            for operation in part.operations:
                if isinstance(operation, Put):
                    self.past.puts[part.shard, operation.cid, sid, n] = envelope.number
                    n += 1
            self.past.counts.setdefault(sid, {})[part.shard] = n
        self.gate.window_committed()

    def restarted(self) -> Doorkeeper:
        """The same from disk."""
        again = Doorkeeper()
        again.past = self.past
        again.gate = Gate(CLUSTER, self.gate.curators, 3, self.past)
        again.gate.restore(
            SessionState(one.sid, one.id, one.client, one.number, one.hash, one.stopped)
            for one in self.gate.sessions.values()
        )
        return again

    def turned(self) -> Doorkeeper:
        """The same on the next base, whose cut is all that is here; what lies within it is forgotten."""
        again = Doorkeeper()
        again.past = Past(known=self.past.known, counts=self.past.counts, based=dict(self.past.counts))
        again.gate = Gate(CLUSTER, self.gate.curators, 3, again.past, self.gate.base + 1)
        again.gate.restore(
            SessionState(one.sid, one.id, one.client, one.number, one.hash, one.stopped, cut=one.head)
            for one in self.gate.sessions.values()
        )
        return again


def author(name: str = "a", nonce: bytes = b"n" * 16) -> Author:
    return Author(key_of(name), CLUSTER, nonce)


@pytest.fixture(params=["at once", "within the window", "after a restart"])
def door(request: pytest.FixtureRequest) -> Doorkeeper:
    """Verdicts are the same whatever is on disk already and whatever is only in the open window."""
    keeper = Doorkeeper(late=request.param == "within the window")
    if request.param == "after a restart":
        admit = keeper.admit

        def anew(forged: Forged) -> Verdict:
            nonlocal keeper
            verdict = admit(forged)
            fresh = keeper.restarted()
            keeper.gate = fresh.gate
            return verdict

        keeper.admit = anew  # type: ignore[method-assign]
    return keeper


# ---- before the signature -------------------------------------------------------------------------------------------


def test_another_cluster() -> None:
    other = Author(key_of("a"), bytes(32))
    assert Doorkeeper().gate.screen(other.sign(put(cid(1))).read()) is Screening.OTHER_CLUSTER


def test_newer_trust_waits_whoever_wrote_it() -> None:
    for name in ("a", "stranger"):
        one = author(name)
        one.trust = 4
        assert Doorkeeper().gate.screen(one.sign(put(cid(1))).read()) is Screening.NEWER_TRUST


def test_untrusted_author() -> None:
    one = author("stranger")
    one.trust = 3
    assert Doorkeeper().gate.screen(one.sign(put(cid(1))).read()) is Screening.UNTRUSTED


def test_newer_base_waits() -> None:
    """Neighbouring bases understand each other; what was made on one further on waits."""
    one = author()
    one.base = 1
    assert Doorkeeper().gate.screen(one.copy().sign(put(cid(1))).read()) is Screening.CHECK
    one.base = 2
    assert Doorkeeper().gate.screen(one.copy().sign(put(cid(1))).read()) is Screening.NEWER_BASE
    assert Doorkeeper().turned().gate.screen(one.copy().sign(put(cid(1))).read()) is Screening.CHECK
    one.base = 0
    assert Doorkeeper().turned().turned().gate.screen(one.sign(put(cid(1))).read()) is Screening.CHECK


def test_stopped_session() -> None:
    keeper, one = Doorkeeper(), author()
    keeper.admit(one.sign(put(cid(1))))
    keeper.gate.sessions[one.session].stopped = "why"
    assert keeper.gate.screen(one.sign(put(cid(2))).read()) is Screening.STOPPED
    assert isinstance(keeper.gate.admit(one.sign(put(cid(3))).read()), Stopped)


def test_held_is_the_same_bytes_and_not_only_the_number(door: Doorkeeper) -> None:
    one = author()
    twin = one.copy()
    first = one.sign(put(cid(1)))
    door.admit(first)
    door.admit(one.sign(put(cid(2))))
    assert door.gate.screen(first.read()) is Screening.HELD
    assert door.gate.screen(twin.sign(put(cid(3))).read()) is Screening.CHECK


# ---- number and previous hash (invariant 3) -------------------------------------------------------------------------


def test_in_order(door: Doorkeeper) -> None:
    one = author()
    first, second = one.sign(put(cid(1))), one.sign(put(cid(1), "y", origin=OperationId(one.session, 0)))
    assert isinstance(door.admit(first), Admitted)
    assert isinstance(door.admit(second), Admitted)
    assert isinstance(door.admit(first), Held)
    assert door.gate.sessions[one.session].head == (2, second.hash)


def test_gap(door: Doorkeeper) -> None:
    one = author()
    first, second, third = (one.sign(put(cid(number))) for number in range(3))
    assert door.admit(second) == Gap(0)
    door.admit(first)
    assert door.admit(third) == Gap(1)
    assert isinstance(door.admit(second), Admitted)


def test_two_of_one_number(door: Doorkeeper) -> None:
    one = author()
    door.admit(one.sign(put(cid(1))))
    twin = one.copy()
    door.admit(one.sign(put(cid(2))))
    verdict = door.admit(twin.sign(put(cid(3))))
    assert isinstance(verdict, Stopped) and verdict.fork and "number 2" in verdict.reason


def test_another_one_before(door: Doorkeeper) -> None:
    """The next number, but on a branch that is not held."""
    one = author()
    door.admit(one.sign(put(cid(1))))
    twin = one.copy()
    door.admit(one.sign(put(cid(2))))
    twin.sign(put(cid(3)))
    verdict = door.admit(twin.sign(put(cid(4))))
    assert isinstance(verdict, Stopped) and verdict.fork and "number 2" in verdict.reason


def test_client_id_of_another_session() -> None:
    keeper = Doorkeeper()
    keeper.gate.curators = frozenset([key_of("curator0").public])
    one, other = author("curator0", COLLIDING_NONCES[0]), author("curator0", COLLIDING_NONCES[1])
    assert isinstance(keeper.admit(one.sign(put(cid(1)))), Admitted)
    verdict = keeper.admit(other.sign(put(cid(2))))
    assert isinstance(verdict, Stopped) and verdict.fork
    assert isinstance(keeper.admit(one.sign(put(cid(3)))), Admitted)


@pytest.mark.parametrize("reserved", [0, 1])
def test_reserved_client_id(reserved: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pincrew.gate.client_id", lambda session: reserved)
    assert isinstance(Doorkeeper().admit(author().sign(put(cid(1)))), Stopped)


# ---- dependencies (invariant 6) -------------------------------------------------------------------------------------


def test_missing_dependencies_are_named(door: Doorkeeper) -> None:
    one, two = author(), author("b")
    for number in range(2):
        one.sign(put(cid(number)))
    nobody = Dependency(SessionId(key_of("a").public, b"?" * 16), 1, bytes(32))
    waiting = two.sign(put(cid(9)), depends=(one.dependency(), nobody))
    verdict = door.admit(waiting)
    assert isinstance(verdict, Missing) and set(verdict.dependencies) == {one.dependency(), nobody}


def test_a_dependency_that_is_held_lets_it_in(door: Doorkeeper) -> None:
    one, two = author(), author("b")
    first, second = one.sign(put(cid(1))), one.sign(put(cid(2)))
    waiting = two.sign(put(cid(9)), depends=(one.dependency(),))
    door.admit(first)
    assert isinstance(door.admit(waiting), Missing)
    door.admit(second)
    assert isinstance(door.admit(waiting), Admitted)
    assert isinstance(door.admit(waiting), Held), "invariant 6: once"


def test_a_dependency_on_another_branch(door: Doorkeeper) -> None:
    one, two = author(), author("b")
    twin = one.copy()
    twin.sign(put(cid(2)))
    door.admit(one.sign(put(cid(1))))
    door.admit(one.sign(put(cid(3))))
    verdict = door.admit(two.sign(put(cid(9)), depends=(twin.dependency(),)))
    assert isinstance(verdict, Stopped) and "another branch" in verdict.reason and not verdict.fork


def test_a_dependency_that_does_not_rise(door: Doorkeeper) -> None:
    one, two = author(), author("b")
    door.admit(one.sign(put(cid(1))))
    old = one.dependency()
    door.admit(one.sign(put(cid(2))))
    assert isinstance(door.admit(two.sign(depends=(one.dependency(),))), Admitted)
    verdict = door.admit(two.sign(put(cid(9)), depends=(old,)))
    assert isinstance(verdict, Stopped) and "does not rise" in verdict.reason


# ---- operations (invariants 9 and 10) -------------------------------------------------------------------------------


def test_puts_not_numbered_in_order(door: Doorkeeper) -> None:
    one = author()
    door.admit(one.sign(put(cid(1))))
    (part,) = one.parts(put(cid(1), "again"))
    verdict = door.admit(one.sign_parts((Part(part.shard, part.first_n + 1, part.operations),)))
    assert isinstance(verdict, Stopped) and "numbered in order" in verdict.reason


@pytest.mark.parametrize("kind", ["origin", "target"])
def test_an_operation_on_another_key(door: Doorkeeper, kind: str) -> None:
    one = author()
    door.admit(one.sign(put(cid(1))))
    mate = next(n for n in range(2, 99) if shard_of(cid(n), 2) == shard_of(cid(1), 2))
    named = OperationId(one.session, 0)
    bad = one.sign(put(cid(mate), origin=named) if kind == "origin" else Delete(cid(mate), (named,)))
    verdict = door.admit(bad)
    assert isinstance(verdict, Stopped) and "not on the same key" in verdict.reason


@pytest.mark.parametrize("kind", ["origin", "target"])
def test_an_operation_that_nobody_made(door: Doorkeeper, kind: str) -> None:
    one = author()
    door.admit(one.sign(put(cid(1))))
    for named in (OperationId(one.session, 5), OperationId(SessionId(bytes(32), bytes(16)), 0)):
        twin = one.copy()
        bad = twin.sign(put(cid(1), origin=named) if kind == "origin" else Delete(cid(1), (named,)))
        verdict = door.restarted().admit(bad) if not door.late else door.admit(bad)
        assert isinstance(verdict, Stopped) and "not on the same key" in verdict.reason


@pytest.mark.parametrize("kind", ["origin", "target"])
def test_an_operation_beyond_what_its_author_named(door: Doorkeeper, kind: str) -> None:
    """It is held here, but a replica that holds only what was named could not judge it (invariant 9)."""
    one, two = author(), author("b")
    door.admit(one.sign(put(cid(1))))
    early = one.dependency()
    door.admit(one.sign(put(cid(1), "y", origin=OperationId(one.session, 0))))
    named = OperationId(one.session, 1)
    bad = two.sign(put(cid(1), origin=named) if kind == "origin" else Delete(cid(1), (named,)), depends=(early,))
    verdict = door.admit(bad)
    assert isinstance(verdict, Stopped) and "does not depend on" in verdict.reason


def test_an_operation_within_what_its_author_named_before(door: Doorkeeper) -> None:
    one, two = author(), author("b")
    door.admit(one.sign(put(cid(1))))
    assert isinstance(door.admit(two.sign(put(cid(2)), depends=(one.dependency(),))), Admitted)
    assert isinstance(door.admit(two.sign(Delete(cid(1), (OperationId(one.session, 0),)))), Admitted)


def test_a_refused_envelope_moves_nothing(door: Doorkeeper) -> None:
    one = author()
    door.admit(one.sign(put(cid(1))))
    before = door.gate.sessions[one.session].head
    door.admit(one.copy().sign(put(cid(2), origin=OperationId(one.session, 9))))
    assert door.gate.sessions[one.session].head == before
    assert isinstance(door.admit(one.sign(put(cid(1), "z", origin=OperationId(one.session, 0)))), Admitted)


# ---- beyond a base --------------------------------------------------------------------------------------------------


def based(*forged: Forged) -> Doorkeeper:
    """A door that took these in, and then a base that settled them."""
    keeper = Doorkeeper()
    for one in forged:
        assert isinstance(keeper.admit(one), Admitted)
    return keeper.turned()


def test_what_a_base_settled_is_held_and_proves_nothing() -> None:
    """A replay, or another branch up to the cut: a fork that the base settled would stop the session for ever."""
    one = author()
    twin = one.copy()
    first, second = one.sign(put(cid(1))), one.sign(put(cid(2)))
    keeper = based(first, second)
    for forged in (first, second, twin.sign(put(cid(3))), twin.sign(put(cid(4)))):
        assert keeper.gate.screen(forged.read()) is Screening.HELD
        assert isinstance(keeper.gate.admit(forged.read()), Held)
    assert keeper.gate.screen(twin.sign(put(cid(5))).read()) is Screening.SETTLED, "nor does what goes on from it"
    assert isinstance(keeper.admit(one.sign(put(cid(6)))), Admitted)


def test_a_fork_beyond_the_cut_is_one() -> None:
    one = author()
    keeper = based(one.sign(put(cid(1))))
    twin = one.copy()
    assert isinstance(keeper.admit(one.sign(put(cid(2)))), Admitted)
    verdict = keeper.admit(twin.sign(put(cid(3))))
    assert isinstance(verdict, Stopped) and verdict.fork
    verdict = keeper.admit(twin.sign(put(cid(4))))
    assert isinstance(verdict, Stopped) and verdict.fork


def test_a_session_goes_on_from_the_cut() -> None:
    one = author()
    first, twin = one.sign(put(cid(1))), one.copy()
    keeper = based(first, one.sign(put(cid(2))))
    assert isinstance(keeper.admit(one.sign(put(cid(1), "y", origin=OperationId(one.session, 0)))), Admitted)
    twin.sign(put(cid(3)))
    assert based(first).admit(twin.sign(put(cid(4)))) == Gap(1)


def test_puts_are_counted_over_a_base() -> None:
    one = author()
    keeper = based(one.sign(put(cid(1))))
    (part,) = one.parts(put(cid(1), "again"))
    bad = one.copy().sign_parts((Part(part.shard, 0, part.operations),))
    verdict = keeper.admit(bad)
    assert isinstance(verdict, Stopped) and "numbered in order" in verdict.reason
    assert isinstance(keeper.admit(one.sign_parts((part,))), Admitted)


def test_dependencies_below_the_cut_are_settled_whatever_their_hash() -> None:
    one, two = author(), author("b")
    first = one.sign(put(cid(1)))
    below = one.dependency()
    keeper = based(first, one.sign(put(cid(2))))
    for dependency in (below, Dependency(one.session, 1, bytes(32))):
        assert isinstance(keeper.admit(two.sign(put(cid(9), f"{dependency.hash!r}"), depends=(dependency,))), Admitted)
    assert isinstance(keeper.admit(two.sign(depends=(one.dependency(),))), Admitted)


def test_a_dependency_at_the_cut_or_beyond_is_looked_at() -> None:
    one, two = author(), author("b")
    keeper = based(one.sign(put(cid(1))), one.sign(put(cid(2))))
    wrong = Dependency(one.session, 2, bytes(32))
    verdict = keeper.admit(two.copy().sign(put(cid(9)), depends=(wrong,)))
    assert isinstance(verdict, Stopped) and "another branch" in verdict.reason
    keeper.admit(one.sign(put(cid(3))))
    beyond = one.dependency()
    assert isinstance(keeper.admit(two.sign(depends=(beyond,))), Admitted)
    verdict = keeper.admit(two.sign(put(cid(9)), depends=(beyond,)))
    assert isinstance(verdict, Stopped) and "does not rise" in verdict.reason


@pytest.mark.parametrize("kind", ["origin", "target"])
def test_an_operation_below_the_cut_may_be_named_by_anybody(kind: str) -> None:
    """On whatever key, and whether its author depended on it: nobody could look. One that was not made is refused."""
    one, two = author(), author("b")
    keeper = based(one.sign(put(cid(1))))
    for n, expected in ((0, Admitted), (1, Stopped)):
        named = OperationId(one.session, n)
        forged = two.sign(put(cid(1), origin=named) if kind == "origin" else Delete(cid(1), (named,)))
        assert isinstance(keeper.admit(forged), expected)


@pytest.mark.parametrize("kind", ["origin", "target"])
def test_an_operation_beyond_the_cut_is_looked_at_as_ever(kind: str) -> None:
    one, two = author(), author("b")
    keeper = based(one.sign(put(cid(1))))
    assert isinstance(keeper.admit(one.sign(put(cid(1), "y", origin=OperationId(one.session, 0)))), Admitted)
    named = OperationId(one.session, 1)

    def naming() -> Forged:
        return two.copy().sign(put(cid(1), origin=named) if kind == "origin" else Delete(cid(1), (named,)))

    verdict = keeper.admit(naming())
    assert isinstance(verdict, Stopped) and "does not depend on" in verdict.reason
    other = next(n for n in range(2, 99) if shard_of(cid(n), 2) != shard_of(cid(1), 2))
    verdict = keeper.admit(two.copy().sign(Delete(cid(other), (OperationId(one.session, 0),)), depends=()))
    assert isinstance(verdict, Stopped), "puts are counted by shard"


def test_a_session_of_a_stranger_to_the_base_names_nothing_below_it() -> None:
    """A session that began after the base has no put within its cut."""
    one, two = author(), author("b")
    keeper = based(one.sign(put(cid(1))))
    forged = one.copy().sign(Delete(cid(1), (OperationId(two.session, 0),)))
    assert isinstance(keeper.admit(forged), Stopped)
    assert isinstance(keeper.admit(two.sign(put(cid(1)))), Admitted)
    assert not keeper.gate.is_based(keeper.gate.sessions[two.session], shard_of(cid(1), 2), 0)
