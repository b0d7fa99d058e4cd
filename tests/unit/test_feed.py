"""One look for all who listen, none when nobody does, and nothing told when nothing changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial, wraps
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import trio
from trio.testing import MockClock

from pincrew import feed
from pincrew.api.client import Client
from pincrew.api.contract import DaemonDoor
from pincrew.api.server import build_app
from pincrew.api.shapes import CuratorCounts, Flight, Progress, Reason, Status, Summary
from pincrew.doors import serve_socket
from pincrew.errors import Conflict, DaemonLost, StoreFault
from pincrew.feed import Feed
from support.api_door import ApiDoor
from support.shape_examples import CID, summary


class Shown:
    """What a test has the daemon say; ``looks`` counts how often it was asked."""

    def __init__(self) -> None:
        self.clusters: list[Summary] = [summary()]
        self.looks = 0
        self.fault: Exception | None = None
        self.feed = Feed(self.status)

    def status(self) -> Status:
        self.looks += 1
        if self.fault is not None:
            raise self.fault
        return Status(1, self.clusters)

    def moved(self, rev: int) -> None:
        self.clusters = [summary(rev=rev)]


def with_clock(test: Callable[[Shown], Awaitable[None]]) -> Callable[[], None]:
    """Run a test with a feed at work, on a clock that jumps."""

    @wraps(test)
    def run() -> None:
        async def main() -> None:
            shown = Shown()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(shown.feed.run)
                await test(shown)
                nursery.cancel_scope.cancel()

        trio.run(main, clock=MockClock(autojump_threshold=0))

    del run.__wrapped__  # type: ignore[attr-defined] # pytest would look for a fixture `shown`
    return run


def rev_of(data: bytes | None) -> int | None:
    assert data is not None
    return msgspec.json.decode(data, type=Status).clusters[0].rev


@with_clock
async def test_a_listener_hears_at_once_and_then_only_of_changes(shown: Shown) -> None:
    async with aclosing(shown.feed.listen()) as told:
        began = trio.current_time()
        assert rev_of(await anext(told)) is None and trio.current_time() == began
        shown.moved(2)
        assert rev_of(await anext(told)) == 2 and trio.current_time() <= began + 1.0
        before = trio.current_time()
        assert await anext(told) is None, "a sign of life, and no figures"
        assert trio.current_time() == before + 10.0


@with_clock
async def test_all_who_listen_share_one_look_a_second(shown: Shown) -> None:
    async with aclosing(shown.feed.listen()) as one, aclosing(shown.feed.listen()) as other:
        await anext(one)
        await anext(other)
        assert shown.looks == 1
        await trio.sleep(9.5)
        assert shown.looks == 10


@with_clock
async def test_nobody_listens_and_nothing_is_looked_at(shown: Shown) -> None:
    await trio.sleep(100)
    assert shown.looks == 0
    async with aclosing(shown.feed.listen()) as told:
        await anext(told)
    await trio.sleep(100)
    assert shown.looks <= 2
    shown.moved(7)
    async with aclosing(shown.feed.listen()) as told:
        assert rev_of(await anext(told)) == 7, "who comes later hears nothing old"


@with_clock
async def test_a_slow_listener_gets_the_newest(shown: Shown) -> None:
    async with aclosing(shown.feed.listen()) as slow:
        await anext(slow)
        await trio.sleep(0.5)  # between two looks
        for rev in range(2, 50):
            shown.moved(rev)
            await trio.sleep(1.0)
        assert rev_of(await anext(slow)) == 49
        assert await anext(slow) is None


@with_clock
async def test_that_a_connected_curator_is_seen_is_no_news(shown: Shown) -> None:
    def seen(at: str, connected: int) -> list[Summary]:
        return [summary(curators=CuratorCounts(connected=connected, total=3, last_seen=at))]

    async with aclosing(shown.feed.listen()) as told:
        shown.clusters = seen("2026-01-01T00:00:00Z", 1)
        await anext(told)
        shown.clusters = seen("2026-01-01T00:00:01Z", 1)
        assert await anext(told) is None
        shown.clusters = seen("2026-01-01T00:00:01Z", 0)
        assert await anext(told) is not None


@with_clock
async def test_only_so_many_listen(shown: Shown) -> None:
    listeners = [shown.feed.listen() for _ in range(feed.FEED_LISTENERS_MAX)]
    for one in listeners:
        await anext(one)
    with pytest.raises(Conflict, match="views listen"):
        await anext(shown.feed.listen())
    await listeners.pop().aclose()
    async with aclosing(shown.feed.listen()) as told:
        await anext(told)
    for one in listeners:
        await one.aclose()


@with_clock
async def test_a_disk_that_refuses_ends_nothing(shown: Shown) -> None:
    async with aclosing(shown.feed.listen()) as told:
        await anext(told)
        shown.fault = StoreFault("The disk is gone")
        assert await anext(told) is None
        shown.fault = None
        shown.moved(3)
        assert rev_of(await anext(told)) == 3


def test_a_cluster_at_work_takes_less_than_2_kib() -> None:
    flight = Flight(CID, "ü" * 60, 10**6, 10**12, 10**12, "2026-01-01T00:00:00.000Z", 10**9, 100)
    fields: dict[str, Any] = dict.fromkeys(Progress.__struct_fields__, 10**9)
    fields |= {"no_eta": None, "last_block": "2026-01-01T00:00:00.000Z", "flights": [flight] * 3}
    reasons = [Reason("limit", "123,456 pins have no room below your limit (pincrew limits)", None)]
    shown = summary(progress=Progress(**fields), rev=10**12, db_bytes=10**12, reasons=reasons)
    assert len(msgspec.json.encode(shown)) < 2 * 1024 + 300 * 3, "names of many bytes stand in three flights"
    plain = msgspec.structs.replace(flight, name="gutenberg/0000/pg000002-images.zip")
    fields["flights"] = [plain] * 3
    shown = summary(progress=Progress(**fields), rev=10**12, db_bytes=10**12, reasons=reasons)
    assert len(msgspec.json.encode(shown)) < 2 * 1024


def test_over_a_socket_from_the_client_to_the_feed(tmp_path: Path) -> None:
    """As the daemon serves it and as the terminal view reads it; who is slow gets the newest there too."""
    shown = Shown()

    class Door(ApiDoor):
        def feed(self) -> Any:
            return shown.feed.listen()

    def read(step: Callable[[int], None]) -> list[int | None]:
        told = Client(tmp_path / "s").feed()
        found = []
        for rev in (None, 5):
            status = next(told)
            assert status is not None
            found.append(status.clusters[0].rev)
            step(rev or 0)
        return found

    def look_once() -> None:
        while True:
            try:
                told = Client(tmp_path / "s").feed()
            except Conflict:  # it has not noticed yet that the others are gone
                continue
            assert next(told) is not None
            return

    async def main() -> None:
        stopping = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(shown.feed.run)
            app = build_app(cast(DaemonDoor, Door()))
            await nursery.start(partial(serve_socket, app, tmp_path / "s", stopping))
            with trio.fail_after(20):
                found = await trio.to_thread.run_sync(read, lambda _rev: shown.moved(5))
            assert found == [None, 5]
            for _ in range(2 * feed.FEED_LISTENERS_MAX):
                await trio.to_thread.run_sync(look_once)  # who went makes room
            told = await trio.to_thread.run_sync(Client(tmp_path / "s").feed)
            assert await trio.to_thread.run_sync(next, told) is not None
            stopping.set()
            with pytest.raises(DaemonLost):
                await trio.to_thread.run_sync(list, told)
            nursery.cancel_scope.cancel()

    trio.run(main)
