"""What of a neighbour's frames is needless: whatever it says unasked, and questions asked again."""

from __future__ import annotations

import pytest

from pincrew import limits
from pincrew.frames import (
    Absent,
    AnnouncementsFrame,
    BaseFrame,
    BaseWant,
    Blob,
    BlobWant,
    Digest,
    Frame,
    Heads,
    Page,
    Proof,
    Standing,
    TrustRecords,
    TrustWant,
    Want,
)
from pincrew.manners import Manners
from pincrew.values import SessionId

SESSION, OTHER = SessionId(bytes(32), b"a" * 16), SessionId(bytes(32), b"b" * 16)
PAGE = Page(SESSION, (b"body",), bytes(64))
UNASKED: tuple[Frame, ...] = (
    Digest(Standing(0, bytes(32), 0, bytes(32))),
    Heads(()),
    Absent(SESSION, 1),
    TrustWant(0),
    TrustRecords(()),
    AnnouncementsFrame(()),
    BaseWant(0),
    BaseFrame(b"sealed"),
    Proof(SESSION, (b"body",), bytes(64)),
)


@pytest.mark.parametrize("frame", UNASKED, ids=[type(one).__name__ for one in UNASKED])
def test_what_is_said_unasked_counts(frame: Frame) -> None:
    is_question = isinstance(frame, TrustWant | BaseWant)
    assert Manners().weight(frame, None) == (limits.NEEDLESS_QUESTION_WEIGHT if is_question else 1)


def test_a_list_is_fetched_by_any_number_of_questions() -> None:
    manners = Manners()
    assert not any(manners.weight(Want(SESSION, after), PAGE) for after in range(0, 5_000, 100))
    assert not manners.weight(Want(OTHER, 0), PAGE)
    for number in range(5_000):
        name = number.to_bytes(32)
        assert not any(manners.weight(BlobWant(name, at), Blob(name, at, 9, b"x")) for at in (0, 3, 6))


def test_what_is_asked_again_or_is_not_there_counts() -> None:
    manners, name = Manners(), b"n" * 32
    assert not manners.weight(Want(SESSION, 7), PAGE)
    assert manners.weight(Want(SESSION, 7), PAGE) and manners.weight(Want(SESSION, 3), PAGE)
    assert manners.weight(Want(OTHER, 0), None)
    assert not manners.weight(BlobWant(name, 0), Blob(name, 0, 9, b"x"))
    assert manners.weight(BlobWant(name, 0), Blob(name, 0, 9, b"x"))
    assert manners.weight(BlobWant(b"m" * 32, 0), Blob(b"m" * 32, 0, 0, b""))


def test_answers_are_judged_elsewhere() -> None:
    assert not Manners().weight(PAGE, None)
    assert not Manners().weight(Absent(SESSION, 1), is_awaited=True)
    assert not Manners().weight(Blob(bytes(32), 0, 1, b"x"), None)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BLOBS_REMEMBERED_MAX", 10)
    manners = Manners()
    for number in range(100):
        name = number.to_bytes(32)
        assert not manners.weight(BlobWant(name, 0), Blob(name, 0, 9, b"x"))
        assert len(manners._blobs) <= 10
