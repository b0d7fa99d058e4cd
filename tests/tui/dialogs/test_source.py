"""The user's word on a config document that changes what was agreed to."""

from __future__ import annotations

import msgspec
import pytest

from pincrew.api.shapes import Reason
from support.acting_client import LIST, ActingClient, reads, told
from support.fake_client import a_summary
from support.screens import shown, text_of, until

ASKED = a_summary(reasons=[Reason("config_changed", "new terms", None)])


@pytest.mark.parametrize(("button", "decision"), [("#answer-0", "reject"), ("#answer-1", "accept")])
async def test_the_differences_are_shown_and_decided_about(button: str, decision: str) -> None:
    client = ActingClient([ASKED])
    async with shown(client) as (_, pilot):
        await pilot.press("c")
        await reads(pilot, "It would change:", "curator added: 12D3", "Spanish books and [bold]films[/bold]")
        await pilot.click(button)
        await until(pilot, lambda: client.done == [("source", LIST, decision)])
        await told(pilot, "revision 12 is in force")


async def test_without_a_waiting_document_there_is_nothing_to_decide() -> None:
    client = ActingClient([ASKED])
    client.waiting = msgspec.structs.replace(client.waiting, differences=[])
    async with shown(client) as (app, pilot):
        await pilot.press("c")
        await reads(pilot, "No config document waits")
        assert "Agree" not in text_of(app)
