"""A monthly cap on pincrew's own nodes: fetching ends at it, serving too, also over a crash; a higher one lifts it."""

from __future__ import annotations

import os

import pytest

from support.machines import Crew, until

pytestmark = [pytest.mark.slow]
MEGABYTE = 1_000_000
FILE_BYTES = 4 * MEGABYTE


def test_it_ends_fetching_and_serving(crew: Crew) -> None:
    curator, follower = crew.machine("curator"), crew.machine("follower")
    made = curator.create("archive", node="embedded")
    ready = curator.serve("archive", "--publish", "127.0.0.1:0")
    for number in range(5):
        (curator.folder / f"file-{number}").write_bytes(os.urandom(FILE_BYTES))
    curator.json_lines("add", *(f"file-{number}" for number in range(5)))
    # At such a rate what comes within a second, in which it may go beyond the cap, is little.
    follower.run("limits", "--download", "4MB", "--monthly-cap", "10MB")
    follower.follow(f"{ready['publish']}#{made['id']}", "--all", node="embedded")
    assert "10.0 MB" in follower.until_reason("archive", "monthly_cap")
    summary = follower.until_state("archive", "paused")
    assert summary.paused_until is not None and summary.pins.pinned < 5
    network = follower.json("limits")["network"]
    assert network["is_month_over"] and network["month_received"] + network["month_sent"] >= 10 * MEGABYTE
    until(lambda: not follower.summary("archive").progress.flights, "nothing is under way")  # type: ignore[union-attr]
    assert follower.client.limits("archive").kept < 16 * MEGABYTE

    follower.kill()
    follower.run("daemon", "start")
    follower.adopt()
    follower.until_reason("archive", "monthly_cap")
    assert "monthly cap" in follower.run("resume").out
    assert follower.summary("archive").state == "paused"  # type: ignore[union-attr]
    kinds = [event["kind"] for event in follower.json_lines("events")]
    assert kinds.count("monthly_cap_reached") == 1, "once, also over a crash"
    follower.run("limits", "--monthly-cap", "1GB", "--download", "none")
    follower.until_state("archive", "complete")
    assert "monthly_cap_lifted" in [event["kind"] for event in follower.json_lines("events")]

    curator.run("limits", "--monthly-cap", "1MB")
    curator.until_reason("archive", "monthly_cap")
    sent = curator.json("limits")["network"]["month_sent"]
    (curator.folder / "late").write_bytes(os.urandom(FILE_BYTES))
    curator.json_lines("add", "late")
    follower.until("archive", lambda seen: seen.pins.pinning == 1, "it asks for what is new")
    assert curator.json("limits")["network"]["month_sent"] - sent < FILE_BYTES / 10
    assert follower.summary("archive").pins.pinned == 5  # type: ignore[union-attr]
    curator.run("limits", "--monthly-cap", "none")
    follower.until("archive", lambda seen: seen.pins.pinned == 6, "it is served again")
