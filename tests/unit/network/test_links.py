"""Sync streams between stand-ins: who is greeted how. With real hosts: tests/contract/test_network.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing
from libp2p.io.exceptions import IOException

from pincrew.network.connections import peer_of
from pincrew.network.contract import Connection
from pincrew.network.links import Links
from pincrew.network.neighbours import Greeting, Link, Neighbours
from pincrew.network.streams import FrameStream
from support.crew import Recorder

ME, LOWER, HIGHER = "12D3KooWB", "12D3KooWA", "12D3KooWC"


class Raw:
    """An inbound stream of ``peer``: what was sent on it; it ends when told."""

    def __init__(self, peer: str) -> None:
        self.sent = b""
        self.was_reset = False
        self.over = trio.Event()
        self.muxed_stream = SimpleNamespace()
        muxed = SimpleNamespace(peer_id=peer, event_closed=trio.Event(), get_remote_address=lambda: None)
        self.muxed_conn = muxed
        self.swarm_conn = SimpleNamespace(muxed_conn=muxed, direction=None)

    async def write(self, data: bytes) -> None:
        self.sent += data

    async def read(self, count: int) -> bytes:
        await self.over.wait()
        raise IOException("the end")

    async def close(self) -> None:
        self.over.set()

    async def reset(self) -> None:
        self.was_reset = True
        self.over.set()


class Greeted:
    """One peer's links, full from ``inbound_max`` neighbours on."""

    def __init__(self, inbound_max: int = 8, curator: str = "") -> None:
        self.recorder = Recorder()
        self.neighbours = Neighbours(ME)
        self.links = Links(
            ME,
            "/sync",
            self.recorder,
            self.neighbours,
            inbound_max=inbound_max,
            is_welcome_anyway=lambda peer: peer == curator,
            clock=trio.current_time,
        )


def run(test: Any) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await test(nursery)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def greeting_of(raw: Raw) -> Greeting:
    assert len(raw.sent) == 2 and raw.sent[0] == 1, "one frame of one byte"
    return Greeting(raw.sent[1])


async def opened(nursery: trio.Nursery, greeted: Greeted, peer: str) -> Raw:
    raw = Raw(peer)
    nursery.start_soon(greeted.links.opened, raw)
    await trio.testing.wait_all_tasks_blocked()
    return raw


def test_a_newcomer_is_welcomed_served_and_seen_off() -> None:
    async def test(nursery: trio.Nursery) -> None:
        greeted = Greeted()
        await nursery.start(greeted.links.run)
        raw = await opened(nursery, greeted, HIGHER)
        assert greeting_of(raw) is Greeting.WELCOME
        assert greeted.recorder.neighbours == [(HIGHER, False)] and HIGHER in greeted.neighbours
        raw.over.set()
        await trio.testing.wait_all_tasks_blocked()
        assert greeted.recorder.events == [("connected", HIGHER), ("disconnected", HIGHER)]
        assert HIGHER not in greeted.neighbours and raw.was_reset

    run(test)


def test_a_link_ends_with_its_connection_whatever_its_handler_waits_for() -> None:
    async def forever(peer: str, stream: FrameStream, dialled: bool) -> None:
        await trio.sleep_forever()

    async def test(nursery: trio.Nursery) -> None:
        greeted = Greeted()
        greeted.recorder.speak = forever
        await nursery.start(greeted.links.run)
        raw = await opened(nursery, greeted, HIGHER)
        raw.muxed_conn.event_closed.set()
        await trio.testing.wait_all_tasks_blocked()
        assert HIGHER not in greeted.neighbours and greeted.recorder.neighbours == []

    run(test)


def test_who_is_full_says_so_except_to_whom_it_looks_for() -> None:
    async def test(nursery: trio.Nursery) -> None:
        greeted = Greeted(inbound_max=1, curator=HIGHER)
        await nursery.start(greeted.links.run)
        assert greeting_of(await opened(nursery, greeted, LOWER)) is Greeting.WELCOME
        assert greeting_of(await opened(nursery, greeted, "12D3KooWD")) is Greeting.FULL
        assert greeting_of(await opened(nursery, greeted, HIGHER)) is Greeting.WELCOME
        assert len(greeted.neighbours) == 2

    run(test)


@pytest.mark.parametrize(("peer", "greeting"), [(LOWER, Greeting.WELCOME), (HIGHER, Greeting.DUPLICATE)])
def test_of_two_streams_at_once_the_lower_ids_is_served(peer: str, greeting: Greeting) -> None:
    async def test(nursery: trio.Nursery) -> None:
        greeted = Greeted()
        await nursery.start(greeted.links.run)
        ours = Link(Connection(peer, "out", "", trio.current_time()), ME, FrameStream(peer, Raw(peer)))
        await greeted.neighbours.take(ours)
        # What the one that loses is waited for with: its own task, which ends when it is told to.
        nursery.start_soon(_end_when_cancelled, greeted.neighbours, ours)
        raw = await opened(nursery, greeted, peer)
        assert greeting_of(raw) is greeting and peer_of(raw.swarm_conn) == peer
        assert ours.scope.cancel_called is (greeting is Greeting.WELCOME)

    run(test)


async def _end_when_cancelled(neighbours: Neighbours, link: Link) -> None:
    with link.scope:
        await trio.sleep_forever()
    neighbours.remove(link)


def test_a_bug_above_costs_the_stream_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(peer: str, stream: FrameStream, dialled: bool) -> None:
        raise RuntimeError("a bug")

    async def test(nursery: trio.Nursery) -> None:
        greeted = Greeted()
        greeted.recorder.speak = broken
        await nursery.start(greeted.links.run)
        raw = await opened(nursery, greeted, HIGHER)
        assert raw.was_reset and HIGHER not in greeted.neighbours
        assert greeted.recorder.events == [("connected", HIGHER), ("disconnected", HIGHER)]

    run(test)
    assert "a sync stream failed" in caplog.text
