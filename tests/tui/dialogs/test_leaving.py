"""Leaving a cluster."""

from __future__ import annotations

import threading

from pincrew.api.shapes import Left, NodeInfo
from pincrew.errors import NodeDown
from support.acting_client import LIST, ActingClient, reads, told
from support.fake_client import a_summary
from support.screens import shown, text_of, until


async def test_the_name_has_to_be_typed() -> None:
    client = ActingClient()
    async with shown(client) as (app, pilot):
        await pilot.press("L")
        await reads(pilot, "Leave gutenberg-es?", "1,036,120 pins (1.31 TB) would be unpinned", "12 pins stay")
        await pilot.press("enter")
        await until(pilot, lambda: len(app.screen_stack) == 1)
        await pilot.press("L")
        await reads(pilot, "12 pins stay", "same as: pincrew leave -c gutenberg-es")
        await pilot.click("#name")
        await pilot.press(*"gutenberg", "enter")
        assert not client.done and "▎ Leave" not in text_of(app)
        await pilot.press("minus", "e", "s", "enter")
        await until(pilot, lambda: client.done == [("leave", LIST)])
        await until(pilot, lambda: len(app.screen_stack) == 1)
        await told(pilot, "1,036,120 pins (1.31 TB) unpinned")


class SlowToLeave(ActingClient):
    """Leaves when it is told to."""

    may_leave = threading.Event()
    fails = False

    def leave(self, name: str, *, dry_run: bool) -> Left:
        if not dry_run:
            self.may_leave.wait(10)
            if self.fails:
                raise NodeDown(means="Leave again once it is back")
        return super().leave(name, dry_run=dry_run)


async def leaving(client: SlowToLeave, *, closes: bool, expected: str) -> None:
    client.may_leave = threading.Event()
    async with shown(client) as (app, pilot):
        await pilot.press("L")
        await reads(pilot, "12 pins stay")
        await pilot.click("#name")
        await pilot.press(*"gutenberg-es", "enter")
        await reads(pilot, "escape lets it go on")
        if closes:
            await pilot.press("escape")
            await until(pilot, lambda: len(app.screen_stack) == 1)
        client.may_leave.set()
        await (told(pilot, expected) if closes or not client.fails else reads(pilot, expected))
        assert len(app.screen_stack) == (2 if client.fails and not closes else 1)


async def test_it_goes_on_when_the_dialog_is_closed() -> None:
    client = SlowToLeave()
    await leaving(client, closes=True, expected="1,036,120 pins (1.31 TB)")
    assert client.done == [("leave", LIST)]


async def test_what_went_wrong_is_told_either_way() -> None:
    client = SlowToLeave()
    client.fails = True
    await leaving(client, closes=False, expected="✗ The IPFS node does not answer. Leave again once it is")
    await leaving(client, closes=True, expected="The IPFS node does not answer")


async def test_a_node_that_is_down_is_told_of() -> None:
    down = NodeInfo("kubo", "http://127.0.0.1:5001", "down", None, None)
    async with shown(ActingClient([a_summary(node=down)])) as (_, pilot):
        await pilot.press("L")
        await reads(pilot, "The IPFS node does not answer: what it has pinned stays")
