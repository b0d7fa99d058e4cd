"""What happened is kept in order, and who waits for news misses none."""

from __future__ import annotations

import itertools

import pytest
import trio
import trio.testing

from pincrew import limits
from pincrew.diary import Diary, describe
from pincrew.errors import StoreFault
from pincrew.store.database import Database
from pincrew.store.events import EventRow, Events


def diary(events: Events) -> Diary:
    clock = itertools.count(1)
    return Diary(events, lambda: next(clock))


def test_events_are_kept_in_order_and_read_from_a_number_on() -> None:
    async def main() -> None:
        made = diary(Events(Database(None)))
        async with trio.open_nursery() as nursery:
            made.happened("pinned", {"cid": "before it runs"})
            await nursery.start(made.run)
            first = await made.after(0, wait=True)
            for number in range(3):
                made.happened("pinned", {"name": f"pin {number}"})
            rest: list[EventRow] = []
            while len(rest) < 3:
                rest += await made.after(rest[-1].id if rest else first[-1].id, wait=True)
            assert [row.text for row in first] == ["before it runs is pinned"]
            assert [(row.time_ms, row.text) for row in rest] == [(n + 2, f"pin {n} is pinned") for n in range(3)]
            assert await made.after(rest[-1].id, wait=False) == []
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_what_is_written_while_the_store_is_read_wakes_the_reader() -> None:
    """The reader looked a moment too early; it must not wait for the event after that."""
    events = Events(Database(None))
    made = diary(events)
    read = events.after

    def slow(number: int, limit: int = 1_000) -> list[EventRow]:
        rows = read(number, limit)
        if not rows:
            trio.from_thread.run_sync(made.happened, "pinned", {"name": "meanwhile"})
            trio.from_thread.run(written)
        return rows

    async def written() -> None:
        while not await trio.to_thread.run_sync(read, 0):
            await trio.lowlevel.checkpoint()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(made.run)
            with trio.fail_after(10):
                (row,) = await made.after(0, wait=True)
            assert row.fields == {"name": "meanwhile"}
            nursery.cancel_scope.cancel()

    events.after = slow  # type: ignore[method-assign]
    trio.run(main)


def test_a_store_that_takes_nothing_costs_the_events_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    class Full(Events):
        is_full = True

        def add_all(self, happened: list[tuple[int, str, str, dict[str, object]]]) -> None:
            if self.is_full:
                raise StoreFault("The disk is full")
            super().add_all(happened)

    async def main() -> None:
        events = Full(Database(None))
        made = diary(events)
        async with trio.open_nursery() as nursery:
            await nursery.start(made.run)
            made.happened("pinned", {"name": "lost"})
            while not caplog.records:
                await trio.testing.wait_all_tasks_blocked(0.001)
            events.is_full = False
            made.happened("pinned", {"name": "kept"})
            assert [row.fields["name"] for row in await made.after(0, wait=True)] == ["kept"]
            nursery.cancel_scope.cancel()

    trio.run(main)
    assert "The disk is full" in caplog.text


def test_what_waits_to_be_written_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EVENTS_KEPT_MAX", 3)

    async def main() -> None:
        made = diary(Events(Database(None)))
        for number in range(10):
            made.happened("pinned", {"name": str(number)})
        async with trio.open_nursery() as nursery:
            await nursery.start(made.run)
            assert [row.fields["name"] for row in await made.after(0, wait=True)] == ["0", "1", "2"]
            nursery.cancel_scope.cancel()

    trio.run(main)


@pytest.mark.parametrize(
    ("kind", "fields", "text"),
    [
        ("list_changed", {"rows": 1}, "the list changed: 1 pin"),
        ("pinned", {"cid": "bafy"}, "bafy is pinned"),
        (
            "unpinned",
            {"name": "a", "outcome": "kept"},
            "a is not to be kept here any more and stays pinned: it is yours",
        ),
        ("unpinned", {"name": "a"}, "a was unpinned"),
        ("node_down", {"trouble": "The IPFS node does not answer: gone"}, "The IPFS node does not answer: gone"),
        ("part_changed", {"share": 0.3142}, "the part that is kept is 31.4 % of the list"),
        ("rescued", {"pins": "3"}, "3 pins are kept besides the part"),
        ("from_the_future", {"name": "a"}, "from the future: a"),
    ],
)
def test_every_event_is_a_sentence(kind: str, fields: dict[str, object], text: str) -> None:
    assert describe(kind, fields).startswith(text)
