"""Windows: one transaction or nothing, what an author is told, and how little each step does."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from pincrew.steps import finish
from pincrew.store.rows import Rows
from pincrew.store.window import WindowChanges
from pincrew.values import Dependency, Head, OperationId, SessionId
from pincrew.windows import heads_digest, in_order
from pincrew.wire import encode_sealed
from sim.forge import Author, put
from unit.golden.vectors import cid
from unit.test_replica import CLUSTER, A, B, on_disk, replica, requests, writer


def test_keys_are_taken_in_order_whatever_the_order_of_their_coming() -> None:
    shards = {7: [cid(3), cid(1)], 2: {cid(9): None}, 5: []}
    assert finish(in_order(shards)) == [(2, cid(9)), *((7, one) for one in sorted([cid(1), cid(3)]))]


def test_a_step_is_small_and_the_store_is_met_in_steps_that_block() -> None:
    """The owner can let others run every few dozen keys; reading the store and writing it may go to a thread."""
    one, two = replica(), replica()
    places = blocking = 0
    author = writer(one)
    written = author.write(requests(*range(2000)))
    while True:
        try:
            step = next(written)
        except StopIteration as stop:
            pages = [(body, signature) for body, signature in stop.value.sealed]
            break
        places += step is None
        blocking += step is not None
        if step is not None:
            step()
    assert blocking == 2 and places > 2000 // 20
    for body, signature in pages:
        assert two.receive(encode_sealed(body, signature)).fault is None
    steps = list(drive(two))
    assert sum(step is not None for step in steps) == 2 and len(steps) > 2000 // 20
    assert on_disk(two) == one.heads


def drive(one: Any) -> Any:
    """Carry out an apply; yield its steps."""
    for step in one.apply():
        if step is not None:
            step()
        yield step


@pytest.mark.parametrize("error", [OverflowError, sqlite3.InterfaceError, MemoryError])
def test_any_failure_of_a_commit_ends_the_session(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that is no PincrewError: what is not on disk is not in the gate either."""
    one = replica()
    author = writer(one)
    finish(author.write(requests(1)))
    before = author.session
    commit = WindowChanges.commit

    def failing(self: WindowChanges, *args: Any) -> int:
        raise error("injected")

    monkeypatch.setattr(WindowChanges, "commit", failing)
    with pytest.raises(error):
        finish(author.write(requests(2)))
    monkeypatch.setattr(WindowChanges, "commit", commit)
    finish(author.write(requests(3)))
    assert author.session != before and len(one.heads) == 2
    assert {row[0] for row in Rows(one.database).contents()} == {cid(1), cid(3)}


def test_a_curator_is_told_what_lost() -> None:
    """A concurrent put of another curator won over ours; one that had seen ours is no loss."""
    one = replica()
    author = writer(one)
    finish(author.write(requests(1)))
    mine = OperationId(author.session, 0)
    seen = Author(B, CLUSTER, b"1" * 16)
    head = one.heads[author.session]
    one.receive(seen.sign(put(cid(1), "knows", origin=mine), depends=(Dependency(author.session, *head),)).sealed)
    assert finish(one.apply()).lost == []
    finish(author.write(requests(2)))
    rival = next(
        other
        for number in range(100)
        if (other := Author(B, CLUSTER, number.to_bytes(16, "little"))).client
        > next(s.client for s in one.gate.sessions.values() if s.id == author.session)
    )
    one.receive(rival.sign(put(cid(2), "rival")).sealed)
    lost = finish(one.apply()).lost
    assert [(each.cid, each.winner) for each in lost] == [(cid(2), rival.session)]


def test_the_digest_is_over_everything() -> None:
    session, other = SessionId(bytes(32), bytes(16)), SessionId(bytes(32), b"o" * 16)
    heads = {session: Head(1, bytes(32)), other: Head(2, bytes(32))}
    digests = {
        heads_digest(0, 0, b"", heads),
        heads_digest(1, 0, b"", heads),
        heads_digest(0, 1, b"", heads),
        heads_digest(0, 1, bytes(32), heads),
        heads_digest(0, 0, b"", {session: heads[session]}),
        heads_digest(0, 0, b"", {**heads, session: Head(2, bytes(32))}),
        heads_digest(0, 0, b"", {**heads, session: Head(1, b"x" * 32)}),
    }
    assert len(digests) == 7
    assert heads_digest(0, 0, b"", dict(reversed(heads.items()))) == heads_digest(0, 0, b"", heads)


def test_what_an_author_named_is_known_after_a_restart() -> None:
    """Whether a later operation may name what it names depends on it (invariants 6 and 9)."""
    one, first, second = replica(), Author(A, CLUSTER), Author(B, CLUSTER)
    one.receive(first.sign(put(cid(1))).sealed)
    finish(one.apply())
    head = one.heads[first.session]
    one.receive(second.sign(put(cid(2)), depends=(Dependency(first.session, *head),)).sealed)
    finish(one.apply())
    again = replica(one.database).gate
    assert again.known(again.sessions[second.session]) == {again.sessions[first.session].sid: 1}
    assert again.puts(again.sessions[second.session]) == one.gate.puts(one.gate.sessions[second.session])
