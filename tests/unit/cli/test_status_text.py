"""`status` for a person: at most 80 columns, and no word without meaning."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from pincrew.api import shapes
from pincrew.api.shapes import ByteCounts, CuratorCounts, Lifetime, ListProgress, NodeInfo, PeerCounts, Reason
from pincrew.cli.status_text import describe
from pincrew.limits import FLIGHT_NAME_CHARACTERS_MAX, FLIGHTS_SHOWN
from support.shape_examples import CID, summary

NOW = datetime(2026, 1, 1, 0, 0, 12, tzinfo=UTC)


def test_a_cluster_that_follows_along() -> None:
    assert describe(summary(), NOW).splitlines() == [
        "books          following     86.0 %  86 of 100 pins",
        "  data   1.31 GB of 1.52 GB, 4 in flight, 10 queued",
        "  list   current, last change 12 seconds ago; 3 of 3 curators, 41 peers",
        "         connected",
        "  node   Kubo 0.43.1 up at http://127.0.0.1:5001",
    ]


def test_what_fits_is_kept_and_no_progress() -> None:
    assert "full        86.0 % kept  86 of 100 pins" in describe(summary(state="full"), NOW)


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
        ({"role": "curator", "curators": CuratorCounts(0, 0, None)}, "; no other curator, 41 peers"),
        ({"peers": PeerCounts(0, 50)}, "no peer"),
        ({"bytes": ByteCounts(0, 0, 0, None)}, "data   sizes not known yet, 4 in flight"),
        ({"bytes": ByteCounts(4_500_000, 4_500_000, 86, None)}, "4.50 MB and 14 pins of unknown size"),
        ({"bytes": ByteCounts(4_500_000, 9_000_000, 90, None)}, "4.50 MB of more than 9.00 MB"),
        ({"pins": {"total": 5, "pinned": 0, "remote": 5}}, "data   nothing for this peer"),
    ],
)
def test_what_is_said(changes: dict[str, Any], expected: str) -> None:
    assert expected in describe(summary(**changes), NOW)


@pytest.mark.parametrize(("state", "said"), [("failed", "it cannot run"), ("joining", "no list yet")])
def test_figures_that_are_not_known_are_not_said(state: str, said: str) -> None:
    unknown = summary(
        state=state,
        pins={"total": 0, "pinned": 0, "pinning": 0, "queued": 0},
        node=NodeInfo("kubo", None, "starting", None, None),
        reasons=[Reason("store", "Damaged", None)],
    )
    assert describe(unknown, NOW).splitlines()[1:] == ["  ! Damaged"]
    assert said in describe(unknown, NOW)


@pytest.mark.parametrize(
    ("done", "line"),
    [
        (Lifetime("2025-12-31T00:00:00Z", 0, 0, 0, 0), None),
        (
            Lifetime("2025-12-31T00:00:00Z", 0, 1, 5_000, 0),
            "1 pin and 5.00 kB fetched, 0 B served to others, since today",
        ),
        (Lifetime("2025-01-01T00:00:00Z", 365, 1_204, 10**12, None), "1,204 pins and 1.00 TB fetched, in 365 days"),
    ],
)
def test_what_was_done_so_far(done: Lifetime, line: str | None) -> None:
    text = describe(summary(lifetime=done), NOW)
    assert (f"  so far {line}\n" in f"{text}\n") if line else ("so far" not in text)


def test_a_stopped_cluster_says_nothing_of_connections() -> None:
    text = describe(summary(state="stopped", list=ListProgress(100, None)), NOW)
    assert "as last known, last change 12 seconds ago" in text
    assert "peer" not in text and "Kubo" not in text


FLIGHT = shapes.Flight(CID, "n" * FLIGHT_NAME_CHARACTERS_MAX, 10**6, 10**12, 10**12, "2026-01-01T00:00:00.000Z")
PROGRESS = shapes.Progress(3_200_000, 1_100_000, 900_000, 12, 7_200, 18_000, None, None, 16, [FLIGHT] * FLIGHTS_SHOWN)


def test_how_fast_it_goes() -> None:
    def speed(**changes: Any) -> str:
        cluster = summary(progress=msgspec.structs.replace(PROGRESS, **changes))
        text = describe(cluster, datetime(2026, 1, 1, 0, 0, 9, tzinfo=UTC))
        return " ".join(text.partition("  speed")[2].partition("\n  node")[0].split())

    assert speed().startswith("3.20 MB/s (1.10 MB/s over 10 minutes), no block yet; 2 hours to 5 hours left")
    assert "last block 9 seconds ago" in speed(last_block="2026-01-01T00:00:00.000Z")
    served = speed(last_block="2026-01-01T00:00:00.000Z", serving=4, upload_rate=1_100_000)
    assert served.startswith("3.20 MB/s (1.10 MB/s over 10 minutes), last block 9 seconds ago from 4 peers")
    assert "; 1.10 MB/s sent to others;" in served
    assert "from" not in speed(last_block="2026-01-01T00:00:00.000Z", serving=0), "it came in another way"
    assert speed(rate=0, rate_10min=0).startswith("12 blocks/s, no block yet"), "a node that counts no bytes"
    unknown = speed(eta_low=None, eta_high=None, no_eta="too few sizes are known")
    assert "time left not known: too few sizes are known" in unknown
    assert speed(in_flight=0) == "", "nothing is under way"


def test_a_pause_is_said_with_its_end() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    endless = describe(summary(state="paused"), now)
    assert "until you resume it; nothing new is fetched (pincrew resume -c books)" in endless
    assert "speed" not in describe(summary(state="paused", progress=PROGRESS), now)
    assert "until 01 Feb 2026" in describe(summary(state="paused", paused_until="2026-02-01T12:00:00Z"), now)
    capped = summary(state="paused", reasons=[Reason("monthly_cap", "The 500.0 GB are used up", None)])
    assert "resume -c" not in describe(capped, now)


def test_a_summary_stays_small() -> None:
    assert len(msgspec.json.encode(summary(progress=PROGRESS))) < 2_048
