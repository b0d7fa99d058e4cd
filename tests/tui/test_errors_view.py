"""View 4."""

from __future__ import annotations

from support.acting_client import LIST, ActingClient, reads
from support.fake_client import a_pin
from support.screens import has, shown, text_of, until


async def test_causes_and_what_to_do_about_each() -> None:
    async with shown(ActingClient(), (100, 30)) as (_, pilot):
        await pilot.press("4")
        await has(pilot, "12 errors, 3 causes", "no provider found", "in 2 hours", "IPFS: block too large [red]")
        await reads(pilot, "What to do: nothing at first: it is tried again")
        await pilot.press("down", "down")
        await reads(pilot, "What to do: look at the IPFS node and its log", "will not retry")


async def test_the_pins_of_a_cause_are_shown_and_tried_again() -> None:
    client = ActingClient()
    async with shown(client, (100, 30)) as (app, pilot):
        await pilot.press("exclamation_mark")
        await has(pilot, "12 errors, 3 causes")
        await pilot.press("r")
        assert not client.done, "a cause is no pin"
        await pilot.press("down", "enter")
        await has(pilot, "2 pins: providers seen, none answers", "pg000004-images.zip", "pg000012-images.zip")
        await pilot.press("space", "r")
        await until(pilot, lambda: client.done == [("retry", LIST, a_pin(4).cid)])
        await pilot.press("escape")
        await has(pilot, "12 errors, 3 causes")
        assert "pg000004" not in text_of(app)


async def test_nothing_is_wrong() -> None:
    client = ActingClient()
    client.error_counts = [0, 0, 0]
    async with shown(client) as (_, pilot):
        await pilot.press("4")
        await has(pilot, "✓ No pin is in error.")


async def test_ten_thousand_errors_freeze_nothing() -> None:
    client = ActingClient()
    client.error_counts = [10_000, 2, 1]
    async with shown(client, (100, 30)) as (app, pilot):
        await pilot.press("4", "enter")
        await has(pilot, "the first 2,000 of 10,000 pins: no provider found")
        await pilot.press("end", "home")
        assert "pg000004" in text_of(app)
