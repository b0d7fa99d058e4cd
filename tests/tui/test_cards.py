"""The figures on the cards, line by line."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from pincrew.tui import cards
from pincrew.tui.painted import Line

from pincrew.api import shapes
from support.fake_client import a_progress, a_summary
from support.screens import FROZEN


def text(lines: Sequence[Line]) -> list[str]:
    return ["".join(piece.text for piece in line) for line in lines]


def test_progress() -> None:
    assert text(cards.progress_lines(a_summary(), 48)) == [
        "86.0 %  1,036,120 of 1,204,311 pins",
        "━" * 41 + "╸" + "─" * 6,
        "1.31 of over 1.52 TB   5–16 h left",
        "8 in flight  168,159 queued  12 skipped",
    ]


def test_what_does_not_fit_is_left_out_whole() -> None:
    assert text(cards.progress_lines(a_summary(), 30))[3] == "8 in flight  168,159 queued"


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"eta_low": 300, "eta_high": 300}, "about 5 min left"),
        ({"eta_low": 1_800, "eta_high": 7_200}, "30 min–2 h left"),
        ({"eta_low": None, "eta_high": None, "no_eta": "sizes are not known"}, "time left: sizes are not known"),
        ({"eta_low": None, "eta_high": None}, ""),
    ],
)
def test_time_left(changes: dict[str, object], left: str) -> None:
    assert cards.time_left(a_summary(progress=a_progress(**changes))) == left


@pytest.mark.parametrize(
    ("held", "line"),
    [
        (shapes.ByteCounts(0, None, 0, None), "sizes not known yet"),
        (shapes.ByteCounts(500, None, 0, None), "500 B, sizes not known yet"),
        (shapes.ByteCounts(500, 2_000_000, 1_204_311, None), "500 B of 2.00 MB"),
    ],
)
def test_bytes_are_said_as_far_as_they_are_known(held: shapes.ByteCounts, line: str) -> None:
    assert text(cards.progress_lines(a_summary(bytes=held, state="complete"), 60))[2].strip() == line


def test_nothing_on_the_list() -> None:
    counts = {"total": 0, "pinned": 0, "pinning": 0, "queued": 0, "error": 0, "skipped": 0, "remote": 0}
    assert text(cards.progress_lines(a_summary(pins=counts), 48))[0] == "No pins are on this list yet."
    counts |= {"total": 5, "remote": 5}
    assert "kept by others" in text(cards.progress_lines(a_summary(pins=counts), 48))[0]


def test_disk() -> None:
    assert text(cards.disk_lines(a_summary(), 24)) == [
        "1.31 of 2.00 TB limit",
        "━" * 15 + "╸" + "─" * 8,
        "volume 3.40 TB free",
        "state 210.0 MB",
    ]
    free = shapes.ByteCounts(10**9, 10**9, 1, None, 3 * 10**9)
    assert text(cards.disk_lines(a_summary(bytes=free), 24))[:2] == ["1.00 GB kept, no limit", "━" * 6 + "─" * 18]
    unseen = shapes.ByteCounts(10**9, 10**9, 1, None, None)
    assert text(cards.disk_lines(a_summary(bytes=unseen, db_bytes=None), 24)) == [
        "1.00 GB kept",
        "no limit: l sets one",
        "volume not seen here",
        "",
    ]


def test_network() -> None:
    lines = text(cards.network_lines(a_summary(), FROZEN, [1, 2], [None, 1], 30))
    assert lines == [
        "down 5.20 MB/s   " + " " * 11 + "▄▇",
        "up   1.10 MB/s   " + " " * 12 + "▇",
        "last block 3 s ago, 4 peers",
        "list changed 12 s ago",
    ]
    kubo = a_summary(progress=a_progress(upload_rate=None, in_flight=0), last_change=None)
    assert text(cards.network_lines(kubo, FROZEN, [], [], 30))[1:] == [
        "up   not known   " + " " * 13,
        "nothing is being fetched",
        "no change of the list yet",
    ]
