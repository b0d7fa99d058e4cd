"""What one connection may make us hold."""

from __future__ import annotations

import struct
from typing import Any

import pytest
import trio
from libp2p.peer.id import ID
from libp2p.stream_muxer.yamux.yamux import YAMUX_HEADER_FORMAT

from pincrew import limits
from pincrew.network.hardening import settle_library
from pincrew.network.muxing import GuardedYamux, ThriftyStream

_PIECE = bytes(64 * 1024)


class _Connection:
    is_initiator = True

    async def close(self) -> None: ...


def new_connection() -> GuardedYamux:
    connection: Any = _Connection()
    return GuardedYamux(connection, ID(b"\x00" * 34), is_initiator=True)


def test_a_stream_holds_what_its_window_allows_and_no_more() -> None:
    yamux = new_connection()
    yamux.stream_buffers[1] = bytearray()
    with pytest.raises(ValueError, match="window"):
        while True:
            yamux.stream_buffers[1].extend(_PIECE)
    assert len(yamux.stream_buffers[1]) <= 2 * limits.STREAM_WINDOW_BYTES_MAX


def test_all_streams_of_a_connection_together_have_a_bound_of_their_own() -> None:
    yamux = new_connection()
    held = 0
    with pytest.raises(ValueError, match="connection"):
        for number in range(512):
            yamux.stream_buffers[number] = bytearray()
            for _ in range(16):
                yamux.stream_buffers[number].extend(_PIECE)
                held += len(_PIECE)
    assert limits.CONNECTION_BUFFER_BYTES_MAX <= held <= 2 * limits.CONNECTION_BUFFER_BYTES_MAX


def test_what_is_read_makes_room() -> None:
    yamux = new_connection()
    yamux.stream_buffers[1] = bytearray()
    for _ in range(4 * limits.CONNECTION_BUFFER_BYTES_MAX // len(_PIECE)):
        yamux.stream_buffers[1].extend(_PIECE)
        del yamux.stream_buffers[1][:]


def test_a_window_is_given_back_by_halves() -> None:
    class Told(_Connection):
        def __init__(self) -> None:
            self.given: list[int] = []

        async def write(self, data: bytes) -> None:
            self.given.append(struct.unpack(YAMUX_HEADER_FORMAT, data)[4])

    async def main() -> None:
        settle_library()
        connection: Any = Told()
        yamux = GuardedYamux(connection, ID(b"\x00" * 34), is_initiator=True)
        stream = ThriftyStream(1, yamux, True)
        yamux.streams[1] = stream
        yamux.stream_events[1] = trio.Event()
        yamux.stream_buffers[1] = bytearray()
        window = stream.recv_window
        granted, came = window, 0
        for _ in range(1_000):
            # The other side sends whatever it may, at most a piece.
            size = min(len(_PIECE), granted - came)
            assert size > 0, "the writer was stopped for good"
            yamux.stream_buffers[1].extend(_PIECE[:size])
            stream.recv_window -= size
            came += size
            assert await stream.read(len(_PIECE)) == _PIECE[:size]
            assert granted + sum(connection.given) - came <= limits.STREAM_WINDOW_BYTES_MAX
            granted += sum(connection.given)
            assert all(given >= window // 2 for given in connection.given)
            connection.given.clear()

    trio.run(main)
