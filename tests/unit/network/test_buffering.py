"""What a connection reads from the socket at once, and what its reader gets of it."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing
from libp2p.io.exceptions import IOException

from pincrew import limits
from pincrew.network.buffering import BufferedConnection, HeardConnection, WholeWrites


class _Raw:
    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)
        self.reads = 0
        self.write = self.close = self.get_remote_address = print

    async def read(self, n: int | None = None) -> bytes:
        self.reads += 1
        assert n is not None and all(len(piece) <= n for piece in self.pieces)
        return self.pieces.pop(0) if self.pieces else b""


def test_many_small_reads_are_one_of_the_socket() -> None:
    async def main() -> None:
        raw: Any = _Raw(b"\x00\x05hello\x00\x03", b"you")
        connection = BufferedConnection(raw)
        assert [await connection.read(n) for n in (2, 5, 2)] == [b"\x00\x05", b"hello", b"\x00\x03"]
        assert raw.reads == 1
        assert await connection.read(3) == b"you"

    trio.run(main)


def test_a_read_returns_what_is_here_and_nothing_at_the_end() -> None:
    async def main() -> None:
        raw: Any = _Raw(b"ab", b"cd")
        connection = BufferedConnection(raw)
        assert await connection.read(100) == b"ab"
        assert await connection.read() == b"cd"
        assert await connection.read(1) == b""
        assert await connection.read(1) == b""

    trio.run(main)


def test_it_knows_whether_anything_was_said() -> None:
    async def main() -> None:
        raw: Any = _Raw(b"", b"ab")
        connection = HeardConnection(raw)
        assert await connection.read(5) == b"" and not connection.has_spoken
        assert await connection.read(5) == b"ab" and connection.has_spoken
        assert await connection.read(5) == b"" and connection.has_spoken
        assert connection.write is print

    trio.run(main)


class _Secured:
    """A secured connection whose messages take a while; ``written`` are those that are on their way whole."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.gate = trio.Event()
        self.is_closed = False
        self.read = print

    async def write(self, data: bytes) -> None:
        await self.gate.wait()
        self.written.append(data)

    async def close(self) -> None:
        self.is_closed = True


def test_a_message_is_written_whole_though_its_writer_was_cancelled() -> None:
    async def main() -> None:
        secured = _Secured()
        connection = WholeWrites(secured)
        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as writer:
                nursery.start_soon(secured_later, secured, writer)
                await connection.write(b"message")
                await trio.lowlevel.checkpoint()
                raise AssertionError("it was cancelled")
            assert writer.cancelled_caught and secured.written == [b"message"]

    async def secured_later(secured: _Secured, writer: trio.CancelScope) -> None:
        writer.cancel()
        await trio.testing.wait_all_tasks_blocked()
        secured.gate.set()

    trio.run(main)


def test_whoever_takes_nothing_for_too_long_is_closed() -> None:
    async def main() -> None:
        secured = _Secured()
        with pytest.raises(IOException):
            await WholeWrites(secured).write(b"message")
        assert secured.is_closed and trio.current_time() >= limits.SEND_STALL_TIMEOUT_S

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
