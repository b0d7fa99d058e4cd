"""Trying again what failed."""

from __future__ import annotations

from support.acting_client import LIST, ActingClient, reads, told
from support.fake_client import a_pin
from support.screens import has, shown, text_of, until


async def test_everything_in_error_is_tried_after_a_question() -> None:
    client = ActingClient()
    async with shown(client) as (app, pilot):
        await pilot.press("R")
        await reads(pilot, "12 pins in error", "9 no provider found", "IPFS: block too large [red]", "--all-errors")
        await pilot.press("right", "enter")
        await until(pilot, lambda: client.done == [("retry", LIST, None)])
        await until(pilot, lambda: len(app.screen_stack) == 1)
        await told(pilot, "12 pins are tried again now.")


async def test_one_pin_is_tried_at_once() -> None:
    client = ActingClient()
    async with shown(client) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: client.done == [("retry", LIST, a_pin(0).cid)])
        assert len(app.screen_stack) == 1


async def test_where_nothing_is_in_error_there_is_nothing_to_do() -> None:
    client = ActingClient()
    client.error_counts = [0, 0, 0]
    async with shown(client) as (app, pilot):
        await pilot.press("R")
        await reads(pilot, "No pin is in error")
        assert "Try again" not in text_of(app)


async def test_where_a_filter_is_only_what_it_finds_is_tried() -> None:
    """The daemon tries all or one: it is asked one by one, and the dialog says how many there are."""
    client = ActingClient()
    async with shown(client) as (_, pilot):
        await pilot.press("2", "slash", *"pg0000", "enter")
        await has(pilot, "“pg0000”")
        await pilot.press("R")
        await reads(pilot, "Try these pins again now?", "12 pins in error found by “pg0000”", "(and 11 more)")
        await pilot.press("right", "enter")
        await until(pilot, lambda: len(client.done) == 12)
        assert client.done[0] == ("retry", LIST, a_pin(4).cid) and None not in [act[2] for act in client.done]
        await told(pilot, "12 pins are tried again now.")


async def test_where_a_cause_is_shown_only_its_pins_are_tried() -> None:
    client = ActingClient()
    async with shown(client) as (_, pilot):
        await pilot.press("4")
        await reads(pilot, "12 errors, 3 causes")
        await pilot.press("down", "enter")
        await reads(pilot, "2 pins: providers seen, none answers")
        await pilot.press("R")
        await reads(pilot, "2 pins in error for: providers seen, none answers")
        await pilot.press("right", "enter")
        await until(pilot, lambda: client.done == [("retry", LIST, a_pin(number).cid) for number in (4, 12)])
