"""The crew that is remembered: over silence, over restarts, and bounded."""

from __future__ import annotations

from typing import Any

import pytest

from pincrew import limits
from pincrew.announcement import Announcement, Counters, KeptPart
from pincrew.crew import CrewBook
from pincrew.part import ALL, part_value, rescue_value

DAY_S = 86_400.0


QUARTER = KeptPart(2**62, 500, 3, 1)


def said(name: str, part: KeptPart | None = QUARTER, **more: Any) -> Announcement:
    return Announcement(b"c" * 32, name.encode().ljust(32), name=name, part=part, **more)


def test_what_a_peer_announces_is_how_it_counts() -> None:
    book = CrewBook()
    book.hear([said("a", addresses=("/ip4/8.8.8.9/tcp/1", "/ip4/8.8.8.8/tcp/1", "/ip4/192.168.1.1/tcp/1"))], 0.0)
    (keeper,) = book.keepers({b"a".ljust(32)})
    key = b"a".ljust(32)
    assert (keeper.part, keeper.rescue) == (part_value(key), rescue_value(key))
    assert (keeper.threshold, keeper.largest, keeper.share) == (2**62, 500, 0.75)
    assert keeper.networks == ("8.8.8.0/24",) and keeper.is_vouched
    assert not book.keepers(())[0].is_vouched


@pytest.mark.parametrize(
    ("part", "threshold", "share"),
    [(KeptPart(None, None, 4, 0), ALL, 1.0), (KeptPart(0, 10, 0, 0), 0, 0.0), (None, ALL, 0.5)],
)
def test_everything_nothing_and_older_versions(part: KeptPart | None, threshold: int, share: float) -> None:
    book = CrewBook()
    book.hear([said("a", part, counters=Counters(4, 2))], 0.0)
    (keeper,) = book.keepers(())
    assert (keeper.threshold, keeper.share) == (threshold, share)


def test_an_older_version_that_claims_more_than_all_has_all() -> None:
    book = CrewBook()
    book.hear([said("a", None, counters=Counters(4, 9))], 0.0)
    assert book.keepers(())[0].share == 1.0


def test_seven_days_of_silence_while_listening_and_it_is_gone() -> None:
    book = CrewBook()
    book.hear([said("a"), said("b")], 0.0)
    for _ in range(6):
        book.hear([said("a")], DAY_S)
    book.hear([said("a")], 0.0)
    assert len(book) == 2, "what passed while nobody was connected is no silence"
    book.hear([said("a")], DAY_S)
    assert len(book) == 2
    book.hear([said("a")], 1.0)
    assert [one.key for one in book.mates()] == [b"a".ljust(32)]


def test_who_speaks_again_is_there_again() -> None:
    book = CrewBook()
    book.hear([said("a")], 0.0)
    book.hear([], 6 * DAY_S)
    book.hear([said("a")], DAY_S)
    book.hear([], 6 * DAY_S)
    assert len(book) == 1


def test_the_longest_silent_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ANNOUNCED_PEERS_MAX", 3)
    book = CrewBook()
    book.hear([said("a"), said("b")], 0.0)
    book.hear([said("b"), said("c"), said("d")], 60.0)
    assert {one.key[:1] for one in book.mates()} == {b"b", b"c", b"d"}


def test_it_survives_a_restart_in_about_a_hundred_bytes_a_peer() -> None:
    book = CrewBook()
    book.hear([said(str(n), KeptPart(2**62 + n, 10**10, 10_000, 3, 1_700_000_000_000)) for n in range(50)], 0.0)
    book.hear([], 3_600.0)
    again = CrewBook.decode(book.encode())
    assert again.mates() == book.mates()
    assert len(book.encode()) < 50 * 110


@pytest.mark.parametrize("data", [b"", b"\xff", b"\x80", b"\x82\x02\x80", b"\x82\x01\x81\x01", b"\x82\x01\x05"])
def test_what_cannot_be_read_is_heard_again(data: bytes) -> None:
    assert len(CrewBook.decode(data)) == 0
