"""Every state on the screen, at four sizes: tests/tui/snapshots holds how each looks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pincrew.tui.app import Options
from textual.pilot import Pilot

from pincrew.api import shapes
from pincrew.errors import DaemonLost, DaemonNotRunning
from support.fake_client import FakeClient, a_progress, a_summary
from support.screens import SIZES, Clock, has, looks, settled, shown, text_of

SINCE = "2026-11-22T11:58:00Z"


def reason(code: str, text: str) -> dict[str, Any]:
    return {"reasons": [shapes.Reason(code, text, SINCE)]}


def pins(**changes: int) -> dict[str, int]:
    counts = {"total": 1_204_311, "pinned": 1_036_120, "pinning": 8, "queued": 168_159, "error": 12, "skipped": 12}
    return {**counts, "remote": 0, **changes}


DONE = pins(pinned=1_204_311, pinning=0, queued=0, error=0, skipped=0)
IDLE = a_progress(rate=0, rate_10min=0, blocks_rate=0, eta_low=None, eta_high=None, in_flight=0, serving=None)

# State -> what the daemon says of the list.
STATES: dict[str, Callable[[], shapes.Summary]] = {
    "following": a_summary,
    "complete": lambda: a_summary(state="complete", pins=DONE, progress=IDLE),
    "full": lambda: a_summary(
        state="full", pins=pins(pinned=373_336, pinning=0, queued=0, error=0, skipped=830_975), progress=IDLE
    ),
    "joining": lambda: a_summary(
        state="joining",
        pins=dict.fromkeys(pins(), 0),
        list=shapes.ListProgress(0, None),
        bytes=shapes.ByteCounts(0, None, 0, 2_000_000_000_000, 3_400_000_000_000),
        last_change=None,
        progress=IDLE,
    ),
    "syncing": lambda: a_summary(
        state="syncing",
        list=shapes.ListProgress(12_400, 185_905),
        pins=pins(total=12_400, pinned=310, queued=12_082, error=0, skipped=0),
    ),
    "config-from-cache": lambda: a_summary(
        **reason("config_from_cache", "The source does not answer; the document of 20 Nov is used")
    ),
    "config-changed": lambda: a_summary(
        state="consent",
        **reason("config_changed", "The source has a new document that changes who decides; it waits for your word"),
    ),
    "mass-removal": lambda: a_summary(
        state="consent",
        **reason("mass_removal", "41,200 pins (52.0 GB) left the list at once; they are kept until you decide"),
    ),
    "over-the-limit": lambda: a_summary(
        bytes=shapes.ByteCounts(1_310_000_000_000, 1_520_000_000_000, 1_168_000, 1_270_000_000_000, 3_400_000_000_000)
    ),
    "paused": lambda: a_summary(state="paused", paused_until="2026-11-22T14:00:00Z", progress=IDLE),
    "paused-by-cap": lambda: a_summary(
        state="paused",
        progress=IDLE,
        **reason("monthly_cap", "500 GB passed this month, all that you allow; it goes on on 1 December"),
    ),
    "ipfs-down": lambda: a_summary(
        state="waiting",
        node=shapes.NodeInfo("kubo", "http://127.0.0.1:5001", "down", None, None),
        progress=IDLE,
        **reason(
            "node_down",
            "The IPFS node at http://127.0.0.1:5001 does not answer (refused). Nothing is lost; pinning goes on when it"
            " is back. Start it with: ipfs daemon",
        ),
    ),
    "disk-low": lambda: a_summary(
        **reason("disk_low", "The volume has 9.00 GB free, less than the 10 % that stay free")
    ),
    "no-peers": lambda: a_summary(
        state="waiting",
        peers=shapes.PeerCounts(0, 50),
        curators=shapes.CuratorCounts(0, 3, "2026-11-22T03:00:00Z"),
        progress=IDLE,
        **reason(
            "no_peers", "No peer of this list can be reached. What is pinned stays; there are no updates meanwhile"
        ),
    ),
    "no-curator": lambda: a_summary(
        curators=shapes.CuratorCounts(0, 3, "2026-11-22T03:00:00Z"),
        **reason("no_curator", "No curator has been seen for 9 hours. What is pinned stays; there are no updates"),
    ),
    "upstream-silent": lambda: a_summary(
        last_change="2026-11-01T12:00:00Z",
        **reason(
            "upstream_silent",
            "No curator has changed the list for 21 days; they said that 14 would be unusual. What is pinned stays;"
            " ask them whether the list is still looked after",
        ),
    ),
    "trust-conflict": lambda: a_summary(
        **reason("trust_conflict", "Owners signed two different records with number 4: `pincrew trust ls` shows both")
    ),
    "leaving": lambda: a_summary(state="leaving", pins=pins(pinned=412, unpinning=0, queued=0), progress=IDLE),
    "failed": lambda: a_summary(
        state="failed", progress=None, **reason("damaged_store", "The state on disk is damaged: `pincrew doctor`")
    ),
    "curator": lambda: a_summary(role="curator", state="complete", pins=DONE, progress=IDLE),
    "strange-names": lambda: a_summary("‮evil\x1b[2J [red]list[/red] 名前がとても長い", state="complete", pins=DONE),
}


def name_of(state: str, size: tuple[int, int]) -> str:
    return f"{state}-{size[0]}x{size[1]}"


async def at_every_size(state: str, pilot: Pilot[None], *, is_rewritten: bool) -> None:
    """Compare what one app shows at each size with what is kept."""
    for width, height in SIZES:
        await pilot.resize_terminal(width, height)
        await looks(pilot, f"{state}-{width}x{height}", is_rewritten=is_rewritten)


@pytest.mark.parametrize("state", STATES)
async def test_state(state: str, is_rewritten: bool) -> None:
    summary = STATES[state]()
    async with shown(FakeClient([summary], pins=summary.pins.total)) as (_, pilot):
        await has(pilot, "palette")
        await at_every_size(state, pilot, is_rewritten=is_rewritten)


async def test_no_daemon(is_rewritten: bool) -> None:
    client = FakeClient()
    client.feed_fault = DaemonNotRunning()
    async with shown(client, options=Options(start_daemon=lambda: None)) as (_, pilot):
        await has(pilot, "not running", "starts it")
        await at_every_size("no-daemon", pilot, is_rewritten=is_rewritten)


async def test_nothing_followed(is_rewritten: bool) -> None:
    async with shown(FakeClient()) as (_, pilot):
        await has(pilot, "You follow no cluster yet")
        await at_every_size("nothing-followed", pilot, is_rewritten=is_rewritten)


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("daemon-stopped", DaemonNotRunning()),
        ("daemon-silent", DaemonLost("The daemon does not answer in time")),
    ],
)
async def test_daemon_lost(state: str, error: DaemonLost | DaemonNotRunning, is_rewritten: bool) -> None:
    """The last figures stay, with their age."""
    client, clock = FakeClient([a_summary()]), Clock()
    async with shown(client, clock=clock, options=Options(start_daemon=lambda: None)) as (app, pilot):
        await has(pilot, "000-images")
        client.lose(error)
        await has(pilot, "reconnecting")
        clock.advance(75)
        app.tell()
        await has(pilot, "1 min")
        await at_every_size(state, pilot, is_rewritten=is_rewritten)


async def test_unknown_cluster() -> None:
    async with shown(FakeClient([a_summary()]), cluster="books") as (_, pilot):
        await has(pilot, "There is no cluster “books” here", "gutenberg-es")


@pytest.mark.parametrize("size", [(20, 5), (1, 1), (40, 8), (300, 80)], ids=str)
async def test_any_size_will_do(size: tuple[int, int]) -> None:
    """The smallest terminal shows the list, and nothing that would not fit."""
    async with shown(FakeClient([a_summary()]), size) as (app, pilot):
        await pilot.press("down", "enter", "escape", "2", "question_mark", "escape", "slash", "escape")
        await settled(pilot)
        screen = text_of(app)
    assert max(len(line) for line in screen.splitlines()) <= size[0]
    if size[0] >= 20:
        assert "pinned" in screen or "✓" in screen
