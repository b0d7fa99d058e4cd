"""Dialogs that ask first what would come of it."""

from __future__ import annotations

import pytest

from pincrew import limits
from pincrew.errors import NodeDown
from support.acting_client import ActingClient, reads
from support.screens import shown, text_of, until


async def test_until_the_plan_is_known_only_the_harmless_answer_can_be_given() -> None:
    client = ActingClient()
    async with shown(client) as (app, pilot):
        client.gate.clear()
        await pilot.press("R")
        assert "looking what that comes to" in text_of(app) and "Try again" not in text_of(app)
        await pilot.press("right", "enter")
        await until(pilot, lambda: len(app.screen_stack) == 1)
        assert not client.done
        client.gate.set()


async def test_a_plan_that_could_not_be_made_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "VIEW_RETRY_S", 0.1)
    client = ActingClient()
    async with shown(client) as (_, pilot):
        client.fault = NodeDown()
        await pilot.press("R")
        await reads(pilot, "✗ The IPFS node does not answer.")
        client.fault = None
        asked = client.asked.count("errors")
        await until(pilot, lambda: client.asked.count("errors") > asked)
        await reads(pilot, "12 pins in error")
