"""Messages on a stream, with the pieces, stalls and lies that a stream can bring."""

from __future__ import annotations

import math

import pytest
import trio
import trio.testing
from libp2p.network.stream.exceptions import StreamEOF, StreamReset

from pincrew import limits
from pincrew.errors import Malformed
from pincrew.network.streams import StreamClosed, length_prefix
from pincrew.node.bitswap.streams import Allowance, MessageStream

FOREVER = None


class Muxed:
    """yamux's view of a stream: the reader's window."""

    def __init__(self) -> None:
        self.send_window = 256 * 1024
        self.closed = False


class Scripted:
    """A stream that delivers what is scripted: bytes, an exception, or (FOREVER) nothing any more."""

    def __init__(self, *script: bytes | Exception | None) -> None:
        self.muxed_stream = Muxed()
        self.script = list(script)
        self.written = bytearray()
        self.was_reset = False

    async def read(self, _size: int) -> bytes:
        await trio.lowlevel.checkpoint()
        if not self.script:
            raise StreamEOF
        step = self.script.pop(0)
        if step is FOREVER:
            await trio.sleep_forever()
            raise AssertionError
        if isinstance(step, Exception):
            raise step
        return step

    async def write(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        assert len(data) <= self.muxed_stream.send_window
        self.muxed_stream.send_window -= len(data)
        self.written += data

    async def reset(self) -> None:
        self.was_reset = True


def stream(*script: bytes | Exception | None, allowance: Allowance | None = None) -> MessageStream:
    return MessageStream("a", Scripted(*script), allowance or Allowance())


def framed(message: bytes) -> bytes:
    return length_prefix(len(message)) + message


async def received(*script: bytes | Exception | None) -> list[bytes]:
    messages = []
    one = stream(*script)
    while (message := await one.receive()) is not None:
        messages.append(message)
    return messages


def test_messages_arrive_whole_however_they_were_cut() -> None:
    sent = [b"", b"one", bytes(300), bytes(70_000)]
    data = b"".join(map(framed, sent))
    for size in (1_000, 7, len(data)):
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        assert trio.run(received, *pieces) == sent


def test_a_long_message_is_refused_before_it_is_read() -> None:
    with pytest.raises(Malformed):
        trio.run(received, length_prefix(limits.BITSWAP_MESSAGE_BYTES_MAX + 1), FOREVER)
    with pytest.raises(Malformed):
        trio.run(received, b"\xff" * 10)


def test_a_message_that_is_cut_short_or_a_reset_closes_the_stream() -> None:
    with pytest.raises(StreamClosed):
        trio.run(received, framed(bytes(100))[:50])
    with pytest.raises(StreamClosed):
        trio.run(received, framed(bytes(100))[:50], StreamReset())


def test_a_stream_may_rest_but_a_message_may_not() -> None:
    async def main() -> None:
        resting = stream(FOREVER)
        with trio.move_on_after(86_400) as scope:
            await resting.receive()
        assert scope.cancelled_caught
        begun = stream(b"\x05ab", FOREVER)
        with pytest.raises(StreamClosed):
            await begun.receive()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_unfinished_messages_are_bounded_over_all_streams_of_a_peer() -> None:
    big = framed(bytes(limits.BITSWAP_MESSAGE_BYTES_MAX))[:-1]
    count = math.ceil(limits.BITSWAP_RECEIVING_BYTES_PER_PEER_MAX / len(big)) + 1

    async def main() -> None:
        allowance = Allowance()
        refused = []

        async def hear(one: MessageStream) -> None:
            try:
                await one.receive()
            except StreamClosed:
                refused.append(one)

        async with trio.open_nursery() as nursery:
            for _ in range(count):
                pieces = [big[at : at + 65_536] for at in range(0, len(big), 65_536)]
                nursery.start_soon(hear, stream(*pieces, FOREVER, allowance=allowance))
            await trio.testing.wait_all_tasks_blocked()
            assert refused
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_what_was_received_counts_until_it_is_dealt_with() -> None:
    async def main() -> None:
        allowance = Allowance()
        one = stream(framed(bytes(1_000)) + framed(bytes(500)), allowance=allowance)
        await one.receive()
        assert allowance.total > 1_000
        await one.receive()
        assert 0 < allowance.total <= 502
        assert await one.receive() is None
        assert allowance.total == 0
        await (two := stream(framed(bytes(1_000)), allowance=allowance)).receive()
        two.let_go()
        assert allowance.total == 0

    trio.run(main)


def test_a_peer_with_much_to_be_dealt_with_begins_nothing_further() -> None:
    half = framed(bytes(limits.BITSWAP_MESSAGE_BYTES_MAX))

    async def main() -> None:
        allowance = Allowance()
        done = [stream(half, allowance=allowance) for _ in range(3)]
        for one in done:
            await one.receive()
        later = stream(half, allowance=allowance)
        with trio.move_on_after(86_400) as scope:
            await later.receive()
        assert scope.cancelled_caught
        for one in done:
            one.let_go()
        assert await later.receive()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_where_all_hold_much_each_has_one_message_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BITSWAP_RECEIVING_BYTES_MAX", 4_000_000)
    message = framed(bytes(1_000_000))

    async def main() -> None:
        allowance = Allowance()
        held = [MessageStream(peer, Scripted(message), allowance) for peer in ("a", "b", "c")]
        for each in held:
            await each.receive()
        with trio.move_on_after(86_400) as scope:
            await MessageStream("a", Scripted(message), allowance).receive()
        assert scope.cancelled_caught
        await MessageStream("d", Scripted(message), allowance).receive()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_when_all_hold_too_much_who_holds_the_most_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BITSWAP_RECEIVING_BYTES_MAX", 3_100_000)
    message = framed(bytes(1_000_000))
    ended = []

    async def main() -> None:
        allowance = Allowance()

        async def hear(peer: str, *pieces: bytes | None) -> None:
            try:
                await MessageStream(peer, Scripted(*pieces), allowance).receive()
                ended.append((peer, "whole"))
            except StreamClosed:
                ended.append((peer, "given up"))

        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(hear, f"greedy{number}", message[:-1], FOREVER)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(hear, "honest", message[:500_000], message[500_000:])
            await trio.testing.wait_all_tasks_blocked()
            assert sorted((peer[:6], end) for peer, end in ended) == [("greedy", "given up"), ("honest", "whole")]
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_a_writer_waits_for_room_and_not_forever() -> None:
    async def main() -> None:
        raw = Scripted()
        one = MessageStream("a", raw, Allowance())
        message = bytes(1024 * 1024)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.send, message)
            for _ in range(800):
                await trio.sleep(0.1)
                # Less than a frame at a time: all of it is used (go-yamux opens the window no further otherwise).
                assert raw.muxed_stream.send_window == 0 or raw.written == framed(message)
                raw.muxed_stream.send_window += 1_000
        assert raw.written == framed(message)
        raw.muxed_stream.send_window = 0
        began = trio.current_time()
        with pytest.raises(StreamClosed):
            await one.send(message)
        assert trio.current_time() - began == pytest.approx(limits.BITSWAP_SEND_STALL_S, abs=0.1)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
