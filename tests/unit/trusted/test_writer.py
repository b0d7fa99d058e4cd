"""The writer and what a base made void: written again by itself, as soon as trust and the disk let it."""

from __future__ import annotations

import threading
from collections.abc import Generator
from functools import partial

import pytest
import trio
import trio.testing
from pincrew.trusted.author import WriteRequest, Written
from pincrew.trusted.writer import Writer, WriterStopped

from pincrew.applier import Applier
from pincrew.errors import NotAllowed
from pincrew.steps import Step
from sim.forge import put
from sim.swarm import key_of
from unit.golden.vectors import cid
from unit.test_bases import Peer, after, chain


class Desk:
    """A writer at work on a peer, and what it published."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.published: list[Written] = []
        self.told = trio.Event()
        self.applier = Applier(peer.member.replica, lambda applied: None)
        self.writer = Writer(peer.author, self.applier, peer.bases.store, self._note)

    def _note(self, written: Written) -> None:
        self.published.append(written)
        self.told.set()


def waiting(peer: Peer, *numbers: int) -> None:
    """Let own envelopes wait in the store, as a base leaves them."""
    other = Peer("a", first_nonce=700)
    with peer.disk.transaction() as db:
        for number in numbers:
            db.execute("INSERT INTO reissues (body) VALUES (?)", (other.write(number)[0][0],))


def run(desk: Desk, *, ends: bool = True) -> None:
    async def main() -> None:
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                await nursery.start(desk.writer.run)
                if ends:
                    await desk.told.wait()
                else:
                    with pytest.raises(NotAllowed):
                        await desk.writer.write([WriteRequest(cid(9), put(cid(9)).record)])
                nursery.cancel_scope.cancel()

    trio.run(main)


def test_what_waited_since_before_the_start_is_written_again_and_published() -> None:
    ann = Peer("a")
    waiting(ann, 1, 2)
    desk = Desk(ann)
    run(desk)
    assert ann.names() == {1: "x", 2: "x"} and ann.bases.store.reissues(9) == []
    assert len(desk.published) == 1


def test_a_base_that_comes_into_force_wakes_it() -> None:
    desk = Desk(Peer("a"))

    async def main() -> None:
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                await nursery.start(desk.writer.run)
                assert await desk.writer.write([WriteRequest(cid(1), put(cid(1)).record)]) == frozenset()
                desk.told = trio.Event()
                waiting(desk.peer, 2)
                desk.writer.turned()
                await desk.told.wait()
                nursery.cancel_scope.cancel()

    trio.run(main)
    assert desk.peer.names() == {1: "x", 2: "x"} and desk.peer.bases.store.reissues(9) == []


def test_who_may_not_write_keeps_it_until_trust_lets_it() -> None:
    ann = Peer("a")
    waiting(ann, 1)
    ann.member.adopt(after(chain(), curators=frozenset([key_of("b").public]), keeper=None))
    desk = Desk(ann)
    run(desk, ends=False)
    assert len(ann.bases.store.reissues(9)) == 1 and not desk.published and not ann.heads()
    again = after(ann.member.chain, curators=frozenset([key_of("a").public]))
    ann.member.adopt(again)
    desk = Desk(ann)
    run(desk)
    assert ann.names() == {1: "x"} and ann.bases.store.reissues(9) == []


def test_what_was_under_way_or_waited_when_it_was_stopped_is_not_said_to_be_durable() -> None:
    desk = Desk(Peer("a"))
    gate, refused = threading.Event(), 0

    def busy() -> Generator[Step, None, None]:
        yield partial(gate.wait, 10)

    async def write(number: int) -> None:
        nonlocal refused
        with pytest.raises(WriterStopped):
            await desk.writer.write([WriteRequest(cid(number), put(cid(number)).record)])
        refused += 1

    async def main() -> None:
        with trio.fail_after(20):
            async with trio.open_nursery() as callers:
                async with trio.open_nursery() as nursery:
                    callers.start_soon(desk.applier.drive, busy())
                    await nursery.start(desk.writer.run)
                    for number in (1, 2):
                        callers.start_soon(write, number)
                        await trio.testing.wait_all_tasks_blocked()
                    nursery.cancel_scope.cancel()
                await write(3)
                gate.set()

    trio.run(main)
    assert refused == 3 and desk.peer.names() == {} and not desk.published
