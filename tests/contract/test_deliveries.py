"""Deliveries between two real hosts: whole, refused, given up, and what the connection makes of that."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import pytest
import trio

from pincrew import limits
from pincrew.errors import NotAllowed, PeerFault, PincrewError
from pincrew.keys import peer_id
from pincrew.network.contract import PeerUnreachable
from pincrew.network.streams import StreamClosed
from support.crew import Member, key, neighbours, running, trio_test, until


async def pieces_of(*some: bytes) -> AsyncGenerator[bytes, None]:
    for piece in some:
        await trio.lowlevel.checkpoint()
        yield piece


async def send_endlessly(one: Member, two: Member) -> None:
    async def endless() -> AsyncGenerator[bytes, None]:
        while True:
            await trio.lowlevel.checkpoint()
            yield bytes(100_000)

    async with aclosing(endless()) as pieces:
        await one.network.hand_over(two.peer, pieces)


@trio_test
async def test_pieces_of_any_size_arrive_in_order() -> None:
    one, two = Member(1), Member(2)
    sent = [os.urandom(size) for size in (1, limits.DELIVERY_PIECE_BYTES_MAX * 3 + 7, 70_000)]
    async with running(one, two):
        one.seek(two)
        await neighbours(one, two)
        await one.network.hand_over(two.peer, pieces_of(*sent))
        assert b"".join(two.recorder.taken[one.peer]) == b"".join(sent)
        assert max(map(len, two.recorder.taken[one.peer])) == limits.DELIVERY_PIECE_BYTES_MAX
        with pytest.raises(PeerUnreachable):
            await one.network.hand_over(peer_id(key(99).public), pieces_of(b"x"))


@trio_test
async def test_who_refuses_is_heard_before_all_is_sent() -> None:
    async def refuse(peer: str, pieces: AsyncIterator[bytes]) -> None:
        raise NotAllowed("Only curators hand blocks to each other")

    async def stumble(peer: str, pieces: AsyncIterator[bytes]) -> None:
        await anext(pieces)
        raise RuntimeError("a secret of the implementation")

    one, two = Member(1), Member(2)
    async with running(one, two):
        one.seek(two)
        await neighbours(one, two)
        for take, kind, sentence in (
            (refuse, NotAllowed, "Only curators"),
            (stumble, PincrewError, "Something went wrong at the other peer"),
        ):
            two.recorder.take = take
            with pytest.raises(kind, match=sentence) as caught:
                await send_endlessly(one, two)
            assert "secret" not in str(caught.value)


@trio_test
async def test_who_says_that_it_has_all_before_all_is_sent_is_not_believed() -> None:
    async def lie(peer: str, pieces: AsyncIterator[bytes]) -> None:
        """Nothing of it is kept."""

    one, two = Member(1), Member(2)
    two.recorder.take = lie
    async with running(one, two):
        one.seek(two)
        await neighbours(one, two)
        with pytest.raises(PeerFault, match="was not sent everything"):
            await send_endlessly(one, two)


@trio_test
async def test_one_that_is_given_up_costs_the_connection_nothing() -> None:
    """Also while its stream is being opened: half a noise message would end all that the two have in common."""
    one, two = Member(1), Member(2)
    async with running(one, two):
        one.seek(two)
        await neighbours(one, two)
        for delay_s in (0.0, 0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.03):
            with trio.move_on_after(delay_s):
                await send_endlessly(one, two)
        assert await one.network.request(two.peer, b"still there") == b"echo still there"
        assert ("disconnected", two.peer) not in one.recorder.events
        await until(lambda: not two.network._deliveries._taking, "the other one noticed")


@trio_test
async def test_no_more_than_a_few_are_taken_from_one_peer() -> None:
    held = trio.Event()
    taking = 0

    async def hold(peer: str, pieces: AsyncIterator[bytes]) -> None:
        nonlocal taking
        taking += 1
        await held.wait()

    one, two = Member(1), Member(2)
    two.recorder.take = hold
    refused = 0
    async with running(one, two) as nursery:
        one.seek(two)
        await neighbours(one, two)

        async def send() -> None:
            nonlocal refused
            async with aclosing(pieces_of(b"x")) as pieces:
                try:
                    await one.network.hand_over(two.peer, pieces)
                except StreamClosed:
                    refused += 1

        for _ in range(limits.DELIVERIES_PER_PEER_MAX + 2):
            nursery.start_soon(send)
        await until(lambda: refused == 2 and taking == limits.DELIVERIES_PER_PEER_MAX, "two too many are refused")
        held.set()
