"""Clients that are no peers, on streams of real hosts: served, bounded, and their connections closed when they go."""

from __future__ import annotations

from contextlib import suppress

import pytest
import trio

from pincrew import limits
from pincrew.errors import HandshakeFailed
from pincrew.network.byte_stream import ByteStream
from pincrew.network.contract import PeerUnreachable
from pincrew.network.streams import StreamClosed
from pincrew.network.visitor import NotSpoken, Visitor, visiting
from support.crew import Member, neighbours, running, trio_test, until

SPOKEN = "/echo"


async def echo(stream: ByteStream) -> None:
    """Say again what is said, to its end."""
    while data := await stream.receive_some():
        await stream.send_all(data)
    await stream.aclose()


async def said_again(stream: ByteStream, data: bytes) -> bytes:
    """Say something, and nothing more; return all that comes."""
    heard = b""
    async with trio.open_nursery() as nursery:

        async def say() -> None:
            await stream.send_all(data)
            await stream.send_eof()

        nursery.start_soon(say)
        while piece := await stream.receive_some():
            heard += piece
    return heard


async def called(visitor: Visitor, member: Member, protocol: str = SPOKEN) -> ByteStream:
    return await visitor.open(member.network.addresses[0], member.peer, protocol)


@trio_test
async def test_a_guest_is_served_and_counted() -> None:
    one = Member(1)
    data = bytes(range(256)) * 4_000  # more than a window
    async with running(one), visiting(None) as visitor:
        with pytest.raises(NotSpoken):
            await called(visitor, one)
        with one.network.taking_guests(SPOKEN, echo):
            assert await said_again(await called(visitor, one), data) == data
            assert await said_again(await called(visitor, one), b"more") == b"more"
            passed = one.network.traffic()[SPOKEN]
            assert (passed.total_in, passed.total_out) == (len(data) + 4, len(data) + 4)
            assert passed.rate_in == passed.rate_out == (len(data) + 4) / limits.TRAFFIC_WINDOW_S
        with pytest.raises(NotSpoken):
            await called(visitor, one)
        assert one.recorder.events == [], "whoever asks over HTTP is no neighbour"


@trio_test
async def test_a_closed_clusters_guests_know_its_secret() -> None:
    secret = bytes(range(32))
    one = Member(1, secret=secret)
    async with running(one):
        with one.network.taking_guests(SPOKEN, echo):
            async with visiting(secret) as visitor:
                assert await said_again(await called(visitor, one), b"hello") == b"hello"


@trio_test
async def test_only_so_many_streams_of_a_guest_are_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "GUEST_STREAMS_PER_PEER_MAX", 2)
    one = Member(1)
    async with running(one), visiting(None) as visitor:
        with one.network.taking_guests(SPOKEN, echo):
            kept = [await called(visitor, one) for _ in range(2)]
            for stream in kept:
                await stream.send_all(b"x")
                assert await stream.receive_some() == b"x"
            with suppress(trio.BrokenResourceError, StreamClosed):  # whether that is heard before or after
                assert await (await called(visitor, one)).receive_some() == b""
            for stream in kept:
                await stream.reset()
            await until(lambda: visitor.peer not in one.network._guests, "they are gone")
            assert await said_again(await called(visitor, one), b"there is room") == b"there is room"


@trio_test
async def test_a_guest_who_takes_nothing_of_an_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It need not show who it is, and would keep the room of another for ever."""
    monkeypatch.setattr(limits, "SEND_STALL_TIMEOUT_S", 0.3)
    one, has_come = Member(1), trio.Event()

    async def pour(stream: ByteStream) -> None:
        has_come.set()
        while True:
            await stream.send_all(bytes(100_000))

    async with running(one), visiting(None) as visitor:
        with one.network.taking_guests(SPOKEN, pour):
            await called(visitor, one)
            await has_come.wait()
            await until(lambda: visitor.peer not in one.network._guests, "it is given up")


@trio_test
async def test_a_guest_who_goes_is_hung_up_on_and_nobody_hears_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SYNC_OPEN_TIMEOUT_S", 0.2)
    one = Member(1)
    async with running(one), visiting(None) as visitor:
        with one.network.taking_guests(SPOKEN, echo):
            stream = await called(visitor, one)
            await stream.send_all(b"x")
            assert await stream.receive_some() == b"x"
            with trio.move_on_after(3 * limits.SYNC_OPEN_TIMEOUT_S):  # for as long as the stream is open, it stays
                await stream.receive_some()
                raise AssertionError("the stream ended")
            await stream.send_all(b"y")
            assert await stream.receive_some() == b"y"
            await stream.reset()
            swarm = one.network._swarm
            assert swarm is not None
            await until(lambda: not swarm.get_connections(), "the connection is closed")
            assert one.recorder.failures == []


@trio_test
async def test_nobody_at_home_is_told() -> None:
    one, two = Member(1), Member(2)
    async with running(one), visiting(None) as visitor:
        async with running(two):
            address = two.network.addresses[0]
        with pytest.raises(PeerUnreachable):
            await visitor.open(address, two.peer, SPOKEN)
        with pytest.raises(HandshakeFailed):  # somebody else is there
            await visitor.open(one.network.addresses[0].partition("/p2p/")[0], two.peer, SPOKEN)


@trio_test
async def test_a_guest_who_vanishes_while_much_is_sent_leaves_nothing_behind() -> None:
    async def send_endlessly(stream: ByteStream) -> None:
        with suppress(trio.BrokenResourceError):
            while True:
                await stream.send_all(bytes(1_000_000))

    one = Member(1)
    async with running(one):
        with one.network.taking_guests(SPOKEN, send_endlessly):
            async with visiting(None) as visitor:
                stream = await called(visitor, one)
                assert await stream.receive_some()
                await until(lambda: one.network.traffic()[SPOKEN].total_out > 200_000, "the window is nearly full")
                assert visitor.peer in one.network._guests
            await until(lambda: visitor.peer not in one.network._guests, "nobody is here any more")


@trio_test
async def test_a_closed_stream_wakes_who_reads_and_who_sends() -> None:
    ended: list[str] = []
    one = Member(1)

    async def serve(stream: ByteStream) -> None:
        async def read() -> None:
            with pytest.raises(trio.ClosedResourceError):
                while True:
                    await stream.receive_some()
            ended.append("read")

        async def send() -> None:
            with trio.CancelScope(shield=True), pytest.raises(trio.ClosedResourceError):
                while True:
                    await stream.send_all(bytes(1_000_000))
            ended.append("sent")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            nursery.start_soon(send)
            await until(lambda: one.network.traffic()[SPOKEN].total_out > 200_000, "the window is nearly full")
            stream.socket.close()
        with pytest.raises(trio.ClosedResourceError):
            await stream.wait_send_all_might_not_block()
        await stream.aclose()

    async with running(one), visiting(None) as visitor:
        with one.network.taking_guests(SPOKEN, serve):
            await called(visitor, one)
            await until(lambda: len(ended) == 2, "both are told")


@trio_test
async def test_all_that_peers_say_is_counted() -> None:
    one, two = Member(1), Member(2)
    async with running(one, two):
        one.seek(two)
        await neighbours(one, two)
        assert await one.network.request(two.peer, b"hello") == b"echo hello"
        await until(lambda: two.peer in one.network.listeners(), "it listens")
        await one.network.publish(bytes(5_000))
        await until(lambda: "/meshsub/1.1.0" in two.network.traffic(), "gossip is counted")
        await until(lambda: two.network.traffic()["/meshsub/1.1.0"].total_in >= 5_000, "the message is counted")
        asked = {name.split("/")[3]: told for name, told in one.network.traffic().items() if "pincrew" in name}
        answered = {name.split("/")[3]: told for name, told in two.network.traffic().items() if "pincrew" in name}
        assert asked.keys() == answered.keys() == {"sync", "request"}
        assert (asked["request"].total_in, asked["request"].total_out) == (len(b"\0echo hello") + 1, len(b"hello") + 1)
        assert answered["request"].total_out == asked["request"].total_in
