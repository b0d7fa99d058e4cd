"""View 3."""

from __future__ import annotations

from support.acting_client import ActingClient, a_peer, reads
from support.screens import has, settled, shown, text_of


async def test_curators_come_first_and_names_are_harmless() -> None:
    client = ActingClient()
    client.peer_count = 6
    async with shown(client, (100, 30)) as (app, pilot):
        await pilot.press("3")
        screen = await has(pilot, "6 peers, 6 connected   ★ 3 curators")
        lines = [line.strip() for line in screen.splitlines()[4:10]]
        assert [line.startswith("★") for line in lines] == [True, True, True, False, False, False]
        assert "\x1b" not in screen and "�evil�[2J" in screen and "[red]markup[/red]" in screen
        assert "名前がとても長いピア" in screen.replace("\ufe0e", "")
        await reads(pilot, a_peer(0).id)
        await pilot.press("down")
        await reads(pilot, a_peer(1).id)
        await has(pilot, "region=eu zone=[b]")
        assert "Details" not in text_of(app), "a key that does nothing is not offered"


async def test_who_is_away_was_seen_some_time_ago() -> None:
    client = ActingClient()
    client.peer_count = 7
    async with shown(client, (100, 30)) as (_, pilot):
        await pilot.press("3")
        await has(pilot, "7 peers, 6 connected", "3 minutes ago")


async def test_no_peer_at_all() -> None:
    client = ActingClient()
    client.peer_count = 0
    async with shown(client) as (_, pilot):
        await pilot.press("3")
        await has(pilot, "No peer has been seen yet. Key d looks for what is wrong.")


async def test_of_five_thousand_the_first_are_shown() -> None:
    client = ActingClient()
    client.peer_count = 5_000
    async with shown(client, (140, 36)) as (app, pilot):
        await pilot.press("3")
        await has(pilot, "5,000 peers", "the first 2,000 are shown")
        await pilot.press("end")
        await settled(pilot)
        assert "loading" not in text_of(app)
