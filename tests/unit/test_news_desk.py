"""From summaries to what is told: nothing that hangs holds up anything else, and no queue grows without end."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from pincrew import news_desk
from pincrew.api.shapes import Reason, Summary
from pincrew.errors import WorldFault
from pincrew.news_command import EventCommand
from pincrew.news_desk import NewsDesk, Teller, tellers
from pincrew.news_webhook import Webhook
from pincrew.settings import Settings
from support.shape_examples import summary

SETTLED_S = 81.0  # longer than a start takes to settle
QUEUE_MAX = 5
Noted = list[tuple[str, str, dict[str, Any]]]


@pytest.fixture(autouse=True)
def bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news_desk, "TELLING_QUEUE_MAX", QUEUE_MAX)
    monkeypatch.setattr(news_desk, "TELLING_LOOK_INTERVAL_S", 20.0)


class Listener:
    """Keeps what it is told."""

    name = "listener"

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []

    async def tell(self, fields: Mapping[str, object], body: bytes) -> str:
        self.heard.append(json.loads(body))
        return ""


class Hanging(Listener):
    """Never answers, until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = trio.Event()

    async def tell(self, fields: Mapping[str, object], body: bytes) -> str:
        await self.answers.wait()
        return await super().tell(fields, body)


class Failing(Listener):
    async def tell(self, fields: Mapping[str, object], body: bytes) -> str:
        await super().tell(fields, body)
        raise WorldFault("It failed with exit code 1")


class World:
    """Clusters that a test changes, and a desk that watches them on a clock that runs ahead."""

    def __init__(self, memory: Path, *told: Teller) -> None:
        self.clusters: list[Summary] = [summary(state="complete")]
        self.noted: Noted = []
        self.desk = NewsDesk(
            memory,
            told,
            summaries=lambda: self.clusters,
            note=lambda *what: self.noted.append(what),
            now_ms=lambda: 1_700_000_000_000,
        )

    def run(self, script: Callable[[], Any]) -> None:
        async def main() -> None:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.desk.run)
                await script()
                nursery.cancel_scope.cancel()

        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.05))


def test_each_change_reaches_everyone_and_the_diary(tmp_path: Path) -> None:
    listener, other = Listener(), Listener()
    world = World(tmp_path / "told.json", listener, other)

    async def script() -> None:
        await trio.sleep(SETTLED_S)
        world.clusters = [summary(state="waiting", reasons=[Reason("node_down", "It is down", None)])]
        await trio.sleep(SETTLED_S)
        world.clusters = [summary(state="complete")]
        await trio.sleep(SETTLED_S)

    world.run(script)
    assert [(one["kind"], one["state"], one["code"]) for one in listener.heard] == [
        ("state", "complete", None),
        ("trouble", "waiting", None),
        ("trouble", "waiting", "node_down"),
        ("all_clear", "complete", None),
        ("all_clear", "complete", "node_down"),
    ]
    assert other.heard == listener.heard
    assert set(listener.heard[0]) == {
        "schema", "time", "kind", "cluster", "id", "state", "before", "code", "text", "dropped"
    }  # fmt: skip
    assert [fields["state"] for _, kind, fields in world.noted if kind == "state_changed"] == [
        "complete",
        "waiting",
        "complete",
    ]


def test_a_restart_tells_nothing_again(tmp_path: Path) -> None:
    async def script() -> None:
        await trio.sleep(SETTLED_S)

    for expected in (1, 0):
        listener = Listener()
        World(tmp_path / "told.json", listener).run(script)
        assert len(listener.heard) == expected


def test_a_memory_that_is_damaged_or_cannot_be_written_is_no_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def script() -> None:
        await trio.sleep(SETTLED_S)

    listener = Listener()
    (tmp_path / "told.json").write_text("}{")
    World(tmp_path / "told.json", listener).run(script)
    World(tmp_path / "no folder" / "told.json", listener).run(script)
    assert len(listener.heard) == 2
    assert "is not known" in caplog.text
    assert "is not kept" in caplog.text


def test_one_that_hangs_holds_up_nobody_and_says_what_it_missed(tmp_path: Path) -> None:
    changes = QUEUE_MAX + 4
    listener = Listener()
    world: World
    hanging: Hanging

    async def script() -> None:
        for number in range(changes):
            world.clusters = [summary(state="waiting" if number % 2 else "complete")]
            await trio.sleep(SETTLED_S)
        assert len(listener.heard) == changes
        assert hanging.heard == []
        hanging.answers.set()
        await trio.sleep(SETTLED_S)

    hanging = Hanging()
    world = World(tmp_path / "told.json", hanging, listener)
    world.run(script)
    # The one under way, then what the queue still had.
    assert len(hanging.heard) == QUEUE_MAX + 1
    assert [one["dropped"] for one in hanging.heard[:3]] == [0, changes - QUEUE_MAX - 1, 0]
    assert hanging.heard[-1] == listener.heard[-1]


def test_a_failure_is_in_the_diary_and_the_next_one_is_told(tmp_path: Path) -> None:
    failing = Failing()
    world = World(tmp_path / "told.json", failing)

    async def script() -> None:
        await trio.sleep(SETTLED_S)
        world.clusters = []
        await trio.sleep(SETTLED_S)

    world.run(script)
    assert [one["state"] for one in failing.heard] == ["complete", "stopped"]
    assert [fields["error"] for _, kind, fields in world.noted if kind == "not_told"] == [
        "It failed with exit code 1."
    ] * 2


def test_who_is_told_is_what_the_settings_name() -> None:
    assert tellers(Settings(), {}) == []
    found = tellers(Settings(on_event="true", on_event_url="https://example.org/x"), {})
    assert [type(teller) for teller in found] == [EventCommand, Webhook]
