"""The pause menu."""

from __future__ import annotations

import msgspec

from pincrew.errors import WorldFault
from support.acting_client import LINE, LIST, ActingClient, reads, told
from support.fake_client import a_summary
from support.screens import shown, text_of, until


async def test_a_length_is_chosen_and_its_command_shown() -> None:
    client = ActingClient()
    async with shown(client) as (app, pilot):
        await pilot.press("p")
        await reads(pilot, "Pause: fetch nothing new?", "for 8 hours", "pincrew pause -c gutenberg-es --for 30m")
        await pilot.press("down")
        await reads(pilot, "--for 1h")
        await pilot.press("enter")
        await until(pilot, lambda: client.done == [("pause", LIST, "2026-11-22T13:00:00Z")])
        await until(pilot, lambda: len(app.screen_stack) == 1)
        await told(pilot, "is paused until")


async def test_until_it_is_resumed_and_until_the_quiet_hours_end() -> None:
    client = ActingClient()
    client.line_now = msgspec.structs.replace(LINE, quiet_hours="sat,sun,mon 00:00-24:00")
    async with shown(client) as (_, pilot):
        await pilot.press("p")
        await reads(pilot, "the quiet hours")
        await pilot.press("end")
        await reads(pilot, "same as: pincrew pause -c gutenberg-es")
        await pilot.press("up")
        await reads(pilot, "--until-quiet-ends")
        await pilot.press("down", "enter")
        await until(pilot, lambda: client.done == [("pause", LIST, None)])


async def test_a_pause_is_ended_at_once() -> None:
    client = ActingClient([a_summary(state="paused")])
    async with shown(client) as (app, pilot):
        await pilot.press("p")
        await until(pilot, lambda: client.done == [("resume", LIST)])
        assert len(app.screen_stack) == 1
        await told(pilot, "goes on")


async def test_it_answers_while_the_daemon_does_not_and_says_what_went_wrong() -> None:
    client = ActingClient()
    async with shown(client) as (app, pilot):
        client.gate.clear()
        await pilot.press("p", "down")
        assert "--for 1h" in text_of(app)
        await pilot.press("escape")
        assert len(app.screen_stack) == 1
        client.gate.set()
        client.fault = WorldFault("The disk is full [red]", next_step="Free some")
        await pilot.press("p", "enter")
        await reads(pilot, "✗ The disk is full [red]. Free some.")
        client.fault = None
        await pilot.press("enter")
        await until(pilot, lambda: bool(client.done))
