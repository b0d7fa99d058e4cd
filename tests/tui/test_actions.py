"""What keys do: each act that a key names is there, and is called alike."""

from __future__ import annotations

import inspect

import pytest
from pincrew.tui import actions, keymap

from pincrew.errors import WorldFault
from support.acting_client import ActingClient, told
from support.screens import shown


@pytest.mark.parametrize("act", keymap.ACTS, ids=lambda act: act.name)
def test_every_key_has_its_act(act: keymap.Act) -> None:
    function = getattr(actions, act.name)
    assert inspect.iscoroutinefunction(function)
    assert list(inspect.signature(function).parameters) == ["app", "cluster", "cids"]


async def test_what_fails_without_a_dialog_is_told_all_the_same() -> None:
    client = ActingClient()
    async with shown(client) as (app, pilot):
        client.fault = WorldFault("The disk [red] is full")
        await pilot.press("r")
        await told(pilot, "The disk [red] is full.")
        assert len(app.screen_stack) == 1
