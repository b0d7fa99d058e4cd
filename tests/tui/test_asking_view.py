"""When the views ask: while they are visible, once at a time, and again after trouble."""

from __future__ import annotations

import pytest
from pincrew.tui.asking_view import AskingView

from pincrew import limits
from pincrew.errors import WorldFault
from support.acting_client import ActingClient
from support.screens import has, settled, shown, until

VIEWS = {"3": "peers", "4": "errors", "5": "events", "6": "coverage", "d": "doctor"}


@pytest.mark.parametrize("key", VIEWS)
async def test_a_hidden_view_asks_nothing(key: str) -> None:
    client = ActingClient()
    async with shown(client) as (app, pilot):
        assert VIEWS[key] not in client.asked
        await pilot.press(key)
        await until(pilot, lambda: VIEWS[key] in client.asked)
        await settled(pilot)
        view = next(each for each in app.query(AskingView) if each.is_open)
        await pilot.press("2")
        await settled(pilot)
        client.asked.clear()
        assert not view.is_open and view._timer is None
        await settled(pilot)
        assert VIEWS[key] not in client.asked


async def test_a_slow_daemon_is_not_asked_twice() -> None:
    client = ActingClient()
    async with shown(client) as (app, pilot):
        client.gate.clear()
        await pilot.press("3")
        await until(pilot, lambda: client.asked.count("peers") == 1)
        for _ in range(3):
            app.query_one(AskingView).ask_now()
        assert client.asked.count("peers") == 1
        client.gate.set()
        await has(pilot, "41 peers")
        assert client.asked.count("peers") == 1


async def test_what_went_wrong_is_said_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "VIEW_RETRY_S", 0.3)
    client = ActingClient()
    async with shown(client) as (_, pilot):
        client.fault = WorldFault("The disk [red] is full", next_step="Free some")
        await pilot.press("4")
        await has(pilot, "✗ The disk [red] is full. Free some.")
        client.fault = None
        await has(pilot, "12 errors, 3 causes")
