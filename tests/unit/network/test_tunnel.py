"""A tunnel as its program sees it: sockets, and errors of sockets. The other end is a real host."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing

import pytest
import trio

from pincrew.network.byte_stream import ByteStream
from pincrew.network.tunnel import Tunnel
from support.crew import Member, running, trio_test, until

SPOKEN = "/echo"


@asynccontextmanager
async def serving(serve: Callable[[ByteStream], object]) -> AsyncIterator[Member]:
    member = Member(1)
    async with running(member):
        with member.network.taking_guests(SPOKEN, serve):  # type: ignore[arg-type]
            yield member


async def in_thread(work: Callable[[Callable[..., socket.socket]], object], member: Member) -> None:
    """Do what a program without a loop does, with what connects it to the member."""

    def run() -> None:
        with closing(Tunnel(None)) as tunnel:

            def connect(protocol: str = SPOKEN, timeout_s: float = 20.0) -> socket.socket:
                return tunnel.connect(member.network.addresses[0], member.peer, protocol, timeout_s)

            work(connect)

    await trio.to_thread.run_sync(run)


@trio_test
async def test_bytes_go_both_ways_until_the_end() -> None:
    async def shout(stream: ByteStream) -> None:
        said = b""
        while not said.endswith(b"."):
            said += await stream.receive_some()
        await stream.send_all(said.upper())
        await stream.aclose()

    def work(connect: Callable[..., socket.socket]) -> None:
        for text in (b"hello.", b"x" * 3_000_000 + b"."):
            with connect() as connected:
                connected.sendall(text)
                heard = b""
                while piece := connected.recv(65_536):
                    heard += piece
            assert heard == text.upper()

    async with serving(shout) as member:
        await in_thread(work, member)


@trio_test
async def test_who_hangs_up_is_gone_at_the_other_end() -> None:
    async def send_endlessly(stream: ByteStream) -> None:
        while True:
            await stream.send_all(bytes(100_000))

    async with serving(send_endlessly) as member:

        def work(connect: Callable[..., socket.socket]) -> None:
            with connect() as connected:
                assert connected.recv(10)
            trio.from_thread.run(until, lambda: not member.network._guests._open, "it is noticed")

        await in_thread(work, member)


@trio_test
async def test_what_breaks_off_breaks_off_here_too() -> None:
    async def fail(stream: ByteStream) -> None:
        await stream.send_all(b"some")
        await stream.receive_some()
        raise RuntimeError("a bug")

    def work(connect: Callable[..., socket.socket]) -> None:
        with connect() as connected:
            assert connected.recv(10) == b"some"
            connected.sendall(b"go on")
            assert connected.recv(10) == b""

    async with serving(fail) as member:
        await in_thread(work, member)


@trio_test
async def test_whoever_is_not_there_or_says_nothing_is_an_error_of_sockets() -> None:
    async def nothing(stream: ByteStream) -> None:
        """Nobody gets here."""

    def work(connect: Callable[..., socket.socket]) -> None:
        with pytest.raises(ConnectionRefusedError, match="does not speak"):
            connect("/other")
        with pytest.raises(TimeoutError):
            connect(timeout_s=0)

    async with serving(nothing) as member:
        await in_thread(work, member)

    def afterwards() -> None:
        with closing(Tunnel(None)) as tunnel, pytest.raises(ConnectionError, match="Nobody answers"):
            tunnel.connect(member.network.addresses[0], member.peer, SPOKEN, 20)

    await trio.to_thread.run_sync(afterwards)
