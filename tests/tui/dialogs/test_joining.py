"""Joining on one screen."""

from __future__ import annotations

import pytest
from pincrew.tui.app import Options, TerminalView
from textual.pilot import Pilot
from textual.widgets import Checkbox, Input

from pincrew.api.shapes import AcceptRequest, NetworkLimitsRequest
from pincrew.errors import SourceUnreachable
from support.acting_client import ActingClient, reads, told
from support.screens import shown, text_of, until
from support.shape_examples import offer, prospect

SOURCE = "https://example.org/books.toml"


async def looked(pilot: Pilot[None]) -> None:
    """Ask for a join, and look at the source."""
    await pilot.press("a")
    await reads(pilot, "Join a cluster", "Paste what its curators published")
    field(pilot, "source").value = SOURCE
    await pilot.press("enter")
    await reads(pilot, "Join “Books”?")


def field(pilot: Pilot[None], name: str) -> Input:
    return pilot.app.screen.query_one(f"#{name}", Input)


def accepted(client: ActingClient) -> AcceptRequest:
    return next(act[1] for act in client.done if act[0] == "accept")


async def test_enter_takes_the_defaults_and_shows_the_new_list() -> None:
    client = ActingClient()
    async with shown(client, (140, 50)) as (app, pilot):
        await looked(pilot)
        for words in (
            "1,204,311 when this was signed, 1.52 TB",
            "run commands, read your files, or unpin your own pins",
            "your IPFS node answers: kubo/0.43.1",
            "3.40 TB of 4.00 TB are free where it stores",
            "this first fetch is trusted",
            "ab" * 32,
            f"same as: pincrew follow {SOURCE} --limit 3050GB",
        ):
            await reads(pilot, words)
        assert "Network key" not in text_of(app) and "start when I log in" not in text_of(app)
        assert not client.done
        await pilot.press("enter")
        await until(pilot, lambda: app.cluster == "books" and len(app.screen_stack) == 1)
        assert accepted(client) == AcceptRequest(offer="cd" * 32, limit="3050GB")
        await told(pilot, "Closing this view does not stop it")


async def test_answers_other_than_the_defaults() -> None:
    started: list[str] = []
    client = ActingClient()
    options = Options(can_start_at_login=lambda: True, start_at_login=lambda: started.append("yes"))
    async with shown(client, (140, 50), options=options) as (app, pilot):
        await looked(pilot)
        field(pilot, "limit").value = "380GB"
        await reads(pilot, "you keep a part of it: about 25.0 %", "--limit 380GB")
        field(pilot, "download").value = "2MB"
        field(pilot, "peer_name").value = "Ana’s cellar"
        await reads(pilot, "--peer-name 'Ana’s cellar'", "and your name “Ana’s cellar”")
        assert app.screen.query_one("#login", Checkbox).value
        await pilot.click("#answer-1")
        await until(pilot, lambda: bool(started))
        assert accepted(client) == AcceptRequest(offer="cd" * 32, limit="380GB", peer_name="Ana’s cellar")
        assert ("network", NetworkLimitsRequest(download="2MB")) in client.done


async def test_a_closed_list_asks_for_its_key() -> None:
    client = ActingClient()
    client.offered = offer(is_closed=True, needs_secret=True)
    async with shown(client, (140, 50)) as (_, pilot):
        await looked(pilot)
        await reads(pilot, "Network key")
        field(pilot, "secret_file").value = "/media/stick/crew.key"
        await pilot.press("enter")
        await until(pilot, lambda: bool(client.done))
        assert accepted(client).secret_file == "/media/stick/crew.key"


async def test_a_kubo_that_is_silent_can_be_left_alone() -> None:
    client = ActingClient()
    client.met = prospect(node_version=None, volume_total=None, volume_free=None, limit=None)
    async with shown(client, (140, 50)) as (app, pilot):
        await looked(pilot)
        await reads(pilot, "your Kubo, once it is started", "use pincrew's own IPFS node instead")
        assert field(pilot, "limit").value == "none"
        app.screen.query_one("#own_node", Checkbox).value = True
        await reads(pilot, "pincrew's own: it runs with the daemon", "--ipfs embedded", "Send")
        await pilot.click("#answer-1")
        await until(pilot, lambda: bool(client.done))
        assert accepted(client).ipfs == "embedded"


async def test_a_list_that_is_followed_already_is_shown() -> None:
    client = ActingClient()
    client.offered = offer(joined_as="gutenberg-es")
    async with shown(client) as (app, pilot):
        await looked(pilot)
        await reads(pilot, "It is followed already, as gutenberg-es", "Show it")
        await pilot.press("right", "enter")
        await until(pilot, lambda: len(app.screen_stack) == 1)
        assert app.cluster == "gutenberg-es" and not client.done


async def test_what_is_wrong_is_said_where_it_was_typed() -> None:
    client = ActingClient()
    async with shown(client) as (app, pilot):
        await pilot.press("a", "enter")
        await reads(pilot, "No source was typed")
        client.fault = SourceUnreachable(next_step="Try again later")
        field(pilot, "source").value = SOURCE
        await pilot.press("enter")
        await reads(pilot, "✗ The config document could not be fetched. Try again later.")
        client.fault = None
        await pilot.press("enter")
        await reads(pilot, "Join “Books”?")
        field(pilot, "limit").value = "much"
        await reads(pilot, "'much' is not a size")
        field(pilot, "limit").focus()
        await pilot.press("enter")
        await reads(pilot, "✗ 'much' is not a size")
        field(pilot, "limit").value = ""
        await pilot.press("enter")
        await reads(pilot, "How much it may hold was not said")
        await pilot.press("escape")
        await until(pilot, lambda: len(app.screen_stack) == 1)
        assert not client.done


async def test_what_strangers_wrote_steers_nothing() -> None:
    client = ActingClient()
    client.offered = offer(title="[red]\x1b[2J", description="\u202e[bold]" + "d " * 400, warnings=["[link]w"])
    async with shown(client) as (app, pilot):
        await pilot.press("a")
        field(pilot, "source").value = SOURCE
        await pilot.press("enter")
        await reads(pilot, "Join “[red]�[2J”?", "�[bold]d d")
        assert isinstance(app, TerminalView)


@pytest.mark.parametrize("size", [(54, 16), (20, 5)])
async def test_it_can_be_answered_on_a_small_screen(size: tuple[int, int]) -> None:
    client = ActingClient()
    async with shown(client, size) as (_, pilot):
        await pilot.press("a")
        field(pilot, "source").value = SOURCE
        await pilot.press("enter")
        await reads(pilot, "Join")
        await until(pilot, lambda: getattr(pilot.app.focused, "id", "") == "answer-1")
        await pilot.press("pagedown", "enter")
        await until(pilot, lambda: bool(client.done))
