"""`status` for a person: at most 80 columns, and no word without meaning."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pincrew.api.shapes import ByteCounts, CuratorCounts, ListProgress, NodeInfo, Reason
from pincrew.cli.status_text import describe
from support.shape_examples import summary

NOW = datetime(2026, 1, 1, 0, 0, 12, tzinfo=UTC)


def test_a_cluster_that_follows_along() -> None:
    assert describe(summary(), NOW).splitlines() == [
        "books          following     86.0 %  86 of 100 pins",
        "  data   1.31 GB of 1.52 GB, 4 in flight, 10 queued",
        "  list   current, last change 12 seconds ago; 3 of 3 curators, 41 peers",
        "  node   Kubo 0.43.1 up at http://127.0.0.1:5001",
    ]


def test_everything_that_can_be_wrong_fits() -> None:
    huge = 9_999_999_999
    cluster = summary(
        "a-name-that-is-much-longer-than-anybody-would-want-it-to-be",
        role="curator",
        state="consent",
        reasons=[Reason("mass_removal", "A very long reason, " * 20, None), Reason("node_down", "Down", None)],
        pins={
            "total": huge // 10,
            "pinned": huge // 20,
            "error": huge,
            "remote": 17,
            "skipped": huge,
            "unpinning": huge,
        },
        list=ListProgress(huge, huge * 2),
        bytes=ByteCounts(10**17, 10**17, 5, 10**17),
        curators=CuratorCounts(0, 250, "2020-01-01T00:00:00Z"),
        node=NodeInfo("kubo", "http://a-very-long-host-name.in-some-domain.example.org:5001", "starting", None, None),
    )
    lines = describe(cluster, NOW).splitlines()
    assert max(len(line) for line in lines if "pincrew errors" not in line) <= 80


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"state": "syncing", "list": ListProgress(12_400, 185_905)}, "list 12,400 of 185,905"),
        ({"pins": {"total": 0, "pinned": 0}}, "no pins yet"),
        ({"pins": {"total": 5, "pinned": 0, "remote": 5}}, "no pins for this peer"),
        ({"pins": {"total": 10, "pinned": 5, "remote": 5}}, "100 %  5 of 5 pins"),
        ({"pins": {"error": 12}}, "✗ 12 errors:  pincrew errors -c books"),
        ({"role": "curator"}, "(curator)"),
    ],
)
def test_what_is_said(changes: dict[str, Any], expected: str) -> None:
    assert expected in describe(summary(**changes), NOW)
