"""View 6."""

from __future__ import annotations

from pincrew.tui.coverage_view import bars

from pincrew.api.shapes import CopiesBar
from support.acting_client import LIST, ActingClient, reads
from support.fake_client import a_pin
from support.screens import has, shown


def test_bars_are_as_long_as_their_share_and_never_nothing_for_something() -> None:
    client = ActingClient()
    lines = bars(client.coverage(LIST, 0), 40)
    assert [piece[1].text.count("━") for piece in lines] == [0, 1, 1, 4, 17, 20]
    assert lines[1][1].tone == "bad" and lines[-1][0].text == " 5 or more "
    client.bars = []
    assert bars(client.coverage(LIST, 0), 40) == []


async def test_the_estimate_and_the_pins_with_the_fewest() -> None:
    async with shown(ActingClient(), (100, 30)) as (_, pilot):
        await pilot.press("6")
        await has(pilot, "about 4.4 copies of a pin, of 5 wanted", "± 0.4 %", "0.4±0.3", "49,748 pins")
        await reads(pilot, a_pin(0).cid)


async def test_nothing_is_listed() -> None:
    client = ActingClient()
    client.bars = [CopiesBar(0, 0, 0)]
    async with shown(client) as (_, pilot):
        await pilot.press("6")
        await has(pilot, "Nothing is listed that everybody may keep.")
