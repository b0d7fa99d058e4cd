"""A peer that holds a valid connection with an embedded node and then does with Bitswap what it likes."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import trio
from libp2p.peer.id import ID
from libp2p.protocol_muxer.multiselect_client import MultiselectClient
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator
from libp2p.stream_muxer.yamux.yamux import YAMUX_HEADER_FORMAT

from pincrew.keys import SigningKey, peer_id
from pincrew.network.hardening import serving, settle_library
from pincrew.network.host import build_host
from pincrew.network.streams import length_prefix
from pincrew.node.bitswap.message import Block, Message, Want, encode
from pincrew.node.multihash import cid_from
from support.crew import key

BITSWAP = "/ipfs/bitswap/1.2.0"
RAW_PREFIX = b"\x01\x55\x12\x20"

# Called with each message that the victim sends us; the raw bytes, with their length in front of each.
Heard = Callable[[Any], Awaitable[None]]


class BitswapAttacker:
    """One hostile identity, connected to a victim."""

    def __init__(self, identity: SigningKey, connection: Any) -> None:
        self.key = identity
        self.peer = peer_id(identity.public)
        self.connection = connection

    @property
    def is_connected(self) -> bool:
        return not self.connection.muxed_conn.event_shutting_down.is_set()

    async def open(self, protocol: str = BITSWAP) -> Any:
        """Open a stream and agree on a protocol."""
        stream = await self.connection.new_stream()
        client, communicator = MultiselectClient(), MultiselectCommunicator(stream)
        await client.handshake(communicator)
        await client.try_select(communicator, protocol)
        return stream

    async def raw_stream(self) -> Any:
        """Open a stream and agree on nothing."""
        return await self.connection.new_stream()

    async def frame(self, kind: int, flags: int, stream: int, length: int, body: bytes = b"") -> None:
        """Send one yamux frame, whatever it says."""
        header = struct.pack(YAMUX_HEADER_FORMAT, 0, kind, flags, stream, length)
        await self.connection.muxed_conn._write_frame(header + body)

    async def say(self, *messages: Message | bytes, stream: Any = None) -> Any:
        """Send messages on one stream; bytes are sent as they are, behind their length."""
        stream = stream or await self.open()
        for message in messages:
            data = message if isinstance(message, bytes) else encode(message)
            data = length_prefix(len(data)) + data
            for start in range(0, len(data), 60_000):
                await stream.write(data[start : start + 60_000])
        return stream


def made_up_cids(count: int, seed: int = 1) -> list[bytes]:
    """Return CIDs of blocks that nobody has."""
    random = Random(seed)
    return [cid_from(0x55, b"\x12\x20" + random.randbytes(32)) for _ in range(count)]


def wants(cids: list[bytes], **options: bool) -> Message:
    """Return a wantlist."""
    return Message(wants=[Want(cid, 1, **options) for cid in cids])


def blocks(*datas: bytes) -> Message:
    """Return a message with raw blocks."""
    return Message(blocks=[Block(RAW_PREFIX, data) for data in datas])


@asynccontextmanager
async def attacking(address: str, number: int = 666, hears: Heard | None = None) -> AsyncIterator[BitswapAttacker]:
    """Connect an attacker to the node at ``address``.

    ``hears(stream)`` serves the streams that the victim opens; without it nothing on them is ever read.
    """
    settle_library()
    identity = key(number)
    host = build_host(identity, lambda peer: None)
    host.streams_max = 100_000

    async def serve(stream: Any) -> None:
        if hears is not None:
            await hears(stream)
        await trio.sleep_forever()

    host.set_stream_handler(BITSWAP, serve)
    where, _, victim = address.rpartition("/p2p/")
    async with serving(host.get_network()):
        connection = await host.get_network().dial(where, ID.from_string(victim))
        try:
            yield BitswapAttacker(identity, connection)
        finally:
            await connection.muxed_conn.sever()
