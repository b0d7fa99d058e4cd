"""View 5."""

from __future__ import annotations

from pincrew import limits
from support.acting_client import ActingClient, reads
from support.screens import has, shown, text_of, until


async def test_the_newest_comes_first_and_what_is_new_is_followed() -> None:
    client = ActingClient()
    async with shown(client, (100, 30)) as (app, pilot):
        await pilot.press("5")
        screen = await has(pilot, "60 events, newest first   following")
        assert "gutenberg/000060.zip" in screen.splitlines()[4]
        client.event_count = 61
        await has(pilot, "gutenberg/000061.zip is pinned")
        await pilot.press("down", "down")
        await has(pilot, "f: follow")
        await reads(pilot, "gutenberg/000059.zip is pinned")
        client.event_count = 63
        await has(pilot, "63 events")
        assert text_of(app).splitlines()[-2].strip() == "gutenberg/000059.zip is pinned", "the cursor stays"
        await pilot.press("f")
        await has(pilot, "following")


async def test_words_filter() -> None:
    async with shown(ActingClient(), (100, 30)) as (app, pilot):
        await pilot.press("5")
        await has(pilot, "60 events")
        await pilot.press("slash", *"node down")
        await has(pilot, "3 of 60 events", "the IPFS node does not answer")
        assert "is pinned" not in "\n".join(text_of(app).splitlines()[4:-3])
        await pilot.press(*" xyz")
        await has(pilot, "Nothing that is kept has these words.")
        await pilot.press("escape")
        await has(pilot, "60 events", "is pinned")


async def test_a_long_day_costs_no_more_than_a_short_one() -> None:
    client = ActingClient()
    client.event_count = 12_000
    async with shown(client) as (app, pilot):
        await pilot.press("5")
        await has(pilot, f"{limits.EVENTS_KEPT_MAX:,} events")
        await pilot.press("end")
        await until(pilot, lambda: "gutenberg/002001.zip" in text_of(app))


async def test_nothing_has_happened() -> None:
    client = ActingClient()
    client.event_count = 0
    async with shown(client) as (_, pilot):
        await pilot.press("5")
        await has(pilot, "Nothing has happened yet.")
