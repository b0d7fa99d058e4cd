"""A member of a cluster that wears out a real daemon: it has every right to connect, and is no curator."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import trio
from libp2p.pubsub.pb import rpc_pb2

from pincrew import limits
from pincrew.api.shapes import Ready
from pincrew.frames import Frame, Hello, Standing, decode_frame, encode_frame
from pincrew.keys import SigningKey
from pincrew.network import FrameStream
from pincrew.network.neighbours import Greeting
from pincrew.network.streams import length_prefix
from support.attacker import MESHSUB, Attacker, connected

RATE_PER_S = 1_000
_AT_ONCE = 20  # messages, between two looks at the clock
# What an attacker's own library raises when the victim hangs up is of no interest.
HUNG_UP = Exception


@dataclass(frozen=True)
class Victim:
    """A daemon as others find it."""

    peer: str
    address: str
    cluster: bytes

    @classmethod
    def of(cls, ready: Ready, cluster: str) -> Victim:
        """The peer that a daemon says it runs for a cluster with this id."""
        return cls(ready.peer, next(one for one in ready.p2p if "/127.0.0.1/" in one), bytes.fromhex(cluster))


class Flooder:
    """One hostile identity that is a neighbour of a victim. ``heard`` is called with each frame from it.

    ``curator`` is the key of somebody who may write, as anybody can know it.
    """

    def __init__(self, attacker: Attacker, victim: Victim, curator: bytes, nursery: trio.Nursery) -> None:
        self.attacker = attacker
        self.victim = victim
        self.curator = curator
        self._nursery = nursery
        self._stream: FrameStream
        self.sent = 0
        self.heard: Callable[[Frame], None] = lambda frame: None

    @property
    def is_cut_off(self) -> bool:
        """Whether the victim ended the connection."""
        return not self.attacker.is_connected

    def gossip_of(self, sealed: bytes) -> bytes:
        """An envelope as a pubsub message of this identity, as it is sent."""
        message = self.attacker.message(sealed, topic=f"pincrew/{self.victim.cluster.hex()}")
        rpc: bytes = rpc_pb2.RPC(publish=[message]).SerializeToString()
        return length_prefix(len(rpc)) + rpc

    async def another_stream(self) -> Any:
        """Another sync stream, which takes the place of the one before."""
        return await self.attacker.open(f"/pincrew/{self.victim.cluster.hex()}/sync/1")

    async def mesh(self) -> Any:
        """A pubsub stream to the victim."""
        return await self.attacker.open(MESHSUB)

    async def neighbour(self) -> Any:
        """A sync stream on which hellos were said, and which is read."""
        raw = await self.another_stream()
        stream = FrameStream(self.victim.peer, raw)
        assert await stream.receive() == bytes([Greeting.WELCOME]), "the victim takes no neighbour"
        hello = Hello(limits.WIRE_VERSION, self.victim.cluster, Standing(0, bytes(32), 0, bytes(32)))
        await stream.send(encode_frame(hello))
        self._nursery.start_soon(self._listen, stream)
        self._stream = stream
        return raw

    async def say(self, frame: Frame) -> None:
        """Send a frame as a neighbour does."""
        await self._stream.send(encode_frame(frame))

    async def flood(self, stream: Any, message: Callable[[int], bytes]) -> None:
        """Write ``RATE_PER_S`` messages a second until the victim hangs up; ``message`` makes one, by its number."""
        began, before = trio.current_time(), self.sent
        while not self.is_cut_off:
            await stream.write(b"".join(message(self.sent + at) for at in range(_AT_ONCE)))
            self.sent += _AT_ONCE
            await trio.sleep_until(began + (self.sent - before) / RATE_PER_S)

    async def flood_frames(self, frames: Callable[[int], Frame]) -> None:
        """The same with frames on sync streams, on another one whenever the victim has enough of the one before."""

        def message(number: int) -> bytes:
            data = encode_frame(frames(number))
            return length_prefix(len(data)) + data

        while not self.is_cut_off:
            with suppress(HUNG_UP):
                await self.flood(await self.neighbour(), message)

    async def _listen(self, stream: FrameStream) -> None:
        with suppress(HUNG_UP):
            while True:
                self.heard(decode_frame(await stream.receive()))


@asynccontextmanager
async def flooding(victim: Victim, identity: SigningKey, curator: bytes) -> AsyncIterator[Flooder]:
    """Become a neighbour of a victim, as any member may."""
    async with connected(identity, victim.peer, victim.address) as attacker, trio.open_nursery() as nursery:
        flooder = Flooder(attacker, victim, curator, nursery)
        await flooder.neighbour()
        yield flooder
        nursery.cancel_scope.cancel()
