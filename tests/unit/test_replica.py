"""One replica: what others may see of a window before its commit, interrupted windows, and faults of documents."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from pincrew.trusted.author import Author as Writer
from pincrew.trusted.author import WriteRequest

from pincrew import limits
from pincrew.errors import PincrewError
from pincrew.gate import Received, Screening
from pincrew.pinset import DocumentFault, KeyDocument
from pincrew.replica import Replica
from pincrew.steps import finish
from pincrew.store.database import Database
from pincrew.store.rows import Rows
from pincrew.values import Delete, Head, OperationId, SessionId
from pincrew.windows import heads_digest
from pincrew.wire import encode_sealed
from sim.forge import Author, Forged, put
from sim.swarm import key_of
from unit.golden.vectors import cid

CLUSTER = bytes(range(32))
A, B = key_of("a"), key_of("b")


def replica(database: Database | None = None) -> Replica:
    return Replica(
        database or Database(None, cluster=CLUSTER),
        cluster=CLUSTER,
        curators=frozenset([A.public, B.public]),
        trust=0,
        shard_bits=2,
        now_ms=lambda: 5,
    )


def writer(one: Replica, key: Any = A) -> Writer:
    nonces = iter(range(1, 1000))
    return Writer(one, key, now_ms=lambda: 5, nonce=lambda: next(nonces).to_bytes(16))


def requests(*numbers: int, name: str = "x") -> list[WriteRequest]:
    return [WriteRequest(cid(number), put(cid(number), name).record) for number in numbers]


def on_disk(one: Replica) -> dict[SessionId, Head]:
    return {
        SessionId(author, nonce): Head(number, digest)
        for author, nonce, number, digest in one.database.writer.execute(
            "SELECT author, nonce, number, hash FROM sessions"
        )
        if number
    }


def watch(one: Replica, steps: Generator[Any, None, Any]) -> Any:
    """Run steps; at each of them what others see is on disk already (invariants 4 and 14)."""
    while True:
        disk = on_disk(one)
        assert all(disk[session].number >= head.number for session, head in one.heads.items())
        assert one.digest() == heads_digest(0, 0, b"", one.heads)
        assert all(one.page(session, head.number - 1) is not None for session, head in one.heads.items())
        try:
            step = next(steps)
        except StopIteration as stop:
            assert one.heads == on_disk(one)
            return stop.value
        if step is not None:
            step()


def test_nothing_is_seen_before_it_is_durable() -> None:
    one, two = replica(), replica()
    author = writer(one)
    for number in range(3):
        written = watch(one, author.write(requests(*range(1200), name=f"n{number}")))
        for body, signature in written.sealed:
            assert two.receive(encode_sealed(body, signature)).fault is None
        watch(two, two.apply())
    assert list(Rows(one.database).contents()) == list(Rows(two.database).contents())
    assert len(one.heads) == 1 and one.heads[author.session].number == 6


@pytest.mark.parametrize("after", [0, 1, 2, 3, 20, 40, -3, -2, -1])
def test_a_write_that_is_given_up_leaves_no_trace(after: int) -> None:
    """The owner drops the generator (a cancelled task): the next write is whole, and no number is used twice.

    ``after`` is how many steps were done, or how many were left.
    """
    one = replica()
    author = writer(one)
    finish(author.write(requests(1)))
    if after < 0:
        another = replica()
        whole = writer(another)
        finish(whole.write(requests(1)))
        after += sum(1 for step in whole.write(requests(*range(2, 500))) if step is None or step() is None)
    steps = author.write(requests(*range(2, 500)))
    for _ in range(after):
        step = next(steps, None)
        if step is not None:
            step()
    steps.close()
    finish(author.write(requests(900)))
    rows = {row[0] for row in Rows(one.database).contents()}
    assert {cid(1), cid(900)} <= rows and len(rows) in (2, 500)
    assert one.heads == on_disk(one) == {s.id: s.head for s in one.gate.sessions.values() if s.number}
    again = replica(one.database)
    assert again.heads == one.heads


@pytest.mark.parametrize("after", range(6))
def test_a_window_that_is_given_up_is_applied_later(after: int) -> None:
    one, author = replica(), Author(A, CLUSTER)
    for number in range(5):
        one.receive(author.sign(put(cid(number))).sealed)
    steps = one.apply()
    for _ in range(after):
        step = next(steps, None)
        if step is not None:
            step()
    steps.close()
    finish(one.apply())
    assert one.heads[author.session].number == 5 and one.inbox.size == 0
    assert len(list(Rows(one.database).contents())) == 5


def test_a_long_run_that_ends_in_an_envelope_that_waits() -> None:
    """The first of it take effect; what comes after the last waits for another curator's session."""
    one, author, other = replica(), Author(A, CLUSTER), Author(B, CLUSTER)
    first = other.sign(put(cid(500)))
    count = limits.REORDER_ENVELOPES_MAX + 50
    for number in range(count):
        one.receive(author.sign(put(cid(number))).sealed)
    one.receive(author.sign(put(cid(600)), depends=(other.dependency(),)).sealed)
    assert finish(one.apply()).envelopes == count
    one.receive(first.sealed)
    while finish(one.apply()).envelopes:
        pass
    assert one.heads[author.session].number == count + 1 and one.inbox.size == 0


def test_a_revocation_while_a_window_is_open() -> None:
    """What was admitted before it takes effect, and nothing of the author after."""
    one, author = replica(), Author(A, CLUSTER)
    for number in range(300):
        one.receive(author.sign(put(cid(number))).sealed)
    steps = one.apply()
    assert next(steps) is None, "it is being admitted"
    one.trust(frozenset([B.public]), 1)
    assert 0 < finish(steps).envelopes < 300
    assert finish(one.apply()).envelopes == 0
    assert one.inbox.size == 0 and one.heads == on_disk(one)


def test_forks_that_wait_to_be_looked_at_are_one_a_session() -> None:
    """While a base is taken nothing is applied; neither is anything hoarded."""
    one, author = replica(), Author(A, CLUSTER)
    one.receive(author.sign(put(cid(0))).sealed)
    finish(one.apply())
    one.is_held_back = lambda: True
    base = author.copy()
    one.receive(author.sign(put(cid(1))).sealed)
    for number in range(50):
        one.receive(base.copy().sign(put(cid(2), f"{number}")).sealed)
        finish(one.apply())
    assert len(one._forks) == 1
    one.is_held_back = lambda: False
    finish(one.apply())
    assert one.stopped and not one._forks


def test_a_fork_that_arrives_while_a_window_is_open() -> None:
    one, author = replica(), Author(A, CLUSTER)
    one.receive(author.sign(put(cid(0))).sealed)
    finish(one.apply())
    twin = author.copy()
    one.receive(author.sign(put(cid(1))).sealed)
    steps = one.apply()
    next(steps)
    one.receive(twin.sign(put(cid(2))).sealed)
    for step in steps:
        if step is not None:
            step()
    assert one.heads == on_disk(one)
    applied = finish(one.apply())
    assert [session for session, _ in applied.stopped] == [author.session]
    assert replica(one.database).stopped == one.stopped != {}
    assert twin.previous in {Forged(each.body, b"").hash for each in one.history.evidence()}


def sick(monkeypatch: pytest.MonkeyPatch, times: int | None) -> list[int]:
    """pycrdt fails on whatever writes the third key, so many times or for ever."""
    put_there = KeyDocument.put
    failed: list[int] = []

    def failing(self: KeyDocument, identifier: Any, origin: Any) -> None:
        if identifier.client == SICK.client and (times is None or len(failed) < times):
            failed.append(1)
            raise DocumentFault("injected")
        put_there(self, identifier, origin)

    monkeypatch.setattr(KeyDocument, "put", failing)
    return failed


SICK = Author(B, CLUSTER, b"s" * 16)


def test_a_passing_fault_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = sick(monkeypatch, 1)
    one, well, ill = replica(), Author(A, CLUSTER), SICK.copy()
    for number in range(4):
        one.receive(well.sign(put(cid(number))).sealed)
        one.receive(ill.sign(put(cid(number + 10))).sealed)
    for _ in range(20):
        finish(one.apply())
    assert failed and one.heads[well.session].number == one.heads[ill.session].number == 4
    assert not one.stopped


def test_a_lasting_fault_stops_one_session_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    sick(monkeypatch, None)
    one, well, ill = replica(), Author(A, CLUSTER), SICK.copy()
    for number in range(4):
        one.receive(ill.sign(put(cid(number + 10))).sealed)
        one.receive(well.sign(put(cid(number))).sealed)
    stopped = []
    for _ in range(30):
        stopped += finish(one.apply()).stopped
    assert [session for session, _ in stopped] == [ill.session] == list(one.stopped)
    assert one.heads == {well.session: Head(4, well.previous)} == on_disk(one)
    assert "cannot be applied" in one.stopped[ill.session]


def test_a_fault_while_writing_is_said_and_ends_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    one = replica()
    author = writer(one)
    finish(author.write(requests(1)))

    def failing(self: KeyDocument, identifier: Any) -> None:
        raise DocumentFault("injected")

    with monkeypatch.context() as context:
        context.setattr(KeyDocument, "write_put", failing)
        with pytest.raises(DocumentFault):
            finish(author.write(requests(2)))
    finish(author.write(requests(2)))
    assert len(list(Rows(one.database).contents())) == 2 and not one.stopped


def test_a_write_keeps_its_limits() -> None:
    """More than one envelope holds: each within the limits of the wire, in one transaction."""
    one = replica()
    author = writer(one)
    record = b"\xa1\x64name\x79\x0f\x00" + b"x" * 3840
    written = finish(author.write([WriteRequest(cid(number), record) for number in range(300)]))
    assert len(written.sealed) > 4
    assert all(len(body) <= limits.ENVELOPE_BYTES_MAX for body, _ in written.sealed)
    assert written.change == 300


def test_removing_what_is_absent_writes_nothing() -> None:
    one = replica()
    author = writer(one)
    written = finish(author.write([WriteRequest(cid(1), None)]))
    assert written.absent == [cid(1)] and not written.sealed and not one.heads


def test_the_last_request_for_a_cid_holds() -> None:
    one = replica()
    author = writer(one)
    finish(author.write([*requests(1, name="first"), WriteRequest(cid(1), None), *requests(1, name="last")]))
    (row,) = Rows(one.database).contents()
    assert row[1] == put(cid(1), "last").record


def test_a_delete_of_everything_and_again() -> None:
    one, author = replica(), Author(A, CLUSTER)
    one.receive(author.sign(put(cid(1))).sealed)
    one.receive(author.sign(Delete(cid(1), (OperationId(author.session, 0),))).sealed)
    one.receive(author.sign(put(cid(1), "again", origin=OperationId(author.session, 0))).sealed)
    one.receive(author.sign(Delete(cid(1), (OperationId(author.session, 0), OperationId(author.session, 1)))).sealed)
    finish(one.apply())
    assert not list(Rows(one.database).contents()) and one.heads[author.session].number == 4


def test_an_author_whom_the_record_does_not_name_is_told() -> None:
    one = replica()
    with pytest.raises(PincrewError, match="does not name this peer"):
        finish(writer(one, key_of("stranger")).write(requests(1)))
    assert not one.heads and not list(Rows(one.database).contents())


# ---- proofs of forks ------------------------------------------------------------------------------------------------


def page_of(*forged: Forged) -> tuple[SessionId, tuple[bytes, ...], bytes]:
    return forged[0].read().session, tuple(one.body for one in forged), forged[-1].signature


def branches() -> tuple[Forged, list[Forged], list[Forged]]:
    """The common first envelope of a session, and two that follow it on each branch."""
    author = Author(A, CLUSTER)
    common = author.sign(put(cid(0)))
    twin = author.copy()
    return common, [author.sign(put(cid(n))) for n in (1, 2)], [twin.sign(put(cid(n))) for n in (3, 4)]


def holding(*forged: Forged) -> Replica:
    one = replica()
    assert one.receive_page(*page_of(*forged)).fault is None
    finish(one.apply())
    assert one.heads[forged[0].read().session].number == len(forged)
    return one


def test_a_proof_stops_who_holds_the_other_branch_and_is_passed_on() -> None:
    common, left, right = branches()
    one = holding(common, *left)
    session = common.read().session
    assert one.receive_proof(*page_of(*right)).fault is None
    assert [stopped for stopped, _ in finish(one.apply()).stopped] == [session]
    assert one.proofs.numbers() == {session: 2}
    assert one.proofs.runs(session) == [page_of(*right)[1:]]
    again = replica(one.database)
    assert again.proofs.numbers() == {session: 2} and again.proofs.runs(session) == one.proofs.runs(session)
    assert one.receive_proof(*page_of(*left)).screening is Screening.STOPPED


@pytest.mark.parametrize("held", [0, 1, 2, 3])
def test_a_proof_is_no_way_to_bring_a_branch(held: int) -> None:
    """Who holds nothing, the common part, or some of that very branch takes nothing of it."""
    common, left, _ = branches()
    one = holding(common, *left[: held - 1]) if held else replica()
    assert one.receive_proof(*page_of(*left)) == Received(Screening.HELD, common.read().session, 3)
    assert not one.inbox.size and not finish(one.apply()).stopped and not one.proofs.numbers()


def test_a_proof_that_goes_on_from_another_envelope_than_ours() -> None:
    """Pubsub brought the second of the other branch alone, and the first of it nobody here saw."""
    common, left, right = branches()
    one = holding(common, left[0])
    assert one.receive(right[1].sealed).fault is None
    finish(one.apply())
    session = common.read().session
    assert one.proofs.numbers() == {session: 2}, "it shows another forerunner"
    other = holding(common, left[0])
    for _, *run in [(session, *run) for run in one.proofs.runs(session)]:
        assert other.receive_proof(session, *run).fault is None
    finish(other.apply())
    assert other.proofs.numbers() == {session: 2}


def test_the_proof_of_a_page_that_does_not_go_on_from_here_ends_at_its_signature() -> None:
    author = Author(A, CLUSTER)
    common = author.sign(put(cid(0)))
    twin = author.copy()
    ours = author.sign(put(cid(1)))
    twin.sign(put(cid(2)))
    after = [twin.sign(put(cid(n))) for n in (3, 4)]
    one = holding(common, ours)
    assert one.receive_page(*page_of(*after)).fault is None
    finish(one.apply())
    assert one.proofs.runs(author.session) == [page_of(*after)[1:]]


def test_the_proof_of_what_came_while_a_window_was_open_ends_at_its_signature() -> None:
    """The other branch waits in the inbox, as a page of one signature; ours takes effect meanwhile."""
    common, left, right = branches()
    one = holding(common)
    author = common.read().session
    for forged in left:
        assert one.receive(forged.sealed).fault is None
    steps = one.apply()
    next(steps)
    one.inbox.forget(author)
    assert one.receive_page(*page_of(*right)).fault is None
    for step in steps:
        if step is not None:
            step()
    for _ in range(2):
        finish(one.apply())
    (run,) = one.proofs.runs(author)
    assert run == page_of(*right)[1:]


def test_bad_proofs_are_faults() -> None:
    common, left, right = branches()
    one = holding(common, *left)
    session, bodies, signature = page_of(*right)
    assert one.receive_proof(session, bodies, bytes(64)).fault == "a signature is forged"
    assert one.receive_proof(session, (b"junk",), signature).fault
    assert one.receive_proof(session, (), signature).fault == "a page is empty or mixes sessions"
    assert one.receive_proof(session, bodies[::-1], signature).fault == "a page is not a chain"
    assert one.receive_proof(SessionId(B.public, b"o" * 16), bodies, signature).fault
    finish(one.apply())
    assert not one.stopped and not one.history.evidence()


def test_an_author_whose_session_is_proven_forked_goes_on_in_a_new_one_at_once() -> None:
    """A thief wrote in its session: the next write is acknowledged all the same."""
    one = replica()
    author = writer(one)
    finish(author.write(requests(1)))
    state = one.gate.sessions[author.session]
    thief = Author(A, CLUSTER, author.session.nonce)
    thief.number, thief.previous, thief.puts = state.number, state.hash, dict(state.puts or {})
    stolen = thief.sign(put(cid(7), "stolen"))
    finish(author.write(requests(2)))
    forked = author.session
    assert one.receive_proof(*page_of(stolen)).fault is None
    finish(one.apply())
    assert list(one.stopped) == [forked]
    written = finish(author.write(requests(3)))
    assert written.sealed and author.session != forked and one.heads[author.session].number == 1
    assert {row[0] for row in Rows(one.database).contents()} == {cid(1), cid(2), cid(3)}
