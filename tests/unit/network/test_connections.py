"""What is done with the library's connections, on stand-ins for what cannot be made to fail at will."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing
from libp2p.protocol_muxer.exceptions import ProtocolNotSupportedError
from libp2p.rcmgr import Direction

from pincrew.network.connections import address_of, first_of, is_over, open_stream, peer_of, sever, via
from pincrew.network.streams import StreamClosed


class Stream:
    """A stream on which multistream-select is spoken from a script; notes its reset."""

    swarm_conn = SimpleNamespace(swarm=SimpleNamespace(traffic=None))

    def __init__(self, *lines: str) -> None:
        self.was_reset = False
        self._incoming = bytearray(b"".join(bytes([len(line) + 1]) + line.encode() + b"\n" for line in lines))

    async def write(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()

    async def read(self, count: int | None = None) -> bytes:
        if not self._incoming:
            await trio.sleep_forever()
        taken = bytes(self._incoming[:count])
        del self._incoming[:count]
        return taken

    async def reset(self) -> None:
        self.was_reset = True


class Connection:
    """A connection with one stream to give away, or an exception instead."""

    def __init__(self, stream: Stream | Exception, remote: tuple[str, int] | None = None) -> None:
        self._stream = stream
        self.is_closed = self.severed = False
        self.direction = Direction.INBOUND
        self.muxed_conn = SimpleNamespace(
            peer_id="12D3KooWB",
            event_shutting_down=trio.Event(),
            get_remote_address=lambda: remote,
            sever=self._sever,
        )

    async def _sever(self) -> None:
        self.severed = True

    async def new_stream(self) -> Stream:
        if isinstance(self._stream, Exception):
            raise self._stream
        return self._stream


def opening(connection: Connection, protocol: str = "/ours") -> Any:
    return trio.run(open_stream, connection, protocol, clock=trio.testing.MockClock(autojump_threshold=0))


def test_a_stream_is_opened_when_the_protocol_is_spoken() -> None:
    stream = Stream("/multistream/1.0.0", "/ours")
    assert opening(Connection(stream)).peer == "12D3KooWB" and not stream.was_reset


def test_another_protocol_is_told_apart_from_a_connection_that_ends() -> None:
    stream = Stream("/multistream/1.0.0", "na")
    with pytest.raises(ProtocolNotSupportedError):
        opening(Connection(stream))
    assert stream.was_reset
    for failure in (OSError("gone"), RuntimeError("a bug of the library"), trio.ClosedResourceError()):
        with pytest.raises(StreamClosed):
            opening(Connection(failure))


def test_silence_and_nonsense_end_it_and_leave_no_stream_behind() -> None:
    for stream in (Stream(), Stream("/multistream/1.0.0"), Stream("nonsense")):
        with pytest.raises((StreamClosed, ProtocolNotSupportedError)):
            opening(Connection(stream))
        assert stream.was_reset


def test_a_cancellation_goes_on_up_and_leaves_no_stream_behind() -> None:
    stream = Stream()

    async def main() -> None:
        with trio.move_on_after(1) as scope:
            await open_stream(Connection(stream), "/ours")
        assert scope.cancelled_caught and stream.was_reset

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_what_a_connection_tells_of_itself() -> None:
    connection = Connection(Stream(), ("192.0.2.7", 4001))
    assert (peer_of(connection), via(connection), is_over(connection)) == ("12D3KooWB", "in", False)
    assert address_of(connection) == "/ip4/192.0.2.7/tcp/4001"
    assert address_of(Connection(Stream(), ("2001:db8::7", 4001))) == "/ip6/2001:db8::7/tcp/4001"
    assert address_of(Connection(Stream())) == ""
    connection.direction = Direction.OUTBOUND
    connection.pincrew_address = "/dns4/example.org/tcp/4001"  # type: ignore[attr-defined]
    assert (via(connection), address_of(connection)) == ("out", "/dns4/example.org/tcp/4001")
    connection.muxed_conn.event_shutting_down.set()
    assert is_over(connection)
    trio.run(sever, connection)
    assert connection.severed


def test_whichever_comes_first_ends_the_wait_for_the_others() -> None:
    async def main() -> None:
        event = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(first_of, trio.sleep_forever, event.wait)
            await trio.testing.wait_all_tasks_blocked()
            event.set()

    trio.run(main)
