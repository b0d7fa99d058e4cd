"""A running cluster's pause as its API shows and changes it: on disk, in the state, and over a restart."""

from __future__ import annotations

import pytest

from pincrew.errors import Misuse
from pincrew.paths import Home
from pincrew.settings_files import load_cluster
from unit.test_roster import calling, home, made, trio_test

__all__ = ["home"]


@trio_test
async def test_it_is_kept_and_shown(home: Home) -> None:
    made(home, "books")
    settings = home.cluster("books").settings
    async with calling(home) as roster:
        await roster.start("books", None)
        paused = await roster.cluster("books").pauses.change("2100-01-01T00:00:00Z", is_paused=True)
        assert (paused.is_paused, paused.until) == (True, "2100-01-01T00:00:00.000Z")
        assert load_cluster(settings).paused == "2100-01-01T00:00:00Z"
        await roster.stop("books")
        summary = await roster.start("books", None)
        assert (summary.state, summary.paused_until) == ("paused", "2100-01-01T00:00:00.000Z")
        paused = await roster.cluster("books").pauses.change(None, is_paused=True)
        assert (paused.is_paused, paused.until, load_cluster(settings).paused) == (True, None, "yes")
        resumed = await roster.cluster("books").pauses.change(None, is_paused=False)
        assert (resumed.is_paused, load_cluster(settings).paused) == (False, "")
        assert roster.cluster("books").summary().state != "paused"


@pytest.mark.parametrize("until", ["", "soon", "2020-01-01T00:00:00Z"])
def test_a_pause_ends_in_the_future(home: Home, until: str) -> None:
    @trio_test
    async def refused(home: Home) -> None:
        made(home, "books")
        async with calling(home) as roster:
            await roster.start("books", None)
            with pytest.raises(Misuse):
                await roster.cluster("books").pauses.change(until, is_paused=True)
            assert load_cluster(home.cluster("books").settings).paused == ""

    refused(home)


@trio_test
async def test_a_month_that_is_over_pauses_whatever_the_user_says(home: Home) -> None:
    made(home, "books")
    async with calling(home) as roster:
        await roster.start("books", None)
        cluster = roster.cluster("books")
        peer, month_ends_ms = cluster.peer, 4_102_444_800_000
        peer.end_month(month_ends_ms, "The 500.0 GB are used up")
        summary = cluster.summary()
        assert (summary.state, summary.paused_until) == ("paused", "2100-01-01T00:00:00.000Z")
        assert [reason.code for reason in summary.reasons if reason.code == "monthly_cap"]
        resumed = await cluster.pauses.change(None, is_paused=False)
        assert (resumed.is_paused, resumed.until) == (True, "2100-01-01T00:00:00.000Z")
        assert (await cluster.pauses.change("2101-01-01T00:00:00Z", is_paused=True)).until == "2101-01-01T00:00:00.000Z"
        assert (await cluster.pauses.change("2099-01-01T00:00:00Z", is_paused=True)).until == "2100-01-01T00:00:00.000Z"
        assert (await cluster.pauses.change(None, is_paused=True)).until is None, "until he resumes it"
        await cluster.pauses.change(None, is_paused=False)
        peer.begin_month()
        summary = cluster.summary()
        assert summary.state != "paused" and not [one for one in summary.reasons if one.code == "monthly_cap"]
