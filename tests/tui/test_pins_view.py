"""What the list says while there is nothing in it."""

from __future__ import annotations

import pytest

from support.fake_client import FakeClient, a_summary
from support.screens import has, shown, text_of

EMPTY = dict.fromkeys(("total", "pinned", "pinning", "queued", "error", "skipped", "remote"), 0)


@pytest.mark.parametrize(
    ("role", "state", "said"),
    [
        ("follower", "joining", "The list is on its way"),
        ("follower", "complete", "Nothing is on this list yet"),
        ("curator", "complete", "A puts a CID on it"),
    ],
)
async def test_an_empty_list_explains_itself(role: str, state: str, said: str) -> None:
    client = FakeClient([a_summary(role=role, state=state, pins=EMPTY)], pins=0)
    async with shown(client) as (_, pilot):
        screen = await has(pilot, said)
        assert "Details" not in screen, "a key that does nothing is not offered"


async def test_a_filter_that_finds_nothing_says_how_to_end_it() -> None:
    async with shown(FakeClient([a_summary()]), (140, 36)) as (app, pilot):
        await has(pilot, "copy CID")
        await pilot.press("slash", *"nowhere")
        await has(pilot, "No pin is like that. Esc takes the filter away.")
        assert "copy CID" not in text_of(app), "there is no pin to tell of"
        await pilot.press("escape")
        await has(pilot, "1,204,311 pins")
