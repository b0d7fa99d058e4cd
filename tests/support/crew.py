"""Real networks on loopback in one process, with recording peers above them."""

from __future__ import annotations

import functools
import gc
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio

from pincrew.keys import SigningKey
from pincrew.network import Connection, FrameStream, Network, NetworkConfig, StreamClosed, Verdict

CLUSTER = hashlib.sha256(b"the cluster of the tests").digest()
PATIENCE_S = 15.0
TEST_S = 60.0


def trio_test(function: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an async test in a trio loop of its own, with an end."""

    @functools.wraps(function)
    def run(*args: Any, **keywords: Any) -> None:
        async def bounded() -> None:
            with trio.fail_after(TEST_S):
                await function(*args, **keywords)

        trio.run(bounded)
        # Whatever was left open is this test's fault and not that of the one during which it is collected.
        gc.collect()

    return run


async def until(condition: Callable[[], Any], what: str = "") -> None:
    """Wait for a condition, never for a time."""
    with trio.move_on_after(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 (what is waited for is somebody else's state)
            await trio.sleep(0.01)
        return
    raise AssertionError(f"it did not happen within {PATIENCE_S:g} s: {what or condition}")


def key(number: int) -> SigningKey:
    """Return the same key for the same number."""
    return SigningKey.from_seed(hashlib.sha256(b"key %d" % number).digest())


class Recorder:
    """A peer above the network: remembers everything, answers requests, says hello on each sync stream."""

    def __init__(self) -> None:
        self.neighbours: list[tuple[str, bool]] = []
        self.events: list[tuple[str, str]] = []
        self.streams: dict[str, FrameStream] = {}
        self.frames: list[tuple[str, bytes]] = []
        self.gossip: list[tuple[str, bytes, bytes]] = []
        self.judged: list[tuple[bytes, bytes]] = []
        self.failures: list[tuple[str, str | None, str]] = []
        self.verdict: Callable[[bytes, bytes], Verdict] = lambda author, data: Verdict.ACCEPT
        self.on_gossip: Callable[[bytes], None] = lambda data: None
        self.answer: Callable[[str, bytes], Awaitable[bytes]] = self.echo
        self.speak: Callable[[str, FrameStream, bool], Awaitable[None]] = self.listen
        self.taken: dict[str, list[bytes]] = {}
        self.take: Callable[[str, AsyncIterator[bytes]], Awaitable[None]] = self.collect

    def validate(self, author: bytes, data: bytes) -> Verdict:
        self.judged.append((author, data))
        return self.verdict(author, data)

    def gossip_received(self, forwarder: str, author: bytes, data: bytes) -> None:
        self.on_gossip(data)
        self.gossip.append((forwarder, author, data))

    async def serve_sync(self, peer: str, stream: FrameStream, dialled: bool) -> None:
        await self.speak(peer, stream, dialled)

    async def serve_request(self, peer: str, request: bytes) -> bytes:
        return await self.answer(peer, request)

    async def take_delivery(self, peer: str, pieces: AsyncIterator[bytes]) -> None:
        await self.take(peer, pieces)

    async def collect(self, peer: str, pieces: AsyncIterator[bytes]) -> None:
        async for piece in pieces:
            self.taken.setdefault(peer, []).append(piece)

    def connected(self, peer: str, dialled: bool) -> None:
        assert peer not in dict(self.neighbours), "one sync stream per peer"
        self.neighbours.append((peer, dialled))
        self.events.append(("connected", peer))

    def disconnected(self, peer: str) -> None:
        assert peer in dict(self.neighbours)
        self.neighbours = [each for each in self.neighbours if each[0] != peer]
        self.events.append(("disconnected", peer))

    def handshake_failed(self, address: str, peer: str | None, reason: str) -> None:
        self.failures.append((address, peer, reason))

    async def echo(self, peer: str, request: bytes) -> bytes:
        return b"echo " + request

    async def listen(self, peer: str, stream: FrameStream, dialled: bool) -> None:
        self.streams[peer] = stream
        try:
            while True:
                self.frames.append((peer, await stream.receive()))
        except StreamClosed:
            return
        finally:
            if self.streams.get(peer) is stream:
                del self.streams[peer]


class Member:
    """A network that runs, and the recorder above it."""

    def __init__(self, number: int, recorder: Recorder | None = None, **config: Any) -> None:
        settings: dict[str, Any] = {"cluster": CLUSTER, "listen": ("/ip4/127.0.0.1/tcp/0",), "mdns": False}
        clock = config.pop("clock", None)
        self.recorder = recorder or Recorder()
        self.network = Network(NetworkConfig(key=key(number), **(settings | config)), self.recorder, clock=clock)
        self._scope = trio.CancelScope()
        self._over = trio.Event()

    @property
    def peer(self) -> str:
        return self.network.peer

    @property
    def port(self) -> int:
        return int(self.network.addresses[0].split("/")[4])

    def connection(self, peer: Member) -> Connection | None:
        return next((each for each in self.network.connections() if each.peer == peer.peer), None)

    def seek(self, other: Member, **options: Any) -> None:
        self.network.seek(other.peer, other.network.addresses, **options)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        try:
            with self._scope:
                await self.network.run(task_status=task_status)
        finally:
            self._over.set()

    async def stop(self) -> None:
        self._scope.cancel()
        await self._over.wait()


@asynccontextmanager
async def running(*members: Member) -> AsyncIterator[trio.Nursery]:
    """Run members for as long as the block; one that dies fails the test."""
    async with trio.open_nursery() as nursery:
        for member in members:
            await nursery.start(_alive, member)
        yield nursery
        nursery.cancel_scope.cancel()


async def _alive(member: Member, *, task_status: trio.TaskStatus[None]) -> None:
    await member.run(task_status=task_status)
    assert member._scope.cancel_called, "the network ended by itself"


async def neighbours(one: Member, other: Member) -> None:
    """Wait until two members are neighbours of each other."""
    await until(
        lambda: other.peer in one.recorder.streams and one.peer in other.recorder.streams, "they become neighbours"
    )


async def in_mesh(*members: Member) -> None:
    """Wait until each member's pubsub messages reach all the others directly."""
    peers = {member.peer for member in members}
    await until(lambda: all(peers - {m.peer} <= m.network.listeners() for m in members), "pubsub is up")


async def works(one: Member, other: Member, note: bytes = b"still here") -> None:
    """Check that two neighbours sync, ask, answer and hear each other's pubsub messages (again)."""
    for source, target in ((one, other), (other, one)):
        await until(lambda s=source, t=target: t.peer in s.recorder.streams, "the sync stream is up")
        await source.recorder.streams[target.peer].send(note)
        await until(lambda s=source, t=target: (s.peer, note) in t.recorder.frames, "the frame arrives")
        assert await source.network.request(target.peer, note) == b"echo " + note
        await until(lambda s=source, t=target: t.peer in s.network.listeners(), "pubsub is up")
        await source.network.publish(note + b" from " + source.peer.encode())
        await until(
            lambda s=source, t=target: note + b" from " + s.peer.encode() in [each[2] for each in t.recorder.gossip],
            "the message arrives",
        )
