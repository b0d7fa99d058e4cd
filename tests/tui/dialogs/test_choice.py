"""Skipping pins, keeping them again, fetching them next."""

from __future__ import annotations

from pincrew.errors import Conflict
from support.acting_client import LIST, ActingClient, reads, told
from support.fake_client import a_pin
from support.screens import shown, until


async def test_a_pin_is_skipped_after_a_question() -> None:
    client = ActingClient()
    async with shown(client) as (app, pilot):
        await pilot.press("x")
        await reads(pilot, "Skip these pins?", "1 pin, 100.0 kB", "pg000000-images.zip", "same as: pincrew skip -c")
        await pilot.press("enter")
        await until(pilot, lambda: len(app.screen_stack) == 1)
        assert not client.done
        await pilot.press("x")
        await reads(pilot, "1 pin, 100.0 kB")
        await pilot.press("right", "enter")
        await until(pilot, lambda: client.done == [("choose", LIST, (a_pin(0).cid,), "skip")])
        await told(pilot, "1 pin is not kept here any more.")


async def test_what_is_skipped_already_is_kept_again() -> None:
    client = ActingClient()
    async with shown(client) as (_, pilot):
        await pilot.press(*["down"] * 5, "x")
        await reads(pilot, "Keep these pins again?", "--undo")
        await pilot.press("right", "enter")
        await until(pilot, lambda: client.done == [("choose", LIST, (a_pin(5).cid,), None)])


async def test_one_pin_is_fetched_next_at_once_and_several_after_a_question() -> None:
    client = ActingClient()
    async with shown(client) as (app, pilot):
        await pilot.press("n")
        await until(pilot, lambda: client.done == [("choose", LIST, (a_pin(0).cid,), "next")])
        assert len(app.screen_stack) == 1
        await pilot.press("space", "space", "n")
        await reads(pilot, "Fetch these pins next?", "2 pins, 207.9 kB", "… (and 1 more)")
        await pilot.press("right", "enter")
        await until(pilot, lambda: client.done[1:] == [("choose", LIST, (a_pin(0).cid, a_pin(1).cid), "next")])


async def test_what_cannot_be_asked_is_told_and_asked_again() -> None:
    client = ActingClient()
    async with shown(client) as (_, pilot):
        client.fault = Conflict("gutenberg-es is being left")
        await pilot.press("x")
        await reads(pilot, "✗ gutenberg-es is being left.", "looking what that comes to")
