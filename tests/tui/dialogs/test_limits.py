"""The form of limits."""

from __future__ import annotations

from pincrew.tui.app import TerminalView
from textual.pilot import Pilot
from textual.widgets import Input

from pincrew.api.shapes import LimitsRequest, NetworkLimitsRequest
from pincrew.errors import Misuse
from support.acting_client import LIST, ActingClient, reads, told
from support.fake_client import a_summary
from support.screens import shown, text_of, until


async def opened(pilot: Pilot[None]) -> None:
    await pilot.press("l")
    await reads(pilot, "1.31 TB are kept, 12.0 GB more reserved", "3.40 TB of 4.00 TB")


def type_in(app: TerminalView, name: str, text: str) -> None:
    app.screen.query_one(f"#{name}", Input).value = text


async def test_what_holds_is_shown_and_nothing_can_be_done_yet() -> None:
    client = ActingClient()
    async with shown(client, (100, 30)) as (app, pilot):
        await opened(pilot)
        fields = {each.id: each.value for each in app.screen.query(Input)}
        assert fields["limit"] == "2TB" and fields["keep_free"] == "10 %" and fields["monthly_cap"] == "none"
        assert fields["download"] == "6MB" and fields["quiet_hours"] == "mon-fri 09:00-18:00"
        assert "Change" not in text_of(app) and "same as" not in text_of(app)
        await pilot.press("enter")
        await until(pilot, lambda: len(app.screen_stack) == 1)
        assert not client.done


async def test_what_a_lower_limit_would_unpin_is_said_before_it_is_done() -> None:
    client = ActingClient()
    async with shown(client, (100, 30)) as (app, pilot):
        await opened(pilot)
        type_in(app, "limit", "1TB")
        await reads(pilot, "The newest 412,003 pins (310.0 GB) would have to be unpinned", "--limit 1TB --unpin")
        assert not client.done
        await pilot.click("#answer-2")
        await until(pilot, lambda: client.done == [("limits", LIST, LimitsRequest(limit="1TB", excess="unpin"))])
        await told(pilot, "412,003 pins will be unpinned now")


async def test_what_lies_outside_of_the_part_is_told_as_such() -> None:
    client = ActingClient()
    client.chosen = "part"
    async with shown(client, (100, 30)) as (app, pilot):
        await opened(pilot)
        type_in(app, "limit", "1TB")
        await reads(pilot, "412,003 pins (310.0 GB) outside of the part that fits would have to be unpinned")


async def test_what_is_beyond_may_stay() -> None:
    client = ActingClient()
    async with shown(client, (100, 30)) as (app, pilot):
        await opened(pilot)
        type_in(app, "limit", "1TB")
        await reads(pilot, "Leave them pinned")
        await pilot.click("#answer-1")
        await until(pilot, lambda: client.done == [("limits", LIST, LimitsRequest(limit="1TB", excess="leave"))])


async def test_a_higher_limit_and_other_ones_of_the_line() -> None:
    client = ActingClient()
    async with shown(client, (100, 30)) as (app, pilot):
        await opened(pilot)
        type_in(app, "limit", "3TB")
        type_in(app, "keep_free", "15")
        type_in(app, "part", "part")
        type_in(app, "upload", "none")
        type_in(app, "monthly_cap", "500GB")
        await reads(pilot, "Nothing has to be unpinned", "15 --part part && pincrew limits --monthly-cap 500GB")
        await pilot.click("#answer-0")
        await until(
            pilot,
            lambda: (
                client.done
                == [
                    ("limits", LIST, LimitsRequest(limit="3TB", keep_free=15, part="part")),
                    ("network", NetworkLimitsRequest(monthly_cap="500GB")),
                ]
            ),
        )
        await told(pilot, "settings.toml")


async def test_what_is_no_size_is_told_while_it_is_typed() -> None:
    client = ActingClient()
    async with shown(client, (100, 30)) as (app, pilot):
        await opened(pilot)
        type_in(app, "download", "fast")
        await reads(pilot, "'fast' is not a size")
        assert "Change" not in text_of(app)
        type_in(app, "download", "9MB")
        await reads(pilot, "Change", "--download 9MB")


async def test_what_the_daemon_refuses_stands_in_the_dialog() -> None:
    client = ActingClient()
    async with shown(client, (100, 30)) as (app, pilot):
        await opened(pilot)
        type_in(app, "limit", "3TB")
        await reads(pilot, "Change")
        client.fault = Misuse("pincrew's own IPFS node cannot work with less", means="Nothing was changed")
        await pilot.click("#answer-0")
        await reads(pilot, "cannot work with less. Nothing was changed.")
        assert len(app.screen_stack) == 2


async def test_a_curator_has_limits_of_the_line_alone() -> None:
    async with shown(ActingClient([a_summary(role="curator")]), (100, 30)) as (app, pilot):
        await pilot.press("l")
        await reads(pilot, "A curator keeps its whole list")
        assert "Hold at most" not in text_of(app) and "Fetch" in text_of(app)
