"""The reorder buffer: what is kept, in which bounds, and how it is emptied."""

from __future__ import annotations

import hashlib

import pytest

from pincrew import limits
from pincrew.inbox import Inbox, Sealed
from pincrew.keys import SigningKey
from pincrew.values import Put
from sim.forge import Author
from unit.golden.vectors import cid

KEY = SigningKey.from_seed(hashlib.sha256(b"x").digest())


def run(count: int, size: int = 10, nonce: bytes = bytes(16)) -> list[Sealed]:
    author = Author(KEY, bytes(32), nonce)
    made = [
        author.sign(*[Put(cid(n), bytes(min(size, 4096))) for n in range(max(1, size // 4096))]) for _ in range(count)
    ]
    return [Sealed(one.read(), one.signature) for one in made]


def test_a_run_from_the_head_is_kept_whole() -> None:
    inbox, envelopes = Inbox(), run(200)
    assert all(inbox.offer(one, 0) for one in envelopes)
    session = envelopes[0].envelope.session
    assert inbox.contiguous(session, 0) == 200
    assert inbox.size == sum(len(one.envelope.body) for one in envelopes)
    assert inbox.get(session, 7) == envelopes[6] and inbox.get(session, 201) is None


def test_early_ones_are_bounded_by_number() -> None:
    inbox, envelopes = Inbox(), run(300)
    kept = [one for one in reversed(envelopes[2::2]) if inbox.offer(one, 0)]
    assert len(kept) == limits.REORDER_ENVELOPES_MAX


def test_early_ones_are_bounded_by_bytes() -> None:
    inbox, envelopes = Inbox(), run(60, 200_000)
    kept = [one for one in reversed(envelopes[2::2]) if inbox.offer(one, 0)]
    assert inbox.size <= limits.REORDER_BYTES_MAX and 15 < len(kept) < 30


def test_a_run_is_bounded_by_bytes_but_the_next_one_always_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pincrew.inbox._CONTIGUOUS_BYTES_MAX", 2_000)
    monkeypatch.setattr(limits, "REORDER_BYTES_MAX", 0)
    inbox, envelopes = Inbox(), run(50)
    kept = [one for one in envelopes if inbox.offer(one, 0)]
    assert 2 <= len(kept) < 15 and inbox.size <= 2_000
    other = run(2, 2_100, b"o" * 16)
    assert inbox.offer(other[0], 0), "the next of a session is what makes room"


def test_what_is_refused_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REORDER_BYTES_MAX", 0)
    inbox, envelopes = Inbox(), run(5)
    assert not inbox.offer(envelopes[4], 0)
    assert not list(inbox.sessions()) and inbox.size == 0


def test_the_same_again_costs_nothing_and_replaces_nothing() -> None:
    inbox, envelopes = Inbox(), run(2)
    assert inbox.offer(envelopes[0], 0)
    size = inbox.size
    assert inbox.offer(envelopes[0]._replace(signature=None), 0)
    assert inbox.size == size and inbox.get(envelopes[0].envelope.session, 1) == envelopes[0]


def test_taking_out_keeps_the_count() -> None:
    inbox, envelopes = Inbox(), run(6)
    session = envelopes[0].envelope.session
    for one in envelopes:
        inbox.offer(one, 0)
    assert inbox.pop(session, 1) == envelopes[0]
    assert inbox.passed(session, 3) == envelopes[1:3]
    assert inbox.passed(session, 3) == []
    assert inbox.contiguous(session, 3) == 6
    inbox.forget(session)
    assert inbox.size == 0 and not list(inbox.sessions())
    inbox.forget(session)


def test_what_is_in_the_open_window_is_not_dropped_when_its_session_comes_to_wait() -> None:
    """They are taken out one by one when the window is durable."""
    inbox, envelopes = Inbox(), run(limits.REORDER_ENVELOPES_MAX + 50)
    assert all(inbox.offer(one, 0) for one in envelopes)
    session, head = envelopes[0].envelope.session, len(envelopes) - 1
    inbox.block(session, head)
    for number in range(1, head + 1):
        assert inbox.pop(session, number) == envelopes[number - 1]
    assert inbox.is_blocked(session) and inbox.size == len(envelopes[-1].envelope.body)


def test_sessions_that_wait_for_what_never_comes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each begins with an envelope that nothing refuses: an author has as many sessions as it likes."""
    monkeypatch.setattr(limits, "REORDER_TOTAL_BYTES_MAX", 20_000)
    inbox = Inbox()
    (ready,) = run(1, nonce=b"r" * 16)
    assert inbox.offer(ready, 0)
    for number in range(300):
        (one,) = run(1, nonce=number.to_bytes(16))
        assert inbox.offer(one, 0)
        inbox.block(one.envelope.session, 0)
        assert inbox.size <= limits.REORDER_TOTAL_BYTES_MAX
    assert inbox.get(ready.envelope.session, 1) == ready, "those that wait make room first"
    assert inbox.is_blocked(one.envelope.session) and not inbox.is_blocked(ready.envelope.session)


def test_sessions_that_wait_are_bounded_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REORDER_SESSIONS_MAX", 10)
    inbox = Inbox()
    for number in range(30):
        (one,) = run(1, nonce=number.to_bytes(16))
        assert inbox.offer(one, 0) and inbox.offer(one, 0)
    assert len(list(inbox.sessions())) == 10 and inbox.get(one.envelope.session, 1) == one
