"""The user's word on what left the list."""

from __future__ import annotations

import msgspec
import pytest

from pincrew.api.shapes import Reason
from support.acting_client import LIST, ActingClient, reads
from support.fake_client import a_summary
from support.screens import shown, text_of, until

ASKED = a_summary(state="consent", reasons=[Reason("mass_removal", "41,233 pins left the list", None)])


@pytest.mark.parametrize(("button", "decision"), [("#answer-0", "reject"), ("#answer-1", "accept")])
async def test_it_is_said_what_is_held_and_decided(button: str, decision: str) -> None:
    client = ActingClient([ASKED])
    async with shown(client) as (app, pilot):
        await pilot.press("c")
        await reads(pilot, "41,233 pins (1.00 TB) left the list", "and 41,231 more", "Unpinned in 6 days")
        await pilot.click(button)
        await until(pilot, lambda: client.done == [("removals", LIST, decision)])
        await until(pilot, lambda: len(app.screen_stack) == 1)


async def test_enter_decides_nothing_and_what_is_decided_is_not_asked_again() -> None:
    client = ActingClient([ASKED])
    async with shown(client) as (app, pilot):
        await pilot.press("c", "enter")
        await until(pilot, lambda: len(app.screen_stack) == 1)
        client.held = msgspec.structs.replace(client.held, decided="accept")
        await pilot.press("c")
        await reads(pilot, "You have decided")
        assert "Unpin them" not in text_of(app) and not client.done
