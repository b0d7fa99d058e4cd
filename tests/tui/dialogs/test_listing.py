"""What a curator does to the list."""

from __future__ import annotations

from pincrew.tui.app import Options
from textual.pilot import Pilot
from textual.widgets import Input

from pincrew.api.shapes import PinRequest
from support.acting_client import LIST, ActingClient, reads, told
from support.fake_client import a_pin, a_summary
from support.screens import shown, text_of, until
from support.shape_examples import CID

CURATED = a_summary(role="curator")


def field(pilot: Pilot[None], name: str) -> Input:
    return pilot.app.screen.query_one(f"#{name}", Input)


async def test_a_cid_is_put_on_the_list() -> None:
    client = ActingClient([CURATED])
    async with shown(client) as (app, pilot):
        await pilot.press("A")
        await reads(
            pilot, "Everybody who follows gutenberg-es will fetch and keep it. The list has 1,204,311 pins now."
        )
        assert "Add" not in text_of(app).splitlines()[-6]
        field(pilot, "cid").value = CID
        field(pilot, "name").value = "books/quijote"
        field(pilot, "expire").value = "30d"
        await reads(pilot, f"pin add -c gutenberg-es --name books/quijote --expire-in 30d {CID}")
        await pilot.press("enter")
        expected = PinRequest(cid=CID, name="books/quijote", expire_at="2026-12-22T12:00:00Z")
        await until(pilot, lambda: client.done == [("write", LIST, expected)])
        await told(pilot, "books/quijote is on the list")


async def test_what_is_no_cid_is_told() -> None:
    client = ActingClient([CURATED])
    async with shown(client) as (_, pilot):
        await pilot.press("A")
        await reads(pilot, "CID")
        await pilot.press(*"nocid", "enter")
        await reads(pilot, "✗ 'nocid' is not a CID")
        field(pilot, "cid").value = CID
        field(pilot, "expire").value = "soon"
        await pilot.press("enter")
        await reads(pilot, "✗ 'soon' is not a time")
        assert not client.done


async def test_a_pin_gets_another_name_and_all_else_stays() -> None:
    client = ActingClient([CURATED])
    async with shown(client) as (_, pilot):
        await pilot.press("e")
        await reads(pilot, "Change a pin", "100.0 kB, expires", "quijote.zip")
        field(pilot, "name").value = "Don Quijote"
        await reads(pilot, "pin add -c gutenberg-es --name 'Don Quijote' --metadata=by=ana")
        await pilot.pause()
        await pilot.click("#name")
        await pilot.press("enter")
        await until(pilot, lambda: bool(client.done))
        request = client.done[0][2]
        assert (request.cid, request.name, request.size) == (a_pin(0).cid, "Don Quijote", 100_000)
        assert (request.metadata, request.expire_at) == ({"by": "ana"}, "2027-01-01T00:00:00Z")
        assert request.timestamp == "2026-01-01T00:00:00Z", "it is no newer for that"


async def test_a_pin_expires_no_more() -> None:
    client = ActingClient([CURATED])
    async with shown(client) as (_, pilot):
        await pilot.press("e")
        await reads(pilot, "expires")
        field(pilot, "expire").value = "never"
        await pilot.pause()
        await pilot.click("#expire")
        await pilot.press("enter")
        await until(pilot, lambda: bool(client.done))
        assert client.done[0][2].expire_at is None


async def test_marked_pins_leave_the_list_after_a_question() -> None:
    client = ActingClient([CURATED])
    async with shown(client) as (_, pilot):
        await pilot.press("space", "space", "D")
        await reads(pilot, "Take these pins off the list?", "2 pins, 207.9 kB", "keep them for a day", "50 peers")
        await pilot.press("right", "enter")
        await until(pilot, lambda: bool(client.done))
        assert [(each.cid, each.remove) for each in client.done[0][2:]] == [
            (a_pin(0).cid, True),
            (a_pin(1).cid, True),
        ]
        await told(pilot, "2 pins removed")


async def test_followers_and_watchers_have_none_of_these_keys() -> None:
    for client, options in (
        (ActingClient(), Options()),
        (ActingClient([CURATED]), Options(is_read_only=True)),
    ):
        async with shown(client, options=options) as (app, pilot):
            await pilot.press("A", "e", "D")
            await pilot.pause()
            assert len(app.screen_stack) == 1
