"""View 0."""

from __future__ import annotations

from support.acting_client import ActingClient
from support.fake_client import a_summary
from support.screens import has, shown, until


async def test_every_list_in_a_line_and_enter_shows_it() -> None:
    lists = [a_summary(), a_summary("films", state="paused"), a_summary("[red]maps", role="curator")]
    client = ActingClient(lists)
    async with shown(client, (140, 36), cluster="films") as (app, pilot):
        await pilot.press("0")
        await has(pilot, "3 clusters, 3.93 TB kept   3.40 TB free", "● following", "❚❚ paused", "[red]maps", "curator")
        client.say(lists[0], a_summary("films", state="complete"), lists[2])
        await has(pilot, "✓ complete")
        await pilot.press("up", "enter")
        await until(pilot, lambda: app.cluster == "gutenberg-es")
        await has(pilot, "all states")
