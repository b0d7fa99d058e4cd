"""The other views and the dialogs at four sizes: tests/tui/snapshots holds how each looks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from textual.widgets import Input

from pincrew.api.shapes import Reason
from support.acting_client import ActingClient, reads
from support.fake_client import a_summary
from support.screens import SIZES, looks, settled, shown
from support.shape_examples import CID


def clusters() -> ActingClient:
    """Three clusters."""
    return ActingClient([a_summary(), a_summary("films", state="paused"), a_summary("maps", role="curator")])


def asked() -> ActingClient:
    """A cluster with a mass removal."""
    return ActingClient([a_summary(state="consent", reasons=[Reason("mass_removal", "41,233 pins left", None)])])


def offered() -> ActingClient:
    """A cluster with new terms."""
    return ActingClient([a_summary(state="consent", reasons=[Reason("config_changed", "new terms", None)])])


def curated() -> ActingClient:
    """A cluster of one's own."""
    return ActingClient([a_summary(role="curator")])


# What is shown -> who answers, the keys that lead there, and what can be read then.
SCREENS: dict[str, tuple[Callable[[], ActingClient], Sequence[str], str]] = {
    "peers": (ActingClient, ["3"], "41 peers"),
    "errors": (ActingClient, ["4"], "12 errors, 3 causes"),
    "errors-of-a-cause": (ActingClient, ["4", "enter"], "9 pins: no provider found"),
    "activity": (ActingClient, ["5"], "60 events"),
    "coverage": (ActingClient, ["6"], "about 4.4 copies"),
    "clusters": (clusters, ["0"], "3 clusters"),
    "doctor": (ActingClient, ["d"], "1 check failed"),
    "dialog-pause": (ActingClient, ["p"], "for 30 minutes"),
    "dialog-limits": (ActingClient, ["l"], "1.31 TB are kept"),
    "dialog-retry": (ActingClient, ["R"], "12 pins in error"),
    "dialog-skip": (ActingClient, ["space", "space", "x"], "2 pins, 207.9 kB"),
    "dialog-next": (ActingClient, ["space", "space", "n"], "2 pins, 207.9 kB"),
    "dialog-leave": (ActingClient, ["L"], "1,036,120 pins"),
    "dialog-removals": (asked, ["c"], "41,233 pins"),
    "dialog-source": (offered, ["c"], "It would change"),
    "dialog-join": (ActingClient, ["a"], "Paste what its curators"),
    "dialog-add": (curated, ["A"], "Everybody who follows"),
    "dialog-edit": (curated, ["e"], "expires"),
    "dialog-remove": (curated, ["space", "D"], "1 pin, 100.0 kB"),
}

# What is typed into a dialog, and what can be read then.
TYPED: dict[str, tuple[str, dict[str, str], str]] = {
    "dialog-limits-lowered": ("dialog-limits", {"limit": "1TB"}, "would have to be"),
    "dialog-leave-named": ("dialog-leave", {"name": "gutenberg-es"}, "Cancel Leave"),
    "dialog-join-offer": ("dialog-join", {"source": "https://example.org/books.toml"}, "Join “Books”?"),
    "dialog-add-typed": ("dialog-add", {"cid": CID, "name": "books/quijote"}, "books/quijote"),
}


@pytest.mark.parametrize("name", [*SCREENS, *TYPED])
async def test_screen(name: str, is_rewritten: bool) -> None:
    screen, fields, then = TYPED.get(name, (name, {}, ""))
    client, keys, words = SCREENS[screen]
    async with shown(client()) as (app, pilot):
        for key in keys:
            await pilot.press(key)
            await settled(pilot)
        await reads(pilot, words)
        for field, text in fields.items():
            app.screen.query_one(f"#{field}", Input).value = text
        if name == "dialog-join-offer":
            await pilot.press("enter")
        if then:
            await reads(pilot, then)
        for width, height in SIZES:
            await pilot.resize_terminal(width, height)
            await looks(pilot, f"{name}-{width}x{height}", is_rewritten=is_rewritten)
